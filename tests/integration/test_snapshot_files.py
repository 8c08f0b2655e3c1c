"""Snapshots as files: which are used, which are not, and what recovery makes of them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tradepit.engine import MatcherCore, Recovery, Replica, crc32c
from tradepit.matcher.retirement import retire
from tradepit.protocol import wire

from tests.journal_builder import Built, build_journal

SHARD_ID = 7
SEGMENT_BYTES = 16 << 20
NEVER = 2**64 - 1
HEADER = wire.SNAPSHOT_FILE_HEADER_LAYOUT
Outcome = Replica.Outcome


def recover(
    folder: Path, durability: wire.Durability = wire.Durability.DISK
) -> tuple[MatcherCore, Recovery]:
    core = MatcherCore(str(folder), SHARD_ID, durability, SEGMENT_BYTES)
    return core, core.recover()


def opened(folder: Path) -> Replica:
    replica = Replica(str(folder), SHARD_ID)
    assert replica.open() is Outcome.MORE, replica.error
    return replica


def follow(replica: Replica, last_seq: int, snapshot_seq_min: int = NEVER) -> Outcome:
    """Until it is up to date, or a snapshot may be taken, or something is wrong."""
    while (outcome := replica.advance(last_seq, snapshot_seq_min)) is Outcome.MORE:
        pass
    return outcome


def snapshot(folder: Path, built: Built, *seqs: int) -> list[int]:
    """Take a snapshot at the first group after each seq; their seqs."""
    replica = opened(folder)
    taken = []
    for seq in seqs:
        assert follow(replica, built.last_seq, seq) is Outcome.MAY_SNAPSHOT
        replica.write_snapshot(0)
        taken.append(replica.seq)
    return taken


def snapshots(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.snapshot"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shard"


@pytest.fixture
def built(folder: Path) -> Built:
    return build_journal(folder, SHARD_ID, Random(1))


@pytest.mark.parametrize("seed", range(25))
def test_a_snapshot_anywhere_and_the_tail_give_the_live_digest(folder: Path, seed: int) -> None:
    random = Random(seed)
    built = build_journal(folder, SHARD_ID, random)
    wanted = random.randint(1, built.group_seqs[-1] - 1)
    (taken,) = snapshot(folder, built, wanted)
    assert taken == min(seq - 1 for seq in built.group_seqs if seq > wanted)
    replica = opened(folder)
    assert (replica.seq, replica.digest) == (taken, built.digests[taken])
    assert follow(replica, built.last_seq) is Outcome.UP_TO_DATE
    core, recovery = recover(folder)
    assert recovery.snapshot_seq == taken
    assert recovery.entry_count == built.last_seq - taken
    assert recovery.refusals == []
    assert (core.committed_seq, core.digest) == (built.last_seq, built.digests[-1])


def test_nothing_is_snapshotted_before_a_later_group_proves_it_durable(
    folder: Path, built: Built
) -> None:
    replica = opened(folder)
    last_group = built.group_seqs[-1]
    assert follow(replica, last_group - 1, last_group - 1) is Outcome.UP_TO_DATE
    assert replica.seq == last_group - 1
    assert follow(replica, built.last_seq, last_group - 1) is Outcome.MAY_SNAPSHOT
    replica.write_snapshot(0)
    assert follow(replica, built.last_seq, last_group) is Outcome.UP_TO_DATE


def test_the_two_newest_sound_snapshots_are_kept(folder: Path, built: Built) -> None:
    taken = snapshot(folder, built, 40, 80, 120, 160)
    assert [int(path.stem) for path in snapshots(folder)] == taken[-2:]
    assert opened(folder).kept == taken[-2:]


def test_what_a_killed_writer_left_is_removed_and_never_used(folder: Path, built: Built) -> None:
    (taken,) = snapshot(folder, built, 50)
    left = folder / f"{taken + 9:020}.snapshot.tmp"
    shutil.copyfile(snapshots(folder)[0], left)
    assert recover(folder)[1].snapshot_seq == taken
    assert opened(folder).kept == [taken]
    assert not left.exists()


def change(path: Path, **fields: Any) -> None:
    """Change fields of a header, and set its checksum right."""
    data = path.read_bytes()
    header = wire.SnapshotFileHeader(*HEADER.unpack_from(data))._replace(**fields)
    packed = HEADER.pack(*header)
    checksum = crc32c(packed[:-4]).to_bytes(4, "little")
    path.write_bytes(packed[:-4] + checksum + data[HEADER.size :])


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def body_with_its_checksum(path: Path) -> None:
    """Damage that only the engine can see."""
    flip(path, HEADER.size + 100)
    change(path, body_crc32c=crc32c(path.read_bytes()[HEADER.size :]))


def rename_ahead(path: Path) -> None:
    """As if the journal had lost its end."""
    change(path, seq=5000)
    path.rename(path.with_name(f"{5000:020}.snapshot"))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "magic": (lambda path: flip(path, 0), "not a snapshot file"),
    "header": (lambda path: flip(path, 25), "header's checksum"),
    "body": (lambda path: flip(path, HEADER.size + 200), "checksum is wrong"),
    "body, checksum right": (body_with_its_checksum, "snapshot"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-8]), "was made with"),
    "cut to nothing": (lambda path: path.write_bytes(b""), "shorter than its header"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + bytes(8)), "was made with"),
    "another format": (lambda path: change(path, version=9), "has format 9"),
    "another shard": (lambda path: change(path, shard_id=8), "belongs to shard 8"),
    "other limits": (lambda path: change(path, configuration=1), "other limits"),
    "another history": (lambda path: change(path, digest=1), "of another history"),
    "another place": (lambda path: change(path, entry_offset=64), "does not hold"),
    "no such segment": (lambda path: change(path, segment_first_seq=3), "does not hold"),
    "no sense": (lambda path: change(path, entry_offset=2**63, next_offset=0), "does not hold"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_snapshot_that_cannot_be_used_is_named_and_the_one_before_is_used(
    folder: Path, built: Built, kind: str
) -> None:
    older, newer = snapshot(folder, built, 60, 150)
    damage, text = DAMAGE[kind]
    damage(folder / f"{newer:020}.snapshot")
    core, recovery = recover(folder)
    assert recovery.snapshot_seq == older
    (refusal,) = recovery.refusals
    assert text in refusal
    assert str(folder) in refusal
    assert (core.committed_seq, core.digest) == (built.last_seq, built.digests[-1])
    replica = opened(folder)
    assert (replica.seq, replica.kept) == (older, [older])
    assert follow(replica, built.last_seq, newer) is Outcome.MAY_SNAPSHOT
    replica.write_snapshot(0)
    assert replica.kept == [older, replica.seq]


@pytest.mark.parametrize("durability", [wire.Durability.DISK, wire.Durability.REPLICATED])
def test_a_snapshot_that_is_ahead_of_a_synced_journal_refuses_and_names_what_is_missing(
    folder: Path, built: Built, durability: wire.Durability
) -> None:
    _, newer = snapshot(folder, built, 60, 150)
    rename_ahead(folder / f"{newer:020}.snapshot")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(RuntimeError, match=f"seqs {built.last_seq + 1} to 5000 are missing"):
        recover(folder, durability)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_snapshot_that_is_ahead_of_a_journal_without_syncs_is_named_and_not_used(
    folder: Path, built: Built
) -> None:
    older, newer = snapshot(folder, built, 60, 150)
    rename_ahead(folder / f"{newer:020}.snapshot")
    core, recovery = recover(folder, wire.Durability.MEMORY)
    assert recovery.snapshot_seq == older
    (refusal,) = recovery.refusals
    assert "does not hold seq 5000" in refusal
    assert core.committed_seq == built.last_seq


def test_a_journal_whose_newest_segment_is_gone_refuses_to_use_its_seqs_again(
    folder: Path, built: Built
) -> None:
    last_segment = built.segment_seqs[-1]
    taken = snapshot(folder, built, last_segment, last_segment + 5)
    (folder / f"{last_segment:020}.journal").unlink()
    # Damage to a body does not make a sound header prove less.
    flip(folder / f"{taken[1]:020}.snapshot", HEADER.size + 200)
    with pytest.raises(RuntimeError, match=f"seqs {last_segment} to {taken[1]} are missing"):
        recover(folder)


def test_an_ahead_snapshot_of_other_limits_proves_nothing(folder: Path, built: Built) -> None:
    older, newer = snapshot(folder, built, 60, 150)
    rename_ahead(folder / f"{newer:020}.snapshot")
    change(folder / f"{5000:020}.snapshot", configuration=1)
    assert recover(folder)[1].snapshot_seq == older


def test_without_any_usable_snapshot_the_whole_journal_is_replayed(
    folder: Path, built: Built
) -> None:
    snapshot(folder, built, 60, 150)
    for path in snapshots(folder):
        flip(path, HEADER.size + 1)
    core, recovery = recover(folder)
    assert (recovery.snapshot_seq, recovery.entry_count) == (0, built.last_seq)
    assert len(recovery.refusals) == 2
    assert core.digest == built.digests[-1]


def without_first_segments(folder: Path, built: Built) -> tuple[list[int], int]:
    """A journal whose beginning is gone, with two snapshots; their seqs and its first seq."""
    taken = snapshot(folder, built, 130, 200)
    removed = retire(folder, tuple(taken), built.last_seq, older_than_s=2**40)
    first_seq = min(int(path.stem) for path in folder.glob("*.journal"))
    assert removed
    assert 1 < first_seq <= taken[0]
    return taken, first_seq


def test_a_journal_whose_beginning_is_gone_recovers_from_either_snapshot(
    folder: Path, built: Built
) -> None:
    taken, _ = without_first_segments(folder, built)
    assert recover(folder)[1].snapshot_seq == taken[1]
    snapshots(folder)[1].unlink()
    core, recovery = recover(folder)
    assert recovery.snapshot_seq == taken[0]
    assert (core.committed_seq, core.digest) == (built.last_seq, built.digests[-1])


def test_what_is_missing_is_named_if_neither_journal_nor_snapshot_has_it(
    folder: Path, built: Built
) -> None:
    _, first_seq = without_first_segments(folder, built)
    for path in snapshots(folder):
        flip(path, HEADER.size + 1)
    with pytest.raises(RuntimeError, match=f"seqs 1 to {first_seq - 1} are missing.*checksum"):
        recover(folder)
    replica = Replica(str(folder), SHARD_ID)
    assert replica.open() is Outcome.FAILED
    for path in snapshots(folder):
        path.unlink()
    with pytest.raises(RuntimeError, match=f"seqs 1 to {first_seq - 1} are missing"):
        recover(folder)


def test_snapshots_without_a_journal_do_not_start_a_new_history(folder: Path, built: Built) -> None:
    (taken,) = snapshot(folder, built, 100)
    for path in folder.glob("*.journal"):
        path.unlink()
    with pytest.raises(RuntimeError, match=f"is gone.*seqs 1 to {taken} are missing"):
        recover(folder)
    assert not list(folder.glob("*.journal"))


def test_a_missing_or_damaged_segment_behind_the_snapshot_refuses(
    folder: Path, built: Built
) -> None:
    (taken,) = snapshot(folder, built, 100)
    segment = folder / f"{next(seq for seq in built.segment_seqs if seq > taken + 1):020}.journal"
    sound = segment.read_bytes()
    flip(segment, 200)
    with pytest.raises(RuntimeError, match=f"damaged journal: {segment}"):
        recover(folder)
    segment.unlink()
    with pytest.raises(RuntimeError, match="missing before this segment"):
        recover(folder)
    segment.write_bytes(sound)
    assert recover(folder)[0].digest == built.digests[-1]


@pytest.mark.parametrize("what", ["events", "checksum"])
def test_the_replica_stops_at_an_entry_that_is_not_what_a_replay_gives(
    folder: Path, built: Built, what: str
) -> None:
    segment = folder / f"{built.segment_seqs[1]:020}.journal"
    data = bytearray(segment.read_bytes())
    at = wire.SEGMENT_HEADER_LAYOUT.size
    length = int.from_bytes(data[at : at + 4], "little")
    data[at + length - 8] ^= 1
    if what == "events":
        data[at + 4 : at + 8] = crc32c(bytes(data[at + 8 : at + length])).to_bytes(4, "little")
    segment.write_bytes(data)
    replica = opened(folder)
    assert follow(replica, built.last_seq) is Outcome.DIVERGED
    assert f"damaged journal: {segment} offset {at} seq {built.segment_seqs[1]}" in replica.error
    text = "other events than were recorded" if what == "events" else "not sound"
    assert text in replica.error


def test_a_snapshot_leaves_the_journal_its_space(folder: Path, built: Built) -> None:
    replica = opened(folder)
    assert follow(replica, built.last_seq, 50) is Outcome.MAY_SNAPSHOT
    with pytest.raises(RuntimeError, match="No space left"):
        replica.write_snapshot(2**62)
    assert not list(folder.glob("*.snapshot*"))
    replica.write_snapshot(0)
    assert follow(replica, built.last_seq) is Outcome.UP_TO_DATE


def test_segments_go_only_when_two_snapshots_cover_them_and_the_stream_has_them(
    folder: Path, built: Built
) -> None:
    def left() -> list[int]:
        return sorted(int(path.stem) for path in folder.glob("*.journal"))

    everything = built.segment_seqs
    future_s = 2.0**40
    third = everything[2]
    assert retire(folder, (), built.last_seq, future_s) == []
    assert retire(folder, (built.last_seq,), built.last_seq, future_s) == []
    assert retire(folder, (third - 1, built.last_seq), 0, future_s) == []
    assert retire(folder, (built.last_seq,) * 2, built.last_seq, 0.0) == []
    assert left() == everything
    # The entry of the older snapshot itself stays.
    retire(folder, (third - 1, built.last_seq), built.last_seq, future_s)
    assert left() == everything[1:]
    retire(folder, (third, built.last_seq), third - 2, future_s)
    assert left() == everything[1:]
    retire(folder, (third, built.last_seq), third - 1, future_s)
    assert left() == everything[2:]
    retire(folder, (built.last_seq,) * 2, built.last_seq, future_s)
    assert left() == everything[-1:]
