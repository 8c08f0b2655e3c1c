"""Lists of orders: what they place, what they link, and what becomes of what is linked."""

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import (
    CancelReason,
    ExecutionKind,
    ListKind,
    OrderFlag,
    OrderStatus,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

from tests.engine_market import (
    BASE,
    INSTRUMENT,
    LISTING,
    QUOTE,
    Market,
    limit,
    market,
    order_list,
    stop,
    trades_of,
    trailing,
)

BUY, SELL = Side.BUY, Side.SELL


def ids_of(events: list[object]) -> list[int]:
    return [event.order_id for event in events if isinstance(event, wire.OrderAccepted)]


def cancels(events: list[object]) -> list[tuple[int, int]]:
    return [(e.order_id, e.reason) for e in events if isinstance(e, wire.OrderCanceled)]


def oco(venue: Market, *, side: Side = SELL, lots: int = 5, account_id: int = 1) -> list[int]:
    """A pair around 100: ids of its limit and its stop order."""
    far, near = (110, 90) if side == SELL else (90, 110)
    pair = (
        limit(side, far, lots, account_id=account_id),
        stop(side, near, lots, account_id=account_id, price_ticks=0 if side == SELL else 120),
    )
    return ids_of(venue.send(order_list(ListKind.OCO, *pair)))


def bracket(venue: Market, *, first: wire.NewOrder, low: int = 90, high: int = 110) -> list[object]:
    """A buy, then a limit order above and a stop order below."""
    lots = first.quantity_lots
    return venue.send(
        order_list(ListKind.BRACKET, first, limit(SELL, high, lots), stop(SELL, low, lots))
    )


def trade_at(venue: Market, price: int) -> list[object]:
    venue.place(limit(BUY, price, 1, account_id=3))
    return venue.send(market(SELL, 1, account_id=2))


# ---- one cancels the other ------------------------------------------------------------------


@pytest.mark.parametrize(("side", "held"), [(SELL, 5), (BUY, 5 * 120)])
def test_a_pair_holds_what_the_larger_of_both_needs(side: Side, held: int) -> None:
    venue = Market(units=1_000)
    first, _ = oco(venue, side=side)
    asset = BASE if side == SELL else QUOTE
    assert venue.engine.balance(1, asset) == (1_000 - held, held)
    venue.engine = Engine.restore(venue.engine.snapshot())
    events = venue.send(wire.CancelOrder(account_id=1, order_id=first))
    assert [reason for _, reason in cancels(events)] == [
        CancelReason.REQUESTED,
        CancelReason.CONTINGENCY,
    ]
    assert venue.engine.balance(1, asset) == (1_000, 0)
    venue.engine.check()


@pytest.mark.parametrize("side", [SELL, BUY])
def test_the_first_fill_of_the_limit_order_cancels_the_stop_order(side: Side) -> None:
    venue = Market(units=1_000)
    limit_id, stop_id = oco(venue, side=side)
    events = venue.send(market(BUY if side == SELL else SELL, 2, account_id=2))
    assert cancels(events) == [(stop_id, CancelReason.CONTINGENCY)]
    assert [type(event) for event in events[1:]] == [wire.OrderCanceled, wire.Trade]
    assert events[2].maker_order_id == limit_id
    asset, held = (BASE, 3) if side == SELL else (QUOTE, 3 * 90)
    assert venue.engine.balance(1, asset)[1] == held
    venue.engine.check()


@pytest.mark.parametrize("side", [SELL, BUY])
def test_a_triggered_stop_order_cancels_the_limit_order_first(side: Side) -> None:
    venue = Market(units=1_000)
    limit_id, stop_id = oco(venue, side=side)
    price = 90 if side == SELL else 110
    other = BUY if side == SELL else SELL
    venue.place(limit(other, price, 9, account_id=3))
    events = venue.send(market(side, 1, account_id=2))
    assert cancels(events) == [(limit_id, CancelReason.CONTINGENCY)]
    assert [e.order_id for e in events if isinstance(e, wire.OrderTriggered)] == [stop_id]
    assert trades_of(events) == [(price, 1), (price, 5)]
    assert venue.engine.open_order_count == 1
    venue.engine.check()


def test_a_limit_order_that_trades_at_once_leaves_no_stop_order() -> None:
    venue = Market()
    venue.place(limit(BUY, 111, 2, account_id=2))
    events = venue.send(order_list(ListKind.OCO, limit(SELL, 110, 5), stop(SELL, 90, 5)))
    first, second = ids_of(events)
    assert cancels(events) == [(second, CancelReason.CONTINGENCY)]
    venue.send(wire.ReplaceOrder(account_id=1, order_id=first, quantity_lots=4))  # free again
    assert venue.depth()[1] == [(110, 2, 1)]


def test_a_stop_order_that_is_reached_already_triggers_at_once() -> None:
    venue = Market()
    trade_at(venue, 85)
    venue.place(limit(BUY, 80, 9, account_id=2))
    events = venue.send(order_list(ListKind.OCO, limit(SELL, 110, 5), stop(SELL, 90, 5)))
    first, _ = ids_of(events)
    assert cancels(events) == [(first, CancelReason.CONTINGENCY)]
    assert trades_of(events) == [(80, 5)]


def test_decrement_and_cancel_counts_as_a_change_of_the_limit_order() -> None:
    venue = Market()
    _, stop_id = oco(venue)
    taker = market(BUY, 2)._replace(self_trade_prevention=SelfTradePrevention.DECREMENT_AND_CANCEL)
    events = venue.send(taker)
    assert (stop_id, CancelReason.CONTINGENCY) in cancels(events)
    assert venue.engine.balance(1, BASE)[1] == 3
    venue.engine.check()


def test_in_an_auction_both_sides_of_a_trade_may_be_linked() -> None:
    venue = Market()
    oco(venue, side=SELL)
    oco(venue, side=BUY, account_id=2)
    venue.send(
        wire.SetTradingState(instrument_id=INSTRUMENT, state=wire.TradingState.PRE_OPEN),
        limit(BUY, 110, 2, account_id=3),
        limit(SELL, 90, 2, account_id=3),
    )
    venue.send(wire.SetTradingState(instrument_id=INSTRUMENT, state=wire.TradingState.CONTINUOUS))
    venue.engine.check()


def test_a_mass_cancel_passes_what_has_ended_with_another() -> None:
    venue = Market()
    oco(venue)
    venue.place(limit(SELL, 120, 1))
    oco(venue)
    events = venue.send(wire.MassCancel(account_id=1))
    assert [reason for _, reason in cancels(events)] == [
        CancelReason.MASS_CANCEL,
        CancelReason.CONTINGENCY,
        CancelReason.MASS_CANCEL,
        CancelReason.MASS_CANCEL,
        CancelReason.CONTINGENCY,
    ]
    assert (events[-1].canceled_count, events[-1].remaining_count) == (3, 0)
    assert venue.engine.open_order_count == 0


# ---- one triggers the other -----------------------------------------------------------------


def test_pending_orders_hold_nothing_and_show_that_they_are() -> None:
    venue = Market(units=1_000)
    events = bracket(venue, first=limit(BUY, 100, 5))
    ids = ids_of(events)
    assert [e.flags for e in events if isinstance(e, wire.OrderAccepted)] == [
        0,
        OrderFlag.PENDING,
        OrderFlag.PENDING,
    ]
    assert venue.engine.balance(1, BASE) == (1_000, 0)
    assert venue.depth() == ([(100, 5, 1)], [])
    (report,) = venue.ask(wire.OrderQuery(account_id=1, order_id=ids[1]))
    assert (report.status, report.order_flags) == (OrderStatus.WAITING, OrderFlag.PENDING)


def test_they_are_placed_when_the_last_lot_of_the_first_has_traded() -> None:
    venue = Market()
    ids = ids_of(bracket(venue, first=limit(BUY, 100, 5)))
    events = venue.send(limit(SELL, 100, 4, account_id=2))
    assert not any(isinstance(event, wire.OrderActivated) for event in events)
    venue.engine = Engine.restore(venue.engine.snapshot())
    reports = venue.send_for_reports(limit(SELL, 100, 1, account_id=3))
    activated = [r for r in reports if r.kind == ExecutionKind.ACTIVATED]
    assert [(r.order_id, r.status, r.request_id) for r in activated] == [
        (ids[1], OrderStatus.OPEN, 0),
        (ids[2], OrderStatus.WAITING, 0),
    ]
    assert venue.depth() == ([], [(110, 5, 1)])
    assert venue.engine.balance(1, BASE)[1] == 5
    events = trade_at(venue, 90)
    assert (ids[1], CancelReason.CONTINGENCY) in cancels(events)


def test_a_first_that_fills_at_once_places_them_at_once() -> None:
    venue = Market()
    venue.place(limit(SELL, 100, 5, account_id=2))
    events = bracket(venue, first=market(BUY, 5))
    kinds = [type(event) for event in events]
    assert kinds.index(wire.OrderListPlaced) < kinds.index(wire.OrderActivated)
    assert venue.depth() == ([], [(110, 5, 1)])


@pytest.mark.parametrize("ends", ["ioc", "cancel", "expire"])
def test_they_end_with_a_first_that_is_not_filled(ends: str) -> None:
    venue = Market()
    first = limit(BUY, 100, 5)
    if ends == "ioc":
        venue.place(limit(SELL, 100, 4, account_id=2))
        first = market(BUY, 5)
    elif ends == "expire":
        first = first._replace(time_in_force=TimeInForce.GTD, expire_time_ns=10)
    events = bracket(venue, first=first)
    ids = ids_of(events)
    if ends == "cancel":
        events = venue.send(wire.CancelOrder(account_id=1, order_id=ids[0]))
    elif ends == "expire":
        events = venue.send(wire.Tick(time_ns=10))
    assert cancels(events)[-2:] == [
        (ids[1], CancelReason.CONTINGENCY),
        (ids[2], CancelReason.CONTINGENCY),
    ]
    venue.engine.check()


def test_canceling_one_pending_order_of_a_bracket_cancels_the_other_and_frees_the_first() -> None:
    venue = Market()
    ids = ids_of(bracket(venue, first=limit(BUY, 100, 5)))
    events = venue.send(wire.CancelOrder(account_id=1, order_id=ids[2]))
    assert [order_id for order_id, _ in cancels(events)] == [ids[2], ids[1]]
    events = venue.send(wire.ReplaceOrder(account_id=1, order_id=ids[0], quantity_lots=3))
    assert isinstance(events[0], wire.OrderReplaced)


NOT_PLACEABLE: dict[str, tuple[wire.NewOrder, list[wire.SetInstrument | wire.NewOrder]]] = {
    "it sells more than there is": (limit(SELL, 110, 2_000), []),
    "it is post-only and would trade": (
        limit(SELL, 99, 5, flags=OrderFlag.POST_ONLY),
        [limit(BUY, 100, 1, account_id=3)],
    ),
    "its notional has become too small": (
        limit(SELL, 90, 5),
        [LISTING._replace(notional_units_min=460)],
    ),
    "its price is beyond a collar": (
        limit(SELL, 110, 5),
        [LISTING._replace(reference_price_ticks=100, static_collar_ppm=50_000)],
    ),
}


@pytest.mark.parametrize("why", NOT_PLACEABLE)
def test_what_cannot_be_placed_when_its_turn_comes_ends(why: str) -> None:
    order, before = NOT_PLACEABLE[why]
    venue = Market(units=1_000)
    _, pending = ids_of(venue.send(order_list(ListKind.OTO, limit(BUY, 100, 5), order)))
    venue.send(*before)
    events = venue.send(limit(SELL, 100, 5, account_id=2))
    assert cancels(events) == [(pending, CancelReason.NOT_PLACEABLE)]
    assert venue.engine.balance(1, BASE) == (1_005, 0)
    venue.engine.check()


def test_what_ends_so_takes_the_other_of_a_bracket_with_it() -> None:
    venue = Market()
    ids = ids_of(bracket(venue, first=limit(BUY, 100, 5)))
    venue.send(LISTING._replace(notional_units_min=551))
    events = venue.send(limit(SELL, 100, 6, account_id=2))
    assert cancels(events) == [(each, CancelReason.NOT_PLACEABLE) for each in ids[1:]]


def test_a_pending_trailing_stop_begins_at_its_distance_when_its_turn_comes() -> None:
    venue = Market()
    events = venue.send(order_list(ListKind.OTO, limit(BUY, 100, 5), trailing(SELL, 7, 5)))
    _, trail_id = ids_of(events)
    events = venue.send(limit(SELL, 100, 5, account_id=2))
    (activated,) = (event for event in events if isinstance(event, wire.OrderActivated))
    assert (activated.order_id, activated.trigger_price_ticks) == (trail_id, 93)
    trade_at(venue, 105)
    (report,) = venue.ask(wire.OrderQuery(account_id=1, order_id=trail_id))
    assert report.trigger_price_ticks == 98


def test_a_limit_order_that_is_activated_may_trade_at_once() -> None:
    venue = Market()
    venue.place(limit(BUY, 115, 2, account_id=2))
    venue.send(wire.SetTradingState(instrument_id=INSTRUMENT, state=wire.TradingState.CONTINUOUS))
    venue.place(limit(SELL, 116, 5, account_id=3))
    events = bracket(venue, first=limit(BUY, 116, 5))
    assert trades_of(events) == [(116, 5), (115, 2)]
    assert cancels(events)[0][1] == CancelReason.CONTINGENCY
    assert venue.depth()[1] == [(110, 3, 1)]


# ---- all or none, and each ------------------------------------------------------------------


def test_what_a_list_triggers_comes_after_its_last_order() -> None:
    venue = Market()
    venue.place(limit(SELL, 100, 1, account_id=2))
    venue.place(stop(SELL, 100, 1, account_id=3))
    events = venue.send(order_list(ListKind.ALL_OR_NONE, limit(BUY, 100, 1), limit(BUY, 99, 1)))
    kinds = [type(event) for event in events]
    assert kinds == [
        wire.OrderAccepted,
        wire.Trade,
        wire.OrderAccepted,
        wire.OrderListPlaced,
        wire.OrderTriggered,
        wire.Trade,
    ]


def test_the_orders_of_a_list_share_the_makers_that_a_command_may_meet() -> None:
    venue = Market()
    for _ in range(wire.FILLS_PER_COMMAND_MAX + 1):
        venue.place(limit(SELL, 100, 1, account_id=2))
    some, more = market(BUY, 6_000), market(BUY, 4_001)
    kill = more._replace(time_in_force=TimeInForce.FOK)
    events = venue.send(order_list(ListKind.EACH, some, kill, more))
    assert len(trades_of(events)) == wire.FILLS_PER_COMMAND_MAX
    assert events[6_001].reason == Reason.FOK_NOT_FILLABLE
    assert [reason for _, reason in cancels(events)] == [CancelReason.FILL_LIMIT]
    venue.engine.check()


def test_what_ends_with_others_counts_where_a_command_cancels_many() -> None:
    venue = Market()
    for _ in range(6_000):
        oco(venue, lots=1)
    events = venue.send(wire.MassCancel(account_id=1))
    assert (events[-1].canceled_count, events[-1].remaining_count) == (5_000, 2_000)
    assert len(events) == wire.CANCELS_PER_COMMAND_MAX + 1


def test_a_list_of_kind_each_refuses_one_and_places_the_next() -> None:
    venue = Market(units=1_000)
    reports = venue.send_for_reports(
        order_list(ListKind.EACH, limit(BUY, 10, 101), limit(BUY, 10, 100))._replace(request_id=7)
    )
    assert [(report.kind, report.request_id, report.flags) for report in reports] == [
        (ExecutionKind.REJECTED, 7, 0),
        (ExecutionKind.ACCEPTED, 7, 0),
    ]


def test_the_answer_tells_what_became_of_each_order_of_the_list() -> None:
    """Whatever ended or traded it: another session's reports do not reach the sender."""
    venue = Market()
    venue.place(limit(BUY, 111, 2, account_id=2))
    pair = order_list(ListKind.OCO, limit(SELL, 110, 5), stop(SELL, 90, 5))._replace(request_id=7)
    reports = venue.send_for_reports(pair)
    told = [(each.order_id - reports[0].order_id, each.kind, each.request_id) for each in reports]
    assert told == [
        (0, ExecutionKind.ACCEPTED, 7),
        (0, ExecutionKind.TRADE, 7),
        (-1, ExecutionKind.TRADE, 0),
        (1, ExecutionKind.ACCEPTED, 7),
        (1, ExecutionKind.CANCELED, 7),
    ]
    opposite = order_list(ListKind.EACH, limit(SELL, 100, 2), limit(BUY, 100, 2))
    reports = venue.send_for_reports(opposite._replace(request_id=8))
    assert [(each.kind, each.request_id, each.liquidity) for each in reports[2:]] == [
        (ExecutionKind.TRADE, 8, wire.Liquidity.TAKER),
        (ExecutionKind.TRADE, 8, wire.Liquidity.MAKER),
    ]
