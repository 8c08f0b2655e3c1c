"""What ends by time: only a Tick does it, in one order, and never more than a command may."""

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, ExecutionKind, Reason, Side, TimeInForce

from tests.engine_market import (
    BASE,
    INSTRUMENT,
    LISTING,
    QUOTE,
    Market,
    gtd,
    limit,
    market,
    stop_limit,
    trades_of,
)

BUY, SELL = Side.BUY, Side.SELL


def canceled(events: list[object]) -> list[int]:
    return [event.order_id for event in events if isinstance(event, wire.OrderCanceled)]


def test_an_order_expires_at_its_time_and_not_before() -> None:
    venue = Market(units=1_000)
    order_id = venue.place(gtd(BUY, 10, 5, 100))
    assert venue.engine.next_deadline_ns == 100
    (ticked,) = venue.send(wire.Tick(time_ns=99))
    assert (ticked.canceled_count, ticked.next_deadline_ns) == (0, 100)
    event, ticked = venue.send(wire.Tick(time_ns=100))
    assert (event.order_id, event.canceled_lots, event.reason) == (
        order_id,
        5,
        CancelReason.EXPIRED,
    )
    assert (ticked.canceled_count, ticked.next_deadline_ns) == (1, 0)
    assert venue.engine.next_deadline_ns is None
    assert venue.engine.balance(1, QUOTE) == (1_000, 0)
    assert venue.depth() == ([], [])
    venue.engine.check()


def test_a_command_after_the_time_and_before_the_tick_meets_an_open_order() -> None:
    venue = Market()
    venue.place(gtd(SELL, 10, 5, 100))
    events = venue.send(market(BUY, 2)._replace(time_ns=200))
    assert trades_of(events) == [(10, 2)]
    (event, _) = venue.send(wire.Tick(time_ns=200))
    assert (event.canceled_lots, event.filled_lots) == (3, 2)


def test_what_expires_together_goes_oldest_first_and_earlier_times_before_later() -> None:
    venue = Market()
    times = (30, 10, 20, 10, 40, 10)
    ids = [venue.place(gtd(BUY, 10 + index, 1, time)) for index, time in enumerate(times)]
    events = venue.send(wire.Tick(time_ns=30))
    assert canceled(events) == [ids[1], ids[3], ids[5], ids[2], ids[0]]
    assert venue.engine.next_deadline_ns == 40


@pytest.mark.parametrize("ends", ["trade", "cancel", "replace"])
def test_an_order_that_is_gone_has_no_deadline(ends: str) -> None:
    venue = Market()
    order_id = venue.place(gtd(SELL, 10, 5, 100))
    if ends == "trade":
        venue.send(market(BUY, 5))
    elif ends == "cancel":
        venue.send(wire.CancelOrder(account_id=1, order_id=order_id))
    else:
        venue.place(limit(BUY, 9, 5, account_id=2))
        venue.send(wire.ReplaceOrder(account_id=1, order_id=order_id, price_ticks=9))
    assert venue.engine.next_deadline_ns is None
    venue.engine.check()


def test_a_taker_that_trades_at_once_never_gets_a_deadline() -> None:
    venue = Market()
    venue.place(limit(SELL, 10, 5, account_id=2))
    venue.place(gtd(BUY, 10, 5, 100))
    assert venue.engine.next_deadline_ns is None
    venue.engine.check()


def test_a_replaced_order_keeps_its_time() -> None:
    venue = Market()
    order_id = venue.place(gtd(BUY, 10, 5, 100))
    venue.send(wire.ReplaceOrder(account_id=1, order_id=order_id, price_ticks=11, time_ns=50))
    assert venue.engine.next_deadline_ns == 100
    assert canceled(venue.send(wire.Tick(time_ns=100))) == [order_id]


def test_a_waiting_stop_order_expires_and_a_triggered_one_too() -> None:
    venue = Market()
    waiting = venue.place(
        stop_limit(BUY, 20, 21, 5)._replace(time_in_force=TimeInForce.GTD, expire_time_ns=100)
    )
    triggered = venue.place(
        stop_limit(BUY, 10, 9, 5)._replace(time_in_force=TimeInForce.GTD, expire_time_ns=100)
    )
    venue.place(limit(SELL, 10, 1, account_id=2))
    venue.place(limit(BUY, 10, 1, account_id=3))
    assert venue.depth() == ([(9, 5, 1)], [])
    assert canceled(venue.send(wire.Tick(time_ns=100))) == [waiting, triggered]
    assert venue.engine.open_order_count == 0
    venue.engine.check()


def test_orders_expire_in_a_halted_instrument_and_of_a_suspended_account() -> None:
    venue = Market()
    order_id = venue.place(gtd(BUY, 10, 5, 100))
    venue.send(
        LISTING._replace(trading_state=wire.TradingState.HALTED),
        wire.SetAccount(account_id=1, state=wire.AccountState.SUSPENDED),
    )
    assert canceled(venue.send(wire.Tick(time_ns=100))) == [order_id]


def test_one_tick_cancels_only_so_many_and_the_next_goes_on() -> None:
    venue = Market()
    count = wire.CANCELS_PER_COMMAND_MAX + 3
    venue.send(*[gtd(BUY, 10, 1, 100)] * count)
    events = venue.send(wire.Tick(time_ns=100))
    assert events[-1].canceled_count == wire.CANCELS_PER_COMMAND_MAX == len(events) - 1
    assert events[-1].next_deadline_ns == 100 == venue.engine.next_deadline_ns
    events = venue.send(wire.Tick(time_ns=100))
    assert (events[-1].canceled_count, events[-1].next_deadline_ns) == (3, 0)


def test_deadlines_survive_a_snapshot() -> None:
    venue = Market()
    for index, time in enumerate((30, 10, 20)):
        venue.place(gtd(BUY, 10 + index, 1, time))
    other = Engine.restore(venue.engine.snapshot())
    assert other.next_deadline_ns == 10
    tick = wire.Tick(time_ns=25).encode()
    assert other.apply(tick) == venue.engine.apply(tick)
    assert other.snapshot() == venue.engine.snapshot()


def test_an_expiry_is_reported_and_answers_nobody() -> None:
    venue = Market()
    order_id = venue.place(gtd(BUY, 10, 5, 100))
    (report,) = venue.send_for_reports(wire.Tick(time_ns=100, request_id=9))
    assert (report.order_id, report.kind, report.cancel_reason) == (
        order_id,
        ExecutionKind.CANCELED,
        CancelReason.EXPIRED,
    )
    assert (report.request_id, report.flags, report.expire_time_ns) == (0, 0, 100)


@pytest.mark.parametrize("expire_time_ns", [-1, 0, 4, 5, 2**63 - 1])
def test_the_time_must_lie_ahead(expire_time_ns: int) -> None:
    venue = Market()
    (event,) = venue.send(gtd(BUY, 10, 5, expire_time_ns)._replace(time_ns=5))
    assert event.reason == Reason.INVALID_EXPIRE_TIME


def test_an_order_that_cannot_rest_has_no_time() -> None:
    venue = Market()
    order = limit(BUY, 10, 5, time_in_force=TimeInForce.IOC)._replace(expire_time_ns=9)
    assert venue.send(order)[0].reason == Reason.INVALID_EXPIRE_TIME
    fok = market(BUY, 5)._replace(time_in_force=TimeInForce.GTD, expire_time_ns=9)
    assert venue.send(fok)[0].reason == Reason.INVALID_TIME_IN_FORCE


def test_the_hold_is_released_in_full() -> None:
    venue = Market(units=100)
    venue.place(gtd(SELL, 10, 7, 100))
    assert venue.engine.balance(1, BASE) == (93, 7)
    venue.send(wire.Tick(time_ns=100))
    assert venue.engine.balance(1, BASE) == (100, 0)
    assert venue.engine.book(INSTRUMENT) == ([], [])


def test_a_tick_at_the_end_of_time_finds_no_deadline() -> None:
    """Found by the soak of tests/fuzz: no deadline is as late as the last time there is."""
    venue = Market()
    (ticked,) = venue.send(wire.Tick(time_ns=2**63 - 1))
    assert (ticked.canceled_count, ticked.next_deadline_ns) == (0, 0)
