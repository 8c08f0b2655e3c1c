"""Defects that other matching engines shipped: for each, what would have caught it.

A test names the projects and issues in which the defect stood. Those of stop orders and self-trade
prevention that need more of a setting have tests in test_engine_stops.py and
test_engine_self_trade.py; journals, gateways and buses have theirs in tests/integration.
"""

from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.errors import InvalidDecimal
from tradepit.protocol.units import parse_units
from tradepit.protocol.wire import CancelReason, Reason, SelfTradePrevention, Side, TimeInForce

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
    trades_of,
)
from tests.reference_state import chain_digest

BUY, SELL = Side.BUY, Side.SELL


def makers_of(events: list[Any]) -> list[int]:
    return [event.maker_order_id for event in events if isinstance(event, wire.Trade)]


def replace(order_id: int, *, account_id: int = 1, **change: int) -> wire.ReplaceOrder:
    return wire.ReplaceOrder(account_id=account_id, order_id=order_id, **change)


def cancel(order_id: int, *, account_id: int = 1) -> wire.CancelOrder:
    return wire.CancelOrder(account_id=account_id, order_id=order_id)


def observable(venue: Market) -> dict[str, Any]:
    """Everything that a participant can ask for."""
    accounts = range(1, 4)
    orders = {
        account_id: [
            answer
            for answer in venue.ask(wire.OpenOrdersQuery(account_id=account_id, count_max=100))
            if isinstance(answer, wire.ExecutionReport)
        ]
        for account_id in accounts
    }
    return {
        "depth": venue.depth(),
        "top": venue.engine.top_of_book(INSTRUMENT),
        "funds": {
            (a, s): venue.engine.balance(a, s) for a in (0, *accounts) for s in (BASE, QUOTE)
        },
        "orders": {
            account_id: [report._replace(seq=0, time_ns=0, request_id=0) for report in reports]
            for account_id, reports in orders.items()
        },
    }


# ---- priority and price ---------------------------------------------------------------------


@pytest.mark.parametrize("left_out", range(5))
def test_a_cancel_in_the_middle_leaves_the_queue_in_order(left_out: int) -> None:
    """swap_remove and dictionaries: abyssbook#41, py-rs-quant#1, StockSharp#681."""
    venue = Market()
    orders = [venue.place(limit(SELL, 10, 1)) for _ in range(5)]
    venue.send(cancel(orders.pop(left_out)))
    assert makers_of(venue.send(limit(BUY, 10, 4, account_id=2))) == orders


def test_equal_prices_trade_in_the_order_of_arrival_however_many() -> None:
    """An unstable sort by price alone: Go-Exchange-Core#1."""
    venue = Market()
    orders = [venue.place(limit(BUY, 10 - index % 3, 1)) for index in range(300)]
    expected = [orders[index] for rest in range(3) for index in range(rest, 300, 3)]
    assert makers_of(venue.send(market(SELL, 300, account_id=2))) == expected


def test_a_partial_fill_leaves_the_maker_at_the_front() -> None:
    """OrderBook-rs#88 sent it to the tail."""
    venue = Market()
    first, second = (venue.place(limit(SELL, 10, 5)) for _ in range(2))
    events = venue.send(limit(BUY, 10, 2, account_id=2), limit(BUY, 10, 4, account_id=2))
    assert makers_of(events) == [first, first, second]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_taker_meets_the_best_price_first_and_pays_the_makers_price(side: Side) -> None:
    """The oldest that crosses: luo4neck/MatchingEngine#3; bids sorted upwards: rust-exchange#4;
    the aggressor's price: cpp_orderbook#2."""
    venue = Market()
    maker_side = SELL if side == BUY else BUY
    for price in (12, 10, 11):
        venue.place(limit(maker_side, price, 1, account_id=2))
    prices = [10, 11, 12] if side == BUY else [12, 11, 10]
    taker = limit(side, 100 if side == BUY else 1, 3)
    assert trades_of(venue.send(taker)) == [(price, 1) for price in prices]


def test_the_touch_moves_when_the_last_order_of_a_level_leaves() -> None:
    """A phantom best price, seen in no trade: flash1-dev/matching-engine-benchmark CONFORMANCE.md."""
    venue = Market()
    best = venue.place(limit(BUY, 12, 1))
    moved = venue.place(limit(BUY, 11, 1))
    venue.place(limit(BUY, 10, 1))
    assert venue.engine.top_of_book(INSTRUMENT)[:2] == (12, 1)
    venue.send(cancel(best))
    assert venue.engine.top_of_book(INSTRUMENT)[:2] == (11, 1)
    venue.send(replace(moved, price_ticks=9))
    assert venue.engine.top_of_book(INSTRUMENT)[:2] == (10, 1)
    venue.send(limit(SELL, 10, 1, account_id=2))
    assert venue.engine.top_of_book(INSTRUMENT) == (9, 1, 0, 0)
    assert venue.depth() == ([(9, 1, 1)], [])


# ---- amends ---------------------------------------------------------------------------------


def test_an_amend_after_a_partial_fill_counts_what_has_traded() -> None:
    """Too little rested: opexdev/core#688; extra fills: sample-market-maker#23."""
    venue = Market()
    order = venue.place(limit(SELL, 10, 10))
    venue.send(limit(BUY, 10, 4, account_id=2))
    venue.send(replace(order, quantity_lots=12))
    assert venue.depth()[1] == [(10, 8, 1)]
    assert venue.engine.balance(1, BASE)[1] == 8
    assert venue.send(replace(order, quantity_lots=4))[0].reason == Reason.QUANTITY_BELOW_FILLED


def test_an_amend_that_crosses_trades_and_never_rests_crossed() -> None:
    """hft-clob-core#59, orderbook-rs#9."""
    venue = Market()
    bid = venue.place(limit(BUY, 9, 5))
    venue.place(limit(SELL, 10, 2, account_id=2))
    events = venue.send(replace(bid, price_ticks=11))
    assert trades_of(events) == [(10, 2)]
    assert venue.depth() == ([(11, 3, 1)], [])
    venue.engine.check()


def test_an_order_that_an_amend_filled_is_gone_under_every_name() -> None:
    """A stale handle after it matched again: CppTrader#42; amends of filled orders are accepted:
    robaho/go-trader#23."""
    venue = Market()
    bid = venue.place(limit(BUY, 9, 2, client_order_id=7))
    venue.place(limit(SELL, 10, 2, account_id=2))
    venue.send(replace(bid, price_ticks=10))
    for command in (
        cancel(bid),
        replace(bid, quantity_lots=9),
        wire.CancelOrder(account_id=1, client_order_id=7),
    ):
        assert venue.send(command)[0].reason == Reason.UNKNOWN_ORDER
    assert venue.engine.open_order_count == 0
    assert venue.engine.balance(1, QUOTE)[1] == 0


def test_quantities_beyond_32_bits_survive_an_amend() -> None:
    """liquibook's replace casts the open quantity to int; SEED and others sent floats."""
    venue = Market(listing=LISTING._replace(quantity_lots_max=2**40, price_ticks_max=100))
    order = venue.place(limit(BUY, 10, 2**33 + 1))
    venue.send(replace(order, quantity_lots=2**34 + 3))
    assert venue.depth()[0] == [(10, 2**34 + 3, 1)]
    assert trades_of(venue.send(limit(SELL, 10, 2**34 + 2, account_id=2))) == [(10, 2**34 + 2)]
    assert venue.depth()[0] == [(10, 1, 1)]


# ---- lifetime -------------------------------------------------------------------------------


def test_a_sweep_that_empties_many_levels_ends_and_leaves_nothing() -> None:
    """A level used after it was erased: Hnodomar/Spot-Exchange#1; a sweep by recursion overflows
    the stack: raunakchopra#1."""
    venue = Market()
    venue.send(*[limit(SELL, 10 + index, 1, account_id=2) for index in range(5_000)])
    assert len(trades_of(venue.send(limit(BUY, 2**20, 5_001)))) == 5_000
    assert venue.depth() == ([(2**20, 1, 1)], [])
    venue.engine.check()


def test_a_duplicate_id_is_refused_before_it_trades_or_is_linked() -> None:
    """A list that leads to itself: Kautenja#4; the duplicate trades first: exchange-core."""
    venue = Market()
    venue.place(limit(BUY, 10, 5, client_order_id=3))
    venue.place(limit(SELL, 11, 5, account_id=2))
    before = observable(venue)
    (refused,) = venue.send(limit(BUY, 11, 5, client_order_id=3))
    assert refused.reason == Reason.DUPLICATE_CLIENT_ORDER_ID
    assert observable(venue) == before
    venue.engine.check()


@pytest.mark.parametrize("is_market", [False, True])
def test_what_an_ioc_order_does_not_trade_does_not_rest(is_market: bool) -> None:
    """liquibook#43."""
    venue = Market()
    venue.place(limit(SELL, 10, 1, account_id=2))
    order = market(BUY, 3) if is_market else limit(BUY, 10, 3, time_in_force=TimeInForce.IOC)
    events = venue.send(order)
    assert (events[-1].canceled_lots, events[-1].reason) == (2, CancelReason.IOC_REMAINDER)
    assert venue.depth() == ([], [])
    assert venue.engine.balance(1, QUOTE)[1] == 0


def test_ids_never_come_again_and_slots_of_filled_orders_do() -> None:
    """Order ids wrap at 1,000: dgtony/orderbook-rs#9; filled ids stay in an index:
    OrderBookMatchingEngine#25; an id index without room in the end: FLOX venue."""
    venue = Market(max_orders=2, client_order_ids=4)
    seen = set()
    for index in range(3_000):
        seen.add(venue.place(limit(SELL, 10, 1, client_order_id=index + 1)))
        seen.add(venue.place(limit(BUY, 10, 1, account_id=2, client_order_id=index + 1)))
    assert seen == set(range(FIRST_ORDER_ID, FIRST_ORDER_ID + 6_000))
    assert venue.engine.open_order_count == 0
    venue.engine.check()


def test_a_full_pool_refuses_and_keeps_no_money() -> None:
    """FLOX venue accepted orders that were in no book, and kept their money reserved."""
    venue = Market(max_orders=2)
    kept = [venue.place(limit(BUY, 10, 1)) for _ in range(2)]
    before = observable(venue)
    assert venue.send(limit(BUY, 10, 1))[0].reason == Reason.TOO_MANY_ORDERS
    assert venue.send(stop(SELL, 5, 1))[0].reason == Reason.TOO_MANY_ORDERS
    assert observable(venue) == before
    assert trades_of(venue.send(limit(SELL, 10, 2, account_id=2, time_in_force=TimeInForce.IOC)))
    assert venue.send(cancel(kept[0]))[0].reason == Reason.UNKNOWN_ORDER


def test_nobody_touches_the_order_of_another_account() -> None:
    """FLOX venue: any account can cancel or amend another's order."""
    venue = Market()
    order = venue.place(limit(BUY, 10, 5, client_order_id=9))
    before = observable(venue)
    for command in (
        cancel(order, account_id=2),
        replace(order, account_id=2, price_ticks=11),
        wire.CancelOrder(account_id=2, client_order_id=9),
    ):
        assert venue.send(command)[0].reason == Reason.UNKNOWN_ORDER
    assert venue.send(wire.MassCancel(account_id=2))[-1].canceled_count == 0
    assert observable(venue) == before


# ---- refusals -------------------------------------------------------------------------------


def test_a_failing_fill_or_kill_order_leaves_no_trace() -> None:
    """It moved the last price, fired a stop, printed a trade between two other accounts, showed an
    iceberg's reserve: orderbook docs/DIFFERENTIAL-FINDINGS.md, PINNED-DEFECTS.md."""
    venue = Market()
    venue.place(limit(SELL, 10, 2, account_id=2))
    venue.place(limit(SELL, 11, 2, account_id=1))
    venue.place(stop(BUY, 10, 1, price_ticks=50, account_id=3))
    before = observable(venue)
    fok = limit(BUY, 11, 4, time_in_force=TimeInForce.FOK)
    for mode in (SelfTradePrevention.CANCEL_NEWEST, SelfTradePrevention.DECREMENT_AND_CANCEL):
        (refused,) = venue.send(fok._replace(self_trade_prevention=mode))
        assert refused.reason == Reason.FOK_NOT_FILLABLE
    (refused,) = venue.send(fok._replace(quantity_lots=5))
    assert refused.reason == Reason.FOK_NOT_FILLABLE
    assert observable(venue) == before
    # Had the last price moved to 10, this order would be triggered at once.
    events = venue.send(stop(BUY, 10, 1, price_ticks=50))
    assert [type(event) for event in events] == [wire.OrderAccepted]


def test_every_maker_that_self_trade_prevention_cancels_is_announced() -> None:
    """It vanished with no event: orderbook docs/DIFFERENTIAL-FINDINGS.md."""
    venue = Market()
    own = [venue.place(limit(SELL, 10, 1)) for _ in range(3)]
    taker = limit(BUY, 10, 3)._replace(self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST)
    events = venue.send(taker)
    canceled = [event.order_id for event in events if isinstance(event, wire.OrderCanceled)]
    assert canceled == own
    assert venue.depth() == ([(10, 3, 1)], [])


def test_an_account_without_a_group_is_still_one_trader() -> None:
    """Id 0 as a mark for "no prevention": OrderBook-rs CHANGELOG #103."""
    venue = Market()
    mine = venue.place(limit(SELL, 10, 1))
    other = venue.place(limit(SELL, 10, 1, account_id=2))
    taker = limit(BUY, 10, 2)._replace(self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST)
    events = venue.send(taker)
    assert makers_of(events) == [other]
    assert [e.order_id for e in events if isinstance(e, wire.OrderCanceled)] == [mine]


def test_a_triggered_stop_order_that_is_filled_is_gone() -> None:
    """It stayed in the core: nautilus_trader#3740, #3741."""
    venue = Market()
    waiting = venue.place(stop(SELL, 10, 1))
    venue.place(limit(BUY, 10, 2, account_id=2))
    venue.send(market(SELL, 1, account_id=3))
    assert venue.engine.open_order_count == 0
    assert venue.engine.balance(1, BASE) == (10**15 - 1, 0)
    assert venue.send(cancel(waiting))[0].reason == Reason.UNKNOWN_ORDER


# ---- numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [BUY, SELL])
def test_sums_of_the_largest_orders_do_not_overflow(side: Side) -> None:
    """int64 products and level totals: exchange-core CoreArithmeticUtils, bnb-chain/node#508,
    opencx; fee casts: OrderBook-rs#114."""
    largest = LISTING._replace(
        price_ticks_max=2**20, quantity_lots_max=2**40, maker_fee_ppm=99, taker_fee_ppm=100
    )
    venue = Market(listing=largest, units=2**60)
    events = venue.send(*[limit(side, 2**20 - 1, 2**38)] * 8)
    placed = sum(isinstance(event, wire.OrderAccepted) for event in events)
    levels = venue.depth()[0 if side == BUY else 1]
    assert levels == [(2**20 - 1, placed * 2**38, placed)]
    assert placed > 2
    venue.engine.check()
    venue.send(wire.MassCancel(account_id=1))
    assert venue.engine.balance(1, QUOTE) == (2**60, 0)
    assert venue.engine.balance(1, BASE) == (2**60, 0)


def test_two_spellings_of_a_price_are_one_level() -> None:
    """A decimal as a map's key: go-orderbook#2; floats: php_matcher, pmxt#672; NaN: viabtc#141."""
    assert parse_units("1.50", 3) == parse_units("1.5", 3) == parse_units("1.500", 3)
    for text in ("NaN", "Infinity", "1e3", "-1", "", "0x10", "1_000"):
        with pytest.raises(InvalidDecimal):
            parse_units(text, 3)


def test_fees_that_round_down_leave_neither_dust_nor_holds() -> None:
    """Dust kept filled orders in the book: SwitchDexIssues#24."""
    venue = Market(listing=LISTING._replace(maker_fee_ppm=333, taker_fee_ppm=777), units=10**6)
    venue.place(limit(BUY, 997, 7))
    for _ in range(7):
        venue.send(limit(SELL, 997, 1, account_id=2))
    assert venue.depth() == ([], [])
    assert [venue.engine.balance(1, asset)[1] for asset in (BASE, QUOTE)] == [0, 0]
    assert sum(venue.engine.balance(account, QUOTE)[0] for account in (0, 1, 2, 3)) == 3 * 10**6


# ---- determinism and restart ----------------------------------------------------------------


def day(venue: Market) -> bytes:
    """A little of everything; its events."""
    commands: list[Any] = [limit(SELL, 10 + index % 4, 2, account_id=2) for index in range(12)]
    commands += [stop(BUY, 11, 1, price_ticks=40), limit(BUY, 11, 5), market(BUY, 3, account_id=3)]
    commands += [wire.MassCancel(account_id=2), limit(BUY, 5, 1), wire.MassCancel(account_id=1)]
    return b"".join(venue.engine.apply(command.encode()) for command in commands)


def test_equal_commands_give_equal_bytes_and_trade_ids_count_up() -> None:
    """Unordered iteration: nautilus_trader#3914, OrderBook-rs#94, #106, #133; a wall clock in the
    core: OrderBook-rs#51, #71, order-matcher#15; random trade ids: OrderBook-rs#199, #200."""
    first, second = Market(), Market()
    events = day(first)
    assert events == day(second)
    assert first.engine.snapshot() == second.engine.snapshot()
    trade_ids = [e.trade_id for e in wire.decode_all(events) if isinstance(e, wire.Trade)]
    assert trade_ids == list(range(trade_ids[0], trade_ids[0] + len(trade_ids)))


def test_a_replay_finds_a_difference_in_priority_and_in_what_is_hidden() -> None:
    """Oracles that compared sums only: OrderBook-rs#102, #208, #215. Ours is a digest of all events
    and the bytes of a snapshot, which tell two queues of equal sums apart."""
    one, other = Market(), Market()
    one.send(limit(BUY, 10, 5), limit(BUY, 10, 5, account_id=2))
    other.send(limit(BUY, 10, 5, account_id=2), limit(BUY, 10, 5))
    assert one.depth() == other.depth()
    assert one.engine.digest != other.engine.digest
    assert one.engine.snapshot() != other.engine.snapshot()


def test_a_restart_keeps_what_no_order_shows() -> None:
    """The last price: bnb-chain/node#175, #332; the configuration: OrderBook-rs#101."""
    venue = Market(max_orders=3)
    venue.send(limit(SELL, 10, 1, account_id=2), limit(BUY, 10, 1))
    restarted = Engine.restore(venue.engine.snapshot())
    waiting = stop(SELL, 10, 1).encode()
    assert restarted.apply(waiting) == venue.engine.apply(waiting)  # triggered at once, both
    too_many = b"".join(limit(BUY, 1, 1).encode() for _ in range(4))
    assert restarted.apply(too_many) == venue.engine.apply(too_many)
    assert restarted.snapshot() == venue.engine.snapshot()


def test_a_snapshot_of_another_format_is_refused_and_not_read_in_part() -> None:
    """5 of 9 records after a change of format: flox#484; snapshots without a checksum: orderbook."""
    venue = Market()
    day(venue)
    snapshot = bytearray(venue.engine.snapshot())
    version = int.from_bytes(snapshot[24:28], "little")
    snapshot[24:28] = (version + 1).to_bytes(4, "little")
    snapshot[8:16] = chain_digest(0x5450424F4F4B3031, bytes(snapshot[16:])).to_bytes(8, "little")
    with pytest.raises(ValueError, match="version"):
        Engine.restore(bytes(snapshot))


def test_when_the_book_is_drained_every_hold_is_zero() -> None:
    """FLOX venue's second property beside conservation."""
    venue = Market(listing=LISTING._replace(maker_fee_ppm=1_000, taker_fee_ppm=2_500))
    for index in range(60):
        side = (BUY, SELL)[index % 2]
        order = limit(side, 90 + index * 7 % 20, 1 + index % 5, account_id=1 + index % 3)
        venue.send(order, stop(SELL, 80, 1), replace(FIRST_ORDER_ID + index, quantity_lots=2))
    for account_id in (1, 2, 3):
        venue.send(wire.MassCancel(account_id=account_id))
        assert [venue.engine.balance(account_id, asset)[1] for asset in (BASE, QUOTE)] == [0, 0]
    assert venue.depth() == ([], [])
