"""What the SDK gives back, and how replies become it. No sockets here.

An answer is the list of records that carry one request_id. `Answer` collects it; the functions at
the end turn it into a value, or raise Refused with the server's reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from tradepit.protocol import wire
from tradepit.protocol.errors import Refused

_LAST = int(wire.ReportFlag.LAST)
_REPLAYED = int(wire.ReportFlag.REPLAYED)
_TRADE = int(wire.ExecutionKind.TRADE)
_OPEN_STATUSES = (
    wire.OrderStatus.OPEN,
    wire.OrderStatus.PARTIALLY_FILLED,
    wire.OrderStatus.WAITING,
)
_REFUSALS = (wire.Reject, wire.OrderListRejected)
_ORDER_REQUESTS = (wire.NewOrder, wire.CancelOrder, wire.ReplaceOrder, wire.OrderQuery)
_LISTING_REQUESTS = (
    wire.InstrumentsQuery,
    wire.BookQuery,
    wire.OpenOrdersQuery,
    wire.BalancesQuery,
)


class Fill(NamedTuple):
    """One trade of one order. `fee_units` is this side's, in the quote asset's smallest unit."""

    trade_id: int
    seq: int
    time_ns: int
    price_ticks: int
    quantity_lots: int
    fee_units: int
    liquidity: int


class Order(NamedTuple):
    """An order as the answer to one request left it.

    `fills` are the trades that this request caused, not those before it; `filled_lots` counts all.
    `seq` is that of the command answered, 0 if it was never sequenced. `status` is a
    `wire.OrderStatus`; a refusal has `reason` other than `Reason.NONE`, and of a refused cancel or
    replace the other fields say what the refusal said, not how the order stands.

    An order that was sent again under its client_order_id, with the same terms, comes back as its
    first answer left it, `is_replayed` true and `seq` that of the first time. How it stands by now, an
    order query tells.
    """

    order_id: int
    client_order_id: int
    account_id: int
    instrument_id: int
    side: int
    order_type: int
    time_in_force: int
    flags: int
    price_ticks: int
    quantity_lots: int
    filled_lots: int
    remaining_lots: int
    status: int
    reason: int
    cancel_reason: int
    seq: int
    time_ns: int
    fills: tuple[Fill, ...] = ()
    trigger_price_ticks: int = 0
    self_trade_prevention: int = 0
    display_quantity_lots: int = 0
    expire_time_ns: int = 0
    offset_ticks: int = 0
    trail_offset_bps: int = 0
    peg_reference: int = 0
    is_replayed: bool = False

    @property
    def is_open(self) -> bool:
        return self.status in _OPEN_STATUSES

    @property
    def is_pending(self) -> bool:
        """Whether it waits until the first order of its list is filled."""
        return self.flags & wire.OrderFlag.PENDING != 0

    @property
    def is_refused(self) -> bool:
        return self.reason != wire.Reason.NONE


class OrderList(NamedTuple):
    """What a list of orders did. `orders` are in the order in which they were sent, those that were
    refused (kind `each` only) included; each stands as the last of the list left it, with what it had
    traded by then. What the list triggered after that, such as the exits of a bracket whose first order
    was filled at once, comes as unasked reports.
    """

    orders: tuple[Order, ...]
    kind: int
    seq: int


class Quotes(NamedTuple):
    """What a mass quote did. `orders` are the quotes that it placed, made smaller or canceled, each as
    it stands after that; quotes that it left as they were are not among them.
    """

    orders: tuple[Order, ...]
    kept_count: int
    canceled_count: int
    placed_count: int
    seq: int


class Level(NamedTuple):
    """One price of a book."""

    price_ticks: int
    quantity_lots: int
    order_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Levels, best first, exact as of `seq`."""

    instrument_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What the shard lists, exact as of `seq`."""

    assets: tuple[wire.AssetChanged, ...]
    instruments: tuple[wire.InstrumentChanged, ...]
    seq: int
    fee_schedules: tuple[wire.FeeScheduleChanged, ...] = ()
    tick_tables: tuple[wire.TickTableChanged, ...] = ()

    def instrument(self, symbol: str) -> wire.InstrumentChanged | None:
        return next((each for each in self.instruments if each.symbol == symbol), None)

    def asset(self, symbol: str) -> wire.AssetChanged | None:
        return next((each for each in self.assets if each.symbol == symbol), None)


class Answer:
    """Collects the records that answer one request."""

    __slots__ = ("_end", "data", "deadline_s", "is_pipelined", "records", "request")

    def __init__(self, request: Any, deadline_s: float, *, is_pipelined: bool = False) -> None:
        """Raises ValueError if a field of the request does not fit the wire."""
        self.request = request
        self.data: bytes = request.encode()
        self.deadline_s = deadline_s
        self.is_pipelined = is_pipelined
        self.records: list[Any] = []
        kind = type(request)
        if kind in _ORDER_REQUESTS:
            self._end: Any = wire.ExecutionReport
        elif kind is wire.MassCancel:
            self._end = wire.MassCanceled
        elif kind is wire.MassQuote:
            self._end = wire.MassQuoted
        elif kind is wire.NewOrderList:
            self._end = wire.OrderListPlaced
        elif kind in _LISTING_REQUESTS:
            self._end = wire.QueryEnd
        else:
            self._end = None  # one record, whatever it is

    def add(self, record: Any) -> bool:
        """Take one record; true if it was the last of the answer."""
        self.records.append(record)
        kind = type(record)
        end = self._end
        if kind is end:
            return kind is not wire.ExecutionReport or record.flags & _LAST != 0
        return end is None or kind in _REFUSALS


def order_of_reports(reports: list[wire.ExecutionReport]) -> Order:
    """The order after these reports, oldest first. There is at least one."""
    last = reports[-1]
    fills: tuple[Fill, ...] = ()
    if len(reports) > 1:
        fills = tuple(fill_of_report(each) for each in reports if each.kind == _TRADE)
    return Order(
        last.order_id,
        last.client_order_id,
        last.account_id,
        last.instrument_id,
        last.side,
        last.order_type,
        last.time_in_force,
        last.order_flags,
        last.price_ticks,
        last.quantity_lots,
        last.filled_lots,
        last.remaining_lots,
        last.status,
        last.reason,
        last.cancel_reason,
        last.seq,
        last.time_ns,
        fills,
        last.trigger_price_ticks,
        last.self_trade_prevention,
        last.display_quantity_lots,
        last.expire_time_ns,
        last.offset_ticks,
        last.trail_offset_bps,
        last.peg_reference,
        last.flags & _REPLAYED != 0,
    )


def fill_of_report(report: wire.ExecutionReport) -> Fill:
    """The trade that a report of kind `trade` tells of."""
    return Fill(
        report.trade_id,
        report.seq,
        report.time_ns,
        report.trade_price_ticks,
        report.trade_quantity_lots,
        report.fee_units,
        report.liquidity,
    )


def order_of_answer(answer: Answer) -> Order:
    """The order, refused or not: the pipelined calls take this."""
    last = answer.records[-1]
    if type(last) is wire.ExecutionReport:
        return order_of_reports(answer.records)
    return _refused_order(answer.request, last)


def accepted_order(answer: Answer) -> Order:
    """The order. Raises Refused if the request was."""
    order = order_of_answer(answer)
    if order.reason:
        raise refusal(order.reason)
    return order


def refusal(reason: int, index: int | None = None) -> Refused:
    """The exception for a reason, with its text; `index` is that of the order that is the cause."""
    try:
        name = wire.Reason(reason)
    except ValueError:  # a newer server
        return Refused(reason, f"refused with reason {reason}, unknown to this client", index)
    text = f"{name.name.lower()}: {wire.REASON_TEXT[name]}"
    return Refused(name, text if index is None else f"order {index}: {text}", index)


def _orders_of_reports(reports: Iterable[wire.ExecutionReport]) -> tuple[Order, ...]:
    """The orders that the reports tell of, as they were first named; what was refused has no id."""
    by_order: dict[int, list[wire.ExecutionReport]] = {}
    found: list[list[wire.ExecutionReport]] = []
    for report in reports:
        of_order = by_order.get(report.order_id)
        if of_order is None:
            of_order = []
            found.append(of_order)
            if report.order_id:
                by_order[report.order_id] = of_order
        of_order.append(report)
    return tuple(order_of_reports(each) for each in found)


def list_of_answer(answer: Answer) -> OrderList:
    """Raises Refused if the whole list was."""
    raise_if_refused(answer)
    *reports, end = answer.records
    return OrderList(_orders_of_reports(reports), end.kind, end.seq)


def quotes_of_answer(answer: Answer) -> Quotes:
    """Raises Refused if nothing was quoted."""
    raise_if_refused(answer)
    *reports, end = answer.records
    return Quotes(
        _orders_of_reports(reports),
        end.kept_count,
        end.canceled_count,
        end.placed_count,
        end.seq,
    )


def raise_if_refused(answer: Answer) -> None:
    last = answer.records[-1]
    if type(last) is wire.Reject:
        raise refusal(last.reason)
    if type(last) is wire.OrderListRejected:
        # Where the list's own shape is the cause, no order is.
        raise refusal(last.reason, None if last.reason == wire.Reason.INVALID_LIST else last.index)


def single_record(answer: Answer) -> Any:
    """The one record of the answer. Raises Refused."""
    raise_if_refused(answer)
    return answer.records[-1]


def open_orders_page(answer: Answer) -> list[Order]:
    """One page of open orders. Raises Refused."""
    raise_if_refused(answer)
    return [order_of_reports([record]) for record in answer.records[:-1]]


def balances_of_answer(answer: Answer) -> list[wire.Balance]:
    """Balances by asset_id. Raises Refused."""
    raise_if_refused(answer)
    return answer.records[:-1]


def book_of_answer(answer: Answer) -> Book:
    """Raises Refused."""
    raise_if_refused(answer)
    sides: dict[int, list[Level]] = {wire.Side.BUY: [], wire.Side.SELL: []}
    for level in answer.records[:-1]:
        sides[level.side].append(Level(level.price_ticks, level.quantity_lots, level.order_count))
    return Book(
        instrument_id=answer.request.instrument_id,
        bids=tuple(sides[wire.Side.BUY]),
        asks=tuple(sides[wire.Side.SELL]),
        seq=answer.records[-1].seq,
    )


def listing_of_answer(answer: Answer) -> Listing:
    """Raises Refused."""
    raise_if_refused(answer)
    records = answer.records[:-1]
    return Listing(
        assets=tuple(each for each in records if type(each) is wire.AssetChanged),
        instruments=tuple(each for each in records if type(each) is wire.InstrumentChanged),
        seq=answer.records[-1].seq,
        fee_schedules=tuple(each for each in records if type(each) is wire.FeeScheduleChanged),
        tick_tables=tuple(each for each in records if type(each) is wire.TickTableChanged),
    )


def _refused_order(request: Any, reject: wire.Reject) -> Order:
    """The order of a request that got a Reject: what the request said, and why it was refused."""
    is_new = type(request) is wire.NewOrder
    return Order(
        order_id=0 if is_new else request.order_id,
        client_order_id=request.client_order_id,
        account_id=request.account_id,
        instrument_id=request.instrument_id if is_new else 0,
        side=request.side if is_new else 0,
        order_type=request.order_type if is_new else 0,
        time_in_force=request.time_in_force if is_new else 0,
        flags=request.flags if is_new else 0,
        price_ticks=request.price_ticks if is_new else 0,
        quantity_lots=request.quantity_lots if is_new else 0,
        filled_lots=0,
        remaining_lots=0,
        status=wire.OrderStatus.REJECTED,
        reason=reject.reason,
        cancel_reason=0,
        seq=reject.seq,
        time_ns=0,
    )
