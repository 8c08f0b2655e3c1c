"""Orders whose price follows others: trailing stops and pegged orders."""

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import PegReference, Reason, ReplaceFlag, Side, TimeInForce

from tests.engine_market import (
    BASE,
    INSTRUMENT,
    LISTING,
    QUOTE,
    Market,
    limit,
    market,
    pegged,
    trades_of,
    trailing,
)

BUY, SELL = Side.BUY, Side.SELL


def trade_at(venue: Market, *prices: int) -> None:
    """A trade between accounts 2 and 3 at each price."""
    for price in prices:
        venue.send(limit(SELL, price, 1, account_id=2), limit(BUY, price, 1, account_id=3))


def trigger_of(venue: Market, order_id: int) -> int:
    (report,) = venue.ask(wire.OrderQuery(account_id=1, order_id=order_id))
    return int(report.trigger_price_ticks)


@pytest.mark.parametrize(
    ("side", "offset_ticks", "offset_bps", "path"),
    [
        (SELL, 5, 0, [(100, 95), (103, 98), (101, 98), (110, 105)]),
        (BUY, 5, 0, [(100, 105), (97, 102), (99, 102), (90, 95)]),
        (SELL, 0, 150, [(1000, 985), (1100, 1084), (1090, 1084)]),
        (BUY, 0, 1, [(100, 101), (99, 100)]),  # at least one tick
        (SELL, 2**40, 0, [(100, 1), (200, 1)]),
    ],
)
def test_the_trigger_price_follows_and_never_goes_back(
    side: Side, offset_ticks: int, offset_bps: int, path: list[tuple[int, int]]
) -> None:
    venue = Market(accounts=3)
    trade_at(venue, path[0][0])
    order = trailing(side, offset_ticks, 1, price_ticks=0 if side == SELL else 2_000)
    order_id = venue.place(order._replace(trail_offset_bps=offset_bps))
    for price, trigger in path:
        trade_at(venue, price)
        assert trigger_of(venue, order_id) == trigger
        venue.engine.check()


def test_one_command_moves_the_trigger_and_reaches_it() -> None:
    """Its stop order brings the price back below where the trail has come to."""
    venue = Market()
    trade_at(venue, 100)
    order_id = venue.place(trailing(SELL, 3, 2))
    venue.place(limit(BUY, 100, 9, account_id=2))
    venue.send(limit(SELL, 108, 1, account_id=2))
    stop = limit(SELL, 0, 1, account_id=2)._replace(
        order_type=wire.OrderType.STOP, time_in_force=TimeInForce.IOC, trigger_price_ticks=99
    )
    venue.send(stop)
    events = venue.send(limit(BUY, 108, 1, account_id=3))
    assert trades_of(events) == [(108, 1)]
    assert trigger_of(venue, order_id) == 105
    events = venue.send(market(SELL, 1, account_id=3))
    assert [event.order_id for event in events if isinstance(event, wire.OrderTriggered)] == [
        order_id
    ]
    assert trades_of(events) == [(100, 1), (100, 2)]


def test_an_earlier_low_does_not_reach_a_trigger_that_rose_later() -> None:
    venue = Market()
    trade_at(venue, 100)
    order_id = venue.place(trailing(SELL, 3, 1))
    for price in (98, 99, 110):
        venue.send(limit(SELL, price, 1, account_id=2))
    events = venue.send(limit(BUY, 110, 3, account_id=3))  # trades at 98, then 99, then 110
    assert trades_of(events) == [(98, 1), (99, 1), (110, 1)]
    assert trigger_of(venue, order_id) == 107


def test_a_buy_holds_its_price_and_a_sell_its_lots() -> None:
    venue = Market(units=10_000)
    trade_at(venue, 100)
    venue.place(trailing(BUY, 5, 10, price_ticks=150))
    assert venue.engine.balance(1, QUOTE) == (8_500, 1_500)
    venue.place(trailing(SELL, 5, 10))
    assert venue.engine.balance(1, BASE) == (9_990, 10)
    venue.send(wire.MassCancel(account_id=1))
    assert venue.engine.balance(1, QUOTE) == (10_000, 0)
    venue.engine.check()


@pytest.mark.parametrize("kind", ["trailing", "pegged"])
def test_an_instrument_takes_so_many_and_one_may_take_the_place_of_another(kind: str) -> None:
    venue = Market()
    trade_at(venue, 100)
    venue.place(limit(BUY, 90, 1, account_id=2))
    order = trailing(SELL, 5, 1) if kind == "trailing" else pegged(BUY, 95, 1)
    count_max = wire.TRAILING_STOPS_MAX if kind == "trailing" else wire.PEGGED_ORDERS_MAX
    ids = [venue.place(order) for _ in range(count_max)]
    (event,) = venue.send(order)
    assert event.reason == Reason.TOO_MANY_ORDERS
    events = venue.send(order._replace(replaces_order_id=ids[0]))
    assert isinstance(events[1], wire.OrderAccepted)
    venue.send(wire.CancelOrder(account_id=1, order_id=ids[1]))
    venue.place(order)
    venue.engine.check()


def test_a_trailing_stop_goes_on_from_a_snapshot() -> None:
    venue = Market()
    trade_at(venue, 100)
    first, second = venue.place(trailing(SELL, 5, 1)), venue.place(trailing(SELL, 2, 1))
    trade_at(venue, 104)
    venue.engine = Engine.restore(venue.engine.snapshot())
    trade_at(venue, 110)
    assert (trigger_of(venue, first), trigger_of(venue, second)) == (105, 108)


# ---- pegged orders --------------------------------------------------------------------------


def bid_levels(venue: Market) -> list[tuple[int, int]]:
    return [(price, lots) for price, lots, _ in venue.depth()[0]]


@pytest.mark.parametrize(
    ("reference", "offset_ticks", "price"),
    [
        (PegReference.BEST_BID, 0, 90),
        (PegReference.BEST_BID, 3, 93),
        (PegReference.BEST_BID, -3, 87),
        (PegReference.BEST_BID, 50, 100),  # up to its own
        (PegReference.BEST_ASK, -2, 99),
        (PegReference.BEST_ASK, 5, 100),  # it never takes
        (PegReference.MIDDLE, 0, 95),
    ],
)
def test_a_pegged_buy_rests_where_its_reference_and_its_offset_say(
    reference: PegReference, offset_ticks: int, price: int
) -> None:
    venue = Market()
    venue.place(limit(BUY, 90, 1, account_id=2))
    venue.place(limit(SELL, 101, 1, account_id=2))
    accepted, replaced = venue.send(pegged(BUY, 120, 5, reference, offset_ticks=offset_ticks))
    assert (accepted.price_ticks, replaced.price_ticks, replaced.flags) == (
        120,
        price,
        ReplaceFlag.PEGGED,
    )
    assert dict(bid_levels(venue))[price] == (6 if price == 90 else 5)
    assert venue.engine.balance(1, QUOTE)[1] == 120 * 5
    venue.engine.check()


def test_a_pegged_order_moves_when_its_reference_does_and_goes_to_the_back() -> None:
    venue = Market()
    venue.place(limit(BUY, 90, 1, account_id=2))
    order_id = venue.place(pegged(BUY, 95, 5))
    other = venue.place(limit(BUY, 92, 1, account_id=3))
    assert bid_levels(venue) == [(92, 6), (90, 1)]
    assert trades_of(venue.send(market(SELL, 1, account_id=2))) == [(92, 1)]
    assert bid_levels(venue) == [(90, 6)]  # the other was first at 92: it followed back to 90
    venue.send(limit(BUY, 97, 1, account_id=3))
    assert bid_levels(venue) == [(97, 1), (95, 5), (90, 1)]
    (report,) = venue.ask(wire.OrderQuery(account_id=1, order_id=order_id))
    assert (report.price_ticks, report.peg_reference) == (95, PegReference.BEST_BID)
    assert other != order_id


def test_what_is_pegged_is_no_reference_and_stays_when_its_reference_is_gone() -> None:
    venue = Market()
    first = venue.place(limit(BUY, 90, 1, account_id=2))
    venue.place(pegged(BUY, 95, 5, offset_ticks=1))
    venue.place(pegged(BUY, 95, 5, offset_ticks=1, account_id=3))
    assert bid_levels(venue) == [(91, 10), (90, 1)]
    venue.send(wire.CancelOrder(account_id=2, order_id=first))
    assert bid_levels(venue) == [(91, 10)]
    (event,) = venue.send(pegged(BUY, 95, 5))
    assert event.reason == Reason.NO_REFERENCE_PRICE


def test_a_pegged_order_stays_on_the_tick_table() -> None:
    venue = Market()
    venue.send(
        wire.SetTickTable(
            instrument_id=INSTRUMENT, bands=(wire.PriceBand(from_price_ticks=1, step_ticks=5),)
        )
    )
    venue.place(limit(BUY, 90, 1, account_id=2))
    venue.place(limit(SELL, 105, 1, account_id=2))
    venue.place(pegged(BUY, 100, 1, PegReference.MIDDLE))
    venue.place(pegged(SELL, 95, 1, PegReference.MIDDLE))
    assert [level[0] for level in venue.depth()[0]] == [95, 90]
    assert [level[0] for level in venue.depth()[1]] == [100, 105]


def test_a_replaced_pegged_order_has_a_new_limit_and_never_takes() -> None:
    venue = Market()
    venue.place(limit(BUY, 90, 1, account_id=2))
    venue.place(limit(SELL, 93, 1, account_id=2))
    order_id = venue.place(pegged(BUY, 88, 5))
    assert bid_levels(venue) == [(90, 1), (88, 5)]
    events = venue.send(
        wire.ReplaceOrder(account_id=1, order_id=order_id, price_ticks=200, quantity_lots=7)
    )
    assert [type(event) for event in events] == [wire.OrderReplaced, wire.OrderReplaced]
    assert bid_levels(venue) == [(90, 8)]
    assert venue.engine.balance(1, QUOTE)[1] == 200 * 7


def test_pegged_orders_do_not_move_in_an_auction_and_catch_up_after_it() -> None:
    venue = Market()
    venue.place(limit(BUY, 90, 1, account_id=2))
    venue.place(pegged(BUY, 100, 5))
    state = wire.SetTradingState(
        instrument_id=INSTRUMENT, state=wire.TradingState.VOLATILITY_AUCTION
    )
    venue.send(state, limit(BUY, 95, 1, account_id=3))
    assert bid_levels(venue) == [(95, 1), (90, 6)]
    (event,) = venue.send(pegged(BUY, 100, 5))
    assert event.reason == Reason.NOT_IN_THIS_STATE
    events = venue.send(state._replace(state=wire.TradingState.CONTINUOUS))
    assert isinstance(events[-1], wire.OrderReplaced)
    assert bid_levels(venue) == [(95, 6), (90, 1)]
    assert LISTING.trading_state == wire.TradingState.CONTINUOUS
