"""Market data of the feed, kept per worker: last trades, best prices, and who is watching them.

The feed may lose messages (with a matcher that is killed, or to ZeroMQ's high-water mark), so the last
trades are compared with the ledger's whenever somebody asks for them; nothing here is a record of
anything. The page and the public trades route read it.
"""

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import msgspec
import zmq
from tradepit.ingress.catalogue import Catalogue, Instrument
from tradepit.ingress.errors import Problem
from tradepit.ingress.ledger_reads import LedgerReads
from tradepit.ingress.router import Router
from tradepit.protocol import wire
from tradepit.protocol.errors import MalformedRecord, TradepitError
from tradepit.protocol.log import get_logger

log = get_logger(__name__)

TRADES_KEPT = 200  # per instrument
COMPARE_INTERVAL_S = 1.0  # an instrument's trades are compared no more often with the ledger's
COMPARE_TIMEOUT_S = 1.0
QUEUED_MESSAGES_MAX = 10_000
READ_MESSAGES_MAX = 256  # in one turn of the loop
WATCHDOG_S = 0.1
BROADCAST_S = 0.2  # watchers hear news together, this often
BOOK_LEVELS = 8
BOOK_S = 0.4  # one book query per watched instrument and so long
WATCHERS_MAX = 200
WATCHER_QUEUE_MAX = 32  # a watcher who is further behind is let go, and connects again

_encode = msgspec.json.Encoder().encode


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade without its parties. `side` is the taker's."""

    trade_id: str
    symbol: str
    price: str
    quantity: str
    side: str
    seq: int
    time_ns: str


class BookLevelView(msgspec.Struct, frozen=True):
    """One price, best first."""

    price: str
    quantity: str
    order_count: int


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """The open orders of an instrument by price, exact as of `seq`."""

    symbol: str
    seq: int
    bids: list[BookLevelView]
    asks: list[BookLevelView]


class Watcher:
    """One open event stream and the instrument it shows."""

    def __init__(self, instrument_id: int) -> None:
        self.instrument_id = instrument_id
        self.closed = False
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue(WATCHER_QUEUE_MAX)

    def tell(self, event: str, data: Any) -> None:
        """Never blocks; a watcher whose queue is full is let go."""
        self._put(b"event: %s\ndata: %s\n\n" % (event.encode(), _encode(data)))

    def close(self) -> None:
        """End the stream, without what is still queued."""
        self.closed = True
        while not self._events.empty():
            self._events.get_nowait()
        self._events.put_nowait(None)

    def _put(self, item: bytes) -> None:
        if self.closed:
            return
        try:
            self._events.put_nowait(item)
        except asyncio.QueueFull:
            self.close()

    async def events(self) -> AsyncIterator[bytes]:
        """Server-Sent Events until the watcher is let go. Something comes at least every
        BROADCAST_S, so that a client that went away is noticed.
        """
        while (event := await self._events.get()) is not None:
            yield event


class Feed:
    """The feed's newest, and the watchers. Use as an async context manager, with `broadcast` run in
    a task.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        catalogue: Catalogue,
        router: Router,
        ledger: LedgerReads,
    ) -> None:
        self._endpoints = endpoints
        self._catalogue = catalogue
        self._router = router
        self._ledger = ledger
        self._trades: defaultdict[int, deque[wire.MarketTrade]] = defaultdict(
            lambda: deque(maxlen=TRADES_KEPT)
        )
        self._tops: dict[int, wire.TopOfBook] = {}
        self._news: deque[wire.MarketTrade] = deque(maxlen=TRADES_KEPT)
        self._changed: set[int] = set()
        self._change_seqs: dict[int, int] = {}  # by instrument, of its last bust or correction
        self._comparing: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._compared_s: dict[int, float] = {}
        self._watchers: set[Watcher] = set()
        self._books: dict[int, Book] = {}
        self.seq = 0

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = self._context.socket(zmq.SUB)
        socket.linger = 0
        socket.setsockopt(zmq.RCVHWM, QUEUED_MESSAGES_MAX)
        socket.setsockopt(zmq.RECONNECT_IVL, 100)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2_000)
        # It never sends: of a machine that is gone it would hear nothing, for ever.
        socket.setsockopt(zmq.HEARTBEAT_IVL, 1_000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3_000)
        socket.subscribe(b"")
        for endpoint in self._endpoints:
            socket.connect(endpoint)
        self._socket = socket
        self._loop.add_reader(socket.FD, self._read)
        self._timer = self._loop.call_later(WATCHDOG_S, self._look_again)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close_watchers()
        self._timer.cancel()
        self._loop.remove_reader(self._socket.FD)
        self._socket.close(linger=0)
        self._context.term()

    def _look_again(self) -> None:
        self._read()  # the descriptor signals edges: see router.py
        self._timer = self._loop.call_later(WATCHDOG_S, self._look_again)

    def _read(self) -> None:
        if self._socket.closed:
            return
        for _ in range(READ_MESSAGES_MAX):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                records = wire.decode_all(frames[-1])
            except MalformedRecord as error:
                log.error("feed_sent_malformed_record", error=error)
                continue
            for record in records:
                self._take(record)
        self._loop.call_soon(self._read)

    def _take(self, record: Any) -> None:
        if isinstance(record, wire.MarketTrade):
            self._trades[record.instrument_id].append(record)
            self._news.append(record)
        elif isinstance(record, wire.MarketTradeChanged):
            self._change(record)
        elif isinstance(record, wire.TopOfBook):
            self._tops[record.instrument_id] = record
        else:
            return
        self.seq = max(self.seq, record.seq)
        self._changed.add(record.instrument_id)

    def _change(self, record: wire.MarketTradeChanged) -> None:
        """Show a trade as it stands now, and a busted one no longer."""
        self._change_seqs[record.instrument_id] = record.seq
        trades = self._trades[record.instrument_id]
        for index, trade in enumerate(trades):
            if trade.trade_id == record.trade_id:
                trades[index] = trade._replace(
                    price_ticks=record.price_ticks, quantity_lots=record.quantity_lots
                )
                if not record.quantity_lots:
                    del trades[index]
                return

    async def trades(self, instrument: Instrument, limit: int) -> list[PublicTrade]:
        """The newest trades, newest first. Those that the feed did not bring, because it was lost or
        because we were not there yet, come from the ledger.
        """
        instrument_id = instrument.instrument_id
        async with self._comparing[instrument_id]:
            since_s = self._loop.time() - self._compared_s.get(instrument_id, float("-inf"))
            if since_s >= COMPARE_INTERVAL_S:
                # What the feed brought is better than nothing.
                with suppress(Problem, TimeoutError):
                    async with asyncio.timeout(COMPARE_TIMEOUT_S):
                        await self._compare(instrument)
                self._compared_s[instrument_id] = self._loop.time()
        newest = itertools.islice(reversed(self._trades[instrument_id]), limit)
        return [_public_trade(instrument, record) for record in newest]

    async def _compare(self, instrument: Instrument) -> None:
        """Of what the ledger had applied before it was asked, it is right; of what came later, the feed."""
        instrument_id = instrument.instrument_id
        applied_seq = await self._ledger.applied_seq(instrument.shard_id)
        rows = await self._ledger.recent_trades(instrument.shard_id, instrument_id, TRADES_KEPT)
        if self._change_seqs.get(instrument_id, 0) > applied_seq:
            return  # rows may show a trade as it was before the change
        oldest_id = rows[-1]["trade_id"] if rows else None
        trades = {
            trade.trade_id: trade
            for trade in self._trades[instrument_id]
            if trade.seq > applied_seq or oldest_id is None or trade.trade_id < oldest_id
        }
        trades |= {row["trade_id"]: wire.MarketTrade(0, **dict(row)) for row in rows}
        self._trades[instrument_id] = deque(
            (trades[trade_id] for trade_id in sorted(trades)), maxlen=TRADES_KEPT
        )

    async def book(self, instrument: Instrument, levels: int) -> Book:
        """The book from the matcher. Raises what a request to the matcher raises."""
        link = self._router.of_shard(instrument.shard_id)
        *records, end = await link.request(wire.BookQuery, instrument.instrument_id, levels)
        if not isinstance(end, wire.QueryEnd):
            raise Problem("unknown_instrument", field="symbol")
        sides: dict[int, list[BookLevelView]] = {wire.Side.BUY: [], wire.Side.SELL: []}
        for record in records:
            sides[record.side].append(
                BookLevelView(
                    instrument.units.price_text(record.price_ticks),
                    instrument.units.quantity_text(record.quantity_lots),
                    record.order_count,
                )
            )
        return Book(
            symbol=instrument.symbol,
            seq=end.seq,
            bids=sides[wire.Side.BUY],
            asks=sides[wire.Side.SELL],
        )

    # -- watchers ------------------------------------------------------------------------------

    def watch(self, instrument: Instrument) -> Watcher:
        """A new watcher, until `unwatch` or until it falls behind. Raises Problem(busy)."""
        if len(self._watchers) >= WATCHERS_MAX:
            raise Problem("busy", "too many event streams are open")
        watcher = Watcher(instrument.instrument_id)
        self._watchers.add(watcher)
        return watcher

    def unwatch(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)

    def close_watchers(self) -> None:
        """End every stream: the service is about to stop."""
        for watcher in self._watchers:
            watcher.close()

    @property
    def watcher_count(self) -> int:
        return len(self._watchers)

    def tickers(self, instrument_ids: set[int] | None = None) -> list[dict[str, Any]]:
        """Last trade and best prices of these instruments, or of all."""
        shown = []
        for instrument in sorted(self._catalogue.by_id.values()):
            if instrument_ids is not None and instrument.instrument_id not in instrument_ids:
                continue
            units, top = instrument.units, self._tops.get(instrument.instrument_id)
            trades = self._trades[instrument.instrument_id]
            shown.append(
                {
                    "symbol": instrument.symbol,
                    "last": units.price_text(trades[-1].price_ticks) if trades else None,
                    "first": units.price_text(trades[0].price_ticks) if trades else None,
                    "bid": units.price_text(top.bid_price_ticks)
                    if top and top.bid_quantity_lots
                    else None,
                    "ask": units.price_text(top.ask_price_ticks)
                    if top and top.ask_quantity_lots
                    else None,
                }
            )
        return shown

    def status(self) -> dict[str, Any]:
        """What the page's status line says."""
        links = self._router.all()
        return {
            "seq": max([self.seq, *(link.last_seq for link in links)]),
            "up": all(link.up for link in links),
        }

    async def broadcast(self) -> None:
        """Tell the watchers what changed, together, until cancelled."""
        book_s = 0.0
        while True:
            await asyncio.sleep(BROADCAST_S)
            changed, self._changed = self._changed, set()
            news, self._news = self._news, deque(maxlen=TRADES_KEPT)
            self._watchers = {watcher for watcher in self._watchers if not watcher.closed}
            if not self._watchers:
                continue
            tickers = self.tickers(changed) if changed else []
            for watcher in list(self._watchers):
                watcher.tell("status", self.status())
                if tickers:
                    watcher.tell("tickers", tickers)
            for instrument_id in {watcher.instrument_id for watcher in self._watchers}:
                instrument = self._catalogue.by_id[instrument_id]
                trades = [
                    _public_trade(instrument, record)
                    for record in news
                    if record.instrument_id == instrument_id
                ]
                if trades:
                    self._tell(instrument_id, "trades", trades)
            if self._loop.time() - book_s >= BOOK_S:
                book_s = self._loop.time()
                await self._broadcast_books()

    async def _broadcast_books(self) -> None:
        """The feed tells of the best prices only; the depth behind them is asked for while somebody
        looks, once for all who look at the same instrument.
        """
        for instrument_id in {watcher.instrument_id for watcher in self._watchers}:
            instrument = self._catalogue.by_id[instrument_id]
            try:
                book = await self.book(instrument, BOOK_LEVELS)
            except (TradepitError, Problem):  # the status line says that the matcher is away
                continue
            old = self._books.get(instrument_id)
            if old is None or (book.bids, book.asks) != (old.bids, old.asks):
                self._books[instrument_id] = book
                self._tell(instrument_id, "book", book)

    def _tell(self, instrument_id: int, event: str, data: Any) -> None:
        for watcher in list(self._watchers):
            if watcher.instrument_id == instrument_id:
                watcher.tell(event, data)


def _public_trade(instrument: Instrument, record: wire.MarketTrade) -> PublicTrade:
    return PublicTrade(
        trade_id=str(record.trade_id),
        symbol=instrument.symbol,
        price=instrument.units.price_text(record.price_ticks),
        quantity=instrument.units.quantity_text(record.quantity_lots),
        side="buy" if record.taker_side == wire.Side.BUY else "sell",
        seq=record.seq,
        time_ns=str(record.time_ns),
    )
