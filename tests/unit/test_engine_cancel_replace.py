"""A new order that takes the place of an open one: both, or neither."""

from typing import Any

import pytest
from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, OrderFlag, Reason, Side, TimeInForce

from tests.engine_market import (
    BASE,
    LISTING,
    QUOTE,
    Market,
    limit,
    market,
    stop,
    trades_of,
)

BUY, SELL = Side.BUY, Side.SELL


def test_the_old_order_goes_before_the_new_one_trades() -> None:
    venue = Market()
    old = venue.place(limit(SELL, 100, 5))
    venue.place(limit(SELL, 100, 3, account_id=2))
    canceled, accepted, trade = venue.send(limit(BUY, 100, 3)._replace(replaces_order_id=old))
    assert (canceled.order_id, canceled.reason) == (old, CancelReason.REPLACED)
    assert isinstance(accepted, wire.OrderAccepted)
    assert (trade.maker_account_id, trade.quantity_lots) == (2, 3)
    assert venue.depth() == ([], [])


def test_both_are_reported_to_the_one_who_asked() -> None:
    venue = Market()
    old = venue.place(limit(SELL, 100, 5))
    command = limit(SELL, 101, 5)._replace(replaces_order_id=old, request_id=9)
    canceled, accepted = venue.send_for_reports(command)
    assert (canceled.order_id, canceled.cancel_reason) == (old, CancelReason.REPLACED)
    assert (accepted.kind, accepted.flags) == (wire.ExecutionKind.ACCEPTED, wire.ReportFlag.LAST)
    assert canceled.request_id == accepted.request_id == 9


def test_what_the_old_order_held_pays_for_the_new_one() -> None:
    venue = Market(accounts=2, units=1_000)
    old = venue.place(limit(BUY, 20, 50))
    new = limit(BUY, 50, 20)
    assert venue.send(new)[0].reason == Reason.INSUFFICIENT_FUNDS
    too_large = limit(BUY, 50, 21)._replace(replaces_order_id=old)
    assert venue.send(too_large)[0].reason == Reason.INSUFFICIENT_FUNDS
    venue.place(limit(SELL, 60, 20, account_id=2))
    assert venue.send(market(BUY, 17)._replace(replaces_order_id=old))[0].reason == (
        Reason.INSUFFICIENT_FUNDS
    )
    assert venue.engine.balance(1, QUOTE) == (0, 1_000)
    assert trades_of(venue.send(market(BUY, 16)._replace(replaces_order_id=old))) == [(60, 16)]
    assert venue.engine.balance(1, QUOTE) == (40, 0)
    assert venue.engine.balance(1, BASE) == (1_016, 0)


def test_a_full_pool_has_room_for_the_one_that_replaces() -> None:
    venue = Market(max_orders=1)
    old = venue.place(stop(SELL, 50, 5))
    assert venue.send(limit(BUY, 40, 1))[0].reason == Reason.TOO_MANY_ORDERS
    venue.send(limit(BUY, 40, 1)._replace(replaces_order_id=old))
    assert venue.depth() == ([(40, 1, 1)], [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time_in_force": TimeInForce.FOK}, Reason.FOK_NOT_FILLABLE),
        (
            {"time_in_force": TimeInForce.IOC, "minimum_quantity_lots": 4},
            Reason.MINIMUM_NOT_FILLABLE,
        ),
        ({"flags": OrderFlag.POST_ONLY, "price_ticks": 102}, Reason.POST_ONLY_WOULD_TRADE),
        ({"client_order_id": 7}, Reason.DUPLICATE_CLIENT_ORDER_ID),
        ({"account_id": 3}, Reason.UNKNOWN_ORDER),
        ({"instrument_id": 2}, Reason.UNKNOWN_ORDER),
    ],
)
def test_a_refused_one_leaves_the_old_order_where_it_was(
    change: dict[str, Any], reason: Reason
) -> None:
    venue = Market()
    venue.send(LISTING._replace(instrument_id=2))
    old = venue.place(limit(SELL, 100, 5, client_order_id=7))
    venue.place(limit(SELL, 100, 3, account_id=2))
    venue.place(limit(SELL, 102, 3, account_id=2))
    new = limit(BUY, 100, 4)._replace(replaces_order_id=old, **change)
    (rejected,) = venue.send(new)
    assert rejected.reason == reason
    (trade,) = venue.send(market(BUY, 1, account_id=3))[1:]
    assert trade.maker_order_id == old
    venue.engine.check()


def test_post_only_does_not_see_the_order_that_it_replaces() -> None:
    venue = Market()
    old = venue.place(limit(SELL, 100, 5))
    new = limit(BUY, 100, 4, flags=OrderFlag.POST_ONLY)._replace(replaces_order_id=old)
    venue.send(new)
    assert venue.depth() == ([(100, 4, 1)], [])


def test_a_minimum_is_met_or_nothing_happens() -> None:
    venue = Market()
    venue.place(limit(SELL, 100, 3, account_id=2))
    venue.place(limit(SELL, 101, 3, account_id=2))
    order = limit(BUY, 101, 9, time_in_force=TimeInForce.IOC)
    assert venue.send(order._replace(minimum_quantity_lots=7))[0].reason == (
        Reason.MINIMUM_NOT_FILLABLE
    )
    assert trades_of(venue.send(order._replace(minimum_quantity_lots=6))) == [(100, 3), (101, 3)]


def test_lots_lost_to_self_trade_prevention_do_not_count_for_the_minimum() -> None:
    venue = Market()
    venue.place(limit(SELL, 100, 3))
    venue.place(limit(SELL, 101, 3, account_id=2))
    order = limit(BUY, 101, 6, time_in_force=TimeInForce.IOC)._replace(
        self_trade_prevention=wire.SelfTradePrevention.DECREMENT_AND_CANCEL
    )
    assert venue.send(order._replace(minimum_quantity_lots=4))[0].reason == (
        Reason.MINIMUM_NOT_FILLABLE
    )
    assert trades_of(venue.send(order._replace(minimum_quantity_lots=3))) == [(101, 3)]
