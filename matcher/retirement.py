"""Removes journal segments that nobody needs: two snapshots cover them, and the stream has them.

A segment goes once all of it lies before the older of the two verified snapshots, JetStream has
acknowledged all of it, and it has not been written to for the retention. The segment that holds the
older snapshot's own entry stays: the snapshot is checked against it.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tradepit.matcher.halt import sync_folder

log = logging.getLogger(__name__)

INTERVAL_S = 5.0
REMOVE_TIMEOUT_S = 60.0
SNAPSHOTS_NEEDED = 2
SECONDS_PER_HOUR = 3600.0


class Segment(NamedTuple):
    path: Path
    first_seq: int


def segments(journal_dir: Path) -> list[Segment]:
    """The journal's segments, the oldest first."""
    found = journal_dir.glob("[0-9]" * 20 + ".journal")
    return sorted((Segment(path, int(path.stem)) for path in found), key=lambda s: s.first_seq)


def retire(
    journal_dir: Path, kept: tuple[int, ...], published_seq: int, older_than_s: float
) -> list[Path]:
    """Remove what may go, the oldest first; what was removed. Raises OSError.

    `kept` are the seqs of the verified snapshots, the older first; `older_than_s` is a time since
    the epoch.
    """
    if len(kept) < SNAPSHOTS_NEEDED:
        return []
    removed: list[Path] = []
    found = segments(journal_dir)
    for segment, after in itertools.pairwise(found):
        last_seq = after.first_seq - 1
        if last_seq >= kept[0] or last_seq > published_seq:
            break
        if segment.path.stat().st_mtime > older_than_s:
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
) -> None:
    """Retire segments now and then, until `stop` is set. Trouble is logged, and tried again."""
    while not stop.is_set():
        older_than_s = time.time() - retention_hours * SECONDS_PER_HOUR
        try:
            async with asyncio.timeout(REMOVE_TIMEOUT_S):
                removed = await asyncio.to_thread(
                    retire, journal_dir, kept(), published_seq(), older_than_s
                )
            if removed:
                log.info("segments_removed count=%d last=%s", len(removed), removed[-1].name)
        except (OSError, TimeoutError) as error:
            log.warning("segments_not_removed error=%r again_in_s=%.0f", error, INTERVAL_S)
        try:
            async with asyncio.timeout(INTERVAL_S):
                await stop.wait()
        except TimeoutError:
            continue
