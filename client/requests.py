"""Builds requests for both clients. A request's `request_id` is put in by the client that sends."""

from collections.abc import Iterable, Iterator
from typing import Any

from tradepit.client.results import Answer
from tradepit.protocol import wire
from tradepit.protocol.errors import OutcomeUnknown, TradepitError, Unreachable

LOGON_REQUEST_ID = 2**32 - 1
OPEN_ORDERS_PAGE = 400  # the wire's limit for OpenOrdersQuery.count_max
_COMMANDS = frozenset(wire.COMMANDS)

Pipelined = wire.NewOrder | wire.CancelOrder | wire.ReplaceOrder


def request_ids() -> Iterator[int]:
    """1, 2, ... and round again: 0 means that nobody asked, the last is the logon's."""
    while True:
        yield from range(1, LOGON_REQUEST_ID)


def new_order(
    *,
    instrument_id: int,
    side: int,
    quantity_lots: int,
    price_ticks: int = 0,
    trigger_price_ticks: int = 0,
    time_in_force: int = 0,
    post_only: bool = False,
    self_trade_prevention: int = 0,
    client_order_id: int = 0,
    account_id: int = 0,
) -> wire.NewOrder:
    """An order: a limit order if it has a price, else a market order; with a trigger price a
    stop-limit order if it has a price, else a stop order (to sell: a stop order to buy is a stop-limit
    order that is immediate or cancel).

    Unless `time_in_force` says otherwise a limit order is good till canceled and a market order
    immediate or cancel. `self_trade_prevention` is a `wire.SelfTradePrevention`. `account_id` 0 is the account of the client that sends it.
    """
    is_limit = price_ticks != 0
    if trigger_price_ticks:
        order_type = wire.OrderType.STOP_LIMIT if is_limit else wire.OrderType.STOP
    else:
        order_type = wire.OrderType.LIMIT if is_limit else wire.OrderType.MARKET
    return wire.NewOrder(
        account_id=account_id,
        client_order_id=client_order_id,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        instrument_id=instrument_id,
        side=side,
        trigger_price_ticks=trigger_price_ticks,
        order_type=order_type,
        time_in_force=time_in_force or (wire.TimeInForce.GTC if is_limit else wire.TimeInForce.IOC),
        flags=wire.OrderFlag.POST_ONLY if post_only else 0,
        self_trade_prevention=self_trade_prevention,
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
