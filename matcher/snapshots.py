"""The matcher's side of its snapshotter: starts it, tells it what is committed, hears its reports."""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tradepit.matcher.snapshotter import EXIT_DIVERGED, SEQ_BYTES
from tradepit.protocol.errors import TradepitError
from tradepit.protocol.log import get_logger
from tradepit.protocol.waiting import wait_for_event

log = get_logger(__name__)

TELL_INTERVAL_S = 0.1
TELL_AGAIN_S = 60.0
STOP_TIMEOUT_S = 3.0
KILL_TIMEOUT_S = 10.0
BACKOFF_S_MIN = 1.0
BACKOFF_S_MAX = 60.0


class Diverged(TradepitError):
    """A replay of the journal is not what the journal says."""


class Snapshots:
    """One shard's snapshotter process, and what it reports.

    `kept` are the seqs of the verified snapshots that it keeps, the older first; `verified_seq` is
    how far it has compared. `wake` is called from outside after each commit. Nothing ever waits for
    it: if it ends, it is started again.
    """

    def __init__(
        self,
        journal_dir: Path,
        shard_id: int,
        segment_bytes: int,
        snapshot_commands: int,
        committed_seq: Callable[[], int],
    ) -> None:
        numbers = (shard_id, segment_bytes, snapshot_commands, os.getpid())
        # -P: a folder named like one of ours in the working directory must not win.
        module = ("-P", "-m", "tradepit.matcher.snapshotter")
        self._command = (sys.executable, *module, str(journal_dir), *map(str, numbers))
        self._committed_seq = committed_seq
        self._committed = asyncio.Event()
        self._has_progressed = False
        self._divergence = ""
        self.kept: tuple[int, ...] = ()
        self.kept_since_s = 0.0  # when the newest was reported, on the monotonic clock
        self.verified_seq = 0
        self.restart_count = 0
        self.has_diverged = False
        self.pid = 0

    def wake(self) -> None:
        """Something was committed."""
        self._committed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep a snapshotter running until `stop` is set. Raises Diverged."""
        backoff_s = BACKOFF_S_MIN
        while not stop.is_set():
            code = await self._run_once(stop)
            if code == EXIT_DIVERGED:
                self.has_diverged = True
                raise Diverged(self._divergence or "the snapshotter found a divergence")
            if stop.is_set():
                return
            if self._has_progressed:
                backoff_s = BACKOFF_S_MIN
            wait_s = backoff_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
            log.error("snapshotter_ended", exit_code=code, again_in_s=round(wait_s, 1))
            self.restart_count += 1
            await wait_for_event(stop, wait_s)
            backoff_s = min(2 * backoff_s, BACKOFF_S_MAX)

    async def _run_once(self, stop: asyncio.Event) -> int | None:
        """Run one process to its end, or to `stop`; its exit code, if it could be started."""
        self._has_progressed = False
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
        except OSError as error:
            log.error("snapshotter_not_started", error=error)
            return None
        self.pid = process.pid
        assert process.stdin is not None
        assert process.stdout is not None
        stopping = asyncio.create_task(stop.wait(), name="matcher.snapshots.stop")
        hearing = asyncio.create_task(self._hear(process.stdout), name="matcher.snapshots.hear")
        telling = asyncio.create_task(self._tell(process.stdin), name="matcher.snapshots.tell")
        try:
            await asyncio.wait((stopping, hearing), return_when=asyncio.FIRST_COMPLETED)
            process.stdin.close()  # it ends
            if not await _has_ended(process, STOP_TIMEOUT_S):
                log.info("snapshotter_killed", reason="did_not_end_in_time")
        finally:
            if process.returncode is None:
                process.kill()
                if not await _has_ended(process, KILL_TIMEOUT_S):
                    log.error("snapshotter_hangs", pid=process.pid)
            await asyncio.wait((hearing,), timeout=KILL_TIMEOUT_S)  # its last words
            for task in (stopping, hearing, telling):
                task.cancel()
            await asyncio.gather(stopping, hearing, telling, return_exceptions=True)
            self.pid = 0
        return process.returncode

    async def _tell(self, stdin: asyncio.StreamWriter) -> None:
        """Tell what is committed, now and then; not at all to one that does not read."""
        while True:
            self._committed.clear()
            if stdin.transport.get_write_buffer_size() == 0:
                stdin.write(self._committed_seq().to_bytes(SEQ_BYTES, "little"))
            await asyncio.sleep(TELL_INTERVAL_S)
            await wait_for_event(self._committed, TELL_AGAIN_S)

    async def _hear(self, stdout: asyncio.StreamReader) -> None:
        try:
            while line := await stdout.readline():
                self._take(json.loads(line))
        except ValueError as error:
            log.error("snapshotter_not_understood", error=error)

    def _take(self, said: dict[str, Any]) -> None:
        match said:
            case {"kept": list(kept)}:
                if kept[-1:] != list(self.kept[-1:]):
                    self.kept_since_s = time.monotonic()
                self.kept = tuple(kept)
            case {"verified_seq": int(seq)}:
                self.verified_seq = seq
                self._has_progressed = True
            case {"diverged": str(reason)}:
                self._divergence = reason
            case _:
                raise ValueError(f"unexpected report {said!r}")


async def _has_ended(process: asyncio.subprocess.Process, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await process.wait()
    except TimeoutError:
        return False
    return True
