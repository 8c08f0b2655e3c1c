"""Tick tables, and the smallest and largest notional."""

from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import PriceBand, Reason, Side, TimeInForce

from tests.engine_market import INSTRUMENT, LISTING, Market, limit, market, stop, trades_of

BUY, SELL = Side.BUY, Side.SELL


def table(*bands: tuple[int, int]) -> wire.SetTickTable:
    return wire.SetTickTable(
        instrument_id=INSTRUMENT, bands=tuple(PriceBand(*band) for band in bands)
    )


def is_taken(venue: Market, command: Any) -> bool:
    event = venue.send(command)[0]
    assert isinstance(event, wire.OrderAccepted) or event.reason in (
        Reason.INVALID_PRICE,
        Reason.INVALID_TRIGGER_PRICE,
    )
    return isinstance(event, wire.OrderAccepted)


def test_each_band_has_its_step() -> None:
    venue = Market()
    venue.send(table((10, 2), (20, 5), (50, 1)))
    taken = [p for p in range(1, 60) if is_taken(venue, limit(BUY, p, 1))]
    assert taken == [*range(1, 10), *range(10, 20, 2), *range(20, 50, 5), *range(50, 60)]
    venue.send(table())
    assert is_taken(venue, limit(BUY, 13, 1))


def test_trigger_prices_follow_the_table() -> None:
    venue = Market()
    venue.send(table((10, 5)))
    assert not is_taken(venue, stop(SELL, 11, 1))
    assert is_taken(venue, stop(SELL, 15, 1))
    assert not is_taken(venue, stop(BUY, 15, 1, price_ticks=21))
    assert is_taken(venue, stop(BUY, 15, 1, price_ticks=20))


def test_orders_from_before_rest_trade_and_trigger_but_are_not_replaced_off_the_grid() -> None:
    venue = Market()
    resting = venue.place(limit(SELL, 13, 3))
    venue.place(stop(SELL, 13, 1, account_id=2))
    venue.send(table((1, 10)))
    shrink = wire.ReplaceOrder(account_id=1, order_id=resting, quantity_lots=2)
    assert venue.send(shrink)[0].reason == Reason.INVALID_PRICE
    events = venue.send(market(BUY, 1, account_id=3))
    assert trades_of(events) == [(13, 1)]
    assert any(isinstance(event, wire.OrderTriggered) for event in events)
    assert isinstance(venue.send(shrink._replace(price_ticks=20))[0], wire.OrderReplaced)


@pytest.mark.parametrize(
    "bands", [[(0, 1)], [(5, 0)], [(5, -5)], [(5, 1), (5, 2)], [(6, 1), (5, 2)], [(2**40 + 1, 1)]]
)
def test_a_table_that_makes_no_sense_is_refused(bands: list[tuple[int, int]]) -> None:
    venue = Market()
    venue.send(table((7, 7)))
    assert venue.send(table(*bands))[0].reason == Reason.INVALID_TICK_TABLE
    assert not is_taken(venue, limit(BUY, 8, 1))


def test_the_notional_of_an_order_with_a_price_is_bounded() -> None:
    venue = Market(listing=LISTING._replace(notional_units_min=100, notional_units_max=200))
    wrong = Reason.INVALID_NOTIONAL
    for lots, reason in ((9, wrong), (10, 0), (20, 0), (21, wrong)):
        for time_in_force in (TimeInForce.GTC, TimeInForce.IOC):
            event = venue.send(limit(BUY, 10, lots, time_in_force=time_in_force))[0]
            assert getattr(event, "reason", 0) == reason
    order_id = venue.place(limit(BUY, 11, 15))
    replace = wire.ReplaceOrder(account_id=1, order_id=order_id)
    assert venue.send(replace._replace(price_ticks=14))[0].reason == wrong
    assert venue.send(replace._replace(quantity_lots=9))[0].reason == wrong
    assert isinstance(venue.send(replace._replace(price_ticks=13))[0], wire.OrderReplaced)
    # A market order has no price to be bounded by.
    assert trades_of(venue.send(market(SELL, 1, account_id=2))) == [(13, 1)]
    assert isinstance(venue.send(stop(SELL, 5, 1))[0], wire.OrderAccepted)
    assert venue.send(stop(BUY, 15, 1, price_ticks=15))[0].reason == wrong


def test_a_snapshot_keeps_the_table_and_the_bounds() -> None:
    venue = Market(listing=LISTING._replace(notional_units_min=100, notional_units_max=200))
    venue.send(table((10, 5), (20, 10)))
    snapshot = venue.engine.snapshot()
    venue.engine = Engine.restore(snapshot)
    assert venue.engine.snapshot() == snapshot
    assert not is_taken(venue, limit(BUY, 25, 5))
    assert venue.send(limit(BUY, 20, 2))[0].reason == Reason.INVALID_NOTIONAL
