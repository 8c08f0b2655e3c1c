"""What the ledger shows of itself: Prometheus text and two health answers over plain HTTP."""

import asyncio
import logging
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from tradepit.protocol.errors import ConfigurationError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
REQUEST_TIMEOUT_S = 2.0
REQUEST_BYTES_MAX = 4096


class Metrics:
    """The ledger's figures. One object a process; tests make their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.applied_seq = Gauge(
            "tradepit_ledger_applied_seq",
            "Last command whose events are in PostgreSQL",
            registry=self.registry,
        )
        self.pending_messages = Gauge(
            "tradepit_ledger_pending_messages",
            "Stream messages that are waiting to be stored, as of the last one received",
            registry=self.registry,
        )
        self.cached_seq = Gauge(
            "tradepit_ledger_cached_seq",
            "Last command whose positions are in Redis",
            registry=self.registry,
        )
        self.cache_complete = Gauge(
            "tradepit_ledger_cache_complete",
            "1 while Redis holds every position",
            registry=self.registry,
        )
        self.commands = Counter(
            "tradepit_ledger_commands", "Commands stored", registry=self.registry
        )
        self.events = Counter("tradepit_ledger_events", "Events stored", registry=self.registry)
        self.repeats = Counter(
            "tradepit_ledger_repeats",
            "Commands that came again and were skipped",
            registry=self.registry,
        )
        self.gaps = Counter(
            "tradepit_ledger_gaps",
            "Gaps that made the stream be read again",
            registry=self.registry,
        )
        self.interruptions = Counter(
            "tradepit_ledger_interruptions",
            "Times that a server went away",
            ["server"],
            registry=self.registry,
        )
        self.fold_seconds = Histogram(
            "tradepit_ledger_fold_seconds", "Decoding of one batch", registry=self.registry
        )
        self.commit_seconds = Histogram(
            "tradepit_ledger_commit_seconds", "One transaction", registry=self.registry
        )


class HealthServer:
    """GET /metrics, /health/live and /health/ready on loopback; one request a connection."""

    def __init__(self, port: int, metrics: Metrics, is_ready: Callable[[], bool]) -> None:
        self._port = port
        self._metrics = metrics
        self._is_ready = is_ready

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Raises ConfigurationError if the port is taken."""
        try:
            server = await asyncio.start_server(
                self._answer, HOST, self._port, limit=REQUEST_BYTES_MAX
            )
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {HOST}:{self._port} for metrics: {error.strerror}"
            ) from error
        async with server:
            await stop.wait()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                status, kind, body = self._page(head.split(b"\r\n", 1)[0])
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                    "Connection: close\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            log.debug("health_request_dropped")
        finally:
            writer.close()

    def _page(self, request_line: bytes) -> tuple[str, str, bytes]:
        parts = request_line.split(b" ")
        if len(parts) != 3 or parts[0] != b"GET":
            return "405 Method Not Allowed", "text/plain", b"only GET\n"
        match parts[1].split(b"?")[0]:
            case b"/metrics":
                return "200 OK", CONTENT_TYPE_LATEST, generate_latest(self._metrics.registry)
            case b"/health/live":
                return "200 OK", "text/plain", b"live\n"
            case b"/health/ready":
                if self._is_ready():
                    return "200 OK", "text/plain", b"ready\n"
                return "503 Service Unavailable", "text/plain", b"not ready\n"
            case _:
                return "404 Not Found", "text/plain", b"no such page\n"
