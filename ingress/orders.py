"""Orders: what a request says, what an answer shows, and the routes that change orders.

Reading them back is in order_history.py. `place` is also what the fast path calls (order_path.py).
"""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, delete, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from msgspec import UNSET, UnsetType
from tradepit.ingress.bodies import decode_body, read_json_body
from tradepit.ingress.catalogue import Catalogue, Instrument
from tradepit.ingress.errors import (
    Problem,
    invalid_field,
    invalid_parameter,
    problem_of_reason,
)
from tradepit.ingress.openapi import operation_with_body, problem_responses
from tradepit.ingress.router import Answer, MatcherLink, Router
from tradepit.protocol import wire
from tradepit.protocol.errors import InvalidDecimal
from tradepit.protocol.units import TOO_LARGE, parse_units

ID_MAX = 2**63 - 1
ID_DIGITS_MAX = 19
BPS = 10_000  # hundredths of a percent in the whole
EXACT_JSON_INTEGER_MAX = 2**53 - 1  # beyond it, JavaScript and others round

SideName = Literal["buy", "sell"]
TypeName = Literal[
    "limit", "market", "stop", "stop_limit", "trailing_stop", "pegged", "market_to_limit"
]
PegName = Literal["best_bid", "best_ask", "middle"]
SelfTradeName = Literal[
    "none", "cancel_newest", "cancel_oldest", "cancel_both", "decrement_and_cancel"
]
TimeInForceName = Literal["gtc", "ioc", "fok", "day", "gtd", "at_the_open", "at_the_close"]

PRICE = Annotated[str, msgspec.Meta(description="decimal text, a multiple of the tick size")]
OFFSET = Annotated[
    str, msgspec.Meta(description="decimal text, a multiple of the tick size, may be negative")
]
MONEY = Annotated[str, msgspec.Meta(description="decimal text, in the quote asset")]
QUANTITY = Annotated[str, msgspec.Meta(description="decimal text, a multiple of the lot size")]


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to place. Optional fields may be left out or null. docs/matching.md has the rules."""

    symbol: str
    side: SideName
    type: TypeName
    quantity: QUANTITY | UnsetType | None = (
        UNSET  # all but a market buy with a quote_budget need it
    )
    price: PRICE | UnsetType | None = UNSET  # limit, stop_limit, pegged and stop buys need one
    trigger_price: PRICE | UnsetType | None = UNSET  # stop and stop_limit need one, others not
    time_in_force: TimeInForceName | UnsetType | None = UNSET  # gtc; ioc for market and stop
    client_order_id: str | int | UnsetType | None = UNSET
    post_only: bool | UnsetType = UNSET
    self_trade_prevention: SelfTradeName | UnsetType | None = UNSET  # none
    post_only_slide: bool | UnsetType = UNSET
    reduce_only: bool | UnsetType = UNSET
    display_quantity: QUANTITY | UnsetType | None = UNSET  # iceberg
    minimum_quantity: QUANTITY | UnsetType | None = UNSET  # ioc
    quote_budget: MONEY | UnsetType | None = UNSET  # market buys, in place of quantity
    expire_time_ns: str | UnsetType | None = UNSET  # gtd
    offset: OFFSET | UnsetType | None = UNSET  # trailing_stop: its distance; pegged: from the peg
    trail_offset_bps: int | UnsetType | None = UNSET  # trailing_stop, in place of offset
    peg_reference: PegName | UnsetType | None = UNSET  # pegged
    replaces_order_id: str | UnsetType | None = UNSET  # canceled in the same step


class AmendOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of an open order; at least one of the two. `quantity` is the new total, what
    has traded included. A smaller quantity at the same price keeps the order's place in the queue.
    """

    price: PRICE | UnsetType | None = UNSET
    quantity: QUANTITY | UnsetType | None = UNSET


class Fill(msgspec.Struct, frozen=True):
    """One trade of the order, at the maker's price. `fee` is in the quote asset."""

    trade_id: str
    price: str
    quantity: str
    fee: str
    liquidity: str


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order as of `seq`. Prices, quantities and money are decimal text; ids are text.

    `fills`, `average_price` and `fees` of an answer to POST and PATCH tell what that command traded;
    the average and the fees are null if the order had traded before. Elsewhere they tell the
    order's whole life, as far as the ledger has it, and `fills` is empty (GET /v1/fills has them).
    The fields behind `time_ns` stand there only if the order has such a thing.
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
    display_quantity: str | None = None
    expire_time_ns: str | None = None
    offset: str | None = None
    trail_offset_bps: int | None = None
    peg_reference: str | None = None


class MassCancelResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a mass cancel did. `remaining_count` orders match and are still open: send it again."""

    canceled_count: int
    remaining_count: int
    order_ids: list[str]
    seq: int


decode_place = msgspec.json.Decoder(PlaceOrder)
decode_amend = msgspec.json.Decoder(AmendOrder)

_SIDES: dict[str, int] = {"buy": wire.Side.BUY, "sell": wire.Side.SELL}
_TYPES: dict[str, int] = {kind.name.lower(): int(kind) for kind in wire.OrderType}
# Whatever the side.
_PRICED = (wire.OrderType.LIMIT, wire.OrderType.STOP_LIMIT, wire.OrderType.PEGGED)
_PRICED_BUYS = (wire.OrderType.STOP, wire.OrderType.TRAILING_STOP)
_RESTING = (*_PRICED, wire.OrderType.MARKET_TO_LIMIT)  # gtc by default
_STOPS = (wire.OrderType.STOP, wire.OrderType.STOP_LIMIT)
_PEGS: dict[str, int] = {each.name.lower(): int(each) for each in wire.PegReference}
PEG_NAMES = {reference: name for name, reference in _PEGS.items()}
_TIMES: dict[str, int] = {side.name.lower(): int(side) for side in wire.TimeInForce}
_SELF_TRADES: dict[str, int] = {mode.name.lower(): int(mode) for mode in wire.SelfTradePrevention}
SELF_TRADE_NAMES = {mode: name for name, mode in _SELF_TRADES.items()}
SIDE_NAMES = {int(side): side.name.lower() for side in wire.Side}
TYPE_NAMES = {int(kind): kind.name.lower() for kind in wire.OrderType}
TIME_NAMES = {int(time): time.name.lower() for time in wire.TimeInForce}
STATUS_NAMES = {int(status): status.name.lower() for status in wire.OrderStatus}
LIQUIDITY_NAMES = {int(liquidity): liquidity.name.lower() for liquidity in wire.Liquidity}
CANCEL_NAMES = {int(reason): reason.name.lower() for reason in wire.CancelReason}


async def place(order: PlaceOrder, account_id: int, catalogue: Catalogue, router: Router) -> Order:
    """Send the order and return it as it stands after what it traded at once. Raises Problem."""
    instrument = catalogue.by_symbol.get(order.symbol) or await catalogue.find(order.symbol)
    order_type = _TYPES[order.type]
    has_price = order_type in _PRICED or (order_type in _PRICED_BUYS and order.side == "buy")
    price_ticks = trigger_price_ticks = 0
    if order.price is not UNSET and order.price is not None:
        if not has_price:
            raise invalid_field(
                "price", f"must be left out of a {order.type} order to {order.side}"
            )
        price_ticks = _price_ticks(instrument, order.price)
    elif has_price:
        raise invalid_field("price", f"is required for a {order.type} order to {order.side}")
    if order.trigger_price is not UNSET and order.trigger_price is not None:
        if order_type not in _STOPS:
            raise invalid_field("trigger_price", f"must be left out of a {order.type} order")
        trigger_price_ticks = _price_ticks(instrument, order.trigger_price, "trigger_price")
    elif order_type in _STOPS:
        raise invalid_field("trigger_price", f"is required for a {order.type} order")
    if order.time_in_force is not UNSET and order.time_in_force is not None:
        time_in_force = _TIMES[order.time_in_force]
    else:
        time_in_force = _TIMES["gtc" if order_type in _RESTING else "ioc"]
    quantity_lots = 0
    if order.quantity is not UNSET and order.quantity is not None:
        quantity_lots = _quantity_lots(instrument, order.quantity)
    elif order.quantity is None:
        raise invalid_field("quantity", "is required unless there is a quote_budget")
    elif not isinstance(order.quote_budget, str):
        raise Problem("missing_field", "quantity is required, or quote_budget", field="quantity")
    client_order_id = 0
    if order.client_order_id is not UNSET and order.client_order_id is not None:
        client_order_id = parse_client_order_id(order.client_order_id)
    self_trade_prevention = 0
    if order.self_trade_prevention is not UNSET and order.self_trade_prevention is not None:
        self_trade_prevention = _SELF_TRADES[order.self_trade_prevention]
    answer = await router.of_shard(instrument.shard_id).request(
        wire.NewOrder,
        account_id=account_id,
        client_order_id=client_order_id,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        trigger_price_ticks=trigger_price_ticks,
        instrument_id=instrument.instrument_id,
        side=_SIDES[order.side],
        order_type=order_type,
        time_in_force=time_in_force,
        flags=(order.post_only is True)
        | (order.post_only_slide is True) << 1
        | (order.reduce_only is True) << 2,
        self_trade_prevention=self_trade_prevention,
        **_rare_terms(instrument, order),
    )
    return order_of_answer(instrument, answer)


def _rare_terms(instrument: Instrument, order: PlaceOrder) -> dict[str, int]:
    """The fields of NewOrder that only some orders have."""
    terms: dict[str, int] = {}
    for name in ("display_quantity", "minimum_quantity"):
        if isinstance(quantity := getattr(order, name), str):
            terms[f"{name}_lots"] = _quantity_lots(instrument, quantity, name)
    if isinstance(order.quote_budget, str):
        terms["quote_budget_units"] = _money_units(instrument, order.quote_budget, "quote_budget")
    if isinstance(order.expire_time_ns, str):
        expire_time_ns = parse_id(order.expire_time_ns)
        if expire_time_ns is None:
            raise invalid_field("expire_time_ns", "must be digits: nanoseconds since 1970, UTC")
        terms["expire_time_ns"] = expire_time_ns
    if isinstance(order.offset, str):
        ticks = _price_ticks(instrument, order.offset.removeprefix("-"), "offset")
        terms["offset_ticks"] = -ticks if order.offset.startswith("-") else ticks
    if isinstance(order.trail_offset_bps, int):
        if not 0 < order.trail_offset_bps < BPS:
            raise invalid_field("trail_offset_bps", f"must lie between 1 and {BPS - 1}")
        terms["trail_offset_bps"] = order.trail_offset_bps
    if isinstance(order.peg_reference, str):
        terms["peg_reference"] = _PEGS[order.peg_reference]
    if isinstance(order.replaces_order_id, str):
        replaced = parse_id(order.replaces_order_id)
        if replaced is None:
            raise problem_of_reason(wire.Reason.UNKNOWN_ORDER)
        terms["replaces_order_id"] = replaced
    return terms


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
        display_quantity=units.quantity_text(report.display_quantity_lots)
        if report.display_quantity_lots
        else None,
        expire_time_ns=str(report.expire_time_ns) if report.expire_time_ns else None,
        offset=_offset_text(instrument, report.offset_ticks) if report.offset_ticks else None,
        trail_offset_bps=report.trail_offset_bps or None,
        peg_reference=PEG_NAMES[report.peg_reference] if report.peg_reference else None,
    )


def _offset_text(instrument: Instrument, ticks: int) -> str:
    text = instrument.units.price_text(abs(ticks))
    return f"-{text}" if ticks < 0 else text


def refuse_rejects(record: Any, instrument: Instrument | None = None) -> None:
    """Raises the Problem that a refusing record stands for, with the limits of `instrument`."""
    kind = type(record)
    if (
        kind is wire.Reject
        or kind is wire.CommandRejected
        or (kind is wire.ExecutionReport and record.kind == wire.ExecutionKind.REJECTED)
    ):
        detail = None
        if instrument is not None and record.reason == wire.Reason.INVALID_PRICE:
            detail = f"price {_price_limits(instrument)}"
        elif instrument is not None and record.reason == wire.Reason.INVALID_TRIGGER_PRICE:
            detail = f"trigger_price {_price_limits(instrument)}"
        elif instrument is not None and record.reason == wire.Reason.INVALID_QUANTITY:
            detail = f"quantity {_quantity_limits(instrument)}"
        raise problem_of_reason(record.reason, detail)


def _price_limits(instrument: Instrument) -> str:
    text, terms = instrument.units.price_text, instrument.terms
    return f"must lie between {text(terms.price_ticks_min)} and {text(terms.price_ticks_max)}"


def _quantity_limits(instrument: Instrument) -> str:
    text, terms = instrument.units.quantity_text, instrument.terms
    return f"must lie between {text(terms.quantity_lots_min)} and {text(terms.quantity_lots_max)}"


def parse_client_order_id(value: str | int) -> int:
    """A client's id: digits, or a JSON integer where every program reads it exactly."""
    if isinstance(value, int):
        if not 0 < value <= EXACT_JSON_INTEGER_MAX:
            raise invalid_field(
                "client_order_id",
                "as a JSON number must lie between 1 and 2^53 - 1: send it as a string of digits",
            )
        return value
    number = parse_id(value)
    if number is None:
        raise invalid_field("client_order_id", "must be digits, from 1 to 2^63 - 1")
    return number


def parse_id(text: str) -> int | None:
    """An id from 1 to 2^63 - 1 in its one spelling, or None."""
    if not (text.isascii() and text.isdigit() and len(text) <= ID_DIGITS_MAX and text[0] != "0"):
        return None
    number = int(text)
    return number if number <= ID_MAX else None


def link_of_order(router: Router, text: str) -> tuple[MatcherLink, int]:
    """The shard of an order id in a path. An id that no shard gave out is an unknown order."""
    order_id = parse_id(text)
    link = None if order_id is None else router.of_order(order_id)
    if link is None or order_id is None:
        raise problem_of_reason(wire.Reason.UNKNOWN_ORDER)
    return link, order_id


def _price_ticks(instrument: Instrument, text: str, field: str = "price") -> int:
    try:
        return instrument.units.price_ticks(text)
    except InvalidDecimal as error:
        rule = _price_limits(instrument) if error.rule == TOO_LARGE else error.rule
        raise invalid_field(field, rule) from None


def _quantity_lots(instrument: Instrument, text: str, field: str = "quantity") -> int:
    try:
        return instrument.units.quantity_lots(text)
    except InvalidDecimal as error:
        rule = _quantity_limits(instrument) if error.rule == TOO_LARGE else error.rule
        raise invalid_field(field, rule) from None


def _money_units(instrument: Instrument, text: str, field: str) -> int:
    try:
        units = parse_units(text, instrument.quote.decimals)
    except InvalidDecimal as error:
        raise invalid_field(field, error.rule) from None
    if units == 0:
        raise invalid_field(field, "must be greater than zero")
    return units


@post(
    "/orders",
    operation_class=operation_with_body(
        PlaceOrder,
        {
            "limit": {
                "symbol": "BTC-USD",
                "side": "buy",
                "type": "limit",
                "price": "50000.00",
                "quantity": "0.0100",
                "client_order_id": "1001",
            },
            "market": {"symbol": "ETH-USD", "side": "sell", "type": "market", "quantity": "0.5"},
        },
    ),
    responses=problem_responses(400, 401, 403, 404, 409, 413, 415, 422, 503, 504),
)
async def place_order(
    request: Request[Any, Any, Any],
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
) -> Order:
    """Place an order

    Answers when the order is durable, with what it traded at once. A market order is `ioc` unless
    it says `fok`. A `stop` or `stop_limit` order has the status `waiting` until a trade reaches its
    `trigger_price`. With a `client_order_id`, sending the same order twice places it once.
    """
    order = decode_body(decode_place, await read_json_body(request))
    return await place(order, account_id, catalogue, router)


@patch(
    "/orders/{order_id:str}",
    operation_class=operation_with_body(
        AmendOrder, {"smaller": {"quantity": "0.0050"}, "moved": {"price": "49900.00"}}
    ),
    responses=problem_responses(400, 401, 403, 404, 409, 413, 415, 422, 503, 504),
)
async def amend_order(
    request: Request[Any, Any, Any],
    order_id: FromPath[str],
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
) -> Order:
    """Change price or quantity of an open order"""
    amendment = decode_body(decode_amend, await read_json_body(request))
    link, number = link_of_order(router, order_id)
    # The order's instrument gives the scales for its new price and quantity.
    status = (await link.request(wire.OrderQuery, account_id, number, 0))[-1]
    refuse_rejects(status)
    instrument = await catalogue.of_id(status.instrument_id)
    price_ticks = quantity_lots = 0
    if isinstance(amendment.price, str):
        price_ticks = _price_ticks(instrument, amendment.price)
    if isinstance(amendment.quantity, str):
        quantity_lots = _quantity_lots(instrument, amendment.quantity)
    if not price_ticks and not quantity_lots:
        raise Problem("missing_field", "price or quantity is required")
    answer = await link.request(
        wire.ReplaceOrder, 0, account_id, number, 0, price_ticks, quantity_lots
    )
    return order_of_answer(instrument, answer)


@delete(
    "/orders/{order_id:str}", status_code=200, responses=problem_responses(401, 403, 404, 503, 504)
)
async def cancel_order(
    order_id: FromPath[str],
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
) -> Order:
    """Cancel an open order

    Another account's order and one that is not open are the same 404.
    """
    link, number = link_of_order(router, order_id)
    answer = await link.request(wire.CancelOrder, 0, account_id, number, 0)
    refuse_rejects(answer[-1])
    return order_of_answer(await catalogue.of_id(answer[-1].instrument_id), answer)


@delete("/orders", status_code=200, responses=problem_responses(400, 401, 403, 404, 503, 504))
async def cancel_orders(
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
    symbol: Annotated[str | None, QueryParameter(description="only this instrument's")] = None,
    side: Annotated[str | None, QueryParameter(description="only `buy` or `sell` orders")] = None,
) -> MassCancelResult:
    """Cancel all open orders, or those of one instrument or side"""
    if side is not None and side not in _SIDES:
        raise invalid_parameter("side", "must be buy or sell")
    instrument = None if symbol is None else await catalogue.find(symbol)
    canceled = remaining = seq = 0
    order_ids: list[str] = []
    links = router.all() if instrument is None else [router.of_shard(instrument.shard_id)]
    for link in links:
        answer = await link.request(
            wire.MassCancel,
            0,
            account_id,
            0 if instrument is None else instrument.instrument_id,
            0 if side is None else _SIDES[side],
        )
        refuse_rejects(answer[-1])
        canceled += answer[-1].canceled_count
        remaining += answer[-1].remaining_count
        seq = max(seq, answer[-1].seq)
        order_ids += [str(report.order_id) for report in answer[:-1]]
    return MassCancelResult(
        canceled_count=canceled, remaining_count=remaining, order_ids=order_ids, seq=seq
    )
