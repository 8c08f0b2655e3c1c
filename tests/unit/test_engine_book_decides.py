"""Orders that leave their price or quantity to the book: budgets, sliding post-only, to-limit."""

import pytest
from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, OrderFlag, Reason, Side, TimeInForce

from tests.engine_market import (
    BASE,
    LISTING,
    QUOTE,
    Market,
    budget,
    limit,
    market_to_limit,
    trades_of,
)

BUY, SELL = Side.BUY, Side.SELL


def cost(price: int, lots: int, ppm: int) -> int:
    return price * lots + price * lots * ppm // 1_000_000


@pytest.mark.parametrize("ppm", [0, 1, 9_999, 33_333, 100_000])
@pytest.mark.parametrize("units", [99, 100, 101, 299, 300, 333, 500, 1_234])
def test_a_budget_buys_the_most_lots_that_it_pays_to_the_last_unit(ppm: int, units: int) -> None:
    venue = Market(accounts=2, listing=LISTING._replace(taker_fee_ppm=ppm))
    for price, lots in ((99, 2), (101, 3), (150, 9)):
        venue.place(limit(SELL, price, lots, account_id=2))
    left, wanted = units, []
    for price, most in ((99, 2), (101, 3), (150, 9)):
        lots = max(lots for lots in range(most + 1) if cost(price, lots, ppm) <= left)
        left -= cost(price, lots, ppm)
        wanted += [(price, lots)] if lots else []
        if lots < most:
            break
    events = venue.send(budget(units))
    if not wanted:
        assert events[0].reason == Reason.BUDGET_TOO_SMALL
        return
    assert trades_of(events) == wanted
    assert events[0].quantity_lots == sum(lots for _, lots in wanted)
    assert not any(isinstance(event, wire.OrderCanceled) for event in events)
    assert venue.engine.balance(1, QUOTE)[0] == 10**15 - units + left


def test_a_budget_goes_no_farther_than_the_band_and_than_the_fills_of_a_command() -> None:
    venue = Market(listing=LISTING._replace(market_protection_ppm=10_000))
    venue.place(limit(SELL, 100, 5, account_id=2))
    venue.place(limit(SELL, 102, 5, account_id=2))
    assert trades_of(venue.send(budget(10_000))) == [(100, 5)]


def test_a_budget_passes_its_own_makers_as_the_order_will() -> None:
    for mode, bought, quantity in (
        (wire.SelfTradePrevention.CANCEL_OLDEST, [(101, 3)], 3),
        (wire.SelfTradePrevention.DECREMENT_AND_CANCEL, [(101, 3)], 5),
    ):
        venue = Market()
        venue.place(limit(SELL, 100, 2))
        venue.place(limit(SELL, 101, 9, account_id=2))
        events = venue.send(budget(320)._replace(self_trade_prevention=mode))
        assert trades_of(events) == bought
        assert events[0].quantity_lots == quantity
        venue.engine.check()


def test_a_budget_may_be_fill_or_kill_and_takes_no_more_than_the_account_has() -> None:
    venue = Market(accounts=2, units=0)
    venue.credit(1, QUOTE, 250)
    venue.credit(2, BASE, 10)
    venue.place(limit(SELL, 100, 9, account_id=2))
    assert venue.send(budget(251))[0].reason == Reason.INSUFFICIENT_FUNDS
    assert trades_of(venue.send(budget(250, time_in_force=TimeInForce.FOK))) == [(100, 2)]
    assert venue.engine.balance(1, QUOTE) == (50, 0)


@pytest.mark.parametrize(
    ("side", "best", "price", "slid"), [(BUY, 100, 103, 99), (SELL, 100, 97, 101)]
)
def test_a_sliding_order_rests_one_tick_before_the_other_side(
    side: Side, best: int, price: int, slid: int
) -> None:
    venue = Market()
    venue.place(limit(Side(3 - side), best, 1, account_id=2))
    (accepted,) = venue.send(limit(side, price, 5, flags=OrderFlag.POST_ONLY_SLIDE))
    assert accepted.price_ticks == slid
    order = accepted.order_id
    (replaced,) = venue.send(wire.ReplaceOrder(account_id=1, order_id=order, price_ticks=price))
    assert (replaced.price_ticks, replaced.flags) == (slid, 0)
    venue.engine.check()


def test_a_sliding_order_holds_what_it_needs_at_the_price_it_gets() -> None:
    venue = Market(accounts=2, units=1_000)
    venue.place(limit(SELL, 101, 1, account_id=2))
    assert venue.send(limit(BUY, 150, 10, flags=OrderFlag.POST_ONLY_SLIDE))[0].price_ticks == 100
    assert venue.engine.balance(1, QUOTE) == (0, 1_000)


def test_a_sliding_order_keeps_to_the_tick_table() -> None:
    venue = Market()
    bands = (wire.PriceBand(50, 5), wire.PriceBand(100, 10))
    venue.place(limit(BUY, 120, 1, account_id=2))
    venue.place(limit(SELL, 121, 1, account_id=2))
    venue.send(wire.SetTickTable(instrument_id=1, bands=bands))
    (accepted,) = venue.send(limit(BUY, 130, 1, flags=OrderFlag.POST_ONLY_SLIDE))
    assert accepted.price_ticks == 120
    (accepted,) = venue.send(limit(SELL, 110, 1, flags=OrderFlag.POST_ONLY_SLIDE))
    assert accepted.price_ticks == 130


def test_market_to_limit_takes_the_best_price_and_rests_there() -> None:
    venue = Market()
    venue.place(limit(SELL, 100, 3, account_id=2))
    venue.place(limit(SELL, 101, 3, account_id=2))
    events = venue.send(market_to_limit(BUY, 5))
    assert events[0].price_ticks == 100
    assert trades_of(events) == [(100, 3)]
    assert venue.depth() == ([(100, 2, 1)], [(101, 3, 1)])
    order = events[0].order_id
    events = venue.send(wire.ReplaceOrder(account_id=1, order_id=order, price_ticks=101))
    assert trades_of(events) == [(101, 2)]


def test_a_market_to_limit_order_that_meets_its_own_group_ends_there() -> None:
    venue = Market()
    venue.place(limit(SELL, 100, 3))
    mode = wire.SelfTradePrevention.CANCEL_NEWEST
    events = venue.send(market_to_limit(BUY, 5)._replace(self_trade_prevention=mode))
    assert events[-1].reason == CancelReason.SELF_TRADE


def test_a_market_to_limit_order_survives_a_snapshot() -> None:
    venue = Market()
    venue.place(limit(SELL, 100, 3, account_id=2))
    venue.send(market_to_limit(BUY, 5))
    snapshot = venue.engine.snapshot()
    assert type(venue.engine).restore(snapshot).snapshot() == snapshot
