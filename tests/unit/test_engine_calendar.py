"""Trading calendars: states that begin at fixed times of the week."""

from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import CalendarEntry, Reason, Side, TradingState

from tests.engine_market import INSTRUMENT, Market, limit, trades_of

MINUTE_NS = 60 * 10**9
WEEK = 7 * 24 * 60
THURSDAY = 3 * 24 * 60  # minute of the week at which the epoch began
OPEN, CLOSED, AUCTION = (
    TradingState.CONTINUOUS,
    TradingState.CLOSED,
    TradingState.OPENING_AUCTION,
)


def calendar(*entries: tuple[int, int], time_ns: int = 0) -> wire.SetCalendar:
    return wire.SetCalendar(
        time_ns=time_ns,
        instrument_id=INSTRUMENT,
        entries=tuple(CalendarEntry(*entry) for entry in entries),
    )


def tick(venue: Market, minute: int) -> list[int]:
    """The states that the instrument goes to by a Tick at this minute after the epoch."""
    events = venue.send(wire.Tick(time_ns=minute * MINUTE_NS))
    venue.engine.check()
    return [e.state for e in events if isinstance(e, wire.TradingStateChanged)]


def test_states_begin_every_week_at_their_minute() -> None:
    venue = Market()
    venue.send(calendar((0, CLOSED), (THURSDAY + 1, AUCTION), (THURSDAY + 5, OPEN)))
    for minute, states in (
        (0, []),
        (1, [AUCTION]),
        (4, []),
        (5, [OPEN]),
        (WEEK - THURSDAY - 1, []),
        (WEEK - THURSDAY, [CLOSED]),
        (WEEK + 1, [AUCTION]),
        (WEEK + 5, [OPEN]),
    ):
        assert tick(venue, minute) == states


def test_before_the_epoch_too() -> None:
    venue = Market()
    venue.send(calendar((THURSDAY - 2, CLOSED), (THURSDAY - 1, OPEN), time_ns=-3 * MINUTE_NS))
    assert venue.engine.next_deadline_ns == -2 * MINUTE_NS
    assert [tick(venue, minute) for minute in (-3, -2, -1, 0)] == [[], [CLOSED], [OPEN], []]


def test_of_entries_that_passed_together_the_last_one_counts() -> None:
    venue = Market()
    venue.send(calendar((THURSDAY + 1, CLOSED), (THURSDAY + 2, AUCTION)))
    assert tick(venue, 5 * WEEK + 7) == [AUCTION]
    assert venue.engine.next_deadline_ns == (6 * WEEK + 1) * MINUTE_NS


def test_an_operators_change_holds_until_the_next_entry_which_drops_what_was_due() -> None:
    venue = Market()
    venue.send(calendar((THURSDAY + 2, OPEN)))
    halt = wire.SetTradingState(
        end_time_ns=9 * MINUTE_NS, instrument_id=INSTRUMENT, state=CLOSED, next_state=AUCTION
    )
    venue.send(halt)
    assert [tick(venue, minute) for minute in (1, 2, 9)] == [[], [OPEN], []]


def test_an_entry_ends_an_auction() -> None:
    venue = Market()
    venue.send(calendar((THURSDAY + 1, AUCTION), (THURSDAY + 2, OPEN)))
    tick(venue, 1)
    venue.send(limit(Side.BUY, 10, 1), limit(Side.SELL, 10, 1, account_id=2))
    assert trades_of(venue.send(wire.Tick(time_ns=2 * MINUTE_NS))) == [(10, 1)]


def test_another_calendar_takes_its_place_and_an_empty_one_ends_it() -> None:
    venue = Market()
    venue.send(calendar((THURSDAY + 1, CLOSED)), calendar((THURSDAY + 2, CLOSED)))
    assert tick(venue, 1) == []
    venue.send(calendar())
    assert venue.engine.next_deadline_ns is None


@pytest.mark.parametrize(
    "entries", [[(WEEK, OPEN)], [(5, 0)], [(5, 8)], [(5, OPEN), (5, CLOSED)], [(6, 1), (5, 1)]]
)
def test_a_calendar_that_makes_no_sense_is_refused(entries: list[Any]) -> None:
    venue = Market()
    assert venue.send(calendar(*entries))[0].reason == Reason.INVALID_CALENDAR


def test_a_snapshot_keeps_the_calendar() -> None:
    venue = Market()
    venue.send(calendar((THURSDAY + 1, CLOSED), (THURSDAY + 2, OPEN)))
    tick(venue, 1)
    snapshot = venue.engine.snapshot()
    venue.engine = Engine.restore(snapshot)
    assert venue.engine.snapshot() == snapshot
    assert tick(venue, 2) == [OPEN]
