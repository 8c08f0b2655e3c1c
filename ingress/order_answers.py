"""Orders on the way out: what an answer shows, and the problem that a refusal stands for."""

from collections.abc import Iterable
from typing import Any

import msgspec
from tradepit.ingress.catalogue import Instrument
from tradepit.ingress.errors import problem_of_reason
from tradepit.ingress.router import Answer
from tradepit.protocol import wire

ID_MAX = 2**63 - 1
ID_DIGITS_MAX = 19

SIDE_NAMES = {int(side): side.name.lower() for side in wire.Side}
TYPE_NAMES = {int(kind): kind.name.lower() for kind in wire.OrderType}
TIME_NAMES = {int(time): time.name.lower() for time in wire.TimeInForce}
PEG_NAMES = {int(reference): reference.name.lower() for reference in wire.PegReference}
SELF_TRADE_NAMES = {int(mode): mode.name.lower() for mode in wire.SelfTradePrevention}
STATUS_NAMES = {int(status): status.name.lower() for status in wire.OrderStatus}
LIQUIDITY_NAMES = {int(liquidity): liquidity.name.lower() for liquidity in wire.Liquidity}
CANCEL_NAMES = {int(reason): reason.name.lower() for reason in wire.CancelReason}


class Fill(msgspec.Struct, frozen=True):
    """One trade of the order, at the maker's price. `fee` is in the quote asset."""

    trade_id: str
    price: str
    quantity: str
    fee: str
    liquidity: str


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order as of `seq`. Prices, quantities and money are decimal text; ids are text.

    Of an answer to a command, `fills`, `average_price` and `fees` tell what that command traded; the
    average and the fees are null if the order had traded before. Read back, `fills` is empty (GET
    /v1/fills has them), and the other two tell the order's whole life, as far as the ledger has it. But
    they are null for an open order that has traded, except with `status=all`: the matcher, which knows
    the open ones, does not say what they cost. The average is null as long as nothing has traded.
    The fields behind `time_ns` stand there only if the order has such a thing. A `pending` order waits,
    in no book, until the first order of its list is filled. `price` of a pegged order is where it rests,
    `trigger_price` of a trailing stop order where it is now, or where it began if the order is closed.
    A `replayed` order was placed by an earlier POST: this is the answer to that one, once more.
    """

    order_id: str
    client_order_id: str | None
    symbol: str
    side: str
    type: str
    time_in_force: str
    post_only: bool
    self_trade_prevention: str
    price: str | None
    trigger_price: str | None
    quantity: str
    status: str
    filled_quantity: str
    remaining_quantity: str
    average_price: str | None
    fees: str | None
    fills: list[Fill]
    cancel_reason: str | None
    seq: int
    time_ns: str
    post_only_slide: bool = False
    reduce_only: bool = False
    quote: bool = False
    pending: bool = False
    display_quantity: str | None = None
    expire_time_ns: str | None = None
    offset: str | None = None
    trail_offset_bps: int | None = None
    peg_reference: str | None = None
    replayed: bool = False


class MassCancelResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a mass cancel did. `remaining_count` orders match and are still open: send it again."""

    canceled_count: int
    remaining_count: int
    order_ids: list[str]
    seq: int


def order_of_answer(instrument: Instrument, answer: Answer) -> Order:
    """The order after the reports of one command. Raises Problem if the command was refused."""
    last = answer[-1]
    refuse_rejects(last, instrument)
    units = instrument.units
    fills: list[Fill] = []
    lots = fee_units = tick_lots = 0
    for report in answer:
        if report.kind == 3:  # ExecutionKind.TRADE; this loop is on the order's path
            lots += report.trade_quantity_lots
            tick_lots += report.trade_price_ticks * report.trade_quantity_lots
            fee_units += report.fee_units
            fills.append(
                Fill(
                    str(report.trade_id),
                    units.price_text(report.trade_price_ticks),
                    units.quantity_text(report.trade_quantity_lots),
                    units.money_text(report.fee_units),
                    LIQUIDITY_NAMES[report.liquidity],
                )
            )
    return order_of_report(
        instrument,
        last,
        notional_units=tick_lots * units.tick_lot_units if lots == last.filled_lots else None,
        fee_units=fee_units,
        fills=fills,
    )


def order_of_report(
    instrument: Instrument,
    report: wire.ExecutionReport,
    *,
    notional_units: int | None,
    fee_units: int,
    fills: list[Fill],
) -> Order:
    """The order after `report`. `notional_units` is of all it has traded, or None if not known."""
    units = instrument.units
    filled_lots = report.filled_lots
    return Order(
        order_id=str(report.order_id),
        client_order_id=str(report.client_order_id) if report.client_order_id else None,
        symbol=instrument.symbol,
        side=SIDE_NAMES[report.side],
        type=TYPE_NAMES[report.order_type],
        time_in_force=TIME_NAMES[report.time_in_force],
        post_only=bool(report.order_flags & 1),
        self_trade_prevention=SELF_TRADE_NAMES[report.self_trade_prevention],
        price=units.price_text(report.price_ticks) if report.price_ticks else None,
        trigger_price=units.price_text(report.trigger_price_ticks)
        if report.trigger_price_ticks
        else None,
        quantity=units.quantity_text(report.quantity_lots),
        status=STATUS_NAMES[report.status],
        filled_quantity=units.quantity_text(filled_lots),
        remaining_quantity=units.quantity_text(report.remaining_lots),
        average_price=units.average_price_text(notional_units, filled_lots)
        if notional_units is not None and filled_lots
        else None,
        fees=units.money_text(fee_units) if notional_units is not None else None,
        fills=fills,
        cancel_reason=CANCEL_NAMES.get(report.cancel_reason),
        seq=report.seq,
        time_ns=str(report.time_ns),
        post_only_slide=bool(report.order_flags & 2),
        reduce_only=bool(report.order_flags & 4),
        quote=bool(report.order_flags & 8),
        pending=bool(report.order_flags & 16),
        display_quantity=units.quantity_text(report.display_quantity_lots)
        if report.display_quantity_lots
        else None,
        expire_time_ns=str(report.expire_time_ns) if report.expire_time_ns else None,
        offset=_offset_text(instrument, report.offset_ticks) if report.offset_ticks else None,
        trail_offset_bps=report.trail_offset_bps or None,
        peg_reference=PEG_NAMES[report.peg_reference] if report.peg_reference else None,
        replayed=bool(report.flags & 2),
    )


def reports_by_order(reports: Iterable[wire.ExecutionReport]) -> list[list[wire.ExecutionReport]]:
    """The reports of each order, orders in the order in which they are first named. An order that was
    refused has no id, and one report.
    """
    found: list[list[wire.ExecutionReport]] = []
    by_order: dict[int, list[wire.ExecutionReport]] = {}
    for report in reports:
        of_order = by_order.get(report.order_id)
        if of_order is None:
            of_order = []
            found.append(of_order)
            if report.order_id:
                by_order[report.order_id] = of_order
        of_order.append(report)
    return found


def _offset_text(instrument: Instrument, ticks: int) -> str:
    text = instrument.units.price_text(abs(ticks))
    return f"-{text}" if ticks < 0 else text


def refuse_rejects(record: Any, instrument: Instrument | None = None) -> None:
    """Raises the Problem that a refusing record stands for, with the limits of `instrument`."""
    kind = type(record)
    if (
        kind is wire.Reject
        or kind is wire.CommandRejected
        or kind is wire.OrderListRejected
        or (kind is wire.ExecutionReport and record.kind == wire.ExecutionKind.REJECTED)
    ):
        detail = None
        if instrument is not None and record.reason == wire.Reason.INVALID_PRICE:
            detail = f"price {price_limits(instrument)}"
        elif instrument is not None and record.reason == wire.Reason.INVALID_TRIGGER_PRICE:
            detail = f"trigger_price {price_limits(instrument)}"
        elif instrument is not None and record.reason == wire.Reason.INVALID_QUANTITY:
            detail = f"quantity {quantity_limits(instrument)}"
        index = None
        # Where the list's own shape is the cause, no order is.
        if kind is wire.OrderListRejected and record.reason != wire.Reason.INVALID_LIST:
            index = record.index
        raise problem_of_reason(record.reason, detail, index=index)


def price_limits(instrument: Instrument) -> str:
    text, terms = instrument.units.price_text, instrument.terms
    return f"must lie between {text(terms.price_ticks_min)} and {text(terms.price_ticks_max)}"


def quantity_limits(instrument: Instrument) -> str:
    text, terms = instrument.units.quantity_text, instrument.terms
    return f"must lie between {text(terms.quantity_lots_min)} and {text(terms.quantity_lots_max)}"


def parse_id(text: str) -> int | None:
    """An id from 1 to 2^63 - 1 in its one spelling, or None."""
    if not (text.isascii() and text.isdigit() and len(text) <= ID_DIGITS_MAX and text[0] != "0"):
        return None
    number = int(text)
    return number if number <= ID_MAX else None
