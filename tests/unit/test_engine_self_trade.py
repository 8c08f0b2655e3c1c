"""Self-trade prevention: what other engines got wrong, one test each (docs/matching.md has the rules)."""

from typing import Any

import pytest
from tradepit.protocol import wire
from tradepit.protocol.wire import (
    CancelReason,
    ExecutionKind,
    OrderStatus,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

from tests.engine_market import BASE, QUOTE, Market, limit, market, trades_of

BUY, SELL = Side.BUY, Side.SELL
NEWEST, OLDEST = SelfTradePrevention.CANCEL_NEWEST, SelfTradePrevention.CANCEL_OLDEST
BOTH, DECREMENT = SelfTradePrevention.CANCEL_BOTH, SelfTradePrevention.DECREMENT_AND_CANCEL
MODES = (NEWEST, OLDEST, BOTH, DECREMENT)


def guarded(mode: int, order: wire.NewOrder) -> wire.NewOrder:
    return order._replace(self_trade_prevention=mode)


def canceled(events: list[Any]) -> list[tuple[int, int]]:
    return [
        (event.order_id, event.canceled_lots)
        for event in events
        if isinstance(event, wire.OrderCanceled) and event.reason == CancelReason.SELF_TRADE
    ]


@pytest.mark.parametrize("mode", [NEWEST, BOTH, DECREMENT])
def test_what_a_mode_cancels_of_the_taker_does_not_rest(mode: int) -> None:
    venue = Market()
    venue.place(limit(SELL, 10, 5))
    taker = venue.send(guarded(mode, limit(BUY, 10, 5)))[0]
    assert venue.depth()[0] == []
    assert isinstance(
        venue.ask(wire.OrderQuery(account_id=1, order_id=taker.order_id))[0], wire.Reject
    )
    assert venue.engine.balance(1, QUOTE) == (10**15, 0)
    venue.engine.check()


@pytest.mark.parametrize("mode", MODES)
def test_a_refused_fok_changes_nothing_and_cancels_nobody(mode: int) -> None:
    venue = Market()
    venue.place(limit(SELL, 10, 2))
    venue.place(limit(SELL, 10, 2, account_id=2))
    depth = venue.depth()
    balances = [venue.engine.balance(account, asset) for account in (1, 2) for asset in (1, 2)]
    for order_type in (limit(BUY, 10, 3), market(BUY, 3)):
        (event,) = venue.send(guarded(mode, order_type._replace(time_in_force=TimeInForce.FOK)))
        assert event.reason == Reason.FOK_NOT_FILLABLE
    assert venue.depth() == depth
    assert balances == [
        venue.engine.balance(account, asset) for account in (1, 2) for asset in (1, 2)
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_fok_that_is_filled_before_its_own_order_trades(mode: int) -> None:
    venue = Market()
    venue.place(limit(SELL, 10, 2, account_id=2))
    venue.place(limit(SELL, 10, 2))
    order = limit(BUY, 10, 2, time_in_force=TimeInForce.FOK)
    assert trades_of(venue.send(guarded(mode, order))) == [(10, 2)]


@pytest.mark.parametrize("mode", MODES)
def test_prevention_reaches_replaced_orders(mode: int) -> None:
    venue = Market()
    maker = venue.place(limit(SELL, 10, 5))
    taker = venue.place(guarded(mode, limit(BUY, 9, 5)))
    events = venue.send(wire.ReplaceOrder(account_id=1, order_id=taker, price_ticks=10))
    assert isinstance(events[1], wire.SelfTradePrevented)
    assert trades_of(events) == []
    gone = {NEWEST: [taker], OLDEST: [maker], BOTH: [maker, taker], DECREMENT: [maker, taker]}
    assert [order_id for order_id, _ in canceled(events)] == gone[SelfTradePrevention(mode)]
    venue.engine.check()


def test_a_decremented_maker_keeps_its_place_and_holds_for_what_is_open() -> None:
    venue = Market()
    maker = venue.place(limit(SELL, 10, 5))
    venue.place(limit(SELL, 10, 5, account_id=2))
    venue.send(guarded(DECREMENT, limit(BUY, 10, 3)))
    assert venue.engine.balance(1, BASE) == (10**15 - 2, 2)
    events = venue.send(limit(BUY, 10, 2, account_id=3))
    assert events[1].maker_order_id == maker
    assert events[1].maker_remaining_lots == 0
    venue.engine.check()


def test_a_decremented_taker_rests_with_what_is_left() -> None:
    venue = Market()
    venue.place(limit(SELL, 10, 2))
    reports = venue.send_for_reports(guarded(DECREMENT, limit(BUY, 10, 5))._replace(request_id=9))
    assert [(r.kind, r.quantity_lots, r.remaining_lots, r.request_id) for r in reports] == [
        (ExecutionKind.ACCEPTED, 5, 5, 9),
        (ExecutionKind.REDUCED, 3, 3, 9),
        (ExecutionKind.CANCELED, 2, 0, 0),  # the maker's: nobody asked for it
    ]
    assert reports[1].flags == wire.ReportFlag.LAST
    assert reports[2].status == OrderStatus.CANCELED
    assert venue.depth() == ([(10, 3, 1)], [])


def test_groups_join_accounts_and_are_not_account_ids() -> None:
    venue = Market()
    venue.place(limit(SELL, 10, 1))
    venue.place(limit(SELL, 11, 1, account_id=3))
    # Account 2 in group 1 is not of account 1; account 0 and group 0 stand for nobody.
    venue.send(wire.SetAccount(account_id=2, state=1, trade_group=1))
    order = guarded(OLDEST, limit(BUY, 11, 2, account_id=2))
    assert trades_of(venue.send(order)) == [(10, 1), (11, 1)]
    venue.send(wire.SetAccount(account_id=1, state=1, trade_group=1))
    maker = venue.place(limit(SELL, 10, 1))
    assert canceled(venue.send(order)) == [(maker, 1)]
    venue.send(wire.SetAccount(account_id=1, state=1))
    venue.send(wire.MassCancel(account_id=2))
    venue.place(limit(SELL, 10, 1))
    assert trades_of(venue.send(order)) == [(10, 1)]


def test_a_market_buy_pays_only_for_what_would_trade() -> None:
    venue = Market(units=100)
    venue.place(limit(SELL, 10, 5, account_id=2))
    venue.place(limit(SELL, 1_000, 50))
    (event,) = venue.send(market(BUY, 10))
    assert event.reason == Reason.INSUFFICIENT_FUNDS
    for mode in (NEWEST, OLDEST):
        events = venue.send(guarded(mode, market(BUY, 10)))
        assert isinstance(events[0], wire.OrderAccepted)
        venue.engine.check()


def test_prevented_meetings_are_bounded_like_fills() -> None:
    venue = Market()
    count = wire.FILLS_PER_COMMAND_MAX + 1
    venue.engine.apply(limit(SELL, 10, 1).encode() * count)
    events = venue.send(guarded(OLDEST, limit(BUY, 10, 5)))
    assert len(canceled(events)) == wire.FILLS_PER_COMMAND_MAX
    assert events[-1].reason == CancelReason.FILL_LIMIT
    assert venue.depth() == ([], [(10, 1, 1)])


def test_a_restored_engine_knows_groups_and_modes() -> None:
    venue = Market()
    venue.send(wire.SetAccount(account_id=1, state=1, trade_group=8))
    venue.send(wire.SetAccount(account_id=2, state=1, trade_group=8))
    maker = venue.place(limit(SELL, 10, 5))
    taker = venue.place(guarded(OLDEST, limit(BUY, 9, 5, account_id=2)))
    venue.engine = type(venue.engine).restore(venue.engine.snapshot())
    events = venue.send(wire.ReplaceOrder(account_id=2, order_id=taker, price_ticks=10))
    assert canceled(events) == [(maker, 5)]
