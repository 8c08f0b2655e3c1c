"""Market data: trades and the best prices, from a shard's PUB socket.

The feed is not the record: a subscriber that falls behind by MESSAGES_QUEUED_MAX messages, or loses
its connection, misses some, and is not told. `seq` says which command each record belongs to; the
next TopOfBook puts the top right again, and `Client.book` gives the whole book.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from types import TracebackType
from typing import Self

import zmq
from tradepit.client.session import open_socket
from tradepit.protocol import wire
from tradepit.protocol.errors import MalformedRecord
from tradepit.protocol.names import feed_topic

WATCH_S = 0.1  # how late a missed edge of the descriptor is noticed, at worst

FeedRecord = wire.MarketTrade | wire.TopOfBook | wire.AuctionIndicative | wire.MarketTradeChanged


class FeedSubscriber:
    """The records of some instruments, or of all, in the order of the shard.

    `receive` blocks; iterating over it blocks for ever; `async for` does not block the loop. Use one
    of them, from one thread. A subscription reaches the server in the background: what happened
    before that is not seen.
    """

    def __init__(self, endpoint: str, instrument_ids: Iterable[int] = ()) -> None:
        """Raises Unreachable if the endpoint is not one."""
        self._socket = open_socket(zmq.SUB, endpoint)
        topics = [feed_topic(instrument_id) for instrument_id in instrument_ids]
        for topic in topics or [b""]:
            self._socket.subscribe(topic)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close at once."""
        self._socket.close()

    def receive(self, timeout_s: float) -> list[FeedRecord]:
        """The records of one message, or none when none came in time."""
        if not self._socket.poll(max(0, int(timeout_s * 1000))):
            return []
        return _records(self._socket.recv_multipart())

    def __iter__(self) -> Iterator[FeedRecord]:
        while True:
            yield from _records(self._socket.recv_multipart())

    async def __aiter__(self) -> AsyncIterator[FeedRecord]:
        loop = asyncio.get_running_loop()
        edge = asyncio.Event()
        loop.add_reader(int(self._socket.fd), edge.set)
        try:
            while True:
                edge.clear()
                while True:  # the descriptor is edge-triggered: read all there is
                    try:
                        parts = self._socket.recv_multipart(zmq.NOBLOCK)
                    except zmq.Again:
                        break
                    for record in _records(parts):
                        yield record
                try:
                    async with asyncio.timeout(WATCH_S):
                        await edge.wait()
                except TimeoutError:
                    continue
        finally:
            loop.remove_reader(int(self._socket.fd))


def _records(parts: list[bytes]) -> list[FeedRecord]:
    if len(parts) != 2:
        raise MalformedRecord(f"a feed message has a topic and a payload, not {len(parts)} frames")
    return wire.decode_all(parts[1])
