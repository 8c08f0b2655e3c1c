"""Copies of a shard's journal up to a seq, and of other files: durable, and in place in one step."""

import mmap
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tradepit.protocol import wire
from tradepit.tools.journal.files import Journal, Segment, damaged

_CHUNK_BYTES = 1 << 20
_TEMPORARY = ".tmp"


def make_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def copy_file(source: Path, target: Path) -> None:
    """Readable by its owner only. The caller syncs the folder."""
    with source.open("rb") as file:
        _write(target, lambda new: shutil.copyfileobj(file, new, _CHUNK_BYTES))


def copy_segment(
    segment: Segment,
    target: Path,
    last_seq: int | None,
    *,
    is_sparse: bool,
    check: Callable[[Path], None] = lambda _copy: None,
) -> None:
    """A segment, with zeros behind the entry `last_seq` if that is given. They take no space if
    `is_sparse`; a matcher relies on it that they do. `check` sees the copy before it is in place.

    Raises JournalDamaged if the entry is not there.
    """
    size = segment.header.size_bytes
    end = size if last_seq is None else _offset_behind(segment, last_seq)

    def write(new: IO[bytes]) -> None:
        with segment.path.open("rb") as file:
            left = end
            while left:
                data = file.read(min(left, _CHUNK_BYTES))
                if not data:
                    raise damaged(segment.path, end - left, 0, "the segment ends here")
                new.write(data)
                left -= len(data)
        if is_sparse:
            new.truncate(size)
            return
        for offset in range(end, size, _CHUNK_BYTES):
            new.write(bytes(min(_CHUNK_BYTES, size - offset)))

    _write(target, write, check)


def segments_up_to(journal: Journal, first_seq: int, last_seq: int) -> list[Segment]:
    """Those that hold entries from `first_seq` to `last_seq`."""
    after = [segment.header.first_seq for segment in journal.segments[1:]]
    return [
        segment
        for segment, next_seq in zip(journal.segments, [*after, 2**64], strict=True)
        if segment.header.first_seq <= last_seq and next_seq > first_seq
    ]


def _offset_behind(segment: Segment, last_seq: int) -> int:
    """Where the entry `last_seq` ends. Lengths and seqs alone are looked at: verify reads the rest."""
    layout = wire.JOURNAL_ENTRY_LAYOUT
    with (
        segment.path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        offset = wire.SEGMENT_HEADER_LAYOUT.size
        for seq in range(segment.header.first_seq, last_seq + 1):
            if offset + layout.size > len(data):
                raise damaged(segment.path, offset, seq, "the segment ends here")
            length, _, found_seq, *_ = layout.unpack_from(data, offset)
            if length < layout.size or found_seq != seq:
                raise damaged(segment.path, offset, seq, "no entry where one was committed")
            offset += length
    return offset


def _write(
    target: Path,
    write: Callable[[IO[bytes]], object],
    check: Callable[[Path], None] = lambda _copy: None,
) -> None:
    temporary = target.with_name(target.name + _TEMPORARY)
    temporary.unlink(missing_ok=True)  # of one that was cut off
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as new:
            write(new)
            new.flush()
            os.fsync(new.fileno())
        check(temporary)
        temporary.replace(target)
    except BaseException:  # a full disk, or Ctrl-C
        temporary.unlink(missing_ok=True)
        raise
