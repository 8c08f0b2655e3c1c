"""What is noted of each request where somebody wants to know: a line in the log, a span. Off, it costs
nothing but the question.
"""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tradepit.ingress.request_context import ANSWERED, TRACE
from tradepit.protocol.log import get_logger
from tradepit.protocol.traces import Parent, Tracer, context_of, parent_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

log = get_logger(__name__)

TRACEPARENT = b"traceparent"
SERVER_ERROR = 500


class Notes:
    """Of one request, from its headers to those of its answer."""

    def __init__(self, method: str, span: "Span | None") -> None:
        self._method = method
        self._span = span
        self._answered: list[tuple[int, int]] = []
        ANSWERED.set(self._answered)
        TRACE.set(None)
        if span is not None and span.is_recording():
            context = context_of(span)
            TRACE.set((context.trace_id.to_bytes(16, "big"), context.span_id.to_bytes(8, "big")))

    def end(
        self, request_id: bytes, route: str, path: str, status: int, order_id: str = ""
    ) -> None:
        """Log and send what was noted: from it, shard and seq lead to the journal and the tables."""
        log.debug(
            "request",
            request_id=request_id.decode(),
            method=self._method,
            path=path,
            status=status,
            order_id=order_id,
            answered=" ".join(f"{shard_id}:{seq}" for shard_id, seq in self._answered),
        )
        span = self._span
        if span is None or not span.is_recording():
            return
        span.update_name(f"{self._method} {route}")
        span.set_attributes(
            {
                "http.request.method": self._method,
                "http.route": route,
                "http.response.status_code": status,
                "tradepit.request_id": request_id.decode(),
            }
        )
        if self._answered:
            shard_id, seq = self._answered[-1]
            span.set_attributes({"tradepit.shard": shard_id, "tradepit.seq": seq})
        if order_id:
            span.set_attribute("tradepit.order_id", order_id)
        if status >= SERVER_ERROR:
            from opentelemetry.trace import StatusCode

            span.set_status(StatusCode.ERROR)
        span.end()


class NoteTaker:
    """Takes notes if lines of requests are logged (LOG_LEVEL=DEBUG) or spans are sent."""

    def __init__(self, tracer: Tracer | None) -> None:
        self._tracer = tracer
        self.is_on = tracer is not None or log.isEnabledFor(logging.DEBUG)

    def begin(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> Notes:
        """Only while `is_on`."""
        span = None
        if self._tracer is not None:
            named = next((value for name, value in headers if name == TRACEPARENT), None)
            parent = Parent() if named is None else parent_of(named.decode("latin-1"))
            span = self._tracer.start(method, parent)
        return Notes(method, span)
