"""`tradepit ingress`: read the settings, serve until SIGTERM or SIGINT."""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
import uvloop
from tradepit.ingress.app import Ingress, create_app
from tradepit.ingress.http_protocol import BoundedProtocol
from tradepit.ingress.settings import Settings, read_settings
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.log import get_logger, setup_logging
from tradepit.protocol.settings import help_text

log = get_logger(__name__)

BACKLOG = 1_024
KEEP_ALIVE_S = 30
SHUTDOWN_TIMEOUT_S = 5
HELP = f"""usage: tradepit ingress

Serves the REST API, its documentation at /docs and the market page at /.

{help_text("ingress")}
"""


class Server(uvicorn.Server):
    """uvicorn's server, with signals left to us: its own handling ends the process by the signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets is not None
        host, port = sockets[0].getsockname()[:2]
        gc.collect()
        gc.freeze()  # what start-up made stays: collections need not walk it again and again
        log.info("ready", url=f"http://{host}:{port}")


def main(argv: Sequence[str] = ()) -> int:
    """Serve; the process's exit code: 0 after an orderly stop, 2 for a wrong setting, else 1."""
    if argv:
        print(HELP, end="", file=sys.stdout if argv[0] in ("-h", "--help") else sys.stderr)
        return 0 if argv[0] in ("-h", "--help") else 2
    try:
        setup_logging("ingress")
        # Its warnings are of requests: whoever sends rubbish must not fill the log.
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        settings = read_settings()
        listener = _listen(settings)
    except ConfigurationError as error:
        print(f"tradepit ingress: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"tradepit ingress: cannot listen on {settings.http_host}:{settings.http_port}: "
            f"{error.strerror} (TRADEPIT_HTTP_HOST, TRADEPIT_HTTP_PORT)",
            file=sys.stderr,
        )
        return 1
    with listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(create_app(settings), listener))
    return 0


async def serve(app: Ingress, listener: socket.socket) -> None:
    """Serve on a bound socket until SIGTERM or SIGINT; requests at work get SHUTDOWN_TIMEOUT_S."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here trusts an address, and the order path saves the look
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
    server = Server(config)
    app.resources.metrics.connection_count = lambda: len(server.server_state.connections)

    def stop() -> None:
        app.stop_streams()
        server.should_exit = True

    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop)
    await server.serve(sockets=[listener])


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.http_host, settings.http_port))
    except OSError:
        listener.close()
        raise
    return listener


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
