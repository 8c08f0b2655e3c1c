"""Orders for one auction alone: at the open and at the close."""

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, Reason, Side, TimeInForce, TradingState

from tests.engine_market import BASE, INSTRUMENT, Market, limit, market, stop, trades_of

BUY, SELL = Side.BUY, Side.SELL
OPEN, CLOSE = TimeInForce.AT_THE_OPEN, TimeInForce.AT_THE_CLOSE


def state(name: TradingState) -> wire.SetTradingState:
    return wire.SetTradingState(instrument_id=INSTRUMENT, state=name)


def canceled(events: list[object]) -> list[tuple[int, int]]:
    return [(e.order_id, e.reason) for e in events if isinstance(e, wire.OrderCanceled)]


def reason_of(venue: Market, order: wire.NewOrder) -> Reason | None:
    event = venue.send(order)[0]
    return Reason(event.reason) if isinstance(event, wire.OrderRejected) else None


@pytest.mark.parametrize(
    ("in_state", "at_open", "at_close"),
    [
        (TradingState.PRE_OPEN, None, None),
        (TradingState.OPENING_AUCTION, None, None),
        (TradingState.CONTINUOUS, Reason.NOT_IN_THIS_STATE, None),
        (TradingState.VOLATILITY_AUCTION, Reason.NOT_IN_THIS_STATE, None),
        (TradingState.CLOSING_AUCTION, Reason.NOT_IN_THIS_STATE, None),
        (TradingState.HALTED, Reason.INSTRUMENT_HALTED, Reason.INSTRUMENT_HALTED),
        (TradingState.CLOSED, Reason.NOT_IN_THIS_STATE, Reason.NOT_IN_THIS_STATE),
    ],
)
def test_each_state_takes_them_or_not(
    in_state: TradingState, at_open: Reason | None, at_close: Reason | None
) -> None:
    venue = Market()
    venue.send(state(in_state))
    assert reason_of(venue, limit(BUY, 10, 1, time_in_force=OPEN)) == at_open
    assert reason_of(venue, limit(BUY, 10, 1, time_in_force=CLOSE)) == at_close
    venue.engine.check()


def test_what_is_left_of_an_order_at_the_open_ends_before_anything_triggers() -> None:
    venue = Market()
    venue.send(state(TradingState.OPENING_AUCTION))
    left = venue.place(limit(BUY, 12, 5, account_id=2, time_in_force=OPEN))
    venue.place(limit(SELL, 11, 2))
    venue.place(stop(SELL, 12, 3, account_id=3))
    events = venue.send(state(TradingState.CONTINUOUS))
    assert trades_of(events) == [(12, 2)]
    assert venue.engine.next_deadline_ns == 1
    events = venue.send(wire.Tick(time_ns=1))
    assert canceled(events)[0] == (left, CancelReason.AUCTION_OVER)
    assert trades_of(events) == []  # the stop order found nobody
    assert venue.engine.next_deadline_ns is None
    venue.engine.check()


def test_a_halt_ends_neither_kind() -> None:
    venue = Market()
    venue.send(state(TradingState.PRE_OPEN))
    venue.place(limit(BUY, 12, 5, time_in_force=OPEN))
    venue.place(limit(BUY, 12, 5, time_in_force=CLOSE))
    venue.send(state(TradingState.HALTED))
    assert venue.engine.next_deadline_ns is None
    venue.send(state(TradingState.OPENING_AUCTION))
    assert venue.engine.next_deadline_ns is None
    assert venue.engine.open_order_count == 2


def test_orders_at_the_close_wait_unseen_and_come_in_the_order_of_price_and_age() -> None:
    venue = Market(units=1_000)
    ids = [venue.place(limit(SELL, price, 1, time_in_force=CLOSE)) for price in (12, 10, 11, 10)]
    assert venue.depth() == ([], [])
    assert venue.engine.balance(1, BASE) == (996, 4)
    assert venue.send(market(BUY, 1, account_id=2))[1].reason == CancelReason.IOC_REMAINDER
    venue.send(state(TradingState.CLOSING_AUCTION)._replace(time_ns=5))
    direct = venue.place(limit(SELL, 10, 1, account_id=2, time_in_force=CLOSE)._replace(time_ns=5))
    events = venue.send(wire.Tick(time_ns=5))
    triggered = [e.order_id for e in events if isinstance(e, wire.OrderTriggered)]
    assert triggered == [ids[1], ids[3], ids[2], ids[0]]
    assert venue.depth()[1] == [(10, 3, 3), (11, 1, 1), (12, 1, 1)]
    assert venue.engine.balance(1, BASE) == (996, 4)
    venue.send(limit(BUY, 10, 2, account_id=3)._replace(time_ns=6))
    events = venue.send(state(TradingState.CLOSED)._replace(time_ns=7))
    makers = [e.maker_order_id for e in events if isinstance(e, wire.Trade)]
    assert makers == [direct, ids[1]]  # it came to the book before the Tick
    events = venue.send(wire.Tick(time_ns=7))
    assert [order_id for order_id, _ in canceled(events)] == [ids[0], ids[2], ids[3]]
    assert venue.engine.balance(1, BASE)[1] == 0
    venue.engine.check()


def test_a_close_without_an_auction_ends_them() -> None:
    venue = Market()
    order_id = venue.place(limit(SELL, 10, 1, time_in_force=CLOSE))
    venue.send(state(TradingState.CLOSED))
    assert canceled(venue.send(wire.Tick(time_ns=1))) == [(order_id, CancelReason.AUCTION_OVER)]


def test_a_waiting_order_can_be_replaced_and_canceled() -> None:
    venue = Market(units=1_000)
    first = venue.place(limit(SELL, 10, 5, time_in_force=CLOSE))
    second = venue.place(limit(SELL, 10, 5, time_in_force=CLOSE))
    (event,) = venue.send(wire.ReplaceOrder(account_id=1, order_id=first, quantity_lots=3))
    assert event.flags == wire.ReplaceFlag.KEPT_PRIORITY | wire.ReplaceFlag.WAITING
    (event,) = venue.send(wire.ReplaceOrder(account_id=1, order_id=first, price_ticks=9))
    assert event.flags == wire.ReplaceFlag.WAITING
    venue.engine = Engine.restore(venue.engine.snapshot())
    venue.send(wire.CancelOrder(account_id=1, order_id=second))
    assert venue.engine.balance(1, BASE) == (997, 3)
    venue.engine.check()


def test_at_the_last_time_there_is_what_is_due_now_is_due() -> None:
    venue = Market()
    last = 2**63 - 1
    venue.place(limit(SELL, 10, 1, time_in_force=CLOSE))
    venue.place(limit(SELL, 10, 1, time_in_force=TimeInForce.DAY))
    venue.send(state(TradingState.CLOSING_AUCTION)._replace(time_ns=last))
    assert isinstance(venue.send(wire.Tick(time_ns=last))[0], wire.OrderTriggered)
    venue.send(state(TradingState.CLOSED)._replace(time_ns=last))
    assert venue.send(wire.Tick(time_ns=last))[-1].canceled_count == 2
    assert venue.engine.open_order_count == 0


def test_ten_thousand_come_and_end_with_one_tick_and_the_next_goes_on() -> None:
    venue = Market()
    count = wire.CANCELS_PER_COMMAND_MAX + 5
    for _ in range(count):
        venue.place(limit(SELL, 10, 1, time_in_force=CLOSE))
    venue.send(state(TradingState.CLOSING_AUCTION))
    events = venue.send(wire.Tick(time_ns=1))
    assert len(events) == wire.CANCELS_PER_COMMAND_MAX + 1
    assert events[-1].next_deadline_ns == 1
    assert len(venue.send(wire.Tick(time_ns=1))) == 5 + 1
    venue.send(state(TradingState.CLOSED))
    assert venue.send(wire.Tick(time_ns=2))[-1].canceled_count == wire.CANCELS_PER_COMMAND_MAX
    assert venue.send(wire.Tick(time_ns=2))[-1].canceled_count == 5
    assert venue.engine.open_order_count == 0
