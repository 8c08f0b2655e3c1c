"""The ingress's side of the market data feed on real sockets."""

import asyncio
import contextlib
from typing import Any

import pytest
import zmq
from tradepit.ingress import feed as feed_module
from tradepit.ingress.catalogue import Asset, Instrument
from tradepit.ingress.errors import Problem
from tradepit.ingress.feed import Feed
from tradepit.protocol import wire
from tradepit.protocol.units import InstrumentUnits

from tests.fake_matcher import BTC_USD
from tests.ingress_harness import until

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


class Ledger:
    """The ledger's side of the trades route: trades by id, as of a seq."""

    def __init__(self) -> None:
        self.seq = 0
        self.trades: dict[int, wire.MarketTrade] = {}
        self.is_away = False

    async def applied_seq(self, shard_id: int) -> int:
        if self.is_away:
            raise Problem("ledger_unreachable")
        return self.seq

    async def recent_trades(self, shard_id: int, instrument_id: int, limit: int) -> list[Any]:
        rows = [trade._asdict() for _, trade in sorted(self.trades.items(), reverse=True)]
        return [{name: row[name] for name in row if name != "request_id"} for row in rows][:limit]

    def apply(self, trade: wire.MarketTrade) -> None:
        self.seq = trade.seq
        self.trades[trade.trade_id] = trade


def trade_of(number: int) -> wire.MarketTrade:
    """The trade of the command `number`."""
    return wire.MarketTrade(0, number, number, number, 10_000, 5, 1, wire.Side.BUY)


def test_trades_that_the_feed_lost_are_shown_as_the_ledger_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "COMPARE_INTERVAL_S", 0.0)
    usd, btc = Asset(1, "USD", 6), Asset(2, "BTC", 8)
    units = InstrumentUnits.of(BTC_USD, base_decimals=8, quote_decimals=6)
    instrument = Instrument(1, "BTC-USD", 0, btc, usd, units, BTC_USD)
    ledger: Any = Ledger()
    nothing: Any = None

    async def run() -> None:
        with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
            publisher.linger = 0
            port = publisher.bind_to_random_port("tcp://127.0.0.1")
            async with Feed([f"tcp://127.0.0.1:{port}"], nothing, nothing, ledger) as feed:
                await asyncio.to_thread(publisher.recv)

                async def brought(record: Any) -> None:
                    publisher.send(record.encode())
                    await until(lambda: feed.seq == record.seq)

                async def shown() -> list[int]:
                    trades = await feed.trades(instrument, 100)
                    return [int(trade.trade_id) for trade in trades]

                await brought(trade_of(3))
                for number in (1, 2, 3):
                    ledger.apply(trade_of(number))
                assert await shown() == [3, 2, 1]
                await brought(trade_of(6))  # 4 and 5 are lost
                assert await shown() == [6, 3, 2, 1]  # the ledger does not have them yet
                ledger.apply(trade_of(4))
                assert await shown() == [6, 4, 3, 2, 1]
                ledger.apply(trade_of(5))
                ledger.is_away = True
                assert await shown() == [6, 4, 3, 2, 1]
                ledger.is_away = False
                for number in (6, 7):  # after the last one nothing comes
                    ledger.apply(trade_of(number))
                assert await shown() == [7, 6, 5, 4, 3, 2, 1]
                # Trade 5 is busted, which the ledger learns later; 4 is, which the feed loses.
                await brought(wire.MarketTradeChanged(0, 8, 8, 5, 10_000, 0, 1, wire.Side.BUY))
                assert await shown() == [7, 6, 4, 3, 2, 1]
                del ledger.trades[5], ledger.trades[4]
                ledger.seq = 9
                assert await shown() == [7, 6, 3, 2, 1]

    asyncio.run(asyncio.wait_for(run(), TIMEOUT_S))
