"""Allocation pro rata: the oldest order of a price first, the others by their size."""

import pytest
from tradepit.protocol import wire
from tradepit.protocol.wire import (
    CancelReason,
    OrderFlag,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

from tests.engine_market import LISTING, Market, budget, limit, market, trades_of

BUY, SELL = Side.BUY, Side.SELL
PRO_RATA = LISTING._replace(allocation=wire.Allocation.PRO_RATA)


def level_of(*sizes: int) -> Market:
    """A market in which account 2 offers orders of these sizes at 100."""
    venue = Market(listing=PRO_RATA)
    for lots in sizes:
        venue.place(limit(SELL, 100, lots, account_id=2))
    return venue


@pytest.mark.parametrize(
    ("sizes", "lots", "shares"),
    [
        ([6, 3, 1], 5, [5]),
        ([2, 30, 10], 22, [2, 15, 5]),
        ([2, 3, 3, 3], 6, [2, 2, 1, 1]),
        ([1, 10, 1, 1], 3, [1, 2]),  # shares of less than a lot go to the oldest of the others
        ([5, 5, 5], 15, [5, 5, 5]),
        ([5, 5, 5], 99, [5, 5, 5]),
        ([2**30, 2**30, 2**30], 2**30, [2**30]),
        ([1, 2**30, 2**29], 2**29 + 1, [1, 357_913_942, 178_956_970]),
    ],
)
def test_the_oldest_takes_what_it_can_and_the_others_share(
    sizes: list[int], lots: int, shares: list[int]
) -> None:
    venue = level_of(*sizes)
    events = venue.send(market(BUY, lots))
    assert [traded for _, traded in trades_of(events)] == shares
    venue.engine.check()


def test_what_a_partial_fill_leaves_keeps_its_place() -> None:
    venue = level_of(2, 30, 10)
    venue.send(market(BUY, 22))
    events = venue.send(market(BUY, 16))
    assert [traded for _, traded in trades_of(events)] == [15, 1]


def test_the_next_price_comes_when_the_first_is_used_up() -> None:
    venue = level_of(2, 2)
    venue.place(limit(SELL, 101, 3, account_id=2))
    venue.place(limit(SELL, 101, 3, account_id=2))
    events = venue.send(market(BUY, 8))
    assert trades_of(events) == [(100, 2), (100, 2), (101, 3), (101, 1)]


def test_self_trade_prevention_comes_before_the_shares() -> None:
    venue = level_of(4, 4)
    venue.place(limit(SELL, 100, 4))
    taker = market(BUY, 6)._replace(self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST)
    events = venue.send(taker)
    assert trades_of(events) == []
    assert events[-1].reason == CancelReason.SELF_TRADE
    taker = taker._replace(self_trade_prevention=SelfTradePrevention.DECREMENT_AND_CANCEL)
    events = venue.send(taker)
    assert trades_of(events) == [(100, 2)]
    assert events[2].reason == CancelReason.SELF_TRADE
    venue.engine.check()


def test_fill_or_kill_is_judged_as_it_trades() -> None:
    venue = level_of(4, 4)
    (event,) = venue.send(market(BUY, 9, time_in_force=TimeInForce.FOK))
    assert event.reason == Reason.FOK_NOT_FILLABLE
    assert trades_of(venue.send(market(BUY, 8, time_in_force=TimeInForce.FOK))) == [(100, 4)] * 2


def test_a_taker_meets_so_many_of_a_level_and_no_more() -> None:
    venue = Market(listing=PRO_RATA)
    for _ in range(wire.FILLS_PER_COMMAND_MAX + 3):
        venue.place(limit(SELL, 100, 2, account_id=2))
    events = venue.send(market(BUY, 2**20))
    assert len(trades_of(events)) == wire.FILLS_PER_COMMAND_MAX
    assert events[-1].reason == CancelReason.FILL_LIMIT
    assert venue.engine.open_order_count == 3
    venue.engine.check()


def test_what_has_no_meaning_there_is_refused() -> None:
    venue = level_of(5)
    order = limit(BUY, 90, 5)
    for wrong, reason in (
        (order._replace(display_quantity_lots=1), Reason.INVALID_DISPLAY_QUANTITY),
        (order._replace(flags=OrderFlag.REDUCE_ONLY), Reason.INVALID_FLAGS),
        (budget(1_000), Reason.INVALID_QUANTITY),
    ):
        (event,) = venue.send(wrong)
        assert event.reason == reason


def test_an_instrument_keeps_its_allocation() -> None:
    venue = level_of(5)
    (event,) = venue.send(LISTING)
    assert event.reason == Reason.INVALID_INSTRUMENT
    (event,) = venue.send(PRO_RATA._replace(instrument_id=2, allocation=2))
    assert event.reason == Reason.INVALID_INSTRUMENT
