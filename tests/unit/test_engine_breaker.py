"""Price collars and the circuit breaker."""

from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import (
    CancelReason,
    OrderFlag,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
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
COLLARS = LISTING._replace(
    reference_price_ticks=100, static_collar_ppm=100_000, dynamic_collar_ppm=20_000
)
BREAKER = LISTING._replace(reference_price_ticks=100, breaker_ppm=50_000, breaker_auction_ns=10)
AUCTION = (TradingState.CONTINUOUS, TradingState.VOLATILITY_AUCTION)


def reason_of(venue: Market, command: Any) -> Reason:
    reason = getattr(venue.send(command)[0], "reason", Reason.NONE)
    venue.engine.check()
    return Reason(reason)


def tripped(events: list[Any]) -> list[tuple[int, int]]:
    return [(e.previous_state, e.state) for e in events if isinstance(e, wire.TradingStateChanged)]


def asks(*levels: tuple[int, int], listing: wire.SetInstrument = BREAKER) -> Market:
    venue = Market(listing=listing)
    for price, lots in levels:
        venue.place(limit(SELL, price, lots, account_id=2))
    return venue


def test_the_static_collar_is_around_the_reference_price_and_holds_for_all_prices() -> None:
    venue = Market(listing=COLLARS)
    for price, reason in ((89, Reason.OUTSIDE_COLLAR), (90, 0), (110, 0), (111, 62)):
        assert reason_of(venue, limit(BUY, price, 1, time_in_force=TimeInForce.IOC)) == reason
        assert reason_of(venue, stop_limit(SELL, 100, price, 1)) == reason
        assert reason_of(venue, stop(BUY, 100, 1, price_ticks=price)) == reason
    assert reason_of(venue, stop(SELL, 50, 1)) == Reason.NONE
    assert reason_of(venue, market(BUY, 1)) == Reason.NONE


def test_the_dynamic_collar_stops_what_reaches_beyond_the_last_price() -> None:
    venue = Market(listing=COLLARS)
    venue.send(limit(SELL, 105, 1), limit(BUY, 105, 1, account_id=2))
    for order, reason in (
        (limit(BUY, 107, 1), 0),
        (limit(BUY, 108, 1), Reason.OUTSIDE_COLLAR),
        (limit(BUY, 91, 1), 0),
        (limit(SELL, 103, 1), 0),
        (limit(SELL, 102, 1), Reason.OUTSIDE_COLLAR),
        (limit(SELL, 110, 1), 0),
        (stop_limit(BUY, 108, 110, 1), 0),
    ):
        assert reason_of(venue, order._replace(account_id=3)) == reason


def test_a_replaced_order_meets_the_collars() -> None:
    venue = Market(listing=COLLARS)
    resting, waiting = venue.place(limit(BUY, 100, 2)), venue.place(stop_limit(BUY, 105, 105, 2))
    venue.send(limit(SELL, 100, 1, account_id=2))
    for order_id, price, reason in (
        (resting, 103, Reason.OUTSIDE_COLLAR),
        (waiting, 110, Reason.NONE),
        (waiting, 111, Reason.OUTSIDE_COLLAR),
    ):
        replace = wire.ReplaceOrder(account_id=1, order_id=order_id, price_ticks=price)
        assert reason_of(venue, replace) == reason


def test_terms_without_a_reference_price_leave_it_and_auctions_move_it() -> None:
    venue = Market(listing=COLLARS)
    event = venue.send(COLLARS._replace(reference_price_ticks=0))[0]
    assert event.reference_price_ticks == 100
    opening = wire.SetTradingState(instrument_id=INSTRUMENT, state=TradingState.OPENING_AUCTION)
    venue.send(opening, limit(BUY, 108, 1), limit(SELL, 108, 1, account_id=2))
    venue.send(opening._replace(state=TradingState.CONTINUOUS))
    venue.engine = Engine.restore(venue.engine.snapshot())
    assert reason_of(venue, limit(SELL, 118, 1)) == Reason.NONE
    assert reason_of(venue, limit(SELL, 119, 1)) == Reason.OUTSIDE_COLLAR


def test_a_taker_stops_before_the_trade_and_its_rest_joins_the_auction() -> None:
    venue = asks((104, 1), (105, 2), (106, 3))
    events = venue.send(limit(BUY, 110, 5))
    assert trades_of(events) == [(104, 1), (105, 2)]
    assert tripped(events) == [AUCTION]
    assert venue.depth() == ([(110, 2, 1)], [(106, 3, 1)])
    assert venue.engine.next_deadline_ns == 10
    events = venue.send(wire.Tick(time_ns=10))
    assert trades_of(events) == [(106, 2)]  # the nearest to the last price
    venue.engine.check()


@pytest.mark.parametrize(
    "order", [market(BUY, 5), limit(BUY, 110, 5, time_in_force=TimeInForce.IOC)]
)
def test_what_may_not_rest_is_canceled(order: wire.NewOrder) -> None:
    venue = asks((105, 2), (106, 3))
    events = venue.send(order)
    assert trades_of(events) == [(105, 2)]
    assert tripped(events) == [AUCTION]
    assert (events[-1].reason, events[-1].canceled_lots) == (CancelReason.CIRCUIT_BREAKER, 3)


def test_sells_are_stopped_below_the_reference_price() -> None:
    venue = Market(listing=BREAKER)
    venue.send(limit(BUY, 95, 1), limit(BUY, 94, 1))
    events = venue.send(market(SELL, 2, account_id=2))
    assert trades_of(events) == [(95, 1)]
    assert tripped(events) == [AUCTION]


def test_refused_orders_trip_nothing() -> None:
    venue = asks((105, 2), (106, 3))
    fok = TimeInForce.FOK
    for order, reason in (
        (limit(BUY, 110, 3, time_in_force=fok), Reason.FOK_NOT_FILLABLE),
        (market(BUY, 3, time_in_force=fok), Reason.FOK_NOT_FILLABLE),
        (
            limit(BUY, 110, 3, time_in_force=TimeInForce.IOC)._replace(minimum_quantity_lots=3),
            Reason.MINIMUM_NOT_FILLABLE,
        ),
        (limit(BUY, 110, 3, flags=OrderFlag.POST_ONLY), Reason.POST_ONLY_WOULD_TRADE),
    ):
        assert len(venue.send(order)) == 1
        assert reason_of(venue, order) == reason
    events = venue.send(limit(BUY, 110, 2, time_in_force=fok))
    assert (trades_of(events), tripped(events)) == ([(105, 2)], [])


def test_a_post_only_order_is_refused_where_only_the_breaker_would_stop_it() -> None:
    venue = asks((106, 3))
    order = limit(BUY, 110, 3, flags=OrderFlag.POST_ONLY)
    assert reason_of(venue, order) == Reason.POST_ONLY_WOULD_TRADE
    order_id = venue.place(limit(BUY, 100, 3, flags=OrderFlag.POST_ONLY))
    replace = wire.ReplaceOrder(account_id=1, order_id=order_id, price_ticks=107)
    assert reason_of(venue, replace) == Reason.POST_ONLY_WOULD_TRADE


def test_a_market_buy_pays_for_what_trades_before_the_breaker() -> None:
    venue = Market(accounts=2, units=0, listing=BREAKER)
    venue.credit(2, BASE, 10)
    venue.place(limit(SELL, 105, 1, account_id=2))
    venue.place(limit(SELL, 106, 9, account_id=2))
    venue.credit(1, QUOTE, 105)
    assert trades_of(venue.send(market(BUY, 5))) == [(105, 1)]


def test_a_triggered_stop_order_trips_it_and_the_next_ones_wait() -> None:
    venue = asks((104, 1), (106, 3))
    venue.place(stop_limit(BUY, 104, 110, 1, account_id=3))
    venue.place(stop_limit(BUY, 104, 110, 1, account_id=3))
    events = venue.send(limit(BUY, 104, 1))
    assert [type(event) for event in events] == [
        wire.OrderAccepted,
        wire.Trade,
        wire.OrderTriggered,
        wire.TradingStateChanged,
    ]
    venue.engine.check()
    venue.engine = Engine.restore(venue.engine.snapshot())
    kinds = [type(event) for event in venue.send(wire.Tick(time_ns=10))]
    assert kinds == [
        wire.AuctionUncrossed,
        wire.Trade,
        wire.TradingStateChanged,
        wire.OrderTriggered,
        wire.Trade,
        wire.Ticked,
    ]


def test_a_replaced_order_trips_it() -> None:
    venue = asks((106, 3))
    order_id = venue.place(limit(BUY, 100, 3))
    replace = wire.ReplaceOrder(account_id=1, order_id=order_id, price_ticks=106)
    assert tripped(venue.send(replace)) == [AUCTION]
    assert venue.depth() == ([(106, 3, 1)], [(106, 3, 1)])


def test_an_order_of_its_own_group_beyond_the_breaker_is_not_met() -> None:
    venue = asks((106, 3))
    order = limit(BUY, 110, 3, account_id=2)
    events = venue.send(order._replace(self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST))
    assert [type(event) for event in events] == [wire.OrderAccepted, wire.TradingStateChanged]


@pytest.mark.parametrize(
    "change",
    [
        {"breaker_ppm": 1_000_001},
        {"breaker_ppm": 0},
        {"breaker_auction_ns": 0},
        {"breaker_auction_ns": -1},
        {"dynamic_collar_ppm": 1_000_001},
        {"reference_price_ticks": -1},
    ],
)
def test_terms_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    venue = Market(listing=BREAKER)
    assert reason_of(venue, BREAKER._replace(**change)) == Reason.INVALID_INSTRUMENT
