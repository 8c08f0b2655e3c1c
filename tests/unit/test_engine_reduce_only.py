"""Reduce-only orders never make a position larger, whoever trades with them and when."""

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, OrderFlag, Reason, Side, TimeInForce

from tests.engine_market import INSTRUMENT, Market, limit, market, stop, trades_of

BUY, SELL = Side.BUY, Side.SELL


def reducing(order: wire.NewOrder) -> wire.NewOrder:
    return order._replace(flags=order.flags | OrderFlag.REDUCE_ONLY)


def long_by(lots: int) -> Market:
    """A market in which account 1 has bought so many lots, at 100, of account 2."""
    venue = Market()
    venue.send(limit(SELL, 100, lots, account_id=2), limit(BUY, 100, lots))
    return venue


def cancels(events: list[object]) -> list[tuple[int, int]]:
    return [(e.reason, e.canceled_lots) for e in events if isinstance(e, wire.OrderCanceled)]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_it_needs_a_position_of_the_other_direction(side: Side) -> None:
    venue = long_by(5)
    seller = 2 if side == SELL else 1
    (event,) = venue.send(reducing(limit(side, 100, 1, account_id=seller)))
    assert event.reason == Reason.WOULD_NOT_REDUCE
    (event,) = venue.send(reducing(limit(side, 100, 1, account_id=3)))
    assert event.reason == Reason.WOULD_NOT_REDUCE


def test_it_takes_at_most_the_position_for_its_quantity() -> None:
    venue = long_by(5)
    venue.place(limit(BUY, 99, 10, account_id=3))
    accepted, trade = venue.send(reducing(market(SELL, 1_000, time_in_force=TimeInForce.FOK)))
    assert (accepted.quantity_lots, trade.quantity_lots) == (5, 5)
    (event,) = venue.send(reducing(market(SELL, 1)))
    assert event.reason == Reason.WOULD_NOT_REDUCE


def test_a_maker_stops_where_the_position_is_used_up_and_the_taker_goes_on() -> None:
    venue = long_by(5)
    first = venue.place(reducing(limit(SELL, 101, 4)))
    venue.place(reducing(limit(SELL, 102, 4)))
    venue.place(limit(SELL, 103, 9, account_id=2))
    events = venue.send(market(BUY, 8, account_id=3))
    assert trades_of(events) == [(101, 4), (102, 1), (103, 3)]
    assert cancels(events) == [(CancelReason.REDUCE_ONLY, 3)]
    assert first
    venue.engine.check()


def test_what_is_checked_in_advance_knows_what_will_not_trade() -> None:
    venue = long_by(5)
    venue.place(reducing(limit(SELL, 101, 5)))
    venue.place(reducing(limit(SELL, 102, 5)))
    (event,) = venue.send(market(BUY, 6, account_id=3, time_in_force=TimeInForce.FOK))
    assert event.reason == Reason.FOK_NOT_FILLABLE
    events = venue.send(market(BUY, 5, account_id=3, time_in_force=TimeInForce.FOK))
    assert trades_of(events) == [(101, 5)]
    events = venue.send(market(BUY, 1, account_id=3))  # meets what is left, which ends by it
    assert cancels(events) == [(CancelReason.REDUCE_ONLY, 5), (CancelReason.IOC_REMAINDER, 1)]


def test_a_stop_order_counts_the_position_when_it_is_triggered() -> None:
    venue = long_by(5)
    venue.place(reducing(stop(SELL, 90, 5)))
    venue.place(limit(BUY, 95, 3, account_id=3))
    venue.send(market(SELL, 3))
    venue.place(limit(BUY, 90, 9, account_id=3))
    events = venue.send(market(SELL, 1, account_id=2))
    assert trades_of(events) == [(90, 1), (90, 2)]
    assert cancels(events) == [(CancelReason.REDUCE_ONLY, 3)]


def test_a_replaced_order_trades_no_more_than_the_position() -> None:
    venue = long_by(5)
    order_id = venue.place(reducing(limit(SELL, 110, 5)))
    venue.send(limit(BUY, 99, 9, account_id=3), market(SELL, 4))
    events = venue.send(wire.ReplaceOrder(account_id=1, order_id=order_id, price_ticks=99))
    assert trades_of(events) == [(99, 1)]
    assert cancels(events) == [(CancelReason.REDUCE_ONLY, 4)]


def test_in_an_auction_too() -> None:
    venue = long_by(5)
    venue.place(reducing(limit(SELL, 110, 5)))
    venue.send(
        wire.SetTradingState(instrument_id=INSTRUMENT, state=wire.TradingState.PRE_OPEN),
        limit(SELL, 105, 3),
        limit(BUY, 110, 9, account_id=3),
    )
    events = venue.send(
        wire.SetTradingState(instrument_id=INSTRUMENT, state=wire.TradingState.CONTINUOUS)
    )
    assert [lots for _, lots in trades_of(events)] == [3, 2]
    assert cancels(events) == [(CancelReason.REDUCE_ONLY, 3)]
    venue.engine.check()


def test_positions_are_part_of_a_snapshot() -> None:
    venue = long_by(5)
    venue.engine = Engine.restore(venue.engine.snapshot())
    accepted, *_ = venue.send(reducing(limit(SELL, 110, 9)))
    assert accepted.quantity_lots == 5
