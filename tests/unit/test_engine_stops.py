"""Stop orders: what other engines got wrong, one test each (docs/matching.md has the rules)."""

from typing import Any

import pytest
from tradepit.engine import Engine
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

from tests.engine_market import (
    BASE,
    INSTRUMENT,
    LISTING,
    QUOTE,
    Market,
    limit,
    market,
    stop,
    stop_limit,
    trades_of,
)

BUY, SELL = Side.BUY, Side.SELL


def triggered(events: list[Any]) -> list[int]:
    return [event.order_id for event in events if isinstance(event, wire.OrderTriggered)]


def trade_at(venue: Market, price_ticks: int) -> list[Any]:
    """A trade at this price between accounts 2 and 3; the events of the taker."""
    venue.place(limit(SELL, price_ticks, 1, account_id=2))
    return venue.send(limit(BUY, price_ticks, 1, account_id=3))


def test_a_chain_of_stops_ends_within_its_command() -> None:
    venue = Market()
    prices = range(100, 90, -1)
    for price in prices:
        venue.place(limit(BUY, price, 1, account_id=2))
    waiting = [venue.place(stop(SELL, price, 1)) for price in prices[:-1]]
    events = venue.send(market(SELL, 1, account_id=3))
    assert triggered(events) == waiting
    assert trades_of(events) == [(price, 1) for price in prices]
    assert {event.seq for event in events} == {venue.engine.seq}
    venue.engine.check()


def test_a_refused_fok_triggers_nothing_and_moves_no_price() -> None:
    venue = Market()
    venue.place(limit(SELL, 10, 1, account_id=2))
    venue.place(stop(BUY, 10, 1, price_ticks=20))
    (event,) = venue.send(limit(BUY, 10, 2, account_id=3, time_in_force=TimeInForce.FOK))
    assert event.reason == Reason.FOK_NOT_FILLABLE
    assert triggered(venue.send(stop(BUY, 9, 1, price_ticks=20))) == []  # there was no trade yet


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_trade_at_the_trigger_price_triggers_and_one_tick_short_does_not(side: Side) -> None:
    venue = Market()
    short, beyond = (99, 101) if side == BUY else (101, 99)
    trade_at(venue, short)
    waiting = venue.place(stop(side, 100, 1, price_ticks=200 if side == BUY else 0))
    assert triggered(trade_at(venue, short)) == []
    assert triggered(trade_at(venue, 100)) == [waiting]
    other = venue.place(stop_limit(side, beyond, 100, 1))
    assert triggered(trade_at(venue, beyond)) == [other]


def test_price_order_then_age_decides_who_is_triggered_first() -> None:
    venue = Market()
    late = venue.place(stop(BUY, 12, 1, price_ticks=30))
    first = venue.place(stop(BUY, 11, 1, price_ticks=30))
    second = venue.place(stop(BUY, 11, 1, price_ticks=30))
    low = venue.place(stop(SELL, 20, 1))
    high = venue.place(stop(SELL, 21, 1))
    assert triggered(trade_at(venue, 15)) == [first, second, late, high, low]


def test_every_price_of_a_sweep_counts() -> None:
    venue = Market()
    trade_at(venue, 50)
    waiting = venue.place(stop(SELL, 20, 1))
    venue.place(limit(SELL, 20, 1, account_id=2))
    venue.place(limit(SELL, 30, 1, account_id=2))
    events = venue.send(limit(BUY, 30, 2, account_id=3))  # trades at 20, ends at 30
    assert triggered(events) == [waiting]


def test_what_waits_holds_funds_and_gives_them_back() -> None:
    venue = Market(units=1_000, listing=LISTING._replace(taker_fee_ppm=100_000))
    buy = venue.place(stop(BUY, 10, 5, price_ticks=20))
    sell = venue.place(stop(SELL, 10, 7))
    assert venue.engine.balance(1, QUOTE) == (890, 110)
    assert venue.engine.balance(1, BASE) == (993, 7)
    venue.send(wire.ReplaceOrder(account_id=1, order_id=buy, quantity_lots=6))
    assert venue.engine.balance(1, QUOTE) == (868, 132)
    (event,) = venue.send(wire.ReplaceOrder(account_id=1, order_id=buy, quantity_lots=60))
    assert event.reason == Reason.INSUFFICIENT_FUNDS
    venue.send(wire.CancelOrder(account_id=1, order_id=buy))
    venue.send(wire.MassCancel(account_id=1, instrument_id=INSTRUMENT, side=SELL))
    assert venue.engine.balance(1, QUOTE) == venue.engine.balance(1, BASE) == (1_000, 0)
    assert isinstance(venue.ask(wire.OrderQuery(account_id=1, order_id=sell))[0], wire.Reject)
    assert triggered(trade_at(venue, 10)) == []  # nothing stayed behind
    venue.engine.check()


def test_a_fee_that_rose_meanwhile_does_not_break_a_waiting_buy() -> None:
    venue = Market(units=1_000)
    waiting = venue.place(stop(BUY, 10, 50, price_ticks=20))
    assert venue.engine.balance(1, QUOTE) == (0, 1_000)
    venue.place(limit(SELL, 20, 50, account_id=2))
    venue.send(LISTING._replace(taker_fee_ppm=100_000))
    events = trade_at(venue, 10)
    assert triggered(events) == [waiting]
    assert events[-1].taker_fee_units == 0
    assert venue.engine.balance(1, QUOTE) == (0, 0)
    venue.engine.check()


def test_open_orders_show_what_waits_and_the_book_does_not() -> None:
    venue = Market()
    waiting = venue.place(stop_limit(BUY, 10, 12, 5))
    assert venue.depth() == ([], [])
    assert venue.engine.top_of_book(INSTRUMENT) == (0, 0, 0, 0)
    report, _ = venue.ask(wire.OpenOrdersQuery(account_id=1, count_max=10))
    assert (report.order_id, report.status) == (waiting, OrderStatus.WAITING)
    assert (report.trigger_price_ticks, report.price_ticks) == (10, 12)
    venue.send(wire.CancelOrder(account_id=1, order_id=waiting))
    assert venue.engine.touched_instruments == []


@pytest.mark.parametrize("mode", list(SelfTradePrevention)[1:])
def test_self_trade_prevention_applies_to_triggered_orders(mode: SelfTradePrevention) -> None:
    venue = Market()
    waiting = venue.place(stop(BUY, 10, 5, price_ticks=20)._replace(self_trade_prevention=mode))
    venue.place(limit(SELL, 15, 5))
    events = trade_at(venue, 10)
    assert triggered(events) == [waiting]
    assert any(isinstance(event, wire.SelfTradePrevented) for event in events)
    assert trades_of(events) == [(10, 1)]
    assert venue.engine.open_order_count == (mode == SelfTradePrevention.CANCEL_NEWEST)
    venue.engine.check()


def test_reports_of_triggered_orders_answer_nobody() -> None:
    venue = Market()
    venue.place(stop(SELL, 10, 1))
    venue.place(limit(SELL, 10, 1, account_id=2))
    venue.place(limit(BUY, 9, 1, account_id=2))
    reports = venue.send_for_reports(limit(BUY, 10, 1, account_id=3)._replace(request_id=7))
    assert [(r.account_id, r.kind, r.request_id, r.flags) for r in reports] == [
        (3, ExecutionKind.ACCEPTED, 7, 0),
        (3, ExecutionKind.TRADE, 7, wire.ReportFlag.LAST),
        (2, ExecutionKind.TRADE, 0, 0),
        (1, ExecutionKind.TRIGGERED, 0, 0),
        (1, ExecutionKind.TRADE, 0, 0),
        (2, ExecutionKind.TRADE, 0, 0),
    ]


def test_more_than_a_command_may_trigger_goes_on_with_the_next() -> None:
    venue = Market()
    count = wire.TRIGGERS_PER_COMMAND_MAX + 5
    venue.engine.apply(stop(SELL, 10, 1).encode() * count)
    assert len(triggered(trade_at(venue, 10))) == wire.TRIGGERS_PER_COMMAND_MAX
    venue.engine = Engine.restore(venue.engine.snapshot())
    events = venue.send(limit(BUY, 1, 1, account_id=2))
    assert len(triggered(events)) == 5
    assert trades_of(events) == [(1, 1)]
    assert venue.engine.open_order_count == 0
    venue.engine.check()


def test_a_cascade_ends_where_its_events_would_not_fit_a_message() -> None:
    venue = Market()
    count = wire.FILLS_PER_COMMAND_MAX
    trade_at(venue, 50)
    venue.engine.apply(limit(BUY, 10, 1, account_id=2).encode() * (count + 3))
    first = venue.place(stop(SELL, 10, count))
    second = venue.place(stop(SELL, 10, 1))
    events = venue.send(limit(SELL, 10, 1, account_id=3))
    assert triggered(events) == [first]
    assert len(trades_of(events)) == count  # the first trade included
    assert events[-1].reason == CancelReason.FILL_LIMIT
    assert triggered(venue.send(limit(BUY, 1, 1, account_id=2))) == [second]
    assert venue.depth() == ([(10, 2, 2), (1, 1, 1)], [])
    venue.engine.check()


def test_a_restored_engine_knows_the_last_price_and_what_waits() -> None:
    venue = Market()
    trade_at(venue, 10)
    waiting = venue.place(stop(BUY, 12, 1, price_ticks=20))
    snapshot = venue.engine.snapshot()
    venue.engine = Engine.restore(snapshot)
    assert venue.engine.snapshot() == snapshot
    assert triggered(venue.send(stop(SELL, 10, 1))) != []  # by the last price
    events = trade_at(venue, 12)
    assert triggered(events) == [waiting]
    assert events[-1].reason == CancelReason.IOC_REMAINDER
