"""How far from the best price an order without a price may trade."""

import pytest
from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, Reason, Side, TimeInForce

from tests.engine_market import LISTING, QUOTE, Market, limit, market, stop, trades_of

BUY, SELL = Side.BUY, Side.SELL
ONE_PERCENT = LISTING._replace(market_protection_ppm=10_000)


@pytest.mark.parametrize(
    ("side", "best", "inside", "outside"),
    [(BUY, 199, 200, 201), (SELL, 199, 198, 197), (BUY, 200, 202, 203), (SELL, 99, 99, 98)],
)
def test_the_band_is_rounded_towards_the_best_price(
    side: Side, best: int, inside: int, outside: int
) -> None:
    venue = Market(listing=ONE_PERCENT)
    other = SELL if side == BUY else BUY
    for price in (best, inside, outside):
        venue.place(limit(other, price, 1, account_id=2))
    events = venue.send(market(side, 5))
    assert trades_of(events) == [(best, 1), (inside, 1)]
    assert (events[-1].reason, events[-1].canceled_lots) == (CancelReason.PROTECTION_BAND, 3)


def test_a_book_that_ends_within_the_band_leaves_a_remainder() -> None:
    venue = Market(listing=ONE_PERCENT)
    venue.place(limit(SELL, 100, 1, account_id=2))
    assert venue.send(market(BUY, 5))[-1].reason == CancelReason.IOC_REMAINDER
    assert venue.send(market(BUY, 5))[-1].reason == CancelReason.IOC_REMAINDER


def test_fok_and_the_funds_of_a_market_buy_look_no_farther_than_the_band() -> None:
    venue = Market(accounts=2, units=0, listing=ONE_PERCENT)
    venue.credit(2, 2, 100)
    venue.credit(1, QUOTE, 1_000)
    venue.place(limit(SELL, 100, 5, account_id=2))
    venue.place(limit(SELL, 900, 5, account_id=2))
    fok = market(BUY, 6, time_in_force=TimeInForce.FOK)
    assert venue.send(fok)[0].reason == Reason.FOK_NOT_FILLABLE
    assert trades_of(venue.send(market(BUY, 6))) == [(100, 5)]


def test_a_sell_stop_order_trades_within_the_band_of_the_bid_it_finds() -> None:
    venue = Market(listing=ONE_PERCENT)
    for price in (100, 90, 89):
        venue.place(limit(BUY, price, 1, account_id=2))
    venue.place(stop(SELL, 100, 5))
    events = venue.send(market(SELL, 1, account_id=3))
    assert trades_of(events) == [(100, 1), (90, 1)]
    assert (events[-1].account_id, events[-1].reason) == (1, CancelReason.PROTECTION_BAND)


def test_a_priced_order_has_no_band() -> None:
    venue = Market(listing=ONE_PERCENT)
    venue.place(limit(SELL, 100, 1, account_id=2))
    venue.place(limit(SELL, 150, 1, account_id=2))
    assert trades_of(venue.send(limit(BUY, 200, 2))) == [(100, 1), (150, 1)]


def test_the_band_is_listed_and_survives_a_snapshot() -> None:
    venue = Market(listing=ONE_PERCENT)
    listed = next(
        record
        for record in venue.ask(wire.InstrumentsQuery())
        if isinstance(record, wire.InstrumentChanged)
    )
    assert listed.market_protection_ppm == 10_000
    assert type(venue.engine).restore(venue.engine.snapshot()).snapshot() == (
        venue.engine.snapshot()
    )
