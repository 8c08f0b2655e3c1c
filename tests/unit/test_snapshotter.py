"""When a snapshot is due, what is committed, and the file that keeps a shard down."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tradepit.engine import Replica
from tradepit.matcher import snapshotter
from tradepit.matcher.halt import ShardHalted, halt, refuse_if_halted
from tradepit.matcher.settings import read_settings
from tradepit.protocol.errors import ConfigurationError


class Clock:
    """Stands until a test moves it."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(snapshotter, "time", clock)
    return clock


def test_a_snapshot_is_due_after_so_many_commands_or_so_much_time(
    clock: Clock, tmp_path: Path
) -> None:
    replica = Replica(str(tmp_path), 0)
    assert replica.open() is Replica.Outcome.FAILED  # no segment: nothing to follow, seq 0
    schedule = snapshotter.Schedule(1000, replica)
    assert schedule.seq_min() == 1000
    clock.now_s += snapshotter.SNAPSHOT_INTERVAL_S - 1
    assert schedule.seq_min() == 1000
    clock.now_s += 1
    assert schedule.seq_min() == 1  # whatever is new
    schedule.failed()
    assert schedule.seq_min() == snapshotter.SEQ_NEVER
    clock.now_s += snapshotter.RETRY_S
    assert schedule.seq_min() == 1
    schedule.written()
    assert schedule.seq_min() == 1000


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """What writes to the snapshotter's stdin."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as file, monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", file)
        yield write_end


def test_the_last_whole_number_is_what_is_committed(stdin: int) -> None:
    committed = snapshotter.Committed()
    committed.wait(0)
    assert committed.seq == 0
    told = b"".join(seq.to_bytes(8, "little") for seq in (5, 700, 2**40))
    os.write(stdin, told[:19])
    committed.wait(0)
    assert committed.seq == 700
    os.write(stdin, told[19:])
    committed.wait(0)
    assert committed.seq == 2**40
    os.close(stdin)
    with pytest.raises(snapshotter.ParentGone):
        committed.wait(0)


def test_a_halted_shard_stays_down_until_its_file_is_deleted(tmp_path: Path) -> None:
    refuse_if_halted(tmp_path)
    error = halt(tmp_path, "damaged journal: x offset 3 seq 7: not sound", 9)
    assert "seq 7: not sound; committed_seq: 9; time: 20" in str(error)
    with pytest.raises(ShardHalted, match=f"delete {tmp_path / 'halted'} to let it start"):
        refuse_if_halted(tmp_path)
    (tmp_path / "halted").unlink()
    refuse_if_halted(tmp_path)
    assert "is halted" in str(halt(tmp_path / "not there", "reason", 1))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TRADEPIT_SNAPSHOT_COMMANDS", "-1"),
        ("TRADEPIT_SNAPSHOT_COMMANDS", "often"),
        ("TRADEPIT_JOURNAL_RETENTION_HOURS", "1.5"),
        ("TRADEPIT_JOURNAL_RETENTION_HOURS", "999999"),
    ],
)
def test_a_setting_out_of_bounds_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be a number"):
        read_settings({name: text})
