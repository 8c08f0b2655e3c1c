"""What the journal says of orders and trades, in a form that the ledger's rows can be held against."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.tools.journal.files import Entry

# Fields of the event that makes a row, and the columns that never change after that.
ORDER_FIELDS = {
    "order_id": "order_id",
    "account_id": "account_id",
    "client_order_id": "client_order_id",
    "instrument_id": "instrument_id",
    "side": "side",
    "seq": "created_seq",
    "time_ns": "created_ns",
}
TRADE_FIELDS = {
    name: name
    for name in (
        *("trade_id", "seq", "time_ns", "instrument_id", "taker_side", "price_ticks"),
        *("quantity_lots", "notional_units", "maker_order_id", "taker_order_id"),
        *("maker_account_id", "taker_account_id", "maker_fee_units", "taker_fee_units"),
    )
}
_ORDERS_PAGE = 400
_LENGTH_AT = 2  # of a record


class Sums:
    """The count of some events, and the sum of each of their fields."""

    def __init__(self, record: Any, fields: Iterable[str]) -> None:
        record_type = wire.type_of_record[record]
        self.record_type = int(record_type)
        self.count = 0
        self._layout = wire.layout_of(record_type)
        self._places = [record._fields.index(name) for name in fields]
        self._sums = [0] * len(self._places)

    def add(self, events: bytes, offset: int) -> None:
        values = self._layout.unpack_from(events, offset)
        self.count += 1
        for number, place in enumerate(self._places):
            self._sums[number] += values[place]

    @property
    def values(self) -> list[int]:
        return [self.count, *self._sums]


class Recorded:
    """Sums over the events of a run of entries, whose rows the ledger must have."""

    def __init__(self) -> None:
        self.orders = Sums(wire.OrderAccepted, ORDER_FIELDS)
        self.trades = Sums(wire.Trade, TRADE_FIELDS)
        self._by_type = {sums.record_type: sums for sums in (self.orders, self.trades)}

    def add(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            events, offset = entry.events, 0
            while offset < len(events):
                sums = self._by_type.get(events[offset + 1])
                if sums is not None:
                    sums.add(events, offset)
                offset += events[offset + _LENGTH_AT] | events[offset + _LENGTH_AT + 1] << 8


class OpenOrder(NamedTuple):
    """What an engine and the ledger both know of an open order. `price_ticks` is 0 where the price
    moves by itself (pegged orders, trailing stops): the ledger has it as it was last told.
    """

    account_id: int
    instrument_id: int
    client_order_id: int
    side: int
    price_ticks: int
    quantity_lots: int
    filled_lots: int


def price_that_stays(order_type: int, price_ticks: int) -> int:
    moves = (wire.OrderType.PEGGED, wire.OrderType.TRAILING_STOP)
    return 0 if order_type in moves else price_ticks


def open_orders(engine: Engine) -> dict[int, OpenOrder]:
    """By order_id."""
    found: dict[int, OpenOrder] = {}
    for account_id in engine.account_ids:
        after = 0
        while account_id:
            query = wire.OpenOrdersQuery(
                account_id=account_id, after_order_id=after, count_max=_ORDERS_PAGE
            )
            reports = [
                record
                for record in wire.decode_all(engine.query(query.encode()))
                if isinstance(record, wire.ExecutionReport)
            ]
            for report in reports:
                found[report.order_id] = OpenOrder(
                    account_id,
                    report.instrument_id,
                    report.client_order_id,
                    report.side,
                    price_that_stays(report.order_type, report.price_ticks),
                    report.quantity_lots,
                    report.filled_lots,
                )
            if len(reports) < _ORDERS_PAGE:
                break
            after = reports[-1].order_id
    return found
