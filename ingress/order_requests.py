"""Orders on the way in: what a request may say, and the integers of the wire that it means."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from tradepit.ingress.catalogue import Instrument
from tradepit.ingress.errors import Problem, invalid_field, problem_of_reason
from tradepit.ingress.order_answers import parse_id, price_limits, quantity_limits
from tradepit.protocol import wire
from tradepit.protocol.errors import InvalidDecimal
from tradepit.protocol.units import TOO_LARGE, parse_units

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


class OrderTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order of a list. Optional fields may be left out or null. docs/matching.md has the rules."""

    side: SideName
    type: TypeName
    quantity: QUANTITY | UnsetType | None = (
        UNSET  # all but a market buy with a quote_budget need it
    )
    price: PRICE | UnsetType | None = UNSET  # limit, stop_limit, pegged and stop buys need one
    trigger_price: PRICE | UnsetType | None = UNSET  # stop and stop_limit need one, others not
    time_in_force: TimeInForceName | UnsetType | None = UNSET  # gtc; ioc for market and stop
    client_order_id: str | int | UnsetType | None = UNSET
    post_only: bool | UnsetType | None = UNSET
    self_trade_prevention: SelfTradeName | UnsetType | None = UNSET  # none
    post_only_slide: bool | UnsetType | None = UNSET
    reduce_only: bool | UnsetType | None = UNSET
    display_quantity: QUANTITY | UnsetType | None = UNSET  # iceberg
    minimum_quantity: QUANTITY | UnsetType | None = UNSET  # ioc
    quote_budget: MONEY | UnsetType | None = UNSET  # market buys, in place of quantity
    expire_time_ns: str | UnsetType | None = UNSET  # gtd
    offset: OFFSET | UnsetType | None = UNSET  # trailing_stop: its distance; pegged: from the peg
    trail_offset_bps: int | UnsetType | None = UNSET  # trailing_stop, in place of offset
    peg_reference: PegName | UnsetType | None = UNSET  # pegged


class PlaceOrder(OrderTerms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to place. Optional fields may be left out or null. docs/matching.md has the rules."""

    symbol: str
    replaces_order_id: str | UnsetType | None = UNSET  # canceled in the same step


class AmendOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of an open order; at least one of the two. `quantity` is the new total, what
    has traded included. A smaller quantity at the same price keeps the order's place in the queue.
    """

    price: PRICE | UnsetType | None = UNSET
    quantity: QUANTITY | UnsetType | None = UNSET


decode_place = msgspec.json.Decoder(PlaceOrder)
decode_amend = msgspec.json.Decoder(AmendOrder)

SIDES: dict[str, int] = {"buy": wire.Side.BUY, "sell": wire.Side.SELL}
_TYPES: dict[str, int] = {kind.name.lower(): int(kind) for kind in wire.OrderType}
# Whatever the side.
_PRICED = (wire.OrderType.LIMIT, wire.OrderType.STOP_LIMIT, wire.OrderType.PEGGED)
_PRICED_BUYS = (wire.OrderType.STOP, wire.OrderType.TRAILING_STOP)
_RESTING = (*_PRICED, wire.OrderType.MARKET_TO_LIMIT)  # gtc by default
_STOPS = (wire.OrderType.STOP, wire.OrderType.STOP_LIMIT)
_PEGS: dict[str, int] = {each.name.lower(): int(each) for each in wire.PegReference}
_TIMES: dict[str, int] = {side.name.lower(): int(side) for side in wire.TimeInForce}
SELF_TRADES: dict[str, int] = {mode.name.lower(): int(mode) for mode in wire.SelfTradePrevention}


def new_order_fields(order: PlaceOrder, instrument: Instrument) -> dict[str, Any]:
    """The fields of the NewOrder that `order` means, without its account. Raises Problem."""
    fields = listed_order_fields(order, instrument)
    fields["instrument_id"] = instrument.instrument_id
    if isinstance(order.replaces_order_id, str):
        replaced = parse_id(order.replaces_order_id)
        if replaced is None:
            raise problem_of_reason(wire.Reason.UNKNOWN_ORDER)
        fields["replaces_order_id"] = replaced
    return fields


def listed_order_fields(order: OrderTerms, instrument: Instrument) -> dict[str, Any]:
    """The fields of the ListedOrder that `order` means. Raises Problem."""
    order_type = _TYPES[order.type]
    has_price = order_type in _PRICED or (order_type in _PRICED_BUYS and order.side == "buy")
    price_ticks = trigger_price_ticks = 0
    if order.price is not UNSET and order.price is not None:
        if not has_price:
            raise invalid_field(
                "price", f"must be left out of a {order.type} order to {order.side}"
            )
        price_ticks = price_ticks_of(instrument, order.price)
    elif has_price:
        raise invalid_field("price", f"is required for a {order.type} order to {order.side}")
    if order.trigger_price is not UNSET and order.trigger_price is not None:
        if order_type not in _STOPS:
            raise invalid_field("trigger_price", f"must be left out of a {order.type} order")
        trigger_price_ticks = price_ticks_of(instrument, order.trigger_price, "trigger_price")
    elif order_type in _STOPS:
        raise invalid_field("trigger_price", f"is required for a {order.type} order")
    if order.time_in_force is not UNSET and order.time_in_force is not None:
        time_in_force = _TIMES[order.time_in_force]
    else:
        time_in_force = _TIMES["gtc" if order_type in _RESTING else "ioc"]
    quantity_lots = 0
    if order.quantity is not UNSET and order.quantity is not None:
        quantity_lots = quantity_lots_of(instrument, order.quantity)
    elif isinstance(order.quote_budget, str):
        if order.type != "market" or order.side != "buy":
            raise invalid_field(
                "quote_budget",
                f"must be left out of a {order.type} order to {order.side}: it needs a quantity",
            )
    elif order.quantity is None:
        raise invalid_field("quantity", "is required unless there is a quote_budget")
    else:
        raise Problem("missing_field", "quantity is required, or quote_budget", field="quantity")
    client_order_id = 0
    if order.client_order_id is not UNSET and order.client_order_id is not None:
        client_order_id = parse_client_order_id(order.client_order_id)
    self_trade_prevention = 0
    if order.self_trade_prevention is not UNSET and order.self_trade_prevention is not None:
        self_trade_prevention = SELF_TRADES[order.self_trade_prevention]
    return {
        "client_order_id": client_order_id,
        "price_ticks": price_ticks,
        "quantity_lots": quantity_lots,
        "trigger_price_ticks": trigger_price_ticks,
        "side": SIDES[order.side],
        "order_type": order_type,
        "time_in_force": time_in_force,
        "flags": (order.post_only is True)
        | (order.post_only_slide is True) << 1
        | (order.reduce_only is True) << 2,
        "self_trade_prevention": self_trade_prevention,
        **_rare_terms(instrument, order),
    }


def _rare_terms(instrument: Instrument, order: OrderTerms) -> dict[str, int]:
    """The fields that only some orders have."""
    terms: dict[str, int] = {}
    for name in ("display_quantity", "minimum_quantity"):
        if isinstance(quantity := getattr(order, name), str):
            terms[f"{name}_lots"] = quantity_lots_of(instrument, quantity, name)
    if isinstance(order.quote_budget, str):
        terms["quote_budget_units"] = _money_units(instrument, order.quote_budget, "quote_budget")
    if isinstance(order.expire_time_ns, str):
        expire_time_ns = parse_id(order.expire_time_ns)
        if expire_time_ns is None:
            raise invalid_field("expire_time_ns", "must be digits: nanoseconds since 1970, UTC")
        terms["expire_time_ns"] = expire_time_ns
    if isinstance(order.offset, str):
        ticks = price_ticks_of(instrument, order.offset.removeprefix("-"), "offset")
        terms["offset_ticks"] = -ticks if order.offset.startswith("-") else ticks
    if isinstance(order.trail_offset_bps, int):
        if not 0 < order.trail_offset_bps < BPS:
            raise invalid_field("trail_offset_bps", f"must lie between 1 and {BPS - 1}")
        terms["trail_offset_bps"] = order.trail_offset_bps
    if isinstance(order.peg_reference, str):
        terms["peg_reference"] = _PEGS[order.peg_reference]
    return terms


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


def price_ticks_of(instrument: Instrument, text: str, field: str = "price") -> int:
    try:
        return instrument.units.price_ticks(text)
    except InvalidDecimal as error:
        rule = price_limits(instrument) if error.rule == TOO_LARGE else error.rule
        raise invalid_field(field, rule) from None


def quantity_lots_of(instrument: Instrument, text: str, field: str = "quantity") -> int:
    try:
        return instrument.units.quantity_lots(text)
    except InvalidDecimal as error:
        rule = quantity_limits(instrument) if error.rule == TOO_LARGE else error.rule
        raise invalid_field(field, rule) from None


def _money_units(instrument: Instrument, text: str, field: str) -> int:
    try:
        units = parse_units(text, instrument.quote.decimals)
    except InvalidDecimal as error:
        raise invalid_field(field, error.rule) from None
    if units == 0:
        raise invalid_field(field, "must be greater than zero")
    return units
