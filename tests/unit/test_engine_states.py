"""Trading states: the table of docs/matching.md cell by cell, and how one follows another."""

from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import OrderFlag, Reason, Side, TimeInForce, TradingState

from tests.engine_market import (
    FIRST_ORDER_ID,
    INSTRUMENT,
    LISTING,
    Market,
    limit,
    market,
    stop,
    stop_limit,
    trades_of,
)

BUY, SELL = Side.BUY, Side.SELL
AUCTIONS = (
    TradingState.PRE_OPEN,
    TradingState.OPENING_AUCTION,
    TradingState.VOLATILITY_AUCTION,
    TradingState.CLOSING_AUCTION,
)
STOPPED = {
    TradingState.HALTED: Reason.INSTRUMENT_HALTED,
    TradingState.CLOSED: Reason.NOT_IN_THIS_STATE,
}
# What the first column's order may do; 0 = it is accepted.
PLACED: list[tuple[Any, Reason]] = [
    (limit(BUY, 10, 1), Reason.NONE),
    (
        limit(BUY, 10, 1)._replace(time_in_force=TimeInForce.GTD, expire_time_ns=9),
        Reason.NONE,
    ),
    (stop(SELL, 10, 1), Reason.NONE),
    (stop_limit(SELL, 10, 9, 1), Reason.NONE),
    (stop_limit(SELL, 10, 9, 1, time_in_force=TimeInForce.IOC), Reason.NONE),
    (market(BUY, 1), Reason.NOT_IN_THIS_STATE),
    (market(BUY, 1, time_in_force=TimeInForce.FOK), Reason.NOT_IN_THIS_STATE),
    (limit(BUY, 10, 1, time_in_force=TimeInForce.IOC), Reason.NOT_IN_THIS_STATE),
    (limit(BUY, 10, 1, time_in_force=TimeInForce.FOK), Reason.NOT_IN_THIS_STATE),
    (limit(BUY, 10, 1, flags=OrderFlag.POST_ONLY), Reason.NOT_IN_THIS_STATE),
]


def to(
    trading_state: TradingState, end_time_ns: int = 0, next_state: int = 0, time_ns: int = 0
) -> wire.SetTradingState:
    return wire.SetTradingState(
        time_ns=time_ns,
        end_time_ns=end_time_ns,
        instrument_id=INSTRUMENT,
        state=trading_state,
        next_state=next_state,
    )


def changes_of(events: list[Any]) -> list[tuple[int, int]]:
    return [(e.previous_state, e.state) for e in events if isinstance(e, wire.TradingStateChanged)]


@pytest.mark.parametrize("trading_state", list(TradingState))
@pytest.mark.parametrize(("order", "in_auctions"), PLACED)
def test_what_each_state_lets_place(
    trading_state: TradingState, order: wire.NewOrder, in_auctions: Reason
) -> None:
    venue = Market()
    venue.place(limit(SELL, 20, 5, account_id=2))
    venue.send(to(trading_state))
    event = venue.send(order)[0]
    expected = STOPPED.get(trading_state, in_auctions)
    if trading_state == TradingState.CONTINUOUS:
        expected = Reason.NONE
        if order.time_in_force == TimeInForce.FOK and order.price_ticks:
            expected = Reason.FOK_NOT_FILLABLE
    assert getattr(event, "reason", Reason.NONE) == expected
    venue.engine.check()


@pytest.mark.parametrize("trading_state", list(TradingState))
def test_every_state_lets_cancel_and_the_right_ones_replace(trading_state: TradingState) -> None:
    venue = Market()
    for order in (limit(BUY, 10, 5), limit(BUY, 9, 5), stop(SELL, 5, 5)):
        venue.place(order)
    venue.send(to(trading_state))
    for order_id in (FIRST_ORDER_ID, FIRST_ORDER_ID + 2):
        replace = wire.ReplaceOrder(account_id=1, order_id=order_id, quantity_lots=4)
        event = venue.send(replace)[0]
        assert getattr(event, "reason", Reason.NONE) == STOPPED.get(trading_state, Reason.NONE)
        cancel = wire.CancelOrder(account_id=1, order_id=order_id)
        assert isinstance(venue.send(cancel)[0], wire.OrderCanceled)
    assert venue.send(wire.MassCancel(account_id=1))[-1].canceled_count == 1


@pytest.mark.parametrize("trading_state", AUCTIONS)
def test_nothing_trades_and_nothing_triggers_before_continuous_trading(
    trading_state: TradingState,
) -> None:
    venue = Market()
    venue.send(limit(SELL, 10, 1), limit(BUY, 10, 1, account_id=2))
    venue.send(to(trading_state))
    venue.place(limit(SELL, 10, 5))
    order_id = venue.place(limit(BUY, 9, 5, account_id=2))
    venue.send(wire.ReplaceOrder(account_id=2, order_id=order_id, price_ticks=11))
    assert len(venue.send(stop(SELL, 10, 1, account_id=3))) == 1  # 10 was the last price
    assert venue.depth() == ([(11, 5, 1)], [(10, 5, 1)])
    venue.engine.check()
    venue.send(to(TradingState.HALTED))
    assert venue.depth() == ([(11, 5, 1)], [(10, 5, 1)])
    events = venue.send(to(TradingState.CONTINUOUS))
    assert trades_of(events) == [(10, 5)]
    assert isinstance(events[-2], wire.OrderTriggered)


def test_a_stop_order_placed_in_an_auction_triggers_by_the_price_from_before() -> None:
    venue = Market()
    venue.send(limit(SELL, 10, 1), limit(BUY, 10, 1, account_id=2))
    venue.send(to(TradingState.VOLATILITY_AUCTION))
    venue.place(stop(SELL, 10, 1))
    events = venue.send(to(TradingState.CONTINUOUS))
    assert [type(event) for event in events] == [
        wire.TradingStateChanged,
        wire.OrderTriggered,
        wire.OrderCanceled,
    ]


def test_a_tick_moves_on_when_the_state_ends() -> None:
    venue = Market()
    venue.send(to(TradingState.PRE_OPEN, 10, TradingState.OPENING_AUCTION, time_ns=1))
    assert venue.engine.next_deadline_ns == 10
    assert changes_of(venue.send(wire.Tick(time_ns=9))) == []
    events = venue.send(wire.Tick(time_ns=10))
    assert changes_of(events) == [(TradingState.PRE_OPEN, TradingState.OPENING_AUCTION)]
    assert (events[0].end_time_ns, events[0].next_state) == (0, 0)
    assert venue.engine.next_deadline_ns is None


def test_another_change_takes_the_place_of_what_was_due() -> None:
    venue = Market()
    venue.send(to(TradingState.PRE_OPEN, 10, TradingState.CLOSED, time_ns=1))
    venue.send(to(TradingState.PRE_OPEN, 20, TradingState.CONTINUOUS, time_ns=2))
    assert venue.engine.next_deadline_ns == 20
    venue.send(to(TradingState.PRE_OPEN, time_ns=2))
    assert venue.engine.next_deadline_ns is None


def test_the_terms_change_the_state_in_the_same_way() -> None:
    venue = Market()
    venue.send(to(TradingState.PRE_OPEN, 10, TradingState.CLOSED, time_ns=1))
    venue.send(limit(SELL, 10, 5), limit(BUY, 11, 5, account_id=2))
    same = LISTING._replace(trading_state=TradingState.PRE_OPEN, taker_fee_ppm=1)
    assert len(venue.send(same)) == 1
    assert venue.engine.next_deadline_ns == 10
    events = venue.send(LISTING)
    assert isinstance(events[0], wire.InstrumentChanged)
    assert trades_of(events) == [(11, 5)]
    assert changes_of(events) == [(TradingState.PRE_OPEN, TradingState.CONTINUOUS)]
    assert venue.engine.next_deadline_ns is None


def test_an_instrument_is_listed_in_any_state() -> None:
    venue = Market(listing=LISTING._replace(trading_state=TradingState.CLOSED))
    assert venue.send(limit(BUY, 10, 1))[0].reason == Reason.NOT_IN_THIS_STATE
    assert changes_of(venue.send(to(TradingState.CONTINUOUS))) == [
        (TradingState.CLOSED, TradingState.CONTINUOUS)
    ]


@pytest.mark.parametrize(
    "change",
    [
        to(TradingState.CLOSED)._replace(state=0),
        to(TradingState.CLOSED)._replace(state=8),
        to(TradingState.CLOSED, 10, 0),
        to(TradingState.CLOSED, 10, 8),
        to(TradingState.CLOSED, 10, TradingState.CLOSED),
        to(TradingState.CLOSED, 5, TradingState.HALTED),
        to(TradingState.CLOSED, 2**63 - 1, TradingState.HALTED),
        to(TradingState.CLOSED, 0, TradingState.HALTED),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(change: wire.SetTradingState) -> None:
    (event,) = Market().send(change._replace(time_ns=5))
    assert event.reason == Reason.INVALID_TRADING_STATE


def test_orders_expire_in_every_state() -> None:
    for trading_state in TradingState:
        venue = Market()
        venue.send(
            limit(BUY, 10, 1)._replace(time_in_force=TimeInForce.GTD, expire_time_ns=9),
            to(trading_state),
        )
        events = venue.send(wire.Tick(time_ns=9))
        assert [type(event) for event in events] == [wire.OrderCanceled, wire.Ticked]


def test_a_change_of_state_has_a_tick_for_itself() -> None:
    venue = Market()
    venue.send(
        limit(BUY, 10, 1)._replace(time_in_force=TimeInForce.GTD, expire_time_ns=9),
        to(TradingState.PRE_OPEN, 9, TradingState.CONTINUOUS),
    )
    events = venue.send(wire.Tick(time_ns=9))
    assert [type(event) for event in events] == [wire.OrderCanceled, wire.Ticked]
    assert events[-1].next_deadline_ns == 9
    events = venue.send(wire.Tick(time_ns=9))
    assert [type(event) for event in events] == [wire.TradingStateChanged, wire.Ticked]


def test_a_snapshot_keeps_the_state_and_what_is_due() -> None:
    venue = Market()
    venue.send(to(TradingState.CLOSING_AUCTION, 10, TradingState.CLOSED))
    venue.send(limit(SELL, 10, 5), limit(BUY, 11, 5, account_id=2))
    snapshot = venue.engine.snapshot()
    venue.engine = Engine.restore(snapshot)
    assert venue.engine.snapshot() == snapshot
    assert venue.engine.next_deadline_ns == 10
    events = venue.send(wire.Tick(time_ns=10))
    assert trades_of(events) == [(11, 5)]
    assert changes_of(events) == [(TradingState.CLOSING_AUCTION, TradingState.CLOSED)]
