"""Builds requests for both clients. A request's `request_id` is put in by the client that sends."""

from collections.abc import Iterable, Iterator
from typing import Any, Required, TypedDict, Unpack

from tradepit.client.results import Answer
from tradepit.protocol import wire
from tradepit.protocol.errors import OutcomeUnknown, TradepitError, Unreachable

LOGON_REQUEST_ID = 2**32 - 1
OPEN_ORDERS_PAGE = 400  # the wire's limit for OpenOrdersQuery.count_max
LIST_ORDERS_MAX = wire.REPEATS[wire.NewOrderList][2]
_COMMANDS = frozenset(wire.COMMANDS)

Pipelined = wire.NewOrder | wire.CancelOrder | wire.ReplaceOrder


def request_ids() -> Iterator[int]:
    """1, 2, ... and round again: 0 means that nobody asked, the last is the logon's."""
    while True:
        yield from range(1, LOGON_REQUEST_ID)


class NewOrderTerms(TypedDict, total=False):
    """What an order may say, in ticks, lots and units; what is left out is 0, false or none.

    docs/matching.md has the meaning of each, and which go together.
    """

    instrument_id: Required[int]
    side: Required[int]
    quantity_lots: int  # all but a market buy with a quote budget need it
    price_ticks: int
    trigger_price_ticks: int
    order_type: int  # a `wire.OrderType`; needed for trailing_stop, pegged and market_to_limit
    time_in_force: int
    post_only: bool
    post_only_slide: bool
    reduce_only: bool
    self_trade_prevention: int  # a `wire.SelfTradePrevention`
    display_quantity_lots: int
    minimum_quantity_lots: int
    quote_budget_units: int
    expire_time_ns: int
    offset_ticks: int
    trail_offset_bps: int
    peg_reference: int  # a `wire.PegReference`
    replaces_order_id: int
    client_order_id: int
    account_id: int  # 0 = the account of the client that sends it


_RESTING = (
    wire.OrderType.LIMIT,
    wire.OrderType.STOP_LIMIT,
    wire.OrderType.PEGGED,
    wire.OrderType.MARKET_TO_LIMIT,
)


def new_order(**terms: Unpack[NewOrderTerms]) -> wire.NewOrder:
    """An order: a limit order if it has a price, else a market order; with a trigger price a
    stop-limit order if it has a price, else a stop order (to sell: a stop order to buy is a stop-limit
    order that is immediate or cancel). `order_type` names the other kinds.

    Unless `time_in_force` says otherwise, an order that can rest is good till canceled and one that
    cannot is immediate or cancel. Raises TypeError for a term that there is not.
    """
    fields: dict[str, Any] = dict(terms)
    flags = (
        (wire.OrderFlag.POST_ONLY if fields.pop("post_only", False) else 0)
        | (wire.OrderFlag.POST_ONLY_SLIDE if fields.pop("post_only_slide", False) else 0)
        | (wire.OrderFlag.REDUCE_ONLY if fields.pop("reduce_only", False) else 0)
    )
    has_price = bool(fields.get("price_ticks"))
    if fields.get("trigger_price_ticks"):
        kind = wire.OrderType.STOP_LIMIT if has_price else wire.OrderType.STOP
    else:
        kind = wire.OrderType.LIMIT if has_price else wire.OrderType.MARKET
    order_type = fields.pop("order_type", 0) or kind
    time_in_force = fields.pop("time_in_force", 0) or (
        wire.TimeInForce.GTC if order_type in _RESTING else wire.TimeInForce.IOC
    )
    return wire.NewOrder(order_type=order_type, time_in_force=time_in_force, flags=flags, **fields)


def new_order_list(
    kind: int, orders: Iterable[NewOrderTerms], *, account_id: int = 0
) -> wire.NewOrderList:
    """A list of orders, each with the terms of `new_order`. docs/matching.md has the kinds, and which
    orders each takes. Without `account_id` the list is of the account that its orders name.

    Raises ValueError unless there are 1 to 16 orders, of one instrument and one account, and none
    replaces another: nothing else fits into one command.
    """
    each = [new_order(**terms) for terms in orders]
    if not 1 <= len(each) <= LIST_ORDERS_MAX:
        raise ValueError(f"a list has 1 to {LIST_ORDERS_MAX} orders, not {len(each)}")
    if len({order.instrument_id for order in each}) > 1:
        raise ValueError("the orders of a list are of one instrument")
    account_ids = {order.account_id for order in each} - {0, account_id}
    if len(account_ids) > (account_id == 0):
        raise ValueError("the orders of a list are of one account")
    if any(order.replaces_order_id for order in each):
        raise ValueError("an order of a list replaces none")
    return wire.NewOrderList(
        account_id=account_id or next(iter(account_ids), 0),
        instrument_id=each[0].instrument_id,
        kind=kind,
        orders=tuple(
            wire.ListedOrder(*(getattr(order, name) for name in wire.ListedOrder._fields))
            for order in each
        ),
    )


def messages(answers: Iterable[Answer]) -> Iterator[tuple[int, bytes]]:
    """(count of requests, message): whole records, each message as full as the wire allows."""
    records: list[bytes] = []
    size_bytes = 0
    for answer in answers:
        if size_bytes + len(answer.data) > wire.MESSAGE_BYTES_MAX:
            yield len(records), b"".join(records)
            records, size_bytes = [], 0
        records.append(answer.data)
        size_bytes += len(answer.data)
    if records:
        yield len(records), b"".join(records)


def no_answer(request: Any, endpoint: str, timeout_s: float) -> TradepitError:
    """The exception for a request that was sent and not answered in time."""
    text = f"no answer from {endpoint} to {type(request).__name__} in {timeout_s} s"
    if type(request) not in _COMMANDS:
        return Unreachable(text)
    return OutcomeUnknown(text + ": it may have taken effect")
