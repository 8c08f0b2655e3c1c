"""Iceberg orders: the book shows a part at a time, and only parts take turns."""

from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, Reason, SelfTradePrevention, Side, TimeInForce

from tests.engine_market import INSTRUMENT, QUOTE, Market, budget, limit, market, trades_of

BUY, SELL = Side.BUY, Side.SELL


def iceberg(side: Side, price: int, lots: int, shown: int, *, account_id: int = 2) -> wire.NewOrder:
    order = limit(side, price, lots, account_id=account_id)
    return order._replace(display_quantity_lots=shown)


def makers_of(events: list[Any]) -> list[tuple[int, int]]:
    return [(e.maker_account_id, e.quantity_lots) for e in events if isinstance(e, wire.Trade)]


def test_the_book_counts_what_is_shown() -> None:
    venue = Market()
    venue.place(iceberg(SELL, 100, 10, 3))
    assert venue.depth() == ([], [(100, 3, 1)])
    assert venue.engine.top_of_book(INSTRUMENT) == (0, 0, 100, 3)
    assert venue.engine.balance(2, 2)[1] == 10


def test_each_part_goes_to_the_back_of_its_level() -> None:
    venue = Market()
    venue.place(iceberg(SELL, 100, 7, 3))
    venue.place(limit(SELL, 100, 2, account_id=3))
    events = venue.send(market(BUY, 20))
    assert makers_of(events) == [(2, 3), (3, 2), (2, 3), (2, 1)]
    trades = [event for event in events if isinstance(event, wire.Trade)]
    assert [trade.maker_remaining_lots for trade in trades] == [4, 0, 1, 0]
    assert venue.depth() == ([], [])
    venue.engine.check()


def test_a_part_that_is_left_keeps_its_place() -> None:
    venue = Market()
    venue.place(iceberg(SELL, 100, 7, 3))
    venue.place(limit(SELL, 100, 2, account_id=3))
    venue.send(market(BUY, 2))
    assert venue.depth() == ([], [(100, 3, 2)])
    assert makers_of(venue.send(market(BUY, 2))) == [(2, 1), (3, 1)]


def test_as_a_taker_it_trades_with_all_of_it() -> None:
    venue = Market()
    venue.place(limit(SELL, 100, 8, account_id=3))
    assert trades_of(venue.send(iceberg(BUY, 100, 10, 1))) == [(100, 8)]
    assert venue.depth() == ([(100, 1, 1)], [])


@pytest.mark.parametrize(("lots", "is_filled"), [(12, True), (13, False)])
def test_fok_minimum_and_budget_count_what_is_held_back(lots: int, is_filled: bool) -> None:
    venue = Market()
    venue.place(iceberg(SELL, 100, 10, 3))
    venue.place(limit(SELL, 100, 2, account_id=3))
    fok = limit(BUY, 100, lots, time_in_force=TimeInForce.FOK)
    minimum = market(BUY, 20)._replace(minimum_quantity_lots=lots)
    for order in (fok, minimum):
        copy = Engine.restore(venue.engine.snapshot())
        events = wire.decode_all(copy.apply(order.encode()))
        assert (sum(lots for _, lots in trades_of(events)) == 12) == is_filled
    assert venue.send(budget(1_150))[0].quantity_lots == 11


def test_a_market_buy_pays_the_fees_of_every_part() -> None:
    venue = Market(accounts=2, units=0)
    venue.credit(2, 2, 10)
    venue.credit(1, QUOTE, 999)
    venue.place(iceberg(SELL, 100, 10, 3))
    assert venue.send(market(BUY, 10))[0].reason == Reason.INSUFFICIENT_FUNDS
    venue.credit(1, QUOTE, 1)
    assert trades_of(venue.send(market(BUY, 10))) == [(100, 3), (100, 3), (100, 3), (100, 1)]


def test_each_part_counts_for_the_makers_that_a_command_may_meet() -> None:
    venue = Market()
    venue.place(iceberg(SELL, 100, 10_005, 1))
    fok = limit(BUY, 100, 10_001, time_in_force=TimeInForce.FOK)
    assert venue.send(fok)[0].reason == Reason.FOK_NOT_FILLABLE
    events = venue.send(limit(BUY, 100, 10_001))
    assert len(trades_of(events)) == 10_000
    assert events[-1].reason == CancelReason.FILL_LIMIT
    assert venue.depth() == ([], [(100, 1, 1)])


def test_a_smaller_quantity_keeps_the_place_and_shrinks_what_is_held_back() -> None:
    venue = Market()
    order = venue.place(iceberg(SELL, 100, 10, 4))
    venue.place(limit(SELL, 100, 2, account_id=3))
    replace = wire.ReplaceOrder(account_id=2, order_id=order, quantity_lots=5)
    (replaced,) = venue.send(replace)
    assert replaced.flags == wire.ReplaceFlag.KEPT_PRIORITY
    assert venue.depth() == ([], [(100, 6, 2)])
    venue.send(replace._replace(quantity_lots=3))
    assert venue.depth() == ([], [(100, 5, 2)])
    assert venue.engine.balance(2, 2)[1] == 3
    assert makers_of(venue.send(market(BUY, 4))) == [(2, 3), (3, 1)]


def test_any_other_change_brings_a_fresh_part_to_the_back() -> None:
    venue = Market()
    order = venue.place(iceberg(SELL, 100, 10, 4))
    venue.place(limit(SELL, 100, 2, account_id=3))
    venue.send(market(BUY, 3))
    assert venue.depth() == ([], [(100, 3, 2)])
    venue.send(wire.ReplaceOrder(account_id=2, order_id=order, quantity_lots=11))
    assert venue.depth() == ([], [(100, 6, 2)])
    assert makers_of(venue.send(market(BUY, 3))) == [(3, 2), (2, 1)]


@pytest.mark.parametrize(
    ("mode", "ended", "depth"),
    [
        (SelfTradePrevention.CANCEL_OLDEST, [2], ([(100, 6, 1)], [])),
        (SelfTradePrevention.DECREMENT_AND_CANCEL, [1], ([], [(100, 3, 1)])),
    ],
)
def test_self_trade_prevention_takes_the_whole_open_quantity(
    mode: SelfTradePrevention, ended: list[int], depth: Any
) -> None:
    venue = Market()
    for account_id in (1, 2):
        venue.send(wire.SetAccount(account_id=account_id, trade_group=7, state=1))
    venue.place(iceberg(SELL, 100, 10, 3))
    events = venue.send(limit(BUY, 100, 6)._replace(self_trade_prevention=mode))
    assert [e.account_id for e in events if isinstance(e, wire.OrderCanceled)] == ended
    prevented = next(e for e in events if isinstance(e, wire.SelfTradePrevented))
    assert prevented.prevented_lots == 6
    assert venue.depth() == depth
    venue.engine.check()


def test_a_snapshot_keeps_what_is_left_of_the_part() -> None:
    venue = Market()
    venue.place(iceberg(SELL, 100, 10, 4))
    venue.send(market(BUY, 3))
    snapshot = venue.engine.snapshot()
    copy = Engine.restore(snapshot)
    assert copy.snapshot() == snapshot
    assert copy.book(INSTRUMENT) == ([], [(100, 1, 1)])


@pytest.mark.parametrize(
    "order",
    [
        iceberg(SELL, 100, 10, 11),
        iceberg(SELL, 100, 10, -1),
        iceberg(SELL, 100, 10, 3)._replace(time_in_force=TimeInForce.IOC),
        market(BUY, 10)._replace(display_quantity_lots=1),
    ],
)
def test_only_a_limit_order_that_rests_shows_a_part(order: wire.NewOrder) -> None:
    assert Market().send(order)[0].reason == Reason.INVALID_DISPLAY_QUANTITY


def test_in_an_auction_all_of_it_takes_part() -> None:
    venue = Market()
    auction = wire.SetTradingState(
        instrument_id=INSTRUMENT, state=wire.TradingState.OPENING_AUCTION
    )
    venue.send(auction)
    venue.place(iceberg(SELL, 100, 10, 3))
    venue.place(limit(SELL, 100, 2, account_id=3))
    venue.place(limit(BUY, 100, 8))
    events = venue.send(auction._replace(state=wire.TradingState.CONTINUOUS))
    uncrossed = next(event for event in events if isinstance(event, wire.AuctionUncrossed))
    assert (uncrossed.volume_lots, uncrossed.imbalance_lots) == (8, 4)
    assert makers_of(events) == [(2, 8)]
    assert venue.depth() == ([], [(100, 4, 2)])
    venue.engine.check()
