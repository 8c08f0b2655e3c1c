"""A drill's verdict: what was told to clients against what is there. It must be able to fail."""

import pytest
from tradepit.tools.drill.checker import Findings, compare
from tradepit.tools.drill.history import Acknowledged, History

ALICE = 101


@pytest.fixture
def history() -> History:
    """Two orders acknowledged, one of them by a retry alone; one refused, one in doubt."""
    history = History()
    history.send([(ALICE, number) for number in range(1, 5)])
    history.acknowledge((ALICE, 1), Acknowledged(11, 5, 3, (7,)))
    history.acknowledge((ALICE, 2), Acknowledged(0, 0, 0, ()))
    history.refuse((ALICE, 3), 20)
    return history


ORDERS = [(11, ALICE, 1, 3), (12, ALICE, 2, 0)]


def found(
    history: History, orders: list[tuple[int, int, int, int]], trades: set[int]
) -> tuple[int, int]:
    findings = Findings()
    compare(history, orders, trades, findings)
    assert bool(findings.faults) == bool(findings.lost_count or findings.doubled_count)
    return findings.lost_count, findings.doubled_count


def test_what_is_as_it_was_told_is_sound(history: History) -> None:
    assert found(history, ORDERS, {7, 8}) == (0, 0)
    assert found(history, [(11, ALICE, 1, 5), *ORDERS[1:]], {7}) == (0, 0)  # it went on trading
    assert found(history, [*ORDERS, (13, ALICE, 4, 0)], {7}) == (0, 0)  # the one in doubt was taken


@pytest.mark.parametrize(
    ("orders", "trades", "expected"),
    [
        (ORDERS[:1], {7}, (1, 0)),
        (ORDERS[1:], {7}, (1, 0)),
        (ORDERS, {8}, (1, 0)),
        ([(11, ALICE, 1, 2), ORDERS[1]], {7}, (1, 0)),
        ([(14, ALICE, 1, 3), ORDERS[1]], {7}, (1, 0)),
        ([*ORDERS, (15, ALICE, 2, 0)], {7}, (0, 1)),
        ([*ORDERS, (15, ALICE, 3, 0)], {7}, (0, 1)),
        ([*ORDERS, (15, ALICE, 9, 0)], {7}, (0, 1)),
    ],
    ids=[
        "lost",
        "lost fill",
        "lost trade",
        "less filled",
        "another id",
        "twice",
        "refused",
        "alien",
    ],
)
def test_what_is_lost_or_doubled_is_found(
    history: History,
    orders: list[tuple[int, int, int, int]],
    trades: set[int],
    expected: tuple[int, int],
) -> None:
    assert found(history, orders, trades) == expected


def test_two_answers_that_contradict_each_other_are_noted(history: History) -> None:
    history.acknowledge((ALICE, 1), Acknowledged(11, 5, 3, (7,)))
    assert history.contradictions == []
    history.acknowledge((ALICE, 1), Acknowledged(16, 9, 3, (7,)))
    history.acknowledge((ALICE, 3), Acknowledged(17, 9, 0, ()))
    history.refuse((ALICE, 2), 20)
    assert len(history.contradictions) == 3


def test_the_longest_silence_is_between_answers_or_at_the_edges() -> None:
    history = History()
    history._times_s = [9.5, 10.0, 10.5, 13.0, 13.5]
    assert history.longest_silence_s(10.2, 14.0) == pytest.approx(2.5)
    assert history.longest_silence_s(10.2, 20.0) == pytest.approx(6.5)
    assert history.answers_since(12.0) == 2
