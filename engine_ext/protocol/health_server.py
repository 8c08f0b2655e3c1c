"""A service's own small HTTP server: /health/live, /health/ready and /metrics.

It answers from a thread of its own, so that a busy event loop still tells that it lives.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.log import get_logger

log = get_logger(__name__)

METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_TIMEOUT_S = 5.0
SHUTDOWN_TIMEOUT_S = 5.0


@contextmanager
def serve_health(
    host: str,
    port: int,
    is_live: Callable[[], bool],
    why_not_ready: Callable[[], str],
    render_metrics: Callable[[], bytes],
) -> Iterator[None]:
    """Serve while the context is open; a port of 0 serves nothing.

    `is_live` says whether the event loop turns: what does not has to be ended. `why_not_ready` returns
    "" when the service does its work, else the reason that /health/ready gives with status 503. All
    three callables run on the server's threads. Raises ConfigurationError if the port is taken.
    """
    if port == 0:
        yield
        return

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            match self.path:
                case "/health/live":
                    if is_live():
                        self._answer(200, b"live\n")
                    else:
                        self._answer(503, b"the event loop does not turn\n")
                case "/health/ready":
                    reason = why_not_ready() if is_live() else "the event loop does not turn"
                    self._answer(503 if reason else 200, f"{reason or 'ready'}\n".encode())
                case "/metrics":
                    self._answer(200, render_metrics(), METRICS_CONTENT_TYPE)
                case _:
                    self._answer(404, b"try /health/live, /health/ready or /metrics\n")

        def _answer(self, status: int, body: bytes, content_type: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes and scrapes are not events."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            error = sys.exception()
            if not isinstance(error, (ConnectionError, TimeoutError)):  # a peer that went away
                log.error("health_request_failed", exc_info=error)

    try:
        server = Server((host, port), Handler)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} for metrics ({error.strerror}): set "
            "TRADEPIT_METRICS_HOST and TRADEPIT_METRICS_PORT"
        ) from error
    with server:
        thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(SHUTDOWN_TIMEOUT_S)
