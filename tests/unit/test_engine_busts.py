"""Busted and corrected trades: what moves, what is refused, what is remembered."""

from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import ExecutionKind, Liquidity, Reason, Side, TimeInForce

from tests.engine_market import (
    BASE,
    INSTRUMENT,
    LISTING,
    QUOTE,
    SHARD_ID,
    Market,
    limit,
    stop,
    trades_of,
)

BUY, SELL = Side.BUY, Side.SELL
FEES = LISTING._replace(maker_fee_ppm=-10_000, taker_fee_ppm=30_000)
FIRST_TRADE_ID = (SHARD_ID << 48) + 1
HOUSE = 0


def traded(price_ticks: int = 100, quantity_lots: int = 10) -> Market:
    """Account 1 has sold to account 2, the taker, with fees of 30 and -10 on 1,000."""
    venue = Market(units=10**6, listing=FEES)
    venue.place(limit(SELL, price_ticks, quantity_lots))
    venue.place(limit(BUY, price_ticks, quantity_lots, account_id=2))
    return venue


def funds(venue: Market) -> dict[tuple[int, int], tuple[int, int]]:
    return {
        (account_id, asset_id): venue.engine.balance(account_id, asset_id)
        for account_id in range(4)
        for asset_id in (QUOTE, BASE)
    }


def bust(trade_id: int = FIRST_TRADE_ID) -> wire.BustTrade:
    return wire.BustTrade(trade_id=trade_id)


def correct(price_ticks: int = 0, quantity_lots: int = 0) -> wire.CorrectTrade:
    return wire.CorrectTrade(
        trade_id=FIRST_TRADE_ID, price_ticks=price_ticks, quantity_lots=quantity_lots
    )


def refused(venue: Market, command: Any) -> Reason:
    """Why; and nothing has changed."""
    before, snapshot_funds = venue.depth(), funds(venue)
    (event,) = venue.send(command)
    assert isinstance(event, wire.CommandRejected)
    assert (venue.depth(), funds(venue)) == (before, snapshot_funds)
    venue.engine.check()
    return Reason(event.reason)


def test_a_bust_gives_everything_back() -> None:
    venue = Market(units=10**6, listing=FEES)
    before = funds(venue)
    venue.place(limit(SELL, 100, 10))
    venue.place(limit(BUY, 100, 10, account_id=2))
    assert venue.engine.balance(2, QUOTE) == (10**6 - 1_030, 0)
    assert venue.engine.balance(1, QUOTE) == (10**6 + 1_010, 0)
    assert venue.engine.balance(HOUSE, QUOTE) == (20, 0)
    (event,) = venue.send(bust())
    assert isinstance(event, wire.TradeBusted)
    assert (event.notional_units, event.base_units) == (1_000, 10)
    assert (event.maker_fee_units, event.taker_fee_units) == (-10, 30)
    assert (event.maker_account_id, event.taker_account_id) == (1, 2)
    assert event.trade_seq == venue.engine.seq - 1
    assert funds(venue) == before
    venue.engine.check()


def test_orders_and_the_last_price_stay_as_the_trade_left_them() -> None:
    venue = Market()
    venue.place(limit(SELL, 100, 10))
    venue.place(limit(BUY, 100, 4, account_id=2))
    venue.send(bust())
    assert venue.depth() == ([], [(100, 6, 1)])
    # A stop order that the trade's price has reached triggers at once.
    events = venue.send(stop(BUY, 100, 1, price_ticks=100, account_id=3))
    assert trades_of(events) == [(100, 1)]


def test_a_correction_moves_the_difference_at_the_rates_of_the_trade() -> None:
    venue = traded()
    venue.send(FEES._replace(maker_fee_ppm=0, taker_fee_ppm=100_000))
    (event,) = venue.send(correct(50, 8))
    assert isinstance(event, wire.TradeCorrected)
    assert (event.notional_units, event.previous_notional_units) == (400, 1_000)
    assert (event.base_units, event.previous_base_units) == (8, 10)
    assert (event.maker_fee_units, event.taker_fee_units) == (-4, 12)
    assert (event.previous_maker_fee_units, event.previous_taker_fee_units) == (-10, 30)
    assert venue.engine.balance(1, QUOTE) == (10**6 + 404, 0)
    assert venue.engine.balance(2, QUOTE) == (10**6 - 412, 0)
    assert venue.engine.balance(2, BASE) == (10**6 + 8, 0)
    assert venue.engine.balance(HOUSE, QUOTE) == (8, 0)
    (event,) = venue.send(correct(200))
    assert (event.price_ticks, event.quantity_lots, event.previous_price_ticks) == (200, 8, 50)
    (event,) = venue.send(bust())
    assert (event.price_ticks, event.quantity_lots) == (200, 8)
    assert venue.engine.balance(1, QUOTE) == venue.engine.balance(2, BASE) == (10**6, 0)
    assert venue.engine.balance(HOUSE, QUOTE) == (0, 0)


def test_a_trade_is_busted_once_and_not_corrected_then() -> None:
    venue = traded()
    venue.send(bust())
    assert refused(venue, bust()) == Reason.TRADE_ALREADY_BUSTED
    assert refused(venue, correct(50)) == Reason.TRADE_ALREADY_BUSTED


@pytest.mark.parametrize(
    "trade_id", [0, 1, FIRST_TRADE_ID + 1, SHARD_ID << 48, FIRST_TRADE_ID + (1 << 48)]
)
def test_what_the_shard_has_not_traded_is_unknown(trade_id: int) -> None:
    venue = traded()
    assert refused(venue, bust(trade_id)) == Reason.UNKNOWN_TRADE
    assert refused(venue, wire.CorrectTrade(trade_id=trade_id)) == Reason.UNKNOWN_TRADE


@pytest.mark.parametrize(
    "command",
    [
        correct(),
        correct(100, 10),
        correct(100, 11),
        correct(50, -1),
        correct(-1),
        correct(LISTING.price_ticks_max + 1),
    ],
)
def test_a_correction_must_change_something_that_may_be(command: wire.CorrectTrade) -> None:
    assert refused(traded(), command) == Reason.INVALID_CORRECTION


def test_a_correction_names_a_price_of_the_tick_table() -> None:
    venue = traded()
    venue.send(wire.SetTickTable(instrument_id=INSTRUMENT, bands=(wire.PriceBand(1, 7),)))
    assert refused(venue, correct(50)) == Reason.INVALID_CORRECTION
    (event,) = venue.send(correct(0, 9))  # its own price may be any
    assert isinstance(event, wire.TradeCorrected)


@pytest.mark.parametrize(("account_id", "asset_id"), [(1, QUOTE), (2, BASE), (HOUSE, QUOTE)])
def test_who_has_spent_it_cannot_give_it_back(account_id: int, asset_id: int) -> None:
    venue = traded()
    available, _ = venue.engine.balance(account_id, asset_id)
    wanted = {1: 1_010, 2: 10, HOUSE: 20}[account_id]
    venue.send(
        wire.Debit(
            account_id=account_id,
            transfer_id=99,
            amount_units=available - wanted + 1,
            asset_id=asset_id,
        )
    )
    assert refused(venue, bust()) == Reason.INSUFFICIENT_FUNDS
    venue.credit(account_id, asset_id, 1)
    (event,) = venue.send(bust())
    assert isinstance(event, wire.TradeBusted)
    assert venue.engine.balance(account_id, asset_id) == (0, 0)


def test_what_open_orders_hold_is_not_given_back() -> None:
    venue = traded()
    order_id = venue.place(limit(SELL, 200, 10**6 + 1, account_id=2))
    assert refused(venue, bust()) == Reason.INSUFFICIENT_FUNDS
    venue.send(wire.CancelOrder(account_id=2, order_id=order_id), bust())
    assert venue.engine.balance(2, BASE) == (10**6, 0)


def test_a_trade_with_oneself_moves_the_fees_alone() -> None:
    venue = Market(units=10**6, listing=FEES)
    venue.place(limit(SELL, 100, 10))
    venue.place(limit(BUY, 100, 10))
    # All but the fee is away, and still the fee alone comes back.
    for asset_id, units in ((QUOTE, 10**6 - 20), (BASE, 10**6)):
        venue.send(
            wire.Debit(
                account_id=1, transfer_id=90 + asset_id, amount_units=units, asset_id=asset_id
            )
        )
    (event,) = venue.send(bust())
    assert isinstance(event, wire.TradeBusted)
    assert venue.engine.balance(1, QUOTE) == (20, 0)
    assert venue.engine.balance(HOUSE, QUOTE) == (0, 0)


def test_the_oldest_trades_are_forgotten_and_the_rest_is_restored() -> None:
    venue = Market(remembered_trades=3)
    for price_ticks in range(10, 15):
        venue.place(limit(SELL, price_ticks, 1))
        venue.place(limit(BUY, price_ticks, 1, account_id=2, time_in_force=TimeInForce.IOC))
    venue.send(bust(FIRST_TRADE_ID + 3))
    snapshot = venue.engine.snapshot()
    venue.engine = Engine.restore(snapshot)
    assert venue.engine.snapshot() == snapshot
    assert refused(venue, bust(FIRST_TRADE_ID + 1)) == Reason.UNKNOWN_TRADE
    assert refused(venue, bust(FIRST_TRADE_ID + 3)) == Reason.TRADE_ALREADY_BUSTED
    events = venue.send(bust(FIRST_TRADE_ID + 2), bust(FIRST_TRADE_ID + 4))
    assert [event.price_ticks for event in events] == [12, 14]
    venue.place(limit(SELL, 9, 1))
    venue.place(limit(BUY, 9, 1, account_id=2))
    assert refused(venue, bust(FIRST_TRADE_ID + 2)) == Reason.UNKNOWN_TRADE


def test_a_shard_remembers_as_many_as_the_protocol_says() -> None:
    venue = Market()
    count = wire.TRADES_REMEMBERED + 1
    pair = limit(SELL, 10, 1).encode() + limit(BUY, 10, 1, account_id=2).encode()
    venue.engine.apply(pair * count)
    assert refused(venue, bust(FIRST_TRADE_ID)) == Reason.UNKNOWN_TRADE
    (event,) = venue.send(bust(FIRST_TRADE_ID + 1))
    assert isinstance(event, wire.TradeBusted)


def test_both_parties_are_told() -> None:
    venue = traded()
    taker, maker = venue.send_for_reports(correct(50)._replace(request_id=7))
    assert (taker.kind, maker.kind) == (ExecutionKind.TRADE_CORRECTED,) * 2
    assert (taker.account_id, taker.side, taker.liquidity) == (2, BUY, Liquidity.TAKER)
    assert (maker.account_id, maker.side, maker.liquidity) == (1, SELL, Liquidity.MAKER)
    assert (taker.trade_price_ticks, taker.fee_units, maker.fee_units) == (50, 15, -5)
    assert (taker.request_id, maker.request_id) == (0, 0)
    taker, _ = venue.send_for_reports(bust())
    assert (taker.kind, taker.trade_id) == (ExecutionKind.TRADE_BUSTED, FIRST_TRADE_ID)


def test_positions_move_back() -> None:
    venue = traded()
    closing = limit(SELL, 100, 10, account_id=2, flags=wire.OrderFlag.REDUCE_ONLY)
    venue.send(correct(quantity_lots=4))
    (accepted, *_) = venue.send(closing)
    assert accepted.quantity_lots == 4  # no more than the position that is left
    venue.send(bust())
    (event,) = venue.send(closing)
    assert event.reason == Reason.WOULD_NOT_REDUCE
