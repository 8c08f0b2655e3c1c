"""The halt: a shard whose journal and replay disagree stays down until somebody has looked at it."""

import os
import time
from pathlib import Path

from tradepit.protocol.errors import TradepitError
from tradepit.protocol.log import get_logger

log = get_logger(__name__)

NAME = "halted"
# Becomes the file above: a new name needs room on the disk, another name for a file needs none. It
# is empty, so that it takes nothing from the journal.
RESERVE = "halted.reserve"


class ShardHalted(TradepitError):
    """The journal and its replay are not the same; the text says what to look at."""


def halt(journal_dir: Path, reason: str, committed_seq: int) -> ShardHalted:
    """Write the file that keeps the shard from starting, durably; the error to stop with."""
    text = (
        f"reason: {reason}\n"
        f"committed_seq: {committed_seq}\n"
        f"time: {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n"
    )
    try:
        _write(journal_dir, text)
    except OSError as error:
        log.critical("halted_file_not_written", error=error)
    return _error(journal_dir, text)


def _write(journal_dir: Path, text: str) -> None:
    unfinished = journal_dir / RESERVE
    try:
        with unfinished.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if not unfinished.exists():
            raise
        # It is the name that keeps the shard down; the reason is in the log as well.
        log.critical("halted_file_is_incomplete", error=error)
    unfinished.replace(journal_dir / NAME)
    sync_folder(journal_dir)


def reserve(journal_dir: Path) -> None:
    """Make the file that halt() renames, while there is space for one."""
    try:
        (journal_dir / RESERVE).touch(mode=0o600)
        sync_folder(journal_dir)
    except OSError as error:
        log.warning("halted_file_not_reserved", error=error, again="at_the_next_start")


def refuse_if_halted(journal_dir: Path) -> None:
    """Raise ShardHalted if the shard was halted and nobody has removed the file."""
    try:
        text = (journal_dir / NAME).read_text(errors="replace")
    except FileNotFoundError:
        return
    raise _error(journal_dir, text or "the disk was full: the reason is in the log")


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
