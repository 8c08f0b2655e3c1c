"""Auctions: the price, the trades at it, and those that do not fit one command."""

from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, Reason, SelfTradePrevention, Side, TradingState

from tests.engine_market import BASE, INSTRUMENT, LISTING, QUOTE, Market, limit, stop, trades_of

BUY, SELL = Side.BUY, Side.SELL
OPENING = wire.SetTradingState(instrument_id=INSTRUMENT, state=TradingState.OPENING_AUCTION)
CONTINUOUS = OPENING._replace(state=TradingState.CONTINUOUS)
CLOSED = OPENING._replace(state=TradingState.CLOSED)


def in_auction(orders: list[Any], *, last_price: int = 0, **listing: Any) -> Market:
    venue = Market(listing=LISTING._replace(**listing))
    if last_price:
        venue.send(limit(SELL, last_price, 1), limit(BUY, last_price, 1, account_id=2))
    venue.send(OPENING, *orders)
    venue.engine.check()
    return venue


def uncrossed(events: list[Any]) -> list[tuple[int, int, int, int]]:
    return [
        (e.price_ticks, e.volume_lots, e.imbalance_lots, e.imbalance_side)
        for e in events
        if isinstance(e, wire.AuctionUncrossed)
    ]


# Bids and asks as (price, lots), the reference, and the price, volume, imbalance and its side.
PRICES: list[
    tuple[list[tuple[int, int]], list[tuple[int, int]], int, tuple[int, int, int, int]]
] = [
    ([(105, 10)], [(95, 10)], 0, (105, 10, 0, 0)),  # nothing else decides: the higher
    ([(105, 10)], [(95, 10)], 96, (95, 10, 0, 0)),  # the nearer
    ([(105, 10)], [(95, 10)], 100, (105, 10, 0, 0)),  # as near: the higher
    ([(105, 10)], [(95, 10)], 500, (105, 10, 0, 0)),
    ([(105, 10)], [(95, 4)], 0, (105, 4, 6, BUY)),
    ([(105, 4)], [(95, 10)], 0, (105, 4, 6, SELL)),
    # The most volume decides before the imbalance.
    ([(103, 3), (101, 4)], [(100, 5), (102, 4)], 0, (101, 5, 2, BUY)),
    # As much trades at 100 and 102; less is left over at 102.
    ([(102, 5), (100, 5)], [(99, 5), (103, 1)], 0, (102, 5, 0, 0)),
    ([(104, 5), (100, 2)], [(100, 5), (104, 2)], 100, (100, 5, 2, BUY)),
    ([(104, 5), (100, 2)], [(100, 5), (104, 2)], 103, (104, 5, 2, SELL)),
    # Orders that do not cross are no candidates and count nowhere.
    ([(100, 5), (10, 99)], [(100, 5), (900, 99)], 10, (100, 5, 0, 0)),
]


@pytest.mark.parametrize(("bids", "asks", "reference", "expected"), PRICES)
def test_the_price_of_an_auction(
    bids: list[tuple[int, int]],
    asks: list[tuple[int, int]],
    reference: int,
    expected: tuple[int, int, int, int],
) -> None:
    orders = [limit(BUY, *order) for order in bids]
    orders += [limit(SELL, *order, account_id=2) for order in asks]
    for last_price in (0, reference):
        venue = in_auction(
            orders, last_price=last_price, reference_price_ticks=0 if last_price else reference
        )
        assert venue.engine.indicative(INSTRUMENT) == expected
        events = venue.send(CONTINUOUS)
        assert uncrossed(events) == [expected]
        assert sum(lots for _, lots in trades_of(events)) == expected[1]
        assert {price for price, _ in trades_of(events)} == {expected[0]}
        assert venue.engine.indicative(INSTRUMENT) == (0, 0, 0, 0)
        venue.engine.check()


def test_an_auction_without_a_cross_tells_of_no_price() -> None:
    venue = in_auction([limit(BUY, 10, 1), limit(SELL, 11, 1)])
    assert venue.engine.indicative(INSTRUMENT) == (0, 0, 0, 0)
    assert [type(event) for event in venue.send(CONTINUOUS)] == [wire.TradingStateChanged]


def test_pairs_go_by_price_and_time_and_the_younger_takes() -> None:
    venue = in_auction(
        [
            limit(BUY, 101, 2, account_id=1),
            limit(SELL, 99, 3, account_id=2),
            limit(BUY, 102, 2, account_id=3),
            limit(BUY, 101, 2, account_id=2),
            limit(SELL, 99, 1, account_id=1),
        ],
        last_price=101,
        maker_fee_ppm=10_000,
        taker_fee_ppm=20_000,
    )
    trades = [e for e in venue.send(CONTINUOUS) if isinstance(e, wire.Trade)]
    first = trades[0].maker_order_id - 1  # the first sell is the second order
    seen = [
        (t.maker_order_id - first, t.taker_order_id - first, t.quantity_lots, t.taker_side)
        for t in trades
    ]
    assert seen == [(1, 2, 2, BUY), (0, 1, 1, SELL), (0, 4, 1, SELL)]
    assert [(t.maker_fee_units, t.taker_fee_units) for t in trades] == [(2, 4), (1, 2), (1, 2)]


def test_what_buyers_held_beyond_the_price_is_given_back() -> None:
    venue = Market(units=1_000, listing=LISTING._replace(taker_fee_ppm=100_000))
    venue.send(OPENING, limit(BUY, 100, 5), limit(SELL, 50, 8, account_id=2))
    venue.send(limit(SELL, 60, 1, account_id=3))
    assert venue.engine.balance(1, QUOTE) == (450, 550)
    assert uncrossed(venue.send(CONTINUOUS)) == [(50, 5, 3, SELL)]
    assert venue.engine.balance(1, QUOTE) == (1_000 - 250, 0)  # the maker pays no fee
    venue.engine.check()
    for account_id in (1, 2, 3):
        venue.send(wire.MassCancel(account_id=account_id))
        for asset_id in (QUOTE, BASE):
            assert venue.engine.balance(account_id, asset_id)[1] == 0


@pytest.mark.parametrize(
    ("mode", "canceled", "traded"),
    [
        (SelfTradePrevention.NONE, 0, 5),
        (SelfTradePrevention.CANCEL_NEWEST, 1, 2),
        (SelfTradePrevention.CANCEL_OLDEST, 1, 3),
        (SelfTradePrevention.CANCEL_BOTH, 2, 2),
        (SelfTradePrevention.DECREMENT_AND_CANCEL, 2, 2),
    ],
)
def test_self_trade_prevention_has_the_younger_orders_mode(
    mode: SelfTradePrevention, canceled: int, traded: int
) -> None:
    own = limit(SELL, 10, 3)._replace(self_trade_prevention=mode)
    venue = in_auction(
        [limit(BUY, 11, 3), own, limit(BUY, 10, 3, account_id=2), limit(SELL, 10, 2, account_id=3)]
    )
    events = venue.send(CONTINUOUS)
    assert len([e for e in events if isinstance(e, wire.SelfTradePrevented)]) == bool(mode)
    reasons = [e.reason for e in events if isinstance(e, wire.OrderCanceled)]
    assert reasons == [CancelReason.SELF_TRADE] * canceled
    assert sum(lots for _, lots in trades_of(events)) == traded
    venue.engine.check()


def test_what_prevention_leaves_crossed_is_uncrossed_again() -> None:
    own = limit(SELL, 100, 5, account_id=2)._replace(
        self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST
    )
    venue = in_auction(
        [limit(BUY, 105, 5, account_id=2), own, limit(SELL, 104, 3, account_id=3)],
        reference_price_ticks=100,
    )
    events = venue.send(CONTINUOUS)
    assert uncrossed(events)[-1][0] in (104, 105)
    assert sum(lots for _, lots in trades_of(events)) == 3
    venue.engine.check()


def test_stop_orders_trigger_once_trading_is_continuous() -> None:
    venue = in_auction(
        [
            stop(SELL, 10, 1, account_id=3),
            limit(BUY, 10, 5),
            limit(SELL, 10, 4, account_id=2),
        ]
    )
    kinds = [type(event) for event in venue.send(CONTINUOUS)]
    assert kinds == [
        wire.AuctionUncrossed,
        wire.Trade,
        wire.TradingStateChanged,
        wire.OrderTriggered,
        wire.Trade,
    ]


def test_what_the_close_reached_triggers_when_trading_goes_on() -> None:
    venue = in_auction([stop(SELL, 10, 1, account_id=3), limit(BUY, 10, 5)])
    venue.send(limit(SELL, 10, 4, account_id=2))
    kinds = [type(event) for event in venue.send(CLOSED)]
    assert kinds == [wire.AuctionUncrossed, wire.Trade, wire.TradingStateChanged]
    venue.engine = Engine.restore(venue.engine.snapshot())
    kinds = [type(event) for event in venue.send(CONTINUOUS)]
    assert kinds == [wire.TradingStateChanged, wire.OrderTriggered, wire.Trade]


def test_trades_beyond_ten_thousand_are_made_by_ticks() -> None:
    venue = in_auction([limit(SELL, 100, 1, account_id=2)] * 10_001)
    venue.send(limit(BUY, 105, 10_003))
    resting = venue.place(limit(BUY, 50, 1))
    venue.place(stop(SELL, 105, 1, account_id=3))
    events = venue.send(CONTINUOUS)
    assert uncrossed(events) == [(105, 10_001, 2, BUY)]
    assert len(trades_of(events)) == 10_000
    assert len(events) == 10_001
    assert venue.engine.next_deadline_ns == 1
    venue.engine.check()

    snapshot = venue.engine.snapshot()
    venue.engine = Engine.restore(snapshot)
    assert venue.engine.snapshot() == snapshot
    for refused in (
        limit(BUY, 105, 1),
        wire.ReplaceOrder(account_id=1, order_id=resting, quantity_lots=1),
        CLOSED,
        LISTING,
    ):
        assert venue.send(refused)[0].reason == Reason.AUCTION_ENDING
    cancel = wire.CancelOrder(account_id=1, order_id=resting)
    assert isinstance(venue.send(cancel)[0], wire.OrderCanceled)

    kinds = [type(event) for event in venue.send(wire.Tick(time_ns=1))]
    assert kinds == [
        wire.Trade,
        wire.TradingStateChanged,
        wire.OrderTriggered,
        wire.Trade,
        wire.Ticked,
    ]
    assert venue.engine.next_deadline_ns is None
    assert venue.depth() == ([(105, 1, 1)], [])
    venue.engine.check()
