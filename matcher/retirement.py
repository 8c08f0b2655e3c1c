"""Removes journal segments that nobody needs: two snapshots cover them, and the stream has them.

A segment goes once all of it lies before the older of the two verified snapshots, JetStream has
acknowledged all of it, and it has not been written to for the retention. The segment that holds the
older snapshot's own entry stays: the snapshot is checked against it.

A file's time is the wall clock's, which may jump. A segment that was filled under this process must
therefore be as old by a clock that does not; of older ones nobody else knows, so none goes once the
wall clock has jumped.
"""

import asyncio
import itertools
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tradepit.matcher.halt import sync_folder
from tradepit.protocol.log import get_logger
from tradepit.protocol.waiting import wait_for_event

log = get_logger(__name__)

INTERVAL_S = 5.0
REMOVE_TIMEOUT_S = 60.0
SNAPSHOTS_NEEDED = 2
SECONDS_PER_HOUR = 3600.0
CLOCK_JUMP_S = 60.0


class Segment(NamedTuple):
    path: Path
    first_seq: int


def segments(journal_dir: Path) -> list[Segment]:
    """The journal's segments, the oldest first."""
    found = journal_dir.glob("[0-9]" * 20 + ".journal")
    return sorted((Segment(path, int(path.stem)) for path in found), key=lambda s: s.first_seq)


def elapsed_s() -> float:
    """A clock that nobody sets, and that goes on while the machine sleeps."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()  # on macOS it does not go on: segments stay longer


class Ages:
    """How long segments have been full, for certain."""

    def __init__(
        self,
        journal_dir: Path,
        wall_s: Callable[[], float] = time.time,
        elapsed_s: Callable[[], float] = elapsed_s,
    ) -> None:
        self._journal_dir = journal_dir
        self._wall_s = wall_s
        self._elapsed_s = elapsed_s
        self._offset_s = wall_s() - elapsed_s()
        self._at_start = {segment.first_seq for segment in segments(journal_dir)}
        self._seen_s: dict[int, float] = {}  # of those that came later
        self.has_jumped = False

    def look(self) -> None:
        """Notice new segments, and a wall clock that was set."""
        now_s = self._elapsed_s()
        for segment in segments(self._journal_dir):
            if segment.first_seq not in self._at_start:
                self._seen_s.setdefault(segment.first_seq, now_s)
        jump_s = self._wall_s() - now_s - self._offset_s
        has_jumped = abs(jump_s) > CLOCK_JUMP_S
        if has_jumped and not self.has_jumped:
            log.warning("segments_kept", wall_clock_moved_s=round(jump_s), until="it_is_right")
        self.has_jumped = has_jumped

    def are_old(self, after: Segment, age_s: float) -> bool:
        """Whether what stands before the segment `after` may have been full for so long."""
        if self.has_jumped:
            return False
        if after.first_seq in self._at_start:
            return True  # by its file's time, as far as is known here
        seen_s = self._seen_s.get(after.first_seq)
        return seen_s is not None and self._elapsed_s() - seen_s >= age_s


def retire(
    journal_dir: Path,
    kept: tuple[int, ...],
    published_seq: int,
    older_than_s: float,
    is_old_before: Callable[[Segment], bool] = lambda _after: True,
) -> list[Path]:
    """Remove what may go, the oldest first; what was removed. Raises OSError.

    `kept` are the seqs of the verified snapshots, the older first; `older_than_s` is a time since
    the epoch. `is_old_before` is asked of the segment that follows.
    """
    if len(kept) < SNAPSHOTS_NEEDED:
        return []
    removed: list[Path] = []
    found = segments(journal_dir)
    for segment, after in itertools.pairwise(found):
        last_seq = after.first_seq - 1
        if last_seq >= kept[0] or last_seq > published_seq:
            break
        if segment.path.stat().st_mtime > older_than_s or not is_old_before(after):
            break
        segment.path.unlink()
        removed.append(segment.path)
    if removed:
        sync_folder(journal_dir)
    return removed


async def retire_until(
    stop: asyncio.Event,
    journal_dir: Path,
    retention_hours: int,
    kept: Callable[[], tuple[int, ...]],
    published_seq: Callable[[], int],
    removal_lock: threading.Lock,
) -> None:
    """Retire segments now and then, until `stop` is set. Trouble is logged, and tried again.

    `published_seq` does not fall while `removal_lock` is held.
    """
    age_s = retention_hours * SECONDS_PER_HOUR
    ages = Ages(journal_dir)

    def retire_old(kept_seqs: tuple[int, ...], older_than_s: float) -> list[Path]:
        with removal_lock:
            return retire(
                journal_dir,
                kept_seqs,
                published_seq(),
                older_than_s,
                lambda after: ages.are_old(after, age_s),
            )

    while not stop.is_set():
        older_than_s = time.time() - age_s
        try:
            ages.look()
            async with asyncio.timeout(REMOVE_TIMEOUT_S):
                removed = await asyncio.to_thread(retire_old, kept(), older_than_s)
            if removed:
                log.info("segments_removed", count=len(removed), last=removed[-1].name)
        except (OSError, TimeoutError) as error:
            log.warning("segments_not_removed", error=repr(error), again_in_s=round(INTERVAL_S))
        await wait_for_event(stop, INTERVAL_S)
