"""The load's histogram and the sum of reports: adding up loses nothing but 1/128 of a value."""

import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradepit.tools.load import __main__ as command
from tradepit.tools.load.histogram import Histogram
from tradepit.tools.load.report import NotAReport, Report, add_up

VALUES = st.lists(st.integers(0, 2**50), min_size=1, max_size=100)


def histogram_of(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


def exact_percentile(values: list[int], percent: float) -> int:
    rank = max(1, math.ceil(len(values) * percent / 100))
    return sorted(values)[rank - 1]


@given(VALUES, st.sampled_from([0.0, 1.0, 50.0, 99.0, 99.9, 100.0]))
def test_a_percentile_is_right_to_one_part_in_128(values: list[int], percent: float) -> None:
    exact = exact_percentile(values, percent)
    assert exact <= histogram_of(values).percentile(percent) <= exact * (1 + 1 / 128)


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_histograms_added_up_are_the_histogram_of_everything(parts: list[list[int]]) -> None:
    total = Histogram()
    for part in parts:
        total.add(histogram_of(part))
    assert total.counts == histogram_of([value for part in parts for value in part]).counts


def test_small_values_are_exact_and_no_values_have_no_percentile() -> None:
    assert [histogram_of([value]).highest for value in range(256)] == list(range(256))
    assert (Histogram().percentile(50), Histogram().highest, Histogram().count) == (0, 0, 0)


def report_of(values: list[int], *, sent: int = 0, seconds: float = 0.0) -> Report:
    report = Report(latency_ns=histogram_of(values), sent=sent, seconds=seconds, unknown=1)
    report.refused.update(busy=2, insufficient_funds=1)
    return report


@given(VALUES)
def test_a_report_comes_back_from_its_line(values: list[int]) -> None:
    report = report_of(values, sent=7)
    assert Report.from_line(report.line()) == report


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "null", "ready port=1", '{"kind": "tradepit_load"}']
)
def test_a_line_that_is_no_report_is_told_from_one(line: str) -> None:
    with pytest.raises(NotAReport):
        Report.from_line(line)


def test_percentiles_of_a_sum_are_those_of_all_answers_and_not_a_mean() -> None:
    fast = report_of([1_000_000] * 990, sent=990, seconds=10)
    slow = report_of([500_000_000] * 10, sent=10, seconds=12)
    total = add_up([fast.line(), "a line of a log", slow.line()])
    assert (total.processes, total.sent, total.seconds) == (2, 1000, 12)
    assert total.refused == {"busy": 4, "insufficient_funds": 2}
    assert total.latency_ns.count == 1000
    assert total.latency_ns.percentile(99.0) == pytest.approx(1_000_000, rel=1 / 128)
    assert total.latency_ns.percentile(99.1) == pytest.approx(500_000_000, rel=1 / 128)
    mean = (
        fast.latency_ns.percentile(99.0) + slow.latency_ns.percentile(99.0)
    ) / 2  # what adding up must not do
    assert total.latency_ns.percentile(99.0) < mean / 100


def test_a_report_that_is_missing_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "\n".join(report_of([5], sent=1).line() for _ in range(2))
    for expected, code in ((2, 0), (3, 1), (1, 1)):
        monkeypatch.setattr("sys.stdin", io.StringIO(lines))
        assert command.main(["add", "--expect", str(expected)]) == code
        said = capsys.readouterr()
        assert "sent 2" in said.out
        assert ("there should be" in said.err) is bool(code)


def test_without_keys_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    monkeypatch.setenv("TRADEPIT_KEYS_FILE", f"{tmp_path}/none.json")
    assert command.main(["run"]) == 2
    assert "cannot read the keys file" in capsys.readouterr().err
    assert json.loads(report_of([1]).line())["kind"] == "tradepit_load"
