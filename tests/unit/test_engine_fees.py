"""Fee tiers and rebates."""

from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import FeeTerms, Reason, Side

from tests.engine_market import (
    BASE,
    FIRST_ORDER_ID,
    INSTRUMENT,
    LISTING,
    QUOTE,
    Market,
    limit,
    market,
    stop,
)

BUY, SELL = Side.BUY, Side.SELL
LISTED = LISTING._replace(maker_fee_ppm=1_000, taker_fee_ppm=20_000)


def schedule(*tiers: tuple[int, int]) -> wire.SetFeeSchedule:
    return wire.SetFeeSchedule(
        instrument_id=INSTRUMENT, tiers=tuple(FeeTerms(*tier) for tier in tiers)
    )


def tier(account_id: int, fee_tier: int) -> wire.SetAccount:
    return wire.SetAccount(account_id=account_id, state=1, fee_tier=fee_tier)


def fees_of(events: list[Any]) -> list[tuple[int, int]]:
    return [(e.maker_fee_units, e.taker_fee_units) for e in events if isinstance(e, wire.Trade)]


def test_each_side_pays_as_its_tier() -> None:
    venue = Market(listing=LISTED)
    venue.send(schedule((-10_000, 30_000), (5_000, 10_000)), tier(1, 1), tier(2, 2), tier(3, 7))
    for maker, taker, fees in ((1, 2, (-10, 10)), (2, 1, (5, 30)), (1, 3, (-10, 20))):
        venue.place(limit(SELL, 100, 10, account_id=maker))
        assert fees_of(venue.send(limit(BUY, 100, 10, account_id=taker))) == [fees]
        venue.engine.check()
    assert venue.engine.balance(0, QUOTE) == (0 + 35 + 10, 0)


def test_a_rebate_reaches_a_maker_that_buys_and_its_hold_is_given_back() -> None:
    venue = Market(units=2_000, listing=LISTED)
    venue.send(schedule((-10_000, 10_000)), tier(1, 1))
    venue.place(limit(BUY, 100, 10))
    assert venue.engine.balance(1, QUOTE) == (2_000 - 1_010, 1_010)
    assert fees_of(venue.send(limit(SELL, 100, 5, account_id=2))) == [(-5, 10)]
    assert venue.engine.balance(1, QUOTE) == (2_000 - 1_000 + 5 - 5, 505)
    assert venue.engine.balance(2, QUOTE) == (2_000 + 500 - 10, 0)
    assert venue.engine.balance(0, QUOTE) == (5, 0)


def test_fees_and_rebates_round_towards_zero() -> None:
    venue = Market(listing=LISTED)
    venue.send(schedule((-19_999, 20_000)), tier(1, 1))
    venue.place(limit(SELL, 99, 1))
    assert fees_of(venue.send(limit(BUY, 99, 1, account_id=2))) == [(-1, 1)]
    venue.place(limit(SELL, 51, 1))
    assert fees_of(venue.send(limit(BUY, 51, 1, account_id=2))) == [(-1, 1)]
    venue.place(limit(SELL, 50, 1))
    assert fees_of(venue.send(limit(BUY, 50, 1, account_id=2))) == [(0, 1)]


def test_an_order_keeps_its_tier_and_schedule_until_it_is_replaced() -> None:
    venue = Market(listing=LISTED)
    first = venue.place(limit(SELL, 100, 30))
    second = venue.place(limit(SELL, 101, 30))
    venue.send(schedule((10_000, 40_000)), tier(1, 1), tier(2, 1))
    venue.send(wire.ReplaceOrder(account_id=1, order_id=second, quantity_lots=10))
    events = venue.send(limit(BUY, 101, 40, account_id=2))
    assert fees_of(events) == [(3, 120), (10, 40)]
    assert first == FIRST_ORDER_ID


def test_an_old_rebate_is_never_more_than_the_takers_fee_of_the_trade() -> None:
    venue = Market(listing=LISTED)
    venue.send(schedule((-20_000, 20_000)), tier(1, 1))
    venue.place(limit(SELL, 100, 30))
    venue.send(schedule(), LISTED._replace(maker_fee_ppm=0, taker_fee_ppm=500))
    assert fees_of(venue.send(limit(BUY, 100, 10, account_id=2))) == [(0, 0)]
    assert fees_of(venue.send(limit(BUY, 100, 20, account_id=2))) == [(-1, 1)]
    assert venue.engine.balance(0, QUOTE) == (0, 0)
    venue.engine.check()


def test_a_market_buy_needs_the_fees_of_its_tier() -> None:
    venue = Market(accounts=2, units=0, listing=LISTED)
    venue.credit(2, BASE, 100)
    venue.place(limit(SELL, 100, 10, account_id=2))
    venue.send(schedule((0, 30_000)), tier(1, 1))
    venue.credit(1, QUOTE, 1_029)
    assert venue.send(market(BUY, 10))[0].reason == Reason.INSUFFICIENT_FUNDS
    assert venue.send(limit(BUY, 100, 10))[0].reason == Reason.INSUFFICIENT_FUNDS
    venue.credit(1, QUOTE, 1)
    assert fees_of(venue.send(market(BUY, 10))) == [(1, 30)]
    assert venue.engine.balance(1, QUOTE) == (0, 0)


def test_a_stop_order_pays_the_fees_of_when_it_was_placed() -> None:
    venue = Market(listing=LISTED)
    venue.place(stop(BUY, 101, 10, price_ticks=101))
    venue.send(tier(1, 1), schedule((0, 90_000)))
    venue.place(limit(SELL, 101, 11, account_id=2))
    events = venue.send(limit(BUY, 101, 1, account_id=3))
    assert fees_of(events)[1] == (1, 20)


@pytest.mark.parametrize(
    "tiers",
    [
        [(-20_001, 30_000)],  # more than tier 0's takers pay
        [(-10_000, 30_000), (0, 9_999)],  # more than tier 2's takers pay
        [(100_001, 0)],
        [(0, 2**32 - 1)],
        [(-(2**31), 30_000)],
    ],
)
def test_a_schedule_under_which_the_house_could_pay_or_a_fee_is_too_large_is_refused(
    tiers: list[tuple[int, int]],
) -> None:
    venue = Market(listing=LISTED)
    venue.send(schedule((7, 20_000)))
    before = venue.engine.snapshot()
    assert venue.send(schedule(*tiers))[0].reason == Reason.INVALID_FEE_SCHEDULE
    assert venue.engine.snapshot()[80:] == before[80:]


def test_terms_that_contradict_the_schedule_are_refused() -> None:
    venue = Market(listing=LISTED)
    venue.send(schedule((-20_000, 20_000)))
    lower = LISTED._replace(taker_fee_ppm=19_999)
    assert venue.send(lower)[0].reason == Reason.INVALID_INSTRUMENT
    venue.send(schedule((-19_999, 20_000)))
    assert isinstance(venue.send(lower)[0], wire.InstrumentChanged)


def test_the_largest_order_of_every_tier_stays_within_the_supply() -> None:
    listing = LISTING._replace(price_ticks_max=2**31, quantity_lots_max=2**31 - 60_000_000)
    venue = Market(listing=listing)
    assert venue.send(schedule((0, 100_000)))[0].reason == Reason.INVALID_FEE_SCHEDULE
    assert isinstance(venue.send(schedule((0, 20_000)))[0], wire.FeeScheduleChanged)


def test_a_snapshot_keeps_tiers_and_schedules() -> None:
    venue = Market(listing=LISTED)
    venue.send(schedule((-10_000, 30_000), (5_000, 10_000)), tier(1, 2), tier(2, 1))
    venue.place(limit(SELL, 100, 10))
    snapshot = venue.engine.snapshot()
    venue.engine = Engine.restore(snapshot)
    assert venue.engine.snapshot() == snapshot
    assert fees_of(venue.send(limit(BUY, 100, 10, account_id=2))) == [(5, 30)]
