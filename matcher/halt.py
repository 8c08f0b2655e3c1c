"""The halt: a shard whose journal and replay disagree stays down until somebody has looked at it."""

import logging
import os
import time
from pathlib import Path

from tradepit.protocol.errors import TradepitError

log = logging.getLogger(__name__)

NAME = "halted"
RESERVE = "halted.reserve"  # becomes the file above: that one must not fail for want of space
RESERVE_BYTES = 4096
REASON_CHARACTERS_MAX = 900  # four bytes each at most, so that the rest fits, too


class ShardHalted(TradepitError):
    """The journal and its replay are not the same; the text says what to look at."""


def halt(journal_dir: Path, reason: str, committed_seq: int) -> ShardHalted:
    """Write the file that keeps the shard from starting, durably; the error to stop with."""
    text = (
        f"reason: {reason[:REASON_CHARACTERS_MAX]}\n"
        f"committed_seq: {committed_seq}\n"
        f"time: {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n"
    )
    try:
        _write(journal_dir, text.encode())
    except OSError as error:
        log.critical("halted_file_not_written error=%s", error)
    return _error(journal_dir, text)


def _write(journal_dir: Path, text: bytes) -> None:
    unfinished = journal_dir / RESERVE
    if not unfinished.exists():
        _fill(unfinished)
    with unfinished.open("r+b") as file:
        file.write(text[:RESERVE_BYTES])
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(journal_dir / NAME)
    sync_folder(journal_dir)


def _fill(reserve: Path) -> None:
    with reserve.open("wb") as file:
        file.write(bytes(RESERVE_BYTES))
        file.flush()
        os.fsync(file.fileno())


def reserve(journal_dir: Path) -> None:
    """Set aside the space that halt() needs, while there is some."""
    path = journal_dir / RESERVE
    try:
        if not path.exists() or path.stat().st_size < RESERVE_BYTES:
            _fill(path)
            sync_folder(journal_dir)
    except OSError as error:
        log.warning("halted_file_not_reserved error=%s again=at_the_next_start", error)


def refuse_if_halted(journal_dir: Path) -> None:
    """Raise ShardHalted if the shard was halted and nobody has removed the file."""
    try:
        text = (journal_dir / NAME).read_text(errors="replace")
    except FileNotFoundError:
        return
    raise _error(journal_dir, text)


def _error(journal_dir: Path, text: str) -> ShardHalted:
    return ShardHalted(
        f"the shard is halted ({'; '.join(text.splitlines())}). Keep a copy of {journal_dir}; look at "
        "the entry that the reason names, and at this machine's memory and disk. Once you know "
        f"which side is right, delete {journal_dir / NAME} to let it start"
    )


def sync_folder(folder: Path) -> None:
    """Make a change of names in a folder durable."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
