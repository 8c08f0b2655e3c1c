"""Reads a shard's journal as it stands on disk, beside a matcher that may be writing it.

A second reader of the format that `engine_ext/include/tradepit/journal.hpp` describes, written for
people who want to know what is there: it checks every checksum, seq and digest, changes nothing, and
names file, offset and seq of whatever it does not like.
"""

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tradepit.engine import JOURNAL_VERSION, chain_digest, crc32c
from tradepit.protocol import wire
from tradepit.protocol.errors import ConfigurationError, JournalDamaged

SEGMENT_MAGIC = b"TPJRNL\0\0"
_CRC_COVERS_FROM = 8  # of an entry: length and crc32c stand before
_LENGTH_AT = 2  # of a record
_ALIGNMENT = 8


class Entry(NamedTuple):
    """One command with its events, as recorded."""

    seq: int
    commit_first_seq: int
    digest: int
    event_count: int
    command: bytes
    events: bytes
    path: Path
    offset: int


@dataclass
class Segment:
    """One file: what its header says, and, once it was read to its end, what it holds."""

    path: Path
    header: wire.SegmentHeader
    entry_count: int = 0
    last_seq: int = 0
    end_offset: int = 0
    torn_bytes: int = 0  # of a group that was never acknowledged, or is being written just now


class Journal:
    """A shard's segments in order. Raises ConfigurationError if there is no journal."""

    def __init__(self, data_dir: Path, shard_id: int) -> None:
        self.directory = data_dir / "journal" / f"shard-{shard_id}"
        self.shard_id = shard_id
        self.segments: list[Segment] = []
        self._look_for_more()
        if not self.segments:
            raise ConfigurationError(
                f"there is no journal in {self.directory}: name the data folder with --data, and the "
                "shard with --shard"
            )

    def _look_for_more(self, looks_left: int = 10) -> bool:
        """Add the segments that were begun since the last look; whether there are any."""
        known = {segment.path for segment in self.segments}
        count = len(known)
        try:
            for path in sorted(self.directory.glob(f"{20 * '[0-9]'}.journal")):
                if path not in known and (not known or path > max(known)):
                    self.segments.append(Segment(path, self._header_of(path)))
        except FileNotFoundError as error:  # removed since it was listed
            if looks_left == 0:
                raise ConfigurationError(
                    f"cannot read {error.filename}: it is not there"
                ) from error
            if not known:
                self.segments.clear()
            return self._look_for_more(looks_left - 1)
        except OSError as error:
            raise ConfigurationError(f"cannot read {self.directory}: {error.strerror}") from error
        return len(self.segments) > count

    @property
    def first_seq(self) -> int:
        return self.segments[0].header.first_seq

    @property
    def first_digest(self) -> int:
        """Chain digest before the first entry."""
        return self.segments[0].header.digest

    def entries(self, from_seq: int = 1, to_seq: int | None = None) -> Iterator[Entry]:
        """Every entry from the segment that holds `from_seq` on, checked; those before it are
        skipped. Ends at `to_seq`, or where the journal ends.

        Raises JournalDamaged for anything that a crash cannot have left, with file, offset and seq.
        """
        start = 0
        for index, segment in enumerate(self.segments):
            if segment.header.first_seq <= from_seq:
                start = index
        seq, digest = 0, 0
        index = start
        while index < len(self.segments) or self._look_for_more():
            segment = self.segments[index]
            header = segment.header
            if index == start:
                seq, digest = header.first_seq - 1, header.digest
            if header.first_seq != seq + 1:
                raise damaged(
                    segment.path, 0, seq + 1, f"entries up to {header.first_seq - 1} lack"
                )
            if header.digest != digest:
                raise damaged(segment.path, 0, seq + 1, "does not continue the segment before")
            is_last = index + 1 == len(self.segments)
            for entry in self._entries_of(segment, is_last=is_last):
                digest = chain_digest(digest, entry.events)
                if entry.seq != seq + 1:
                    raise damaged(segment.path, entry.offset, seq + 1, f"holds seq {entry.seq}")
                if digest != entry.digest:
                    raise damaged(
                        segment.path, entry.offset, entry.seq, "its events have another digest"
                    )
                seq = entry.seq
                if to_seq is not None and seq > to_seq:
                    return
                if seq >= from_seq:
                    yield entry
                if seq == to_seq:
                    return
            index += 1

    def _header_of(self, path: Path) -> wire.SegmentHeader:
        with path.open("rb") as file:
            data = file.read(wire.SEGMENT_HEADER_LAYOUT.size)
            size = os.fstat(file.fileno()).st_size
        first_seq = int(path.stem)
        if len(data) < wire.SEGMENT_HEADER_LAYOUT.size:
            raise damaged(path, 0, first_seq, "shorter than a segment header")
        header = wire.SegmentHeader(*wire.SEGMENT_HEADER_LAYOUT.unpack(data))
        if header.magic != SEGMENT_MAGIC or crc32c(data[:-4]) != header.crc32c:
            raise damaged(path, 0, first_seq, "the segment header is not sound")
        if header.version != JOURNAL_VERSION:
            raise damaged(
                path,
                0,
                first_seq,
                f"has format {header.version}; this program reads {JOURNAL_VERSION}",
            )
        if header.shard_id != self.shard_id or header.first_seq != first_seq:
            raise damaged(
                path, 0, first_seq, f"is of shard {header.shard_id}, seq {header.first_seq}"
            )
        if header.size_bytes != size:
            raise damaged(path, 0, first_seq, f"has {size} bytes, made with {header.size_bytes}")
        return header

    def _entries_of(self, segment: Segment, *, is_last: bool) -> Iterator[Entry]:
        """The entries of one segment, checksums checked; fills in what the segment holds."""
        path = segment.path
        segment.entry_count, segment.last_seq = 0, segment.header.first_seq - 1
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            offset = wire.SEGMENT_HEADER_LAYOUT.size
            while True:
                entry = read_entry(data, offset, path)
                if entry is None:
                    seq = segment.last_seq + 1
                    used = data[offset:].rstrip(b"\0")
                    if not used:
                        break
                    if is_last and not _is_followed_by_later_commit(used, seq, path):
                        segment.torn_bytes = len(used)
                        break
                    # What is being written while we read is sound once a later group follows it.
                    entry = read_entry(data, offset, path)
                    if entry is None:
                        raise damaged(
                            path, offset, seq, "the entry is not sound, and later ones follow it"
                        )
                segment.entry_count += 1
                segment.last_seq = entry.seq
                offset += _length_at(data, offset)
                segment.end_offset = offset
                yield entry
            segment.end_offset = offset


def read_entry(data: bytes | mmap.mmap, offset: int, path: Path) -> Entry | None:
    """The entry at `offset`; None if it is not a whole, sound one."""
    size = wire.JOURNAL_ENTRY_LAYOUT.size
    if offset + size > len(data):
        return None
    length, crc, seq, commit_first_seq, digest, event_count = wire.JOURNAL_ENTRY_LAYOUT.unpack_from(
        data, offset
    )
    if length < size or length % _ALIGNMENT or offset + length > len(data):
        return None
    body = data[offset + _CRC_COVERS_FROM : offset + length]
    if crc32c(body) != crc:
        return None
    records = body[size - _CRC_COVERS_FROM :]
    command_length = int.from_bytes(records[_LENGTH_AT : _LENGTH_AT + 2], "little")
    if not wire.HEADER_SIZE <= command_length <= len(records):
        return None
    return Entry(
        seq,
        commit_first_seq,
        digest,
        event_count,
        records[:command_length],
        records[command_length:],
        path,
        offset,
    )


def damaged(path: Path, offset: int, seq: int, what: str) -> JournalDamaged:
    return JournalDamaged(f"damaged journal: {path} offset {offset} seq {seq}: {what}")


def _length_at(data: mmap.mmap, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")


def _is_followed_by_later_commit(tail: bytes, seq: int, path: Path) -> bool:
    """Whether a sound entry of a group that was opened after `seq` follows: then what stands before
    it was synced, and is damage where it is not sound.
    """
    tail += bytes(-len(tail) % _ALIGNMENT)
    size = wire.JOURNAL_ENTRY_LAYOUT.size
    for offset in range(_ALIGNMENT, len(tail) - size + 1, _ALIGNMENT):
        candidate = int.from_bytes(tail[offset + 8 : offset + 16], "little")
        if not seq < candidate <= seq + len(tail):
            continue
        entry = read_entry(tail, offset, path)
        if entry is not None and entry.commit_first_seq > seq:
            return True
    return False
