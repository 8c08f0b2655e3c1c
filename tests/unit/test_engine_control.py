"""Mass cancel, the kill switch, the dead-man timer and the end of a session."""

from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, KillSwitchState, Reason, Side, TimeInForce

from tests.engine_market import INSTRUMENT, Market, limit, market, stop, stop_limit, trades_of

BUY, SELL = Side.BUY, Side.SELL
ENGAGED, RELEASED = KillSwitchState.ENGAGED, KillSwitchState.RELEASED
TIED = wire.TIED_SESSION_BIT + 5


def canceled(events: list[Any]) -> list[int]:
    return [event.order_id for event in events if isinstance(event, wire.OrderCanceled)]


@pytest.fixture
def venue() -> Market:
    return Market()


@pytest.fixture
def orders(venue: Market) -> list[int]:
    """Orders of accounts 1, 2, 1, by sessions 4, 4 and 5; the last one waits."""
    return [
        venue.place(limit(BUY, 10, 1)._replace(session_id=4)),
        venue.place(limit(SELL, 20, 1, account_id=2)._replace(session_id=4)),
        venue.place(stop(SELL, 5, 1)._replace(session_id=TIED)),
    ]


def test_a_mass_cancel_of_account_0_takes_everyones_orders_account_by_account(
    venue: Market, orders: list[int]
) -> None:
    events = venue.send(wire.MassCancel())
    assert canceled(events) == [orders[0], orders[2], orders[1]]
    assert (events[-1].account_id, events[-1].canceled_count) == (0, 3)
    venue.engine.check()


def test_a_mass_cancel_by_session_takes_that_sessions_orders_only(
    venue: Market, orders: list[int]
) -> None:
    assert canceled(venue.send(wire.MassCancel(account_id=1, session_id=4))) == [orders[0]]
    assert canceled(venue.send(wire.MassCancel(session_id=4, side=SELL))) == [orders[1]]
    assert venue.engine.open_order_count == 1


def test_a_session_that_ends_takes_its_orders_along_and_answers_nobody(
    venue: Market, orders: list[int]
) -> None:
    ended = wire.SessionEnded(account_id=1, session_id=TIED, request_id=7)
    (report,) = venue.send_for_reports(ended)
    assert (report.order_id, report.cancel_reason) == (orders[2], CancelReason.DISCONNECTED)
    assert report.request_id == 0


def test_a_matcher_that_starts_anew_ends_every_tied_session(
    venue: Market, orders: list[int]
) -> None:
    assert canceled(venue.send(wire.SessionEnded())) == [orders[2]]


def test_the_kill_switch_of_an_account_cancels_and_refuses_until_released(
    venue: Market, orders: list[int]
) -> None:
    events = venue.send(wire.KillSwitch(account_id=1, state=ENGAGED))
    assert canceled(events) == [orders[0], orders[2]]
    assert {event.reason for event in events[:-1]} == {CancelReason.KILL_SWITCH}
    assert (events[-1].state, events[-1].canceled_count) == (ENGAGED, 2)
    assert venue.send(limit(BUY, 10, 1))[0].reason == Reason.KILL_SWITCH_ENGAGED
    venue.place(limit(BUY, 10, 1, account_id=2))
    assert canceled(venue.send(wire.KillSwitch(account_id=1, state=RELEASED))) == []
    venue.place(limit(BUY, 10, 1))
    venue.engine.check()


def test_the_kill_switch_of_the_shard_takes_all_and_stands_beside_those_of_accounts(
    venue: Market, orders: list[int]
) -> None:
    venue.send(wire.KillSwitch(account_id=2, state=ENGAGED))
    assert canceled(venue.send(wire.KillSwitch(state=ENGAGED))) == [orders[0], orders[2]]
    assert venue.send(limit(BUY, 10, 1))[0].reason == Reason.KILL_SWITCH_ENGAGED
    venue.send(wire.KillSwitch(state=RELEASED))
    venue.place(limit(BUY, 10, 1))
    assert venue.send(limit(BUY, 9, 1, account_id=2))[0].reason == Reason.KILL_SWITCH_ENGAGED


def test_what_one_command_cannot_cancel_the_ticks_do(venue: Market) -> None:
    count = wire.CANCELS_PER_COMMAND_MAX + 4
    venue.send(*[limit(BUY, 10, 1)] * count)
    events = venue.send(wire.KillSwitch(account_id=1, state=ENGAGED, time_ns=50))
    assert events[-1].canceled_count == wire.CANCELS_PER_COMMAND_MAX
    assert venue.engine.next_deadline_ns == 50
    restored = Engine.restore(venue.engine.snapshot())
    assert restored.next_deadline_ns == 50
    order = wire.ReplaceOrder(account_id=1, order_id=venue.ask(wire.OpenOrdersQuery(
        account_id=1, count_max=1))[0].order_id, price_ticks=11)  # fmt: skip
    assert venue.send(order)[0].reason == Reason.KILL_SWITCH_ENGAGED
    events = venue.send(wire.Tick(time_ns=50))
    assert (events[-1].canceled_count, events[-1].next_deadline_ns) == (4, 0)
    assert venue.engine.open_order_count == 0
    venue.engine.check()


def test_a_released_switch_leaves_what_it_had_not_reached(venue: Market) -> None:
    venue.send(*[limit(BUY, 10, 1)] * (wire.CANCELS_PER_COMMAND_MAX + 4))
    venue.send(wire.KillSwitch(account_id=1, state=ENGAGED))
    venue.send(wire.KillSwitch(account_id=1, state=RELEASED))
    assert venue.engine.next_deadline_ns is None
    assert venue.engine.open_order_count == 4


def test_the_dead_man_timer_cancels_once(venue: Market, orders: list[int]) -> None:
    (event,) = venue.send(wire.CancelAfter(account_id=1, timeout_ns=100, time_ns=10))
    assert event.deadline_ns == 110 == venue.engine.next_deadline_ns
    assert canceled(venue.send(wire.Tick(time_ns=109))) == []
    events = venue.send(wire.Tick(time_ns=110))
    assert canceled(events) == [orders[0], orders[2]]
    assert isinstance(events[-2], wire.CancelAfterChanged)
    assert events[-2].deadline_ns == 0
    venue.place(limit(BUY, 10, 1))
    assert canceled(venue.send(wire.Tick(time_ns=10**9))) == []
    venue.engine.check()


def test_the_timer_is_set_anew_and_switched_off(venue: Market, orders: list[int]) -> None:
    venue.send(wire.CancelAfter(account_id=1, timeout_ns=100, time_ns=10))
    venue.send(wire.CancelAfter(account_id=1, timeout_ns=100, time_ns=50))
    assert venue.engine.next_deadline_ns == 150
    assert Engine.restore(venue.engine.snapshot()).next_deadline_ns == 150
    (event,) = venue.send(wire.CancelAfter(account_id=1, timeout_ns=0, time_ns=60))
    assert event.deadline_ns == 0
    assert venue.engine.next_deadline_ns is None


def test_an_order_trades_until_its_turn_to_be_canceled_comes(venue: Market) -> None:
    venue.send(*[limit(BUY, 10, 1)] * (wire.CANCELS_PER_COMMAND_MAX + 1))
    venue.send(wire.KillSwitch(account_id=1, state=ENGAGED))
    assert trades_of(venue.send(market(SELL, 1, account_id=2))) == [(10, 1)]


def test_day_orders_rest_trade_and_end_in_any_order(venue: Market) -> None:
    ids = [venue.place(limit(BUY, 10, 1, time_in_force=TimeInForce.DAY)) for _ in range(5)]
    venue.engine.check()
    assert trades_of(venue.send(market(SELL, 1, account_id=2))) == [(10, 1)]
    for order_id in (ids[2], ids[4], ids[1]):
        venue.send(wire.CancelOrder(account_id=1, order_id=order_id))
        venue.engine.check()
    restored = Engine.restore(venue.engine.snapshot())
    assert restored.book(INSTRUMENT) == ([(10, 1, 1)], [])
    assert restored.snapshot() == venue.engine.snapshot()
    assert venue.engine.next_deadline_ns is None


def test_day_orders_end_with_the_first_tick_after_the_close(venue: Market) -> None:
    day = venue.place(limit(BUY, 10, 1, time_in_force=TimeInForce.DAY))
    waiting = venue.place(
        stop_limit(SELL, 5, 5, 1, account_id=2)._replace(time_in_force=TimeInForce.DAY)
    )
    venue.place(limit(BUY, 9, 1))
    closed = wire.SetTradingState(
        instrument_id=INSTRUMENT, state=wire.TradingState.CLOSED, time_ns=30
    )
    assert canceled(venue.send(closed)) == []
    assert venue.engine.next_deadline_ns == 30
    restored = Engine.restore(venue.engine.snapshot())
    tick = wire.Tick(time_ns=30)
    assert restored.apply(tick.encode()) == venue.engine.apply(tick.encode())
    assert venue.depth() == ([(9, 1, 1)], [])
    events = wire.decode_all(
        restored.query(wire.OpenOrdersQuery(account_id=2, count_max=9).encode())
    )
    assert waiting not in [getattr(event, "order_id", 0) for event in events]
    assert day != waiting
    assert venue.engine.next_deadline_ns is None
    venue.engine.check()
