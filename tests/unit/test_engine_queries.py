"""Queries, execution reports, and what the engine tells about its last command."""

from typing import Any

import pytest
from tradepit.protocol import wire
from tradepit.protocol.wire import ExecutionKind, Liquidity, OrderStatus, Reason, Side

from tests.engine_market import BASE, INSTRUMENT, QUOTE, Market, limit, market

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def venue() -> Market:
    return Market()


def test_the_book_comes_best_first_bids_before_asks(venue: Market) -> None:
    for side, price, lots in (
        (BUY, 9, 1),
        (BUY, 10, 2),
        (BUY, 10, 3),
        (SELL, 12, 4),
        (SELL, 11, 5),
    ):
        venue.place(limit(side, price, lots))
    query = wire.BookQuery(request_id=7, instrument_id=INSTRUMENT, levels_max=1)
    bid, ask, end = venue.ask(query)
    assert bid == wire.BookLevel(7, 10, 5, 2, INSTRUMENT, BUY)
    assert ask == wire.BookLevel(7, 11, 5, 1, INSTRUMENT, SELL)
    assert end == wire.QueryEnd(request_id=7, seq=venue.engine.seq, count=2)
    assert len(venue.ask(query._replace(levels_max=500))) == 5
    assert venue.engine.top_of_book(INSTRUMENT) == (10, 5, 11, 5)
    assert venue.engine.top_of_book(99) == (0, 0, 0, 0)


def test_open_orders_come_oldest_first_in_pages(venue: Market) -> None:
    ids = [venue.place(limit(BUY, 100 - index, 1)) for index in range(5)]
    venue.place(limit(BUY, 50, 1, account_id=2))
    query = wire.OpenOrdersQuery(account_id=1, count_max=2)
    seen: list[int] = []
    while True:
        *page, end = venue.ask(query._replace(after_order_id=seen[-1] if seen else 0))
        assert end.count == len(page) <= 2
        if not page:
            break
        seen += [report.order_id for report in page]
        if len(seen) == 2:  # the page goes on although its last order is gone
            venue.send(wire.CancelOrder(account_id=1, order_id=seen[-1]))
    assert seen == ids
    assert venue.ask(query._replace(instrument_id=INSTRUMENT, count_max=400))[-1].count == 4


def test_a_query_tells_the_last_command_that_changed_the_account(venue: Market) -> None:
    venue.place(limit(BUY, 10, 1))
    changed = venue.engine.seq
    venue.place(limit(BUY, 9, 1, account_id=2))
    venue.send(limit(BUY, 0, 1))  # refused
    end = venue.ask(wire.BalancesQuery(account_id=1))[-1]
    assert (end.account_seq, end.seq) == (changed, changed + 2)
    venue.send(market(SELL, 1, account_id=2))
    assert venue.ask(wire.BalancesQuery(account_id=1))[-1].account_seq == changed + 3


def test_balances_and_one_order(venue: Market) -> None:
    order_id = venue.place(limit(BUY, 10, 5, client_order_id=77))
    usd, btc, _ = venue.ask(wire.BalancesQuery(account_id=1))
    assert (usd.asset_id, usd.available_units, usd.held_units) == (QUOTE, 10**15 - 50, 50)
    assert (btc.asset_id, btc.available_units, btc.held_units) == (BASE, 10**15, 0)
    for query in (
        wire.OrderQuery(account_id=1, order_id=order_id),
        wire.OrderQuery(account_id=1, client_order_id=77),
    ):
        (report,) = venue.ask(query)
        assert (report.kind, report.status) == (ExecutionKind.STATUS, OrderStatus.OPEN)
        assert (report.order_id, report.remaining_lots, report.flags) == (order_id, 5, 1)
    assert venue.ask(wire.BalancesQuery(account_id=0))[-1].count == 2  # the house


def test_assets_and_instruments_come_as_they_stand(venue: Market) -> None:
    usd, btc, instrument, end = venue.ask(wire.InstrumentsQuery(request_id=3))
    assert (usd.symbol, usd.seq, btc.symbol, btc.seq) == ("USD", 1, "BTC", 2)
    assert (instrument.symbol, instrument.seq, instrument.tick_lot_units) == ("BTC-USD", 3, 1)
    assert (end.count, end.request_id) == (3, 3)

    tiers = (wire.FeeTerms(0, 300), wire.FeeTerms(0, 200))
    bands = (wire.PriceBand(from_price_ticks=100, step_ticks=5),)
    venue.send(
        wire.SetFeeSchedule(instrument_id=1, tiers=tiers),
        wire.SetTickTable(instrument_id=1, bands=bands),
    )
    *_, instrument, schedule, table, end = venue.ask(wire.InstrumentsQuery(request_id=4))
    assert (instrument.symbol, end.count) == ("BTC-USD", 5)
    assert schedule == wire.FeeScheduleChanged(request_id=4, instrument_id=1, tiers=tiers)
    assert table == wire.TickTableChanged(request_id=4, instrument_id=1, bands=bands)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (wire.BookQuery(instrument_id=2, levels_max=1), Reason.UNKNOWN_INSTRUMENT),
        (wire.BookQuery(instrument_id=1, levels_max=0), Reason.INVALID_QUANTITY),
        (wire.BookQuery(instrument_id=1, levels_max=501), Reason.INVALID_QUANTITY),
        (wire.OrderQuery(account_id=9, order_id=1), Reason.UNKNOWN_ACCOUNT),
        (wire.OrderQuery(account_id=1, order_id=1), Reason.UNKNOWN_ORDER),
        (wire.OrderQuery(account_id=1), Reason.UNKNOWN_ORDER),
        (wire.OpenOrdersQuery(account_id=9, count_max=1), Reason.UNKNOWN_ACCOUNT),
        (wire.OpenOrdersQuery(account_id=1), Reason.INVALID_QUANTITY),
        (wire.OpenOrdersQuery(account_id=1, count_max=401), Reason.INVALID_QUANTITY),
        (
            wire.OpenOrdersQuery(account_id=1, instrument_id=2, count_max=1),
            Reason.UNKNOWN_INSTRUMENT,
        ),
        (wire.BalancesQuery(account_id=9), Reason.UNKNOWN_ACCOUNT),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused(
    venue: Market, query: Any, reason: Reason
) -> None:
    (reject,) = venue.ask(query._replace(request_id=5))
    assert isinstance(reject, wire.Reject)
    assert (reject.reason, reject.request_id, reject.flags) == (reason, 5, 1)
    assert reject.record_type == wire.type_of_record[type(query)]


def test_reports_answer_the_taker_and_tell_the_makers(venue: Market) -> None:
    venue.place(limit(SELL, 10, 2, account_id=2))
    venue.place(limit(SELL, 10, 2, account_id=1))  # the taker's own
    reports = venue.send_for_reports(limit(BUY, 10, 3)._replace(request_id=42))
    assert [(r.account_id, r.liquidity, r.request_id, r.flags) for r in reports] == [
        (1, Liquidity.NONE, 42, 0),
        (1, Liquidity.TAKER, 42, 0),
        (2, Liquidity.MAKER, 0, 0),
        (1, Liquidity.TAKER, 42, 1),
        (1, Liquidity.MAKER, 0, 0),
    ]
    assert [report.status for report in reports] == [
        OrderStatus.OPEN,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.FILLED,
        OrderStatus.FILLED,
        OrderStatus.PARTIALLY_FILLED,
    ]


def test_a_mass_cancel_reports_each_order_and_administration_none(venue: Market) -> None:
    venue.place(limit(BUY, 10, 1))
    venue.place(limit(BUY, 11, 1))
    reports = venue.send_for_reports(wire.MassCancel(request_id=9, account_id=1))
    assert [(r.kind, r.request_id, r.flags) for r in reports] == [
        (ExecutionKind.CANCELED, 9, 0)
    ] * 2
    assert venue.send_for_reports(wire.SetAccount(account_id=1, state=1)) == []


def test_touched_instruments_are_those_whose_book_changed(venue: Market) -> None:
    venue.send(limit(BUY, 10, 1))
    assert venue.engine.touched_instruments == [INSTRUMENT]
    venue.send(market(BUY, 1))
    assert venue.engine.touched_instruments == []
    venue.send(wire.MassCancel(account_id=1))
    assert venue.engine.touched_instruments == [INSTRUMENT]
