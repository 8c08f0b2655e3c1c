"""Follows the journal in a second engine, compares every entry, and writes verified snapshots.

    python -m tradepit.matcher.snapshotter FOLDER SHARD_ID SEGMENT_BYTES SNAPSHOT_COMMANDS PARENT_PID

A child of the matcher (`snapshots.py`), so that the thread that orders wait for never stops for it.
On stdin it is told what is committed, eight bytes at a time; on stdout it reports, a JSON document
a line. It ends when stdin ends. Exit code 3: the journal and its replay are not the same.
"""

import ctypes
import json
import os
import select
import signal
import sys
import time

from tradepit.engine import Replica
from tradepit.protocol.log import get_logger, setup_logging

log = get_logger(__name__)

EXIT_DIVERGED = 3
NICENESS = 10
PR_SET_PDEATHSIG = 1
SEQ_BYTES = 8  # of a committed seq on stdin, little-endian
READ_BYTES_MAX = 1 << 16
SNAPSHOT_INTERVAL_S = 600.0  # if anything is new, however little
RETRY_S = 60.0  # after a snapshot that could not be written
REPORT_INTERVAL_S = 1.0
SEQ_NEVER = 2**64 - 1
SEGMENTS_LEFT_FREE = 2  # of the disk: the journal needs one, and the next


class ParentGone(Exception):
    """Nobody needs us any more."""


class Committed:
    """What the matcher says is committed."""

    def __init__(self) -> None:
        self.seq = 0
        self._rest = b""

    def wait(self, timeout_s: float) -> None:
        """Read what has come, or wait for it. Raises ParentGone at the end of stdin."""
        ready, _, _ = select.select([sys.stdin.fileno()], [], [], timeout_s)
        if not ready:
            return
        data = os.read(sys.stdin.fileno(), READ_BYTES_MAX)
        if not data:
            raise ParentGone
        data = self._rest + data
        whole = len(data) // SEQ_BYTES * SEQ_BYTES
        self._rest = data[whole:]
        if whole:
            self.seq = int.from_bytes(data[whole - SEQ_BYTES : whole], "little")


class Schedule:
    """When the next snapshot is due."""

    def __init__(self, commands: int, replica: Replica) -> None:
        self._commands = commands
        self._replica = replica
        self._last_seq = replica.kept[-1] if replica.kept else 0
        self._last_s = time.monotonic()
        self._retry_s = 0.0

    def seq_min(self) -> int:
        """The seq from which on a snapshot is due."""
        now_s = time.monotonic()
        if now_s < self._retry_s:
            return SEQ_NEVER
        if now_s - self._last_s >= SNAPSHOT_INTERVAL_S:
            return self._last_seq + 1
        return self._last_seq + self._commands

    def written(self) -> None:
        self._last_seq = self._replica.seq
        self._last_s = time.monotonic()

    def failed(self) -> None:
        self._retry_s = time.monotonic() + RETRY_S


def report(**fields: object) -> None:
    """Tell the matcher. It reads all the time; should it not, it is about to end us."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel end us with the matcher; the end of stdin tells the same, only later."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent_pid:
        raise ParentGone


def follow(replica: Replica, snapshot_commands: int, free_bytes_min: int) -> int:
    """Replay and compare until the parent is gone; the exit code."""
    outcome = replica.open()
    for refusal in replica.refusals:
        log.warning("snapshot_refused", reason=refusal)
    if outcome is not Replica.Outcome.MORE:
        return failed(replica, outcome)
    log.info("following", from_seq=replica.seq + 1)
    report(kept=replica.kept)
    committed = Committed()
    schedule = Schedule(snapshot_commands, replica)
    reported_s = 0.0
    wait_s = 0.0
    while True:
        committed.wait(wait_s)
        wait_s = 0.0
        match replica.advance(committed.seq, schedule.seq_min()):
            case Replica.Outcome.MORE:
                if time.monotonic() - reported_s >= REPORT_INTERVAL_S:
                    reported_s = time.monotonic()
                    report(verified_seq=replica.seq)
            case Replica.Outcome.MAY_SNAPSHOT:
                write(replica, schedule, free_bytes_min)
            case Replica.Outcome.UP_TO_DATE:
                report(verified_seq=replica.seq)
                wait_s = SNAPSHOT_INTERVAL_S
            case trouble:
                return failed(replica, trouble)


def failed(replica: Replica, outcome: Replica.Outcome) -> int:
    """Say what is wrong; the exit code."""
    if outcome is Replica.Outcome.DIVERGED:
        log.critical("diverged", error=replica.error)
        report(diverged=replica.error)
        return EXIT_DIVERGED
    log.error("cannot_follow", error=replica.error)
    return 1


def write(replica: Replica, schedule: Schedule, free_bytes_min: int) -> None:
    """Write a snapshot, or say why it has to wait: trading does not depend on it."""
    started_s = time.monotonic()
    try:
        replica.write_snapshot(free_bytes_min)
    except RuntimeError as error:
        schedule.failed()
        log.warning("snapshot_not_written", seq=replica.seq, again_in_s=round(RETRY_S), error=error)
        return
    schedule.written()
    log.info("snapshot", seq=replica.seq, took_s=round(time.monotonic() - started_s, 2))
    report(kept=replica.kept)


def main(argv: list[str]) -> int:
    """Run until the matcher is gone. Exit code 3 for a divergence, 1 for other trouble."""
    directory, *numbers = argv
    shard_id, segment_bytes, snapshot_commands, parent_pid = map(int, numbers)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the matcher's: it ends us in order
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a group's signal too
    setup_logging("snapshotter")
    try:
        die_with_parent(parent_pid)
        os.nice(NICENESS)
        replica = Replica(directory, shard_id)
        return follow(replica, snapshot_commands, SEGMENTS_LEFT_FREE * segment_bytes)
    except (ParentGone, BrokenPipeError):
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
