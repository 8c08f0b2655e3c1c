"""uvicorn's HTTP protocol, with bounds on a request that is not whole yet and on connections.

uvicorn bounds no request: whoever sends an endless header would have it kept, and whoever sends nothing
would hold a connection for good. Bodies are bounded by Litestar. Its own bound on connections answers
503 to all of them, health probes included, once there are too many.
"""

import asyncio
import heapq
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CONNECTIONS_MAX = 4_096
CLOSED_AT_ONCE = 64  # connections, when there are too many: looking for them means looking at all
HEAD_BYTES_MAX = 16 * 1024  # of a request line and headers, where they come in several pieces
REQUEST_TIMEOUT_S = 10.0  # from the first byte, or the connection, to the end of the body
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class _Parser(httptools.HttpRequestParser):
    """A parser that ignores an Upgrade header, as RFC 9110 (7.8) allows.

    httptools takes what follows such a head for another protocol, the request's body included, and
    uvicorn drops it. Java's HttpClient asks for HTTP/2 in this way unless told otherwise.
    """

    def __init__(self, protocol: "BoundedProtocol") -> None:
        super().__init__(protocol)
        self._protocol = protocol
        # As uvicorn has it: what follows a request with `connection: close` is no error.
        self.set_dangerous_leniencies(lenient_data_after_close=True)

    @property
    def is_offered_upgrade(self) -> bool:
        """The head just read has an Upgrade header. CONNECT, which uvicorn refuses, is no offer."""
        return self.should_upgrade() and self.get_method() != b"CONNECT"

    def feed_data(self, data: Any) -> None:  # bytes, or a view of them
        parser = self
        while True:
            try:
                super(_Parser, parser).feed_data(data)
            except httptools.HttpParserUpgrade as stop:
                if not parser.is_offered_upgrade:
                    raise
                data = memoryview(data)[stop.args[0] :]
                # The same request, from its start. This parser has ended if it says `close`, too.
                head = parser._head_without_upgrade()
                parser = self._protocol.parser = _Parser(self._protocol)
                super(_Parser, parser).feed_data(head)
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        protocol = self._protocol
        version = self.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.get_method(), protocol.url, version)]
        lines += [b"%b: %b" % each for each in protocol.headers if each[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser: _Parser = _Parser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._is_whole = False  # the request at hand has come to its end
        self._is_in_head = True
        self._head_bytes = 0
        self._has_read_end = False  # of a request, in what was just read

    # uvicorn's own signature, narrower than asyncio.Protocol's: over TCP it is always a Transport.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX and not self._make_room():
            transport.abort()
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._has_read_end = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_whole:
            # After the answer something came that begins no request (an empty line, the rest of a body
            # that nobody wanted): uvicorn has stopped its timer for it, and would start none.
            if self.cycle.response_complete and self._timer is None:
                self._start_timer()
            return
        if self._timer is None:
            self._start_timer()
        if not self._is_in_head:
            return
        # Where the head begins in what was read after the end of another request, nobody says.
        if not self._has_read_end:
            self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            if not self._is_answering():
                self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        self._is_whole, self._is_in_head, self._head_bytes = False, True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self.parser.is_offered_upgrade:
            return
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self.parser.is_offered_upgrade:
            return
        self._is_whole = self._has_read_end = True
        self._stop_timer()
        super().on_message_complete()

    def _make_room(self) -> bool:
        """Close connections that wait for their peer, first those whose time is over soonest."""
        waiting = [
            (ends_at, id(each), each)
            for each in self.connections
            if isinstance(each, BoundedProtocol) and (ends_at := each._ends_at()) is not None
        ]
        for _, _, each in heapq.nsmallest(CLOSED_AT_ONCE, waiting):
            self.connections.discard(each)  # not again for the next one: it hears of its end later
            each.transport.abort()
        return bool(waiting)

    def _ends_at(self) -> float | None:
        """When this connection is closed if its peer sends nothing; None while it is owed an answer."""
        timer = self._timer or self.timeout_keep_alive_task
        return None if timer is None or self._is_answering() else timer.when()

    def _is_answering(self) -> bool:
        """The answer to a request that is whole is still on its way."""
        return (
            (self._is_in_head or self._is_whole)
            and self.cycle is not None
            and not self.cycle.response_complete
        )

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(REQUEST_TIMEOUT_S, self._end_unfinished)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_unfinished(self) -> None:
        self._timer = None
        if self._is_in_head and self._is_answering():
            self._start_timer()  # the answer to the request before is still on its way
        else:
            self.transport.close()
