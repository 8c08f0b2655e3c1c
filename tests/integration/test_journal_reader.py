"""The tools' reader of journals: segments that come and go meanwhile, and snapshots to begin with."""

from pathlib import Path
from random import Random

import pytest
from tradepit.engine import Replica
from tradepit.protocol.errors import JournalDamaged
from tradepit.tools.journal.files import Journal
from tradepit.tools.journal.replay import BeginningGone, Replay
from tradepit.tools.journal.snapshots import snapshots_of

from tests.journal_builder import Built, build_journal

SHARD_ID = 5
Outcome = Replica.Outcome


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal" / f"shard-{SHARD_ID}"


@pytest.fixture
def built(folder: Path) -> Built:
    built = build_journal(folder, SHARD_ID, Random(3))
    assert len(built.segment_seqs) > 3
    return built


def take_snapshot(folder: Path, built: Built, seq: int) -> int:
    replica = Replica(str(folder), SHARD_ID)
    assert replica.open() is Outcome.MORE
    while (outcome := replica.advance(built.last_seq, seq)) is Outcome.MORE:
        pass
    assert outcome is Outcome.MAY_SNAPSHOT
    replica.write_snapshot(0)
    return replica.seq


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


def test_a_segment_that_is_begun_meanwhile_is_read_too(
    tmp_path: Path, folder: Path, built: Built
) -> None:
    last = segments(folder)[-1]
    aside = tmp_path / last.name
    last.rename(aside)
    entries = Journal(tmp_path, SHARD_ID).entries()
    seqs = [next(entries).seq]
    aside.rename(last)
    seqs += [entry.seq for entry in entries]
    assert seqs == list(range(1, built.last_seq + 1))


def test_a_missing_segment_is_damage(tmp_path: Path, folder: Path, built: Built) -> None:
    segments(folder)[1].unlink()
    with pytest.raises(JournalDamaged, match="lack"):
        list(Journal(tmp_path, SHARD_ID).entries())


def test_a_replay_begins_with_the_newest_snapshot_that_helps(
    tmp_path: Path, folder: Path, built: Built
) -> None:
    older = take_snapshot(folder, built, built.last_seq // 3)
    newer = take_snapshot(folder, built, 2 * built.last_seq // 3)
    journal = Journal(tmp_path, SHARD_ID)
    assert [snapshot.seq for snapshot in snapshots_of(journal)] == [newer, older]
    for seq, first_seq in ((older - 1, 1), (newer - 1, older + 1), (built.last_seq, newer + 1)):
        replay = Replay(journal, seq, is_quick=True)
        assert replay.first_seq == first_seq
        replay.move_to(seq)
        assert replay.engine.digest == built.digests[seq]
    assert Replay(journal, built.last_seq).first_seq == 1  # all of it can be proved

    path = snapshots_of(journal)[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert Replay(journal, built.last_seq, is_quick=True).first_seq == older + 1


def test_a_journal_whose_beginning_was_removed_needs_a_snapshot(
    tmp_path: Path, folder: Path, built: Built
) -> None:
    taken = take_snapshot(folder, built, built.segment_seqs[2])
    for path in segments(folder)[:2]:
        path.unlink()
    journal = Journal(tmp_path, SHARD_ID)
    replay = Replay(journal)
    assert replay.first_seq == taken + 1
    replay.move_to()
    assert replay.engine.digest == built.digests[-1]
    with pytest.raises(BeginningGone, match="no sound snapshot"):
        Replay(journal, taken - 1)
