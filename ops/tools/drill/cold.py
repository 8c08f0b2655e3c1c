"""Faults of what is on disk: the exchange is down while they happen."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tradepit.cli.child import ChildFailed
from tradepit.protocol import names, wire
from tradepit.tools.drill.arena import SHARD_ID, Arena, NotRecovered
from tradepit.tools.journal.files import Entry, Journal

SECTOR_BYTES = 512
TORN_GROUP_ENTRIES = 3
SNAPSHOT_COMMANDS = 1_000
SNAPSHOTS_KEPT = 2
STREAM_LOSS_BYTES_MAX = 20_000


def power_cut(arena: Arena, chance: random.Random) -> None:
    """Everything ends at once. Of the journal's last group only what somebody was answered for is
    sure to have been synced: if nobody was, its sectors are kept or lost one by one. JetStream syncs
    every two minutes, so the end of its file is lost. PostgreSQL's files stay as they are: dropping
    what it has not synced would take a file system of our own.
    """
    arena.kill_everything()
    journal = Journal(arena.data_dir, SHARD_ID)
    group = last_group(journal)
    if group and arena.history.last_seq < group[0].seq:
        start = group[0].offset
        end = journal.segments[-1].end_offset
        with group[0].path.open("r+b") as file:
            for offset in range(start, end, SECTOR_BYTES):
                if chance.random() < 0.5:
                    file.seek(offset)
                    file.write(bytes(min(SECTOR_BYTES, end - offset)))
    for block in stream_blocks(arena)[-1:]:
        size = block.stat().st_size
        with block.open("r+b") as file:
            file.truncate(max(0, size - chance.randint(1, STREAM_LOSS_BYTES_MAX)))
    arena.start_again()


def torn_journal(arena: Arena, chance: random.Random) -> None:
    """A group was being written when the power went: some of its sectors are there, some are not."""
    arena.kill_everything()
    journal = Journal(arena.data_dir, SHARD_ID)
    last = list(journal.entries(max(1, journal_end(journal).seq)))[-1]
    segment = journal.segments[-1]
    group = b"".join(
        entry_bytes(last, last.seq + 1 + number, last.seq + 1)
        for number in range(TORN_GROUP_ENTRIES)
    )
    torn = bytearray(group)
    # One entry at least is unsound; which sectors came to the disk is anybody's guess.
    lost_at = chance.randrange(0, len(torn))
    torn[lost_at:] = bytes(len(torn) - lost_at)
    has_room = segment.end_offset + len(torn) < segment.header.size_bytes
    if has_room:
        with segment.path.open("r+b") as file:
            file.seek(segment.end_offset)
            file.write(torn)
    log = arena.data_dir / "logs" / "matcher.log"
    count = log.read_text(encoding="utf-8").count("torn_tail_cut")
    arena.start_again()
    if has_room and any(torn) and log.read_text(encoding="utf-8").count("torn_tail_cut") == count:
        raise NotRecovered("it started and did not report the torn group")


def flip_journal(arena: Arena, chance: random.Random) -> None:
    """One bit of something that was acknowledged. It must not be guessed what it was."""
    arena.stop()
    journal = Journal(arena.data_dir, SHARD_ID)
    end = journal_end(journal)
    entry = chance.choice(list(journal.entries(max(1, end.seq - 1_000)))[:-20])
    length = wire.JOURNAL_ENTRY_LAYOUT.size + len(entry.command) + len(entry.events)
    place = entry.offset + chance.randrange(length)
    flip(entry.path, place)
    try:
        arena.start_again()
    except ChildFailed as refusal:
        text = str(refusal)
        if "damaged journal" not in text or entry.path.name not in text:
            raise NotRecovered(f"the refusal does not name the damage: {text}") from refusal
    else:
        raise NotRecovered(f"it started on a journal with a flipped bit at {place}")
    flip(entry.path, place)
    arena.start_again()


@contextmanager
def many_snapshots(_folder: Path, _seed: int) -> Iterator[dict[str, str]]:
    """A snapshot every thousand commands."""
    yield {"TRADEPIT_SNAPSHOT_COMMANDS": str(SNAPSHOT_COMMANDS)}


def flip_snapshot(arena: Arena, chance: random.Random) -> None:
    """One bit of the newest snapshot. The one before it, and the journal, are enough."""

    def snapshots() -> list[Path]:
        return sorted(arena.journal_dir.glob("[0-9]*.snapshot"))

    arena.wait(lambda: len(snapshots()) == SNAPSHOTS_KEPT, "two snapshots")
    arena.stop()
    newest = snapshots()[-1]
    flip(newest, chance.randrange(newest.stat().st_size))
    arena.start_again()
    log = (arena.data_dir / "logs" / "matcher.log").read_text(encoding="utf-8")
    if "snapshot_refused" not in log or newest.name not in log:
        raise NotRecovered(f"it started and did not say that {newest.name} is damaged")


def flip_stream(arena: Arena, chance: random.Random) -> None:
    """One bit in the middle of JetStream's file."""
    arena.stop()
    block = chance.choice(stream_blocks(arena))
    flip(block, chance.randrange(block.stat().st_size // 4, block.stat().st_size))
    for index in block.parent.glob("index.db"):
        index.unlink()  # it would hide the damage until somebody reads the message
    arena.start_again()


def last_group(journal: Journal) -> list[Entry]:
    """The entries that were synced together last."""
    end = journal_end(journal)
    return [
        entry
        for entry in journal.entries(end.commit_first_seq)
        if entry.commit_first_seq == end.commit_first_seq
    ]


def journal_end(journal: Journal) -> Entry:
    """The last entry."""
    last = None
    for entry in journal.entries(journal.segments[-1].header.first_seq):
        last = entry
    if last is None:
        raise NotRecovered(f"{journal.segments[-1].path} has no entry yet")
    return last


def entry_bytes(model: Entry, seq: int, commit_first_seq: int) -> bytes:
    """An entry like another one, with another seq. Its checksum is wrong, as a torn entry's is."""
    body = model.command + model.events
    header = wire.JournalEntry(
        length=wire.JOURNAL_ENTRY_LAYOUT.size + len(body),
        crc32c=0,
        seq=seq,
        commit_first_seq=commit_first_seq,
        digest=model.digest,
        event_count=model.event_count,
    )
    return header.encode() + body


def stream_blocks(arena: Arena) -> list[Path]:
    """JetStream's files of the shard's stream, in their order."""
    stream = names.events_stream(SHARD_ID)
    blocks = (arena.data_dir / "nats" / "jetstream").glob(f"*/streams/{stream}/msgs/*.blk")
    return sorted(blocks, key=lambda path: int(path.stem))


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
