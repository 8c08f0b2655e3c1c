"""Which segments are old enough to go, when the wall clock cannot be trusted."""

import os
from pathlib import Path

import pytest
from tradepit.matcher.retirement import Ages, retire

HOUR_S = 3600.0
KEPT = (1000, 1000)
START_S = 1_800_000_000.0


class Clocks:
    """A wall clock that can be set, and one that cannot."""

    def __init__(self) -> None:
        self.wall = START_S
        self.elapsed = 500.0

    def pass_s(self, duration_s: float) -> None:
        self.wall += duration_s
        self.elapsed += duration_s


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def add_segment(folder: Path, first_seq: int, clocks: Clocks) -> None:
    path = folder / f"{first_seq:020}.journal"
    path.touch()
    os.utime(path, (clocks.wall, clocks.wall))


def ages_of(folder: Path, clocks: Clocks) -> Ages:
    return Ages(folder, lambda: clocks.wall, lambda: clocks.elapsed)


def go(folder: Path, clocks: Clocks, ages: Ages) -> list[int]:
    """The first seqs of what is removed, with a retention of one hour."""
    ages.look()
    removed = retire(
        folder, KEPT, 1000, clocks.wall - HOUR_S, lambda after: ages.are_old(after, HOUR_S)
    )
    return [int(path.stem) for path in removed]


def test_a_wall_clock_that_jumps_ahead_removes_nothing(
    tmp_path: Path, clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    add_segment(tmp_path, 1, clocks)
    add_segment(tmp_path, 11, clocks)
    ages = ages_of(tmp_path, clocks)
    add_segment(tmp_path, 21, clocks)
    add_segment(tmp_path, 31, clocks)
    assert go(tmp_path, clocks, ages) == []
    clocks.wall += 48 * HOUR_S
    assert go(tmp_path, clocks, ages) == []
    clocks.pass_s(5)
    assert go(tmp_path, clocks, ages) == []
    assert caplog.text.count("segments_kept") == 1
    clocks.wall -= 48 * HOUR_S
    clocks.pass_s(2 * HOUR_S)
    assert go(tmp_path, clocks, ages) == [1, 11, 21]


def test_a_segment_of_this_process_must_be_old_by_the_other_clock_too(
    tmp_path: Path, clocks: Clocks
) -> None:
    add_segment(tmp_path, 1, clocks)
    ages = ages_of(tmp_path, clocks)
    clocks.pass_s(10)
    add_segment(tmp_path, 11, clocks)
    os.utime(tmp_path / f"{1:020}.journal", (0, 0))
    assert go(tmp_path, clocks, ages) == []
    clocks.pass_s(HOUR_S - 1)
    assert go(tmp_path, clocks, ages) == []
    clocks.pass_s(1)
    assert go(tmp_path, clocks, ages) == [1]


def test_of_segments_that_were_there_before_the_files_time_decides(
    tmp_path: Path, clocks: Clocks
) -> None:
    for first_seq in (1, 11):
        add_segment(tmp_path, first_seq, clocks)
    clocks.pass_s(HOUR_S - 10)
    ages = ages_of(tmp_path, clocks)
    assert go(tmp_path, clocks, ages) == []
    clocks.pass_s(11)
    assert go(tmp_path, clocks, ages) == [1]
