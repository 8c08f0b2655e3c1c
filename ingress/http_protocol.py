"""uvicorn's HTTP protocol, with bounds on a request that is not whole yet.

uvicorn bounds neither: whoever sends an endless header would have it kept, and whoever sends nothing
would hold a connection for good. Bodies are bounded by Litestar.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 16 * 1024  # of a request line and headers, where they come in several pieces
REQUEST_TIMEOUT_S = 10.0  # from the first byte, or the connection, to the end of the body
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._timer: asyncio.TimerHandle | None = None
        self._is_whole = False  # the request at hand has come to its end
        self._is_in_head = True
        self._head_bytes = 0

    # uvicorn's own signature, narrower than asyncio.Protocol's: over TCP it is always a Transport.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
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
        self._head_bytes = self._head_bytes + len(data) if self._is_in_head else 0
        if self._head_bytes > HEAD_BYTES_MAX:
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        self._is_whole, self._is_in_head, self._head_bytes = False, True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_whole = True
        self._stop_timer()
        super().on_message_complete()

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(REQUEST_TIMEOUT_S, self._end_unfinished)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_unfinished(self) -> None:
        self._timer = None
        if self._is_in_head and self.cycle is not None and not self.cycle.response_complete:
            self._start_timer()  # the answer to the request before is still on its way
        else:
            self.transport.close()
