"""Mass quotes and their protection."""

from typing import Any

from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, OrderFlag, QuoteProtectionState, Reason, Side

from tests.engine_market import BASE, INSTRUMENT, LISTING, QUOTE, Market, limit, stop, trades_of
from tests.engine_refusals import protection, quote

BUY, SELL = Side.BUY, Side.SELL


def kinds(events: list[Any]) -> list[type[Any]]:
    return [type(event) for event in events]


def quoted(events: list[Any]) -> tuple[int, int, int]:
    """Kept, canceled, placed."""
    (event,) = (event for event in events if isinstance(event, wire.MassQuoted))
    return event.kept_count, event.canceled_count, event.placed_count


def canceled(events: list[Any]) -> list[tuple[int, int]]:
    return [
        (event.account_id, event.reason)
        for event in events
        if isinstance(event, wire.OrderCanceled)
    ]


def test_quotes_are_orders_that_take_the_place_of_the_old_ones() -> None:
    venue = Market()
    own = venue.place(limit(BUY, 8, 1))
    events = venue.send(quote((10, 5, 12, 5), (9, 5, 13, 5)))
    assert quoted(events) == (0, 0, 4)
    assert all(event.flags == OrderFlag.QUOTE for event in events[:4])
    assert venue.depth() == ([(10, 5, 1), (9, 5, 1), (8, 1, 1)], [(12, 5, 1), (13, 5, 1)])
    assert quoted(venue.send(quote((9, 2, 0, 0)))) == (1, 3, 0)
    assert venue.depth() == ([(9, 2, 1), (8, 1, 1)], [])
    assert quoted(venue.send(quote())) == (0, 1, 0)
    (report,) = venue.ask(wire.OpenOrdersQuery(account_id=1, count_max=9))[:-1]
    assert report.order_id == own
    venue.engine.check()


def test_a_quote_that_does_not_grow_keeps_its_place() -> None:
    venue = Market()
    venue.send(quote((10, 5, 0, 0)))
    venue.place(limit(BUY, 10, 5, account_id=2))
    venue.send(quote((10, 4, 0, 0)))
    sold = venue.send(limit(SELL, 10, 1, account_id=3))
    assert sold[1].maker_account_id == 1
    # What is open counts: 3 is as it is, 4 would be more.
    assert kinds(venue.send(quote((10, 3, 0, 0)))) == [wire.MassQuoted]
    assert quoted(venue.send(quote((10, 4, 0, 0)))) == (0, 1, 1)
    assert venue.send(limit(SELL, 10, 1, account_id=3))[1].maker_account_id == 2


def test_another_mode_flag_or_session_loses_the_place() -> None:
    venue = Market()
    for change in (
        {"self_trade_prevention": 1},
        {"flags": OrderFlag.POST_ONLY},
        {"session_id": 7},
    ):
        venue.send(quote((10, 5, 0, 0)))
        assert quoted(venue.send(quote((10, 5, 0, 0))._replace(**change))) == (0, 1, 1)


def test_funds_are_judged_as_they_are_once_the_old_quotes_have_gone() -> None:
    venue = Market(units=100)
    assert quoted(venue.send(quote((10, 10, 11, 100)))) == (0, 0, 2)
    assert venue.engine.balance(1, QUOTE) == (0, 100)
    assert quoted(venue.send(quote((20, 5, 21, 100)))) == (0, 2, 2)
    before = venue.depth()
    (event,) = venue.send(quote((20, 5, 21, 50), (1, 1, 22, 50)))
    assert event.reason == Reason.INSUFFICIENT_FUNDS
    (event,) = venue.send(quote((20, 5, 21, 50), (0, 0, 22, 51)))
    assert event.reason == Reason.INSUFFICIENT_FUNDS
    assert venue.depth() == before
    assert quoted(venue.send(quote((20, 4, 21, 50), (20 - 1, 1, 22, 50)))) == (2, 0, 2)
    assert venue.engine.balance(1, BASE) == (0, 100)


def test_a_pool_that_is_full_has_room_for_what_replaces_quotes() -> None:
    venue = Market(max_orders=2)
    venue.send(quote((10, 1, 11, 1)))
    assert quoted(venue.send(quote((9, 1, 12, 1)))) == (0, 2, 2)
    (event,) = venue.send(quote((9, 1, 12, 1), (8, 1, 0, 0)))
    assert event.reason == Reason.TOO_MANY_ORDERS


def test_quotes_trade_where_they_cross_and_never_with_each_other() -> None:
    venue = Market()
    venue.place(limit(SELL, 12, 3, account_id=2))
    venue.send(quote((10, 5, 11, 5)))
    events = venue.send(quote((12, 5, 13, 5)))
    assert trades_of(events) == [(12, 3)]
    assert quoted(events) == (0, 2, 2)
    assert venue.depth() == ([(12, 2, 1)], [(13, 5, 1)])


def test_a_mass_cancel_and_a_kill_switch_take_quotes_too() -> None:
    venue = Market()
    venue.send(quote((10, 5, 11, 5)))
    assert venue.send(wire.MassCancel(account_id=1))[-1].canceled_count == 2
    venue.send(quote((10, 5, 11, 5)))
    assert venue.send(wire.KillSwitch(account_id=1, state=1))[-1].canceled_count == 2
    (event,) = venue.send(quote((10, 5, 11, 5)))
    assert event.reason == Reason.KILL_SWITCH_ENGAGED


def test_reports_answer_and_the_event_ends_them() -> None:
    venue = Market()
    venue.send(quote((10, 5, 11, 5)))
    reports = venue.send_for_reports(quote((10, 4, 12, 5))._replace(request_id=9))
    kind = wire.ExecutionKind
    assert [report.kind for report in reports] == [kind.REPLACED, kind.CANCELED, kind.ACCEPTED]
    assert {(report.request_id, report.flags) for report in reports} == {(9, 0)}


def test_protection_pulls_when_the_taker_is_done_and_before_stop_orders() -> None:
    venue = Market()
    venue.send(protection(fill_count_max=2))
    venue.place(limit(SELL, 14, 9, account_id=3))
    venue.place(stop(BUY, 11, 1, price_ticks=14, account_id=3))
    venue.send(quote((5, 1, 11, 1), (4, 1, 12, 1), (3, 1, 13, 1)))
    venue.send(quote((5, 1, 11, 1), (4, 1, 12, 1), (3, 1, 13, 1), (2, 1, 14, 1)))
    events = venue.send(limit(BUY, 13, 3, account_id=2))
    assert trades_of(events)[:3] == [(11, 1), (12, 1), (13, 1)]  # beyond the limit
    changed = next(e for e in events if isinstance(e, wire.QuoteProtectionChanged))
    assert (changed.state, changed.canceled_count) == (QuoteProtectionState.PULLED, 5)
    assert events.index(changed) < kinds(events).index(wire.OrderTriggered)
    assert trades_of(events)[3:] == [(14, 1)]  # not with a quote
    (event,) = venue.send(quote((5, 1, 11, 1)))
    assert event.reason == Reason.QUOTE_PROTECTION_ACTIVE
    venue.send(protection(fill_count_max=2))
    assert quoted(venue.send(quote((5, 1, 11, 1)))) == (0, 0, 2)


def test_a_window_begins_with_a_fill_and_the_next_with_the_first_after_it() -> None:
    venue = Market()
    venue.send(protection(filled_lots_max=5))
    venue.send(quote((10, 100, 0, 0)))

    def sell(time_ns: int, lots: int) -> list[tuple[int, int]]:
        order = limit(SELL, 10, lots, account_id=2)._replace(time_ns=time_ns)
        return canceled(venue.send(order))

    assert sell(100, 4) == []
    assert sell(110, 4) == []  # the window of 100 is over
    venue.engine = Engine.restore(venue.engine.snapshot())
    assert sell(119, 1) == [(1, CancelReason.QUOTE_PROTECTION)]


def test_an_instrument_protects_so_many_accounts() -> None:
    count = wire.QUOTE_PROTECTIONS_MAX
    venue = Market(accounts=count + 1, units=0)
    for account_id in range(1, count + 1):
        venue.send(protection(fill_count_max=1)._replace(account_id=account_id))
    more = protection(fill_count_max=1)._replace(account_id=count + 1)
    (event,) = venue.send(more)
    assert event.reason == Reason.TOO_MANY_QUOTE_PROTECTIONS
    venue.send(protection()._replace(account_id=3, window_ns=0))  # off
    (event,) = venue.send(more)
    assert event.state == QuoteProtectionState.ARMED
    snapshot = venue.engine.snapshot()
    assert Engine.restore(snapshot).snapshot() == snapshot


def test_quotes_of_other_accounts_and_instruments_stay() -> None:
    venue = Market()
    venue.send(LISTING._replace(instrument_id=2, symbol="OTHER"))
    venue.send(protection(fill_count_max=1))
    venue.send(quote((10, 1, 12, 1)), quote((9, 1, 13, 1))._replace(account_id=2))
    venue.send(quote((10, 1, 12, 1))._replace(instrument_id=2))
    events = venue.send(limit(SELL, 10, 1, account_id=3))
    assert canceled(events) == [(1, CancelReason.QUOTE_PROTECTION)]
    assert venue.depth() == ([(9, 1, 1)], [(13, 1, 1)])
    assert venue.engine.book(2) == ([(10, 1, 1)], [(12, 1, 1)])
    assert INSTRUMENT == 1


def test_an_auction_counts_too() -> None:
    venue = Market()
    venue.send(protection(fill_count_max=1))
    state = wire.SetTradingState(instrument_id=INSTRUMENT, state=wire.TradingState.PRE_OPEN)
    venue.send(state, quote((10, 1, 12, 1)), limit(SELL, 10, 1, account_id=2))
    events = venue.send(state._replace(state=wire.TradingState.CONTINUOUS))
    assert trades_of(events) == [(10, 1)]
    assert canceled(events) == [(1, CancelReason.QUOTE_PROTECTION)]
    venue.engine.check()


def test_what_a_quote_takes_counts_too() -> None:
    venue = Market()
    venue.send(protection(filled_lots_max=3))
    venue.place(limit(SELL, 12, 3, account_id=2))
    events = venue.send(quote((12, 5, 13, 5)))
    assert quoted(events) == (0, 0, 2)
    assert canceled(events) == [(1, CancelReason.QUOTE_PROTECTION)] * 2
    assert venue.depth() == ([], [])
