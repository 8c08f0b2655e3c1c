"""What a power cut or a bad disk may leave of a journal, and what recovery makes of it.

The journal is a real one, written by a matcher; each example changes a copy of its bytes.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tradepit.engine import JournalReader, MatcherCore, crc32c
from tradepit.protocol import wire

from tests.matcher_process import INSTRUMENT, MAKER, TAKER, running_matcher

SHARD_ID = 7
SEGMENT_BYTES = 16 << 20
NO_NATS = "nats://127.0.0.1:1"
FAULTS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Entry(NamedTuple):
    offset: int
    header: wire.JournalEntry


class Journal(NamedTuple):
    """A journal's only segment and what is in it."""

    segment: Path
    data: bytes
    entries: list[Entry]

    @property
    def last_group(self) -> list[Entry]:
        first_seq = self.entries[-1].header.commit_first_seq
        return [entry for entry in self.entries if entry.header.commit_first_seq == first_seq]

    @property
    def end(self) -> int:
        return self.entries[-1].offset + self.entries[-1].header.length

    @property
    def last_group_offset(self) -> int:
        return self.last_group[0].offset

    @property
    def acknowledged_seq(self) -> int:
        """What survives whatever happens to the last group."""
        return self.last_group[0].header.seq - 1


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """Singles and groups of several commands; the last group has many."""
    data_dir = tmp_path_factory.mktemp("journal")
    with running_matcher(data_dir, NO_NATS, SHARD_ID) as matcher:
        with matcher.trader(MAKER) as maker, matcher.trader(TAKER) as taker:
            for price_ticks in range(1000, 1010):
                maker.submit(
                    instrument_id=INSTRUMENT,
                    side=wire.Side.SELL,
                    price_ticks=price_ticks,
                    quantity_lots=10,
                )
            taker.submit(
                instrument_id=INSTRUMENT, side=wire.Side.BUY, price_ticks=1005, quantity_lots=45
            )
            for _ in range(2):
                maker.submit_many(
                    [
                        wire.NewOrder(
                            account_id=MAKER,
                            instrument_id=INSTRUMENT,
                            side=wire.Side.SELL,
                            order_type=wire.OrderType.LIMIT,
                            time_in_force=wire.TimeInForce.GTC,
                            price_ticks=2000,
                            quantity_lots=1,
                        )
                    ]
                    * 20
                )
        matcher.stop()
        (segment,) = matcher.segments
    data = segment.read_bytes()
    entries = []
    offset = wire.SEGMENT_HEADER_LAYOUT.size
    while int.from_bytes(data[offset : offset + 4], "little"):
        header = wire.JournalEntry(*wire.JOURNAL_ENTRY_LAYOUT.unpack_from(data, offset))
        entries.append(Entry(offset, header))
        offset += header.length
    result = Journal(segment, data, entries)
    assert len(result.last_group) == 20
    return result


def recover(journal: Journal, folder: Path, data: bytes) -> tuple[int, int]:
    """Recover a folder that holds this segment: (last seq, torn bytes)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / journal.segment.name).write_bytes(data)
    core = MatcherCore(str(folder), SHARD_ID, wire.Durability.DISK, SEGMENT_BYTES)
    torn_bytes = core.recover().torn_bytes
    return core.committed_seq, torn_bytes


def test_a_sound_journal_is_read_to_its_end(journal: Journal, tmp_path: Path) -> None:
    seq, torn_bytes = recover(journal, tmp_path / "j", journal.data)
    assert (seq, torn_bytes) == (journal.entries[-1].header.seq, 0)
    reader = JournalReader(str(tmp_path / "j"), SHARD_ID)
    reader.seek(1)
    batches = b""
    while batch := reader.next_batch(seq, 2000):
        batches += batch[wire.COMMIT_BATCH_HEADER_LAYOUT.size :]
    assert batches == journal.data[wire.SEGMENT_HEADER_LAYOUT.size : journal.end]
    assert reader.next_seq == seq + 1


@FAULTS
@given(st.data())
def test_a_torn_last_group_costs_nothing_that_was_acknowledged(
    journal: Journal, tmp_path: Path, data: st.DataObject
) -> None:
    torn = bytearray(journal.data)
    # Sectors of the group reach the disk in any order: any subset of them may be missing.
    sector_bytes = data.draw(st.sampled_from([8, 64, 512]))
    start = journal.last_group_offset
    missing = data.draw(st.sets(st.integers(0, (journal.end - start) // sector_bytes), min_size=1))
    for sector in missing:
        at = start + sector * sector_bytes
        end = min(at + sector_bytes, journal.end)
        torn[at:end] = bytes(end - at)
    seq, _ = recover(journal, tmp_path / "j", bytes(torn))
    assert journal.acknowledged_seq <= seq <= journal.entries[-1].header.seq
    # What was cut stays cut: a second recovery finds a clean end at the same place.
    again = (tmp_path / "j" / journal.segment.name).read_bytes()
    assert recover(journal, tmp_path / "k", again) == (seq, 0)


@FAULTS
@given(st.data())
def test_a_changed_bit_in_what_was_acknowledged_is_never_accepted(
    journal: Journal, tmp_path: Path, data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, journal.last_group_offset - 1))
    damaged = bytearray(journal.data)
    damaged[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(RuntimeError, match=r"damaged journal|journal format|belongs to shard"):
        recover(journal, tmp_path / "j", bytes(damaged))
    assert (tmp_path / "j" / journal.segment.name).read_bytes() == bytes(damaged)


@pytest.mark.parametrize(
    ("offset", "size", "text"),
    [
        (8, 4, "journal format"),
        (12, 4, "belongs to shard"),
    ],
)
def test_a_foreign_segment_is_named(
    journal: Journal, tmp_path: Path, offset: int, size: int, text: str
) -> None:
    foreign = bytearray(journal.data)
    foreign[offset : offset + size] = (99).to_bytes(size, "little")
    crc_at = wire.SEGMENT_HEADER_LAYOUT.size - 4
    foreign[crc_at : crc_at + 4] = crc32c(bytes(foreign[:crc_at])).to_bytes(4, "little")
    with pytest.raises(RuntimeError, match=text):
        recover(journal, tmp_path / "j", bytes(foreign))


def test_an_entry_that_replays_differently_is_refused(journal: Journal, tmp_path: Path) -> None:
    changed = bytearray(journal.data)
    entry = journal.entries[-1]
    event_at = entry.offset + entry.header.length - 8
    changed[event_at] ^= 1
    body = changed[entry.offset + 8 : entry.offset + entry.header.length]
    changed[entry.offset + 4 : entry.offset + 8] = crc32c(bytes(body)).to_bytes(4, "little")
    with pytest.raises(RuntimeError, match="gives other events than were recorded"):
        recover(journal, tmp_path / "j", bytes(changed))


def test_a_segment_that_was_cut_short_is_never_accepted(journal: Journal, tmp_path: Path) -> None:
    """As a copy that broke off, or a file system that lost the end, would leave it."""
    for size in (journal.last_group_offset, journal.end, len(journal.data) - 1):
        with pytest.raises(RuntimeError, match=r"damaged journal.* bytes, and was made with"):
            recover(journal, tmp_path / "j", journal.data[:size])


def test_the_reader_publishes_nothing_that_is_not_sound(journal: Journal, tmp_path: Path) -> None:
    entry = journal.entries[-2]
    damaged = bytearray(journal.data)
    damaged[entry.offset + entry.header.length - 1] ^= 1
    (tmp_path / journal.segment.name).write_bytes(damaged)
    reader = JournalReader(str(tmp_path), SHARD_ID)
    reader.seek(entry.header.seq)
    assert reader.digest == journal.entries[-3].header.digest
    with pytest.raises(RuntimeError, match=f"seq {entry.header.seq}: the entry is not sound"):
        reader.next_batch(entry.header.seq, 1)


@pytest.fixture
def closed_folder(journal: Journal, tmp_path: Path) -> Path:
    """A copy of the journal and of the mark that its matcher left when it was stopped."""
    folder = tmp_path / "closed in order"
    folder.mkdir()
    for path in (journal.segment, journal.segment.with_name("closed")):
        shutil.copyfile(path, folder / path.name)
    return folder


def recover_folder(folder: Path) -> MatcherCore:
    core = MatcherCore(str(folder), SHARD_ID, wire.Durability.DISK, SEGMENT_BYTES)
    core.recover()
    return core


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("entry", [0, 7, 19])
def test_a_flipped_bit_in_the_last_group_of_a_journal_that_was_closed_is_damage(
    journal: Journal, closed_folder: Path, entry: int
) -> None:
    place, header = journal.last_group[entry]
    flipped = bytearray(journal.data)
    flipped[place + 70] ^= 4
    segment = closed_folder / journal.segment.name
    segment.write_bytes(flipped)
    before = bytes_of(closed_folder)
    where = f"damaged journal: {segment} offset {place} seq {header.seq}: "
    with pytest.raises(RuntimeError, match=f"{where}the journal was closed in order behind seq"):
        recover_folder(closed_folder)
    assert bytes_of(closed_folder) == before
    segment.write_bytes(journal.data)
    assert recover_folder(closed_folder).committed_seq == journal.entries[-1].header.seq


def test_a_closed_journal_that_is_gone_does_not_start_anew(
    journal: Journal, closed_folder: Path
) -> None:
    (closed_folder / journal.segment.name).unlink()
    last_seq = journal.entries[-1].header.seq
    with pytest.raises(RuntimeError, match=f"seqs 1 to {last_seq} are missing"):
        recover_folder(closed_folder)
    assert list(bytes_of(closed_folder)) == ["closed"]


def test_the_mark_of_a_closed_journal_goes_before_anything_is_appended(closed_folder: Path) -> None:
    mark = closed_folder / "closed"
    text = mark.read_bytes()
    core = recover_folder(closed_folder)
    assert not mark.exists()
    del core
    assert mark.read_bytes() == text
    assert mark.stat().st_mode & 0o777 == 0o600
    mark.write_bytes(text.replace(b"seq=", b"seq=1", 1))
    with pytest.raises(RuntimeError, match=f"damaged journal: {mark} "):
        recover_folder(closed_folder)


def test_what_is_cut_off_is_saved_first_and_the_newest_few_are_kept(
    journal: Journal, tmp_path: Path
) -> None:
    folder = tmp_path / "j"
    last_seq = journal.entries[-1].header.seq
    torn = b"half a group" * 9
    for number in range(6):
        data = bytearray(journal.data)
        tail = torn + bytes([number + 1])
        data[journal.end : journal.end + len(tail)] = tail
        folder.mkdir(exist_ok=True)
        (folder / "closed").unlink(missing_ok=True)
        (folder / journal.segment.name).write_bytes(data)
        core = MatcherCore(str(folder), SHARD_ID, wire.Durability.DISK, SEGMENT_BYTES)
        assert core.recover().torn_bytes == len(tail)
        assert (folder / journal.segment.name).read_bytes() == journal.data
        del core
    saved = sorted(folder.glob(f"torn-{last_seq + 1:020}*.bytes"))
    assert [path.read_bytes()[-1] for path in saved] == [3, 4, 5, 6]
    assert all(path.read_bytes()[:-1] == torn for path in saved)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in saved)
    assert not list(folder.glob("*.tmp"))
