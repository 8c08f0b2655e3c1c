"""A stand-in for the matcher: the real wire on a real ROUTER, with rules simple enough to predict.

Limit orders rest (a limit `ioc` or `fok` and any market order trade at once, in two fills at 100.00
and 100.02), `insufficient_funds` answers quantities of 1,000 lots and more, and everything of an
account is remembered; a client order id that repeats gets its first answer again. It fails on demand:
`silent` keeps answers back, `full` refuses commands, `forget_sessions` acts like a restart.
"""

import threading
import time
from collections import defaultdict
from types import TracebackType
from typing import Any, Self

import zmq
from tradepit.protocol import wire

ASSETS = [(1, "USD", 6), (2, "BTC", 8)]
BTC_USD = wire.InstrumentChanged(
    symbol="BTC-USD",
    tick_size=1,
    lot_size_units=10_000,
    tick_lot_units=1,
    price_ticks_min=1,
    price_ticks_max=10_000_000_00,
    quantity_lots_min=1,
    quantity_lots_max=1_000_000,
    instrument_id=1,
    base_asset_id=2,
    quote_asset_id=1,
    taker_fee_ppm=500,
    price_decimals=2,
    trading_state=wire.TradingState.CONTINUOUS,
)
FUNDS_LOTS = 1_000


class FakeMatcher:
    """Runs in a thread between `with`; `endpoint` is where it listens."""

    def __init__(self, operator_key: bytes) -> None:
        self.silent = False
        self.full = False
        self.refused_count = 0
        self.instruments = [BTC_USD]
        self.message_record_counts: list[int] = []
        self.seq = 0
        self.orders: list[wire.NewOrder] = []
        self.open: dict[int, wire.ExecutionReport] = {}
        self._answers: dict[tuple[int, int], list[Any]] = {}  # by client order id
        self._forget = False
        self._operator_key = operator_key
        self._account_seq: defaultdict[int, int] = defaultdict(int)
        self._sessions: set[bytes] = set()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 0
        port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"
        feed = self._context.socket(zmq.PUB)
        feed.linger = 0
        self.feed_endpoint = f"tcp://127.0.0.1:{feed.bind_to_random_port('tcp://127.0.0.1')}"
        self._feed = feed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-matcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        self._socket.close()
        self._feed.close()
        self._context.term()

    def forget_sessions(self) -> None:
        """From the next message on, every session is unknown, as after a restart."""
        self._forget = True

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self._socket.poll(20):
                continue
            identity, message = self._socket.recv_multipart()
            if self._forget:
                self._forget = False
                self._sessions.clear()
            requests = wire.decode_all(message)
            self.message_record_counts.append(len(requests))
            replies = [reply for request in requests for reply in self._answer(identity, request)]
            if replies and not self.silent:
                self._socket.send_multipart([identity, b"".join(r.encode() for r in replies)])

    def _answer(self, identity: bytes, request: Any) -> list[Any]:
        number = request.request_id
        if isinstance(request, wire.Logon):
            if request.key != self._operator_key:
                return [wire.Reject(number, reason=wire.Reason.WRONG_KEY)]
            self._sessions.add(identity)
            return [wire.LoggedOn(number, 0, self.seq, durability=wire.Durability.DISK)]
        if identity not in self._sessions:
            return [wire.Reject(number, reason=wire.Reason.NOT_LOGGED_ON)]
        if self.full and isinstance(request, wire.COMMANDS):
            self.refused_count += 1
            return [wire.Reject(number, reason=wire.Reason.STORAGE_FULL, flags=1)]
        answer: list[Any] = getattr(self, f"_on_{type(request).__name__}")(request)
        return [record._replace(request_id=number) for record in answer]

    def _end(self, account_id: int, count: int) -> wire.QueryEnd:
        return wire.QueryEnd(0, self.seq, self._account_seq[account_id], count)

    def _on_TraceContext(self, request: wire.TraceContext) -> list[Any]:
        return []

    def _on_StatusQuery(self, request: wire.StatusQuery) -> list[Any]:
        return [wire.ShardStatus(seq=self.seq, committed_seq=self.seq)]

    def _on_InstrumentsQuery(self, request: wire.InstrumentsQuery) -> list[Any]:
        assets = [wire.AssetChanged(0, 1, 0, symbol, id_, digits) for id_, symbol, digits in ASSETS]
        return [*assets, *self.instruments, self._end(0, len(assets) + len(self.instruments))]

    def _on_BookQuery(self, request: wire.BookQuery) -> list[Any]:
        bid = wire.BookLevel(0, 10_000, 5, 2, 1, wire.Side.BUY)
        ask = wire.BookLevel(0, 10_002, 7, 1, 1, wire.Side.SELL)
        return [bid, ask, self._end(0, 2)]

    def _on_BalancesQuery(self, request: wire.BalancesQuery) -> list[Any]:
        balance = wire.Balance(0, request.account_id, 1_500_000, 500_000, 1)
        return [balance, self._end(request.account_id, 1)]

    def _find(self, request: Any) -> wire.ExecutionReport | None:
        for report in self.open.values():
            named = request.order_id == report.order_id or (
                request.order_id == 0 and request.client_order_id == report.client_order_id
            )
            if named and report.account_id == request.account_id:
                return report
        return None

    def _on_OrderQuery(self, request: wire.OrderQuery) -> list[Any]:
        found = self._find(request)
        if found is None:
            return [wire.Reject(reason=wire.Reason.UNKNOWN_ORDER)]
        return [found._replace(kind=wire.ExecutionKind.STATUS, flags=wire.ReportFlag.LAST)]

    def _on_OpenOrdersQuery(self, request: wire.OpenOrdersQuery) -> list[Any]:
        found = [
            report._replace(kind=wire.ExecutionKind.STATUS)
            for report in self.open.values()
            if report.account_id == request.account_id and report.order_id > request.after_order_id
        ][: request.count_max]
        return [*found, self._end(request.account_id, len(found))]

    def _on_NewOrder(self, order: wire.NewOrder) -> list[Any]:
        name = (order.account_id, order.client_order_id)
        if order.client_order_id and name in self._answers:
            return [
                report._replace(flags=report.flags | wire.ReportFlag.REPLAYED)
                for report in self._answers[name]
            ]
        answer = self._place(order)
        if answer[-1].order_id:
            self._answers[name] = answer
        return answer

    def _place(self, order: wire.NewOrder) -> list[Any]:
        self.orders.append(order)
        self.seq += 1
        report = wire.ExecutionReport(
            0,
            self.seq,
            time.time_ns(),
            self.seq,
            order.account_id,
            order.client_order_id,
            order.price_ticks,
            order.quantity_lots,
            remaining_lots=order.quantity_lots,
            instrument_id=order.instrument_id,
            kind=wire.ExecutionKind.ACCEPTED,
            status=wire.OrderStatus.OPEN,
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            order_flags=order.flags,
            self_trade_prevention=order.self_trade_prevention,
            trigger_price_ticks=order.trigger_price_ticks,
            display_quantity_lots=order.display_quantity_lots,
            expire_time_ns=order.expire_time_ns,
            offset_ticks=order.offset_ticks,
            trail_offset_bps=order.trail_offset_bps,
            peg_reference=order.peg_reference,
            command_type=wire.MessageType.NEW_ORDER,
        )
        if order.quantity_lots >= FUNDS_LOTS:
            reason = wire.Reason.INSUFFICIENT_FUNDS
            rejected = wire.ExecutionKind.REJECTED
            return [report._replace(order_id=0, kind=rejected, reason=reason, flags=1)]
        self._account_seq[order.account_id] = self.seq
        if order.time_in_force == wire.TimeInForce.GTC:
            self.open[report.order_id] = report
            return [report._replace(flags=1)]
        first = order.quantity_lots // 2
        trade = report._replace(
            kind=wire.ExecutionKind.TRADE,
            status=wire.OrderStatus.PARTIALLY_FILLED,
            trade_id=2 * self.seq,
            trade_price_ticks=10_000,
            trade_quantity_lots=first,
            filled_lots=first,
            remaining_lots=order.quantity_lots - first,
            fee_units=5,
            liquidity=wire.Liquidity.TAKER,
        )
        last = trade._replace(
            status=wire.OrderStatus.FILLED,
            trade_id=2 * self.seq + 1,
            trade_price_ticks=10_002,
            trade_quantity_lots=order.quantity_lots - first,
            filled_lots=order.quantity_lots,
            remaining_lots=0,
            flags=1,
        )
        return [report, trade, last] if first else [report, last]

    def _on_CancelOrder(self, request: wire.CancelOrder) -> list[Any]:
        self.seq += 1
        found = self._find(request)
        if found is None:
            rejected, reason = wire.ExecutionKind.REJECTED, wire.Reason.UNKNOWN_ORDER
            return [wire.ExecutionReport(seq=self.seq, kind=rejected, reason=reason, flags=1)]
        del self.open[found.order_id]
        self._account_seq[request.account_id] = self.seq
        return [
            found._replace(
                seq=self.seq,
                kind=wire.ExecutionKind.CANCELED,
                status=wire.OrderStatus.CANCELED,
                remaining_lots=0,
                cancel_reason=wire.CancelReason.REQUESTED,
                flags=1,
            )
        ]

    def _on_ReplaceOrder(self, request: wire.ReplaceOrder) -> list[Any]:
        self.seq += 1
        found = self._find(request)
        assert found is not None  # the ingress asks for the order first
        replaced = found._replace(
            seq=self.seq,
            kind=wire.ExecutionKind.REPLACED,
            price_ticks=request.price_ticks or found.price_ticks,
            quantity_lots=request.quantity_lots or found.quantity_lots,
            remaining_lots=request.quantity_lots or found.quantity_lots,
            flags=1,
        )
        self.open[found.order_id] = replaced
        return [replaced]

    def _on_NewOrderList(self, request: wire.NewOrderList) -> list[Any]:
        """Orders as if they came alone; of other kinds than `each` all or none, and those after the
        first of an `oto` or `bracket` list are pending.
        """
        self.seq += 1
        terms = {"account_id": request.account_id, "instrument_id": request.instrument_id}
        orders = [wire.NewOrder(**each._asdict(), **terms) for each in request.orders]
        if request.kind != wire.ListKind.EACH:
            for index, order in enumerate(orders):
                if order.quantity_lots >= FUNDS_LOTS:
                    reason = wire.Reason.INSUFFICIENT_FUNDS
                    return [
                        wire.OrderListRejected(
                            seq=self.seq, reason=reason, index=index, kind=request.kind
                        )
                    ]
        has_first = request.kind in (wire.ListKind.OTO, wire.ListKind.BRACKET)
        reports: list[wire.ExecutionReport] = []
        for index, order in enumerate(orders):
            placed = self._on_NewOrder(order)
            if has_first and index > 0:
                waiting = wire.OrderStatus.WAITING
                flags = order.flags | wire.OrderFlag.PENDING
                placed = [placed[0]._replace(status=waiting, order_flags=flags)]
                self.open[placed[0].order_id] = placed[0]
            reports += [report._replace(flags=0) for report in placed]
        return [*reports, wire.OrderListPlaced(seq=self.seq, kind=request.kind)]

    def _on_MassQuote(self, request: wire.MassQuote) -> list[Any]:
        """Every quote goes, and the new ones rest."""
        self.seq += 1
        old = [
            report
            for report in self.open.values()
            if report.account_id == request.account_id and report.order_flags & wire.OrderFlag.QUOTE
        ]
        reports: list[Any] = []
        for report in old:
            gone = wire.CancelOrder(account_id=report.account_id, order_id=report.order_id)
            reason = wire.CancelReason.QUOTE_REPLACED
            reports.append(self._on_CancelOrder(gone)[0]._replace(cancel_reason=reason, flags=0))
        quote = wire.NewOrder(
            account_id=request.account_id,
            instrument_id=request.instrument_id,
            order_type=wire.OrderType.LIMIT,
            time_in_force=wire.TimeInForce.GTC,
            flags=request.flags | wire.OrderFlag.QUOTE,
            self_trade_prevention=request.self_trade_prevention,
        )
        sides = [
            (side, price_ticks, lots)
            for level in request.levels
            for side, price_ticks, lots in (
                (wire.Side.BUY, level.bid_price_ticks, level.bid_lots),
                (wire.Side.SELL, level.ask_price_ticks, level.ask_lots),
            )
            if lots
        ]
        if any(lots >= FUNDS_LOTS for _, _, lots in sides):
            return [wire.Reject(seq=self.seq, reason=wire.Reason.INSUFFICIENT_FUNDS)]
        for side, price_ticks, lots in sides:
            placed = quote._replace(side=side, price_ticks=price_ticks, quantity_lots=lots)
            reports += [report._replace(flags=0) for report in self._on_NewOrder(placed)]
        quoted = wire.MassQuoted(seq=self.seq, canceled_count=len(old), placed_count=len(sides))
        return [*reports, quoted]

    def _on_SetQuoteProtection(self, request: wire.SetQuoteProtection) -> list[Any]:
        self.seq += 1
        armed = wire.QuoteProtectionState.ARMED
        return [
            wire.QuoteProtectionChanged(
                seq=self.seq,
                account_id=request.account_id,
                window_ns=request.window_ns,
                filled_lots_max=request.filled_lots_max,
                fill_count_max=request.fill_count_max,
                instrument_id=request.instrument_id,
                state=armed if request.window_ns else wire.QuoteProtectionState.OFF,
            )
        ]

    def _on_MassCancel(self, request: wire.MassCancel) -> list[Any]:
        mine = [r for r in list(self.open.values()) if r.account_id == request.account_id]
        canceled = [
            self._on_CancelOrder(wire.CancelOrder(0, 0, r.account_id, r.order_id))[0] for r in mine
        ]
        return [*canceled, wire.MassCanceled(0, self.seq, 0, request.account_id, len(mine), 0)]

    def _on_CancelAfter(self, request: wire.CancelAfter) -> list[Any]:
        self.seq += 1
        return [wire.CancelAfterChanged(seq=self.seq, account_id=request.account_id)]

    def _on_KillSwitch(self, request: wire.KillSwitch) -> list[Any]:
        self.seq += 1
        return [wire.KillSwitchChanged(seq=self.seq, account_id=request.account_id)]
