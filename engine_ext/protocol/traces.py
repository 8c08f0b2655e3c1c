"""OpenTelemetry spans, while OTEL_EXPORTER_OTLP_ENDPOINT is set; the extra `traces` brings the packages.

Everything else is set by OpenTelemetry's own variables: which requests are sampled
(OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG), where the spans go, how many wait. Spans are sent by a
thread, in batches; what does not fit its queue is dropped.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tradepit.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
BATCH_HEADER = "Tradepit-Traces"  # of a commit batch: seq=trace id-span id, with commas between
TRACES_PER_BATCH_MAX = 8  # the broker counts headers as payload
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_OF_BATCH = re.compile(r"([0-9]{1,19})=([0-9a-f]{32})-([0-9a-f]{16})")


class Parent(NamedTuple):
    """The span that others belong to. Not set (0, 0): they begin a trace."""

    trace_id: int = 0
    span_id: int = 0
    is_sampled: bool = True


def parent_of(traceparent: str) -> Parent:
    """What a W3C traceparent header names; nothing if it is not well-formed."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return Parent()
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return Parent(trace_id, span_id, bool(flags & 1)) if trace_id and span_id else Parent()


def batch_header_of(parents: Sequence[tuple[int, Parent]]) -> str:
    """The header of a commit batch that has these traced commands, by seq."""
    return ",".join(
        f"{seq}={parent.trace_id:032x}-{parent.span_id:016x}"
        for seq, parent in parents[:TRACES_PER_BATCH_MAX]
    )


def read_batch_header(text: str) -> list[tuple[int, Parent]]:
    """The reverse; what is not well-formed is left out."""
    found = (_OF_BATCH.fullmatch(part) for part in text.split(",", TRACES_PER_BATCH_MAX))
    return [
        (int(part[1]), Parent(int(part[2], 16), int(part[3], 16)))
        for part in found
        if part is not None
    ]


class Tracer:
    """Makes the spans of one service."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("tradepit")

    def start(
        self,
        name: str,
        parent: Parent,
        start_ns: int | None = None,
        **attributes: str | int,
    ) -> "Span":
        """A span that the caller ends."""
        from opentelemetry import trace

        context = trace.set_span_in_context(trace.INVALID_SPAN)
        if parent.trace_id:
            flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if parent.is_sampled else 0)
            remote = trace.SpanContext(
                parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags
            )
            context = trace.set_span_in_context(trace.NonRecordingSpan(remote))
        return self._tracer.start_span(
            name,
            context,
            start_time=start_ns,
            attributes={f"tradepit.{key}": value for key, value in attributes.items()},
        )

    def record(
        self, name: str, parent: Parent, start_ns: int, end_ns: int, **attributes: str | int
    ) -> Parent:
        """A span of what is over; whoever comes after it belongs to what is returned."""
        span = self.start(name, parent, start_ns, **attributes)
        span.end(max(end_ns, start_ns))
        return context_of(span)

    def shutdown(self) -> None:
        """Send what waits, for a bounded time."""
        self._provider.shutdown()


def context_of(span: "Span") -> Parent:
    """The span as the parent of others."""
    context = span.get_span_context()
    return Parent(context.trace_id, context.span_id, context.trace_flags.sampled)


def make_tracer(service: str, environment: Mapping[str, str] = os.environ) -> Tracer | None:
    """None unless an endpoint is set. Raises ConfigurationError if the packages are missing."""
    if not any(environment.get(name) for name in ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{ENDPOINTS[0]} is set and the package {error.name} is not installed: pip install "
            "'tradepit[traces]'"
        ) from error
    name = environment.get("OTEL_SERVICE_NAME", f"tradepit-{service}")
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracer(provider)
