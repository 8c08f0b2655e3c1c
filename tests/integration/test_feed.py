"""The ingress's side of the market data feed on real sockets."""

import asyncio
import contextlib
from typing import Any

import zmq
from tradepit.ingress.feed import Feed

TIMEOUT_S = 60.0


class SilentPath:
    """A way to a publisher on which, from a moment on, nothing passes and nothing is closed."""

    def __init__(self, publisher_port: int) -> None:
        self._publisher_port = publisher_port
        self.connections: asyncio.Queue[None] = asyncio.Queue()
        self.is_silent = False

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.put_nowait(None)
        upstream, to_publisher = await asyncio.open_connection("127.0.0.1", self._publisher_port)
        with contextlib.suppress(OSError):
            await asyncio.gather(self._copy(reader, to_publisher), self._copy(upstream, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.is_silent:
                writer.write(data)
        writer.close()


def test_a_publisher_whose_machine_is_gone_without_a_word_is_connected_to_again() -> None:
    async def run() -> None:
        with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
            publisher.linger = 0
            path = SilentPath(publisher.bind_to_random_port("tcp://127.0.0.1"))
            server = await asyncio.start_server(path.connect, "127.0.0.1", 0)
            endpoint = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            nothing: Any = None
            async with server, Feed([endpoint], nothing, nothing, nothing):
                await path.connections.get()
                await asyncio.to_thread(publisher.recv)  # the subscription: all is as it should be
                path.is_silent = True
                await path.connections.get()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    asyncio.run(asyncio.wait_for(run(), TIMEOUT_S))
