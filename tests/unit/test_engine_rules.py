"""The rules of trading, one test each; the property test covers their combinations."""

from typing import Any

import pytest
from tradepit.protocol import wire
from tradepit.protocol.wire import OrderFlag, Reason, Side, TimeInForce, TradingState

from tests.engine_list_refusals import LIST_REFUSALS
from tests.engine_market import (
    BASE,
    FIRST_ORDER_ID,
    INSTRUMENT,
    LISTING,
    QUOTE,
    Market,
    budget,
    gtd,
    limit,
    market,
    market_to_limit,
    pegged,
    stop,
    stop_limit,
    trades_of,
    trailing,
)
from tests.engine_refusals import CONTROL_REFUSALS

BUY, SELL = Side.BUY, Side.SELL
HALTED = LISTING._replace(trading_state=wire.TradingState.HALTED)


def state(trading_state: TradingState) -> wire.SetTradingState:
    return wire.SetTradingState(instrument_id=INSTRUMENT, state=trading_state)


SUSPENDED = wire.SetAccount(account_id=1, state=wire.AccountState.SUSPENDED)

# For each reason that the engine gives: commands that prepare, then the one that is refused.
REFUSALS: list[tuple[Reason, list[Any]]] = [
    (Reason.UNKNOWN_INSTRUMENT, [limit(BUY, 10, 1, instrument_id=2)]),
    (Reason.UNKNOWN_INSTRUMENT, [wire.MassCancel(account_id=1, instrument_id=2)]),
    (Reason.INSTRUMENT_HALTED, [HALTED, limit(BUY, 10, 1)]),
    (
        Reason.INSTRUMENT_HALTED,
        [limit(BUY, 10, 1), HALTED, wire.ReplaceOrder(account_id=1, order_id=FIRST_ORDER_ID)],
    ),
    (
        Reason.OUTSIDE_COLLAR,
        [
            LISTING._replace(reference_price_ticks=100, static_collar_ppm=100_000),
            limit(BUY, 89, 1),
        ],
    ),
    (Reason.INVALID_INSTRUMENT, [LISTING._replace(breaker_ppm=1)]),
    (Reason.INVALID_INSTRUMENT, [LISTING._replace(static_collar_ppm=1_000_001)]),
    (Reason.NOT_IN_THIS_STATE, [state(TradingState.CLOSED), limit(BUY, 10, 1)]),
    (Reason.NOT_IN_THIS_STATE, [state(TradingState.PRE_OPEN), market(BUY, 1)]),
    (Reason.UNKNOWN_INSTRUMENT, [state(TradingState.CLOSED)._replace(instrument_id=2)]),
    (Reason.INVALID_TRADING_STATE, [state(TradingState.CLOSED)._replace(state=8)]),
    (Reason.INVALID_TRADING_STATE, [state(TradingState.CLOSED)._replace(next_state=1)]),
    (
        Reason.INVALID_TRADING_STATE,
        [state(TradingState.CLOSED)._replace(end_time_ns=0, next_state=1)],
    ),
    (Reason.UNKNOWN_ACCOUNT, [limit(BUY, 10, 1, account_id=99)]),
    (Reason.UNKNOWN_ACCOUNT, [limit(BUY, 10, 1, account_id=0)]),
    (Reason.UNKNOWN_ACCOUNT, [wire.CancelOrder(account_id=99, order_id=1)]),
    (Reason.UNKNOWN_ACCOUNT, [wire.ReplaceOrder(account_id=99, order_id=1)]),
    (Reason.UNKNOWN_ACCOUNT, [wire.MassCancel(account_id=99)]),
    (Reason.UNKNOWN_ACCOUNT, [wire.Credit(account_id=99, transfer_id=1, asset_id=1)]),
    (Reason.ACCOUNT_SUSPENDED, [SUSPENDED, limit(BUY, 10, 1)]),
    (Reason.ACCOUNT_SUSPENDED, [SUSPENDED, wire.ReplaceOrder(account_id=1, order_id=1)]),
    (Reason.UNKNOWN_ORDER, [wire.CancelOrder(account_id=1)]),
    (
        Reason.UNKNOWN_ORDER,  # another's order
        [limit(BUY, 10, 1), wire.CancelOrder(account_id=2, order_id=FIRST_ORDER_ID)],
    ),
    (
        Reason.UNKNOWN_ORDER,  # another's order
        [
            limit(BUY, 10, 1),
            limit(BUY, 9, 1, account_id=2)._replace(replaces_order_id=FIRST_ORDER_ID),
        ],
    ),
    (Reason.KILL_SWITCH_ENGAGED, [wire.KillSwitch(account_id=1, state=1), limit(BUY, 10, 1)]),
    (Reason.KILL_SWITCH_ENGAGED, [wire.KillSwitch(state=1), limit(BUY, 10, 1)]),
    (Reason.INVALID_KILL_SWITCH, [wire.KillSwitch(account_id=1)]),
    (Reason.UNKNOWN_ACCOUNT, [wire.KillSwitch(account_id=99, state=1)]),
    (Reason.UNKNOWN_ACCOUNT, [wire.SessionEnded(account_id=99)]),
    (Reason.INVALID_SIDE, [limit(BUY, 10, 1)._replace(side=3)]),
    (Reason.INVALID_SIDE, [wire.MassCancel(account_id=1, side=3)]),
    (Reason.INVALID_ORDER_TYPE, [limit(BUY, 10, 1)._replace(order_type=0)]),
    (Reason.INVALID_TIME_IN_FORCE, [limit(BUY, 10, 1)._replace(time_in_force=8)]),
    (Reason.INVALID_TIME_IN_FORCE, [market(BUY, 1, time_in_force=TimeInForce.GTC)]),
    (Reason.INVALID_FLAGS, [limit(BUY, 10, 1, flags=3)]),
    (
        Reason.INVALID_FLAGS,
        [limit(BUY, 10, 1, flags=OrderFlag.POST_ONLY, time_in_force=TimeInForce.IOC)],
    ),
    (Reason.INVALID_PRICE, [limit(BUY, 0, 1)]),
    (Reason.INVALID_PRICE, [limit(BUY, LISTING.price_ticks_max + 1, 1)]),
    (Reason.INVALID_PRICE, [market(BUY, 1)._replace(price_ticks=10)]),
    (Reason.INVALID_QUANTITY, [limit(BUY, 10, 0)]),
    (Reason.INVALID_QUANTITY, [limit(BUY, 10, LISTING.quantity_lots_max + 1)]),
    (Reason.INVALID_CLIENT_ORDER_ID, [limit(BUY, 10, 1, client_order_id=2**63)]),
    (Reason.INVALID_ORDER_TYPE, [limit(BUY, 10, 1)._replace(order_type=8)]),
    (Reason.INVALID_TIME_IN_FORCE, [trailing(SELL, 1, 1)._replace(time_in_force=TimeInForce.GTC)]),
    (Reason.INVALID_TIME_IN_FORCE, [pegged(BUY, 10, 1)._replace(time_in_force=TimeInForce.IOC)]),
    (Reason.INVALID_OFFSET, [trailing(SELL, 0, 1)]),
    (Reason.INVALID_OFFSET, [trailing(SELL, 1, 1)._replace(trail_offset_bps=1)]),
    (Reason.INVALID_OFFSET, [trailing(SELL, 0, 1)._replace(trail_offset_bps=10_000)]),
    (Reason.INVALID_OFFSET, [pegged(BUY, 10, 1)._replace(peg_reference=0)]),
    (Reason.INVALID_OFFSET, [pegged(BUY, 10, 1)._replace(peg_reference=4)]),
    (Reason.INVALID_FLAGS, [pegged(BUY, 10, 1)._replace(flags=OrderFlag.POST_ONLY)]),
    (
        Reason.INVALID_FLAGS,
        [
            state(TradingState.PRE_OPEN),
            limit(BUY, 10, 1, time_in_force=TimeInForce.AT_THE_OPEN)._replace(flags=8),
        ],
    ),
    (
        Reason.NOT_IN_THIS_STATE,
        [limit(BUY, 10, 1, time_in_force=TimeInForce.AT_THE_OPEN)],
    ),
    (Reason.NO_REFERENCE_PRICE, [trailing(SELL, 1, 1)]),
    (Reason.NO_REFERENCE_PRICE, [pegged(BUY, 10, 1)]),
    (Reason.WOULD_NOT_REDUCE, [limit(BUY, 10, 1, flags=OrderFlag.REDUCE_ONLY)]),
    (Reason.INVALID_TIME_IN_FORCE, [stop(SELL, 10, 1)._replace(time_in_force=TimeInForce.GTC)]),
    (
        Reason.INVALID_TIME_IN_FORCE,
        [stop(BUY, 10, 1, price_ticks=11)._replace(time_in_force=TimeInForce.FOK)],
    ),
    (Reason.INVALID_FLAGS, [stop_limit(BUY, 10, 11, 1)._replace(flags=OrderFlag.POST_ONLY)]),
    (Reason.INVALID_PRICE, [stop(BUY, 10, 1)]),
    (Reason.INVALID_PRICE, [stop(SELL, 10, 1, price_ticks=9)]),
    (
        Reason.INVALID_PRICE,
        [
            stop(SELL, 10, 1),
            wire.ReplaceOrder(account_id=1, order_id=FIRST_ORDER_ID, price_ticks=9),
        ],
    ),
    (Reason.INVALID_TRIGGER_PRICE, [stop(SELL, 0, 1)]),
    (Reason.INVALID_TRIGGER_PRICE, [stop(SELL, LISTING.price_ticks_max + 1, 1)]),
    (Reason.INVALID_TRIGGER_PRICE, [limit(BUY, 10, 1)._replace(trigger_price_ticks=10)]),
    (Reason.INSUFFICIENT_FUNDS, [stop_limit(BUY, 1, 2**30, 2**30)]),
    (
        Reason.TOO_MANY_ORDERS,
        [stop(SELL, 10, 1), stop(BUY, 10, 1, price_ticks=11), stop(SELL, 9, 1)],
    ),
    (Reason.INVALID_DISPLAY_QUANTITY, [limit(BUY, 10, 1)._replace(display_quantity_lots=-1)]),
    (Reason.INVALID_MINIMUM_QUANTITY, [limit(BUY, 10, 1)._replace(minimum_quantity_lots=1)]),
    (Reason.INVALID_MINIMUM_QUANTITY, [market(BUY, 1)._replace(minimum_quantity_lots=2)]),
    (Reason.INVALID_MINIMUM_QUANTITY, [market(BUY, 1)._replace(minimum_quantity_lots=-1)]),
    (Reason.MINIMUM_NOT_FILLABLE, [market(BUY, 2)._replace(minimum_quantity_lots=1)]),
    (Reason.INVALID_QUOTE_BUDGET, [limit(BUY, 10, 1)._replace(quote_budget_units=1)]),
    (Reason.INVALID_QUOTE_BUDGET, [market(BUY, 1)._replace(quote_budget_units=1)]),
    (Reason.INVALID_QUANTITY, [market(SELL, 0)._replace(quote_budget_units=1)]),
    (Reason.INVALID_QUANTITY, [market(BUY, 0)._replace(quote_budget_units=-1)]),
    (Reason.INSUFFICIENT_FUNDS, [market(BUY, 0)._replace(quote_budget_units=2**62)]),
    (
        Reason.BUDGET_TOO_SMALL,
        [limit(SELL, 10, 1, account_id=2), market(BUY, 0)._replace(quote_budget_units=9)],
    ),
    (Reason.INVALID_MINIMUM_QUANTITY, [budget(100)._replace(minimum_quantity_lots=1)]),
    (Reason.NO_LIQUIDITY, [market_to_limit(BUY, 1)]),
    (Reason.INVALID_PRICE, [market_to_limit(BUY, 1)._replace(price_ticks=10)]),
    (
        Reason.INVALID_TIME_IN_FORCE,
        [market_to_limit(BUY, 1)._replace(time_in_force=TimeInForce.IOC)],
    ),
    (Reason.INVALID_FLAGS, [market_to_limit(BUY, 1)._replace(flags=OrderFlag.POST_ONLY_SLIDE)]),
    (
        Reason.POST_ONLY_WOULD_TRADE,  # there is no lower price
        [
            limit(SELL, 1, 1, account_id=2),
            limit(BUY, 5, 1, flags=OrderFlag.POST_ONLY_SLIDE),
        ],
    ),
    (Reason.INVALID_EXPIRE_TIME, [limit(BUY, 10, 1)._replace(expire_time_ns=1)]),
    (Reason.INVALID_EXPIRE_TIME, [gtd(BUY, 10, 1, 5)._replace(time_ns=5)]),
    (Reason.INVALID_OFFSET, [limit(BUY, 10, 1)._replace(offset_ticks=1)]),
    (
        Reason.INVALID_SELF_TRADE_PREVENTION,
        [limit(BUY, 10, 1)._replace(self_trade_prevention=5)],
    ),
    (
        Reason.QUANTITY_BELOW_FILLED,
        [
            limit(BUY, 10, 5),
            limit(SELL, 10, 3, account_id=2),
            wire.ReplaceOrder(account_id=1, order_id=FIRST_ORDER_ID, quantity_lots=3),
        ],
    ),
    (
        Reason.DUPLICATE_CLIENT_ORDER_ID,
        [limit(BUY, 10, 1, client_order_id=4), limit(SELL, 99, 2, client_order_id=4)],
    ),
    (
        Reason.DUPLICATE_TRANSFER,
        [wire.Credit(account_id=1, transfer_id=1, asset_id=QUOTE, amount_units=5)],
    ),
    (Reason.INSUFFICIENT_FUNDS, [limit(BUY, 2**30, 2**30)]),
    (
        Reason.INSUFFICIENT_FUNDS,
        [wire.Debit(account_id=1, transfer_id=900, asset_id=QUOTE, amount_units=2**60)],
    ),
    (
        Reason.POST_ONLY_WOULD_TRADE,
        [limit(BUY, 10, 1), limit(SELL, 10, 1, flags=OrderFlag.POST_ONLY)],
    ),
    (
        Reason.POST_ONLY_WOULD_TRADE,
        [
            limit(BUY, 9, 1, flags=OrderFlag.POST_ONLY),
            limit(SELL, 10, 1),
            wire.ReplaceOrder(account_id=1, order_id=FIRST_ORDER_ID, price_ticks=10),
        ],
    ),
    (
        Reason.FOK_NOT_FILLABLE,
        [limit(BUY, 10, 1), limit(SELL, 10, 2, time_in_force=TimeInForce.FOK)],
    ),
    (Reason.INVALID_NOTIONAL, [LISTING._replace(notional_units_min=11), limit(BUY, 10, 1)]),
    (Reason.TOO_MANY_ORDERS, [limit(BUY, 10, 1), limit(BUY, 9, 1), limit(BUY, 8, 1)]),
    (Reason.TOO_MANY_ACCOUNTS, [wire.SetAccount(account_id=99, state=1)]),
    (Reason.INVALID_ACCOUNT, [wire.SetAccount(account_id=0, state=1)]),
    (Reason.INVALID_ACCOUNT, [wire.SetAccount(account_id=1, state=3)]),
    (Reason.INVALID_ACCOUNT, [wire.SetAccount(account_id=1, state=1, fee_tier=8)]),
    (Reason.INVALID_ACCOUNT, [wire.SetAccount(account_id=1, trade_group=2**63, state=1)]),
    (Reason.UNKNOWN_ASSET, [LISTING._replace(base_asset_id=3)]),
    (Reason.UNKNOWN_ASSET, [wire.Credit(account_id=1, transfer_id=900, asset_id=3)]),
    (Reason.INVALID_ASSET, [wire.SetAsset(symbol="USD", asset_id=QUOTE, decimals=1)]),
    (Reason.INVALID_ASSET, [wire.SetAsset(symbol="", asset_id=QUOTE)]),
    (Reason.INVALID_ASSET, [wire.SetAsset(symbol="X", asset_id=2**32 - 1)]),
    (Reason.INVALID_INSTRUMENT, [LISTING._replace(tick_size=2)]),
    (Reason.INVALID_INSTRUMENT, [LISTING._replace(quote_asset_id=BASE)]),
    (Reason.INVALID_INSTRUMENT, [LISTING._replace(instrument_id=0)]),
    (Reason.INVALID_INSTRUMENT, [LISTING._replace(market_protection_ppm=1_000_001)]),
    (
        Reason.INVALID_INSTRUMENT,  # one order could be worth 2^80
        [LISTING._replace(price_ticks_max=2**40, quantity_lots_max=2**40)],
    ),
    (Reason.INVALID_INSTRUMENT, [LISTING._replace(maker_fee_ppm=-1)]),  # the house would pay
    (Reason.UNKNOWN_INSTRUMENT, [wire.SetFeeSchedule(instrument_id=2)]),
    (
        Reason.INVALID_FEE_SCHEDULE,
        [wire.SetFeeSchedule(instrument_id=INSTRUMENT, tiers=(wire.FeeTerms(0, 100_001),))],
    ),
    (Reason.INVALID_INSTRUMENT, [LISTING._replace(notional_units_min=-1)]),
    (Reason.INVALID_INSTRUMENT, [LISTING._replace(notional_units_min=2, notional_units_max=1)]),
    (Reason.UNKNOWN_INSTRUMENT, [wire.SetTickTable(instrument_id=2)]),
    (Reason.UNKNOWN_INSTRUMENT, [wire.SetCalendar(instrument_id=2)]),
    (
        Reason.INVALID_CALENDAR,
        [wire.SetCalendar(instrument_id=INSTRUMENT, entries=(wire.CalendarEntry(10_080, 1),))],
    ),
    (
        Reason.INVALID_TICK_TABLE,
        [wire.SetTickTable(instrument_id=INSTRUMENT, bands=(wire.PriceBand(0, 1),))],
    ),
    (
        Reason.INVALID_AMOUNT,
        [wire.Credit(account_id=1, transfer_id=900, asset_id=QUOTE, amount_units=0)],
    ),
    (
        Reason.INVALID_AMOUNT,
        [wire.Credit(account_id=1, transfer_id=900, asset_id=QUOTE, amount_units=2**62)],
    ),
    (
        Reason.INVALID_AMOUNT,
        [wire.Credit(account_id=1, transfer_id=2**63, asset_id=QUOTE, amount_units=5)],
    ),
]
REFUSALS += LIST_REFUSALS
REFUSALS += CONTROL_REFUSALS
# test_engine_auction.py and test_engine_quotes.py: they take very many commands
ELSEWHERE = {Reason.AUCTION_ENDING, Reason.TOO_MANY_QUOTE_PROTECTIONS}
BEFORE_THE_ENGINE = {
    Reason.NONE,
    Reason.MALFORMED,
    Reason.UNSUPPORTED_VERSION,
    Reason.UNKNOWN_TYPE,
    Reason.MESSAGE_TOO_LARGE,
    Reason.NOT_LOGGED_ON,
    Reason.WRONG_KEY,
    Reason.NOT_AUTHORIZED,
    Reason.BUSY,
    Reason.STORAGE_FULL,
    Reason.INVALID_SESSION,
}


def small_market() -> Market:
    return Market(accounts=2, max_orders=2, max_accounts=2)


def without_progress(snapshot: bytes) -> bytes:
    """A snapshot without what every command changes: checksum, seq, digest and time."""
    return snapshot[:8] + snapshot[16:64] + snapshot[88:]


def test_every_reason_of_the_engine_has_a_case() -> None:
    assert {reason for reason, _ in REFUSALS} == set(Reason) - BEFORE_THE_ENGINE - ELSEWHERE


@pytest.mark.parametrize(
    ("reason", "commands"), REFUSALS, ids=[f"{i}-{r.name}" for i, (r, _) in enumerate(REFUSALS)]
)
def test_a_refusal_names_its_reason_and_changes_nothing(
    reason: Reason, commands: list[Any]
) -> None:
    venue = small_market()
    venue.send(*commands[:-1])
    before = venue.engine.snapshot()
    events = venue.send(commands[-1])
    assert len(events) == 1
    assert events[0].reason == reason
    if not isinstance(events[0], wire.OrderListRejected):
        assert events[0].command_type == wire.type_of_record[type(commands[-1])]
    assert without_progress(venue.engine.snapshot()) == without_progress(before)
    assert venue.engine.touched_instruments == []
    venue.engine.check()


def test_checks_run_in_the_order_of_their_numbers() -> None:
    venue = small_market()
    wrong = limit(BUY, 2**40, 2**40, account_id=99, instrument_id=9, client_order_id=2**63)
    wrong = wrong._replace(side=9, order_type=9, time_in_force=9, flags=9)
    repairs: list[dict[str, Any]] = [
        {"instrument_id": INSTRUMENT},
        {"account_id": 1},
        {"side": BUY},
        {"order_type": 1},
        {"time_in_force": 1},
        {"flags": 0},
        {"price_ticks": 2**30},
        {"quantity_lots": 2**30},
        {"client_order_id": 1},
        {"price_ticks": 1},
    ]
    reasons = []
    for repair in repairs:
        reasons.append(venue.send(wrong)[0].reason)
        wrong = wrong._replace(**repair)
    assert reasons == sorted(reasons)
    assert len(set(reasons)) == len(repairs)
    assert isinstance(venue.send(wrong)[0], wire.OrderAccepted)


def test_a_market_order_sweeps_levels_and_what_is_left_is_canceled() -> None:
    venue = Market()
    for price, lots in ((101, 5), (100, 3), (103, 7)):
        venue.place(limit(SELL, price, lots, account_id=2))
    events = venue.send(market(BUY, 20))
    assert trades_of(events) == [(100, 3), (101, 5), (103, 7)]
    assert isinstance(events[-1], wire.OrderCanceled)
    assert (events[-1].canceled_lots, events[-1].filled_lots) == (5, 15)
    assert events[-1].reason == wire.CancelReason.IOC_REMAINDER
    assert venue.depth() == ([], [])


def test_a_market_order_on_an_empty_book_is_accepted_and_canceled() -> None:
    accepted, canceled = Market().send(market(SELL, 4))
    assert isinstance(accepted, wire.OrderAccepted)
    assert (canceled.reason, canceled.canceled_lots) == (wire.CancelReason.IOC_REMAINDER, 4)


def test_a_market_buy_needs_the_money_for_what_it_would_trade_and_no_more() -> None:
    venue = Market(accounts=2, units=0, listing=LISTING._replace(taker_fee_ppm=100_000))
    venue.credit(2, BASE, 100)
    venue.place(limit(SELL, 100, 1, account_id=2))
    venue.place(limit(SELL, 105, 1, account_id=2))
    venue.credit(1, QUOTE, 100 + 10 + 105 + 10 - 1)
    assert venue.send(market(BUY, 3))[0].reason == Reason.INSUFFICIENT_FUNDS
    venue.credit(1, QUOTE, 1)
    assert trades_of(venue.send(market(BUY, 3))) == [(100, 1), (105, 1)]
    assert venue.engine.balance(1, QUOTE) == (0, 0)
    assert venue.engine.balance(0, QUOTE) == (20, 0)


def test_fok_trades_all_or_is_refused() -> None:
    venue = Market()
    venue.place(limit(SELL, 100, 3, account_id=2))
    venue.place(limit(SELL, 101, 3, account_id=2))
    fok = limit(BUY, 100, 5, time_in_force=TimeInForce.FOK)
    assert venue.send(fok)[0].reason == Reason.FOK_NOT_FILLABLE
    assert trades_of(venue.send(fok._replace(price_ticks=101))) == [(100, 3), (101, 2)]


def test_a_trade_happens_at_the_makers_price_and_the_difference_is_given_back() -> None:
    venue = Market(accounts=2, units=1_000)
    venue.place(limit(SELL, 60, 5, account_id=2))
    events = venue.send(limit(BUY, 100, 8))
    assert trades_of(events) == [(60, 5)]
    assert venue.engine.balance(1, QUOTE) == (1_000 - 300 - 300, 300)
    assert venue.engine.balance(1, BASE) == (1_005, 0)
    assert venue.engine.balance(2, BASE) == (995, 0)


def test_fees_round_down_on_each_trade_and_go_to_the_house() -> None:
    listing = LISTING._replace(maker_fee_ppm=10_000, taker_fee_ppm=19_999)
    venue = Market(accounts=2, units=10_000, listing=listing)
    venue.place(limit(SELL, 99, 1, account_id=2))
    venue.place(limit(SELL, 150, 1, account_id=2))
    trades = [e for e in venue.send(limit(BUY, 200, 2)) if isinstance(e, wire.Trade)]
    assert [(t.maker_fee_units, t.taker_fee_units) for t in trades] == [(0, 1), (1, 2)]
    assert venue.engine.balance(0, QUOTE) == (4, 0)
    assert venue.engine.balance(1, QUOTE) == (10_000 - 249 - 3, 0)
    assert venue.engine.balance(2, QUOTE) == (10_000 + 249 - 1, 0)


def test_an_order_trades_under_the_fees_it_was_placed_with() -> None:
    venue = Market(accounts=2, units=1_000)
    venue.place(limit(BUY, 100, 10))  # holds all the money, no fee
    venue.send(LISTING._replace(maker_fee_ppm=100_000, taker_fee_ppm=100_000))
    trade = venue.send(limit(SELL, 100, 10, account_id=2))[1]
    assert (trade.maker_fee_units, trade.taker_fee_units) == (0, 100)
    venue.engine.check()


@pytest.mark.parametrize(
    ("change", "kept", "order_of_fills"),
    [
        ({"quantity_lots": 4}, True, [1, 2]),
        ({"quantity_lots": 5}, False, [2, 1]),
        ({}, False, [2, 1]),
        ({"quantity_lots": 6}, False, [2, 1]),
        ({"price_ticks": 100, "quantity_lots": 4}, True, [1, 2]),
        ({"price_ticks": 101}, False, [1, 2]),
    ],
)
def test_a_replacement_keeps_its_place_only_for_less_at_the_same_price(
    change: dict[str, int], kept: bool, order_of_fills: list[int]
) -> None:
    venue = Market()
    first = venue.place(limit(BUY, 100, 5, account_id=1))
    venue.place(limit(BUY, 100, 5, account_id=2))
    (replaced,) = venue.send(wire.ReplaceOrder(account_id=1, order_id=first, **change))
    assert replaced.flags == (wire.ReplaceFlag.KEPT_PRIORITY if kept else 0)
    events = venue.send(market(SELL, 20, account_id=3))
    makers = [event.maker_account_id for event in events if isinstance(event, wire.Trade)]
    assert makers == order_of_fills


def test_a_replacement_that_crosses_trades_and_rests_with_what_is_left() -> None:
    venue = Market()
    first = venue.place(limit(BUY, 90, 5))
    venue.place(limit(SELL, 100, 3, account_id=2))
    events = venue.send(
        wire.ReplaceOrder(account_id=1, order_id=first, price_ticks=105, quantity_lots=8)
    )
    assert [type(event) for event in events] == [wire.OrderReplaced, wire.Trade]
    assert venue.depth() == ([(105, 5, 1)], [])
    # Its total is 8 with 3 traded; filling up to 4 leaves 1.
    (replaced,) = venue.send(wire.ReplaceOrder(account_id=1, order_id=first, quantity_lots=4))
    assert (replaced.quantity_lots, replaced.filled_lots) == (4, 3)
    assert venue.depth() == ([(105, 1, 1)], [])


def test_a_client_order_id_is_refused_while_open_and_while_remembered() -> None:
    venue = Market(client_order_ids=2)
    old = limit(BUY, 10, 1, client_order_id=1)
    venue.place(old)
    for client_order_id in (2, 3, 4):  # push it out of the memory of two
        ioc = TimeInForce.IOC
        venue.place(limit(BUY, 10, 1, client_order_id=client_order_id, time_in_force=ioc))
    assert venue.send(old)[0].reason == Reason.DUPLICATE_CLIENT_ORDER_ID  # still open
    assert venue.send(limit(BUY, 10, 1, client_order_id=4))[0].reason
    venue.place(limit(BUY, 10, 1, client_order_id=2))  # forgotten
    venue.place(limit(BUY, 10, 1, client_order_id=4, account_id=2))  # another account's
    cancel = wire.CancelOrder(account_id=1, client_order_id=1)
    assert isinstance(venue.send(cancel)[0], wire.OrderCanceled)
    venue.place(old)
    # Orders without an id count too.
    fifth = limit(BUY, 10, 1, client_order_id=5, time_in_force=TimeInForce.IOC)
    venue.place(fifth)
    venue.place(limit(BUY, 10, 1))
    assert venue.send(fifth)[0].reason == Reason.DUPLICATE_CLIENT_ORDER_ID
    venue.place(limit(BUY, 10, 1))
    venue.place(fifth)
    venue.engine.check()


def test_transfers_apply_once_within_the_memory() -> None:
    venue = Market(accounts=1, units=0, transfer_ids=2)
    credit = wire.Credit(account_id=1, transfer_id=7, asset_id=QUOTE, amount_units=5)
    venue.send(credit)
    assert venue.send(credit)[0].reason == Reason.DUPLICATE_TRANSFER
    debit = wire.Debit(account_id=1, transfer_id=8, asset_id=QUOTE, amount_units=5)
    venue.send(debit)
    # A repeat is a repeat even now that the money has gone.
    assert venue.send(debit)[0].reason == Reason.DUPLICATE_TRANSFER
    venue.send(credit._replace(transfer_id=9))
    assert venue.send(credit)[0].delta_units == 5  # 7 is forgotten


def test_mass_cancel_takes_the_oldest_ten_thousand_that_match() -> None:
    venue = Market(accounts=2)
    orders = [limit(BUY, 1 + index, 1) for index in range(10_002)]
    venue.send(*orders, limit(SELL, 2**20, 1), limit(BUY, 5, 1, account_id=2))
    events = venue.send(wire.MassCancel(account_id=1, side=BUY))
    assert len(events) == 10_001
    assert [event.price_ticks for event in events[:3]] == [1, 2, 3]
    assert (events[-1].canceled_count, events[-1].remaining_count) == (10_000, 2)
    events = venue.send(wire.MassCancel(account_id=1))
    assert (events[-1].canceled_count, events[-1].remaining_count) == (3, 0)
    assert venue.depth() == ([(5, 1, 1)], [])
    assert venue.engine.balance(1, QUOTE) == (10**15, 0)


def test_a_taker_stops_after_ten_thousand_makers() -> None:
    venue = Market(accounts=2)
    venue.send(*[limit(SELL, 100, 1, account_id=2)] * 10_001)
    fok = limit(BUY, 100, 10_001, time_in_force=TimeInForce.FOK)
    assert venue.send(fok)[0].reason == Reason.FOK_NOT_FILLABLE
    events = venue.send(limit(BUY, 100, 10_001))
    assert len(trades_of(events)) == 10_000
    assert events[-1].reason == wire.CancelReason.FILL_LIMIT
    assert events[-1].canceled_lots == 1
    assert venue.depth() == ([], [(100, 1, 1)])


def test_a_halt_and_a_suspension_still_allow_to_cancel() -> None:
    venue = Market()
    order_id = venue.place(limit(BUY, 10, 1))
    venue.place(limit(BUY, 10, 1))
    venue.send(HALTED, SUSPENDED)
    cancel = wire.CancelOrder(account_id=1, order_id=order_id)
    assert isinstance(venue.send(cancel)[0], wire.OrderCanceled)
    assert venue.send(wire.MassCancel(account_id=1))[-1].canceled_count == 1


def test_draining_the_book_leaves_no_hold_and_the_supply_as_it_was() -> None:
    listing = LISTING._replace(maker_fee_ppm=1_234, taker_fee_ppm=56_789)
    venue = Market(accounts=3, units=10**9, listing=listing)
    for index in range(300):
        side = BUY if index % 2 else SELL
        account_id = 1 + index % 3
        venue.send(limit(side, 1_000 + index * 37 % 41, 1 + index % 7, account_id=account_id))
    for account_id in (1, 2, 3):
        venue.send(wire.MassCancel(account_id=account_id))
    for asset_id in (QUOTE, BASE):
        balances = [venue.engine.balance(account_id, asset_id) for account_id in range(4)]
        assert sum(available for available, _ in balances) == 3 * 10**9
        assert all(held == 0 for _, held in balances)
    assert venue.engine.open_order_count == 0
    venue.engine.check()


def test_the_largest_order_that_can_be_listed_trades_exactly() -> None:
    ticks, lots = 2**40, 2**21
    listing = LISTING._replace(
        price_ticks_max=ticks, quantity_lots_max=lots, maker_fee_ppm=100_000, taker_fee_ppm=100_000
    )
    venue = Market(accounts=2, units=0, listing=listing)
    venue.credit(1, QUOTE, 2**62)
    venue.credit(2, BASE, 2**62)
    venue.place(limit(BUY, ticks, lots))
    fee = 2**61 * 100_000 // 1_000_000
    assert venue.engine.balance(1, QUOTE) == (2**62 - 2**61 - fee, 2**61 + fee)
    trade = venue.send(limit(SELL, 1, lots, account_id=2))[1]
    assert (trade.notional_units, trade.maker_fee_units) == (2**61, fee)
    assert venue.engine.balance(0, QUOTE) == (2 * fee, 0)
    venue.engine.check()
    too_large = listing._replace(quantity_lots_max=2**22)
    assert venue.send(too_large)[0].reason == Reason.INVALID_INSTRUMENT


@pytest.mark.parametrize("prices", [[1, 2**40], [2**40, 1, 2**39], list(range(1, 2**40, 2**33))])
def test_prices_far_apart_stand_in_order(prices: list[int]) -> None:
    listing = LISTING._replace(price_ticks_max=2**40, quantity_lots_max=1000)
    venue = Market(accounts=2, units=2**60, listing=listing)
    venue.send(*[limit(SELL, price, 1, account_id=2) for price in prices])
    assert venue.depth()[1] == [(price, 1, 1) for price in sorted(prices)]
    venue.engine.check()


def test_malformed_bytes_are_refused_before_anything_is_applied() -> None:
    venue = Market()
    good = limit(BUY, 10, 1).encode()
    for bad in (
        good[:-1],
        b"\x02" + good[1:],
        good[:1] + b"\xc8" + good[2:],
        good[:2] + b"\x39" + good[3:],
        b"\x01",
        wire.MassCancel(account_id=1).encode()[:-1] + b"\x01",
        wire.OrderAccepted().encode(),
        wire.BookQuery(instrument_id=1, levels_max=1).encode(),
    ):
        seq = venue.engine.seq
        with pytest.raises(ValueError, match="reason"):
            venue.engine.apply(good + bad)
        assert venue.engine.seq == seq
