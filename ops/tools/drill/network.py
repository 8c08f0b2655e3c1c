"""A NATS connection that repeats and reorders what it delivers."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tradepit.cli import ports
from tradepit.cli.embedded import EmbeddedServers

REPEATED_SHARE = 0.2
SWAPPED_SHARE = 0.02
START_TIMEOUT_S = 10.0
CHUNK_BYTES = 1 << 16
LINE_BYTES_MAX = 1 << 20


@contextmanager
def unruly_nats(folder: Path, seed: int) -> Iterator[dict[str, str]]:
    """A NATS server of its own with a proxy before it; the settings that lead to the proxy.

    JetStream's deliveries to consumers are repeated, or swapped with the one behind, now and then.
    Everything else passes as it is.
    """
    with EmbeddedServers(folder / "nats-beside") as servers:
        parts = urlsplit(servers.nats_url)
        port = ports.choose({}, ["proxy"])["proxy"]
        proxy = _Proxy(port, parts.port or 0, random.Random(seed))  # noqa: S311 - no secret: a seed is to give the same run again
        with proxy.running():
            address = f"{parts.username}:{parts.password}@{ports.LOOPBACK}:{port}"
            yield {"TRADEPIT_NATS_URL": f"nats://{address}"}


class _Proxy:
    def __init__(self, port: int, server_port: int, chance: random.Random) -> None:
        self._port = port
        self._server_port = server_port
        self._chance = chance
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def running(self) -> Iterator[None]:
        started = threading.Event()
        thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(started),), daemon=True
        )
        thread.start()
        started.wait(START_TIMEOUT_S)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(START_TIMEOUT_S)

    async def _serve(self, started: threading.Event) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(
            self._connect, ports.LOOPBACK, self._port, limit=LINE_BYTES_MAX
        )
        started.set()
        async with server:
            await self._stop.wait()
        for task in self._tasks:
            task.cancel()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, to_server = await asyncio.open_connection(
            ports.LOOPBACK, self._server_port, limit=LINE_BYTES_MAX
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, work in (
                    ("proxy.requests", self._copy(reader, to_server)),
                    ("proxy.deliveries", self._deliver(upstream, writer)),
                ):
                    task = tasks.create_task(work, name=name)
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        except* (OSError, asyncio.IncompleteReadError):
            pass  # one end has gone: so does the other
        finally:
            for end in (writer, to_server):
                end.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError

    async def _deliver(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held = b""
        while line := await reader.readline():
            words = line.split()
            frame = line
            is_delivery = False
            if words and words[0] in (b"MSG", b"HMSG"):
                frame += await reader.readexactly(int(words[-1]) + 2)
                is_delivery = any(word.startswith(b"$JS.ACK.") for word in words[3:])
            if is_delivery and not held and self._chance.random() < SWAPPED_SHARE:
                held = frame
                continue
            writer.write(frame)
            if is_delivery and self._chance.random() < REPEATED_SHARE:
                writer.write(frame)
            if held:  # whatever came behind it, so that nothing waits for ever
                writer.write(held)
                held = b""
            await writer.drain()
        raise ConnectionResetError
