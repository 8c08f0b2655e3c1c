"""Faults of the machine below: no space on the disk, a clock that jumps."""

import contextlib
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tradepit.client import Client
from tradepit.client.requests import new_order
from tradepit.protocol import wire
from tradepit.protocol.errors import ConfigurationError, OutcomeUnknown, Unreachable
from tradepit.tools.drill.arena import Arena, NotRecovered
from tradepit.tools.drill.load import INSTRUMENT_ID

DISK_MIB = 56  # three segments, and something beside them
SEGMENT_MIB = 16
FILLER_ACCOUNT_ID = 112
FILLER_ORDERS = 4_000
FILL_TIMEOUT_S = 60.0
CLOCK_FILE = "clock"
CLOCK_JUMPS_S = (3_600, -3_600, 86_400, 0)  # beside the true time
CLOCK_STAY_S = 2.0

_STORAGE_FULL = int(wire.Reason.STORAGE_FULL)


@contextmanager
def small_disk(folder: Path, _seed: int) -> Iterator[dict[str, str]]:
    """The journal on a file system of its own, in memory. Needs the right to mount."""
    journal = folder / "data" / "journal"
    journal.mkdir(parents=True)
    if shutil.which("mount") is None:
        raise ConfigurationError(
            "this drill mounts a small file system, and finds no program `mount`"
        )
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "tradepit-drill", journal],  # noqa: S607 - where it is differs
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        raise ConfigurationError(
            f"this drill mounts a small file system, which needs root: {mounted.stderr.strip()}"
        )
    try:
        yield {"TRADEPIT_SEGMENT_MIB": str(SEGMENT_MIB)}
    finally:
        # Lazily: on the way out of an interruption something may not have let go of it yet.
        subprocess.run(["umount", "--lazy", journal], check=False)  # noqa: S607 - where it is differs


def fill_disk(arena: Arena, _: random.Random) -> None:
    """Fill what is free, then the journal's own space, until orders are refused; then make room."""
    ballast = arena.data_dir / "journal" / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    key = arena.key_of(FILLER_ACCOUNT_ID)
    deadline_s = time.monotonic() + FILL_TIMEOUT_S
    assert arena.load is not None
    while _STORAGE_FULL not in arena.load.refusals:
        if time.monotonic() > deadline_s:
            raise NotRecovered("no order was refused with storage_full though the disk is full")
        with contextlib.suppress(OutcomeUnknown, Unreachable):
            _fill(arena, key)
    ballast.unlink()


def _fill(arena: Arena, key: str) -> None:
    """Orders that trade with nobody, as many to a message as fit, until one has no room."""
    order = new_order(
        instrument_id=INSTRUMENT_ID,
        side=wire.Side.BUY,
        price_ticks=1,
        quantity_lots=1,
        time_in_force=wire.TimeInForce.IOC,
    )
    with Client(arena.exchange.order_endpoint, FILLER_ACCOUNT_ID, key) as client:
        orders = client.submit_many([order] * FILLER_ORDERS)
        if orders[-1].reason == _STORAGE_FULL:
            time.sleep(0.5)  # the traders are to notice as well


@contextmanager
def own_clock(folder: Path, _seed: int) -> Iterator[dict[str, str]]:
    """Every process of the exchange sees a wall clock that a file moves. Needs a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise ConfigurationError(
            "this drill compiles a clock of its own: install a C compiler, such as gcc"
        )
    library = folder / "clock.so"
    source = Path(__file__).with_name("clock.c")
    done = subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", source, "-o", library, "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ConfigurationError(f"the drill's clock does not compile: {done.stderr.strip()}")
    clock = folder / CLOCK_FILE
    clock.write_bytes(bytes(8))
    for readable in (folder, library, clock):  # PostgreSQL runs as another user where we are root
        readable.chmod(readable.stat().st_mode | 0o555)
    yield {"LD_PRELOAD": str(library), "DRILL_CLOCK": str(clock)}


def clock_jump(arena: Arena, _: random.Random) -> None:
    """Forward and back, and back to where it was. The exchange's own time never goes back."""
    clock = arena.data_dir.parent / CLOCK_FILE
    last_ns = arena.status().time_ns
    for jump_s in CLOCK_JUMPS_S:
        set_clock(clock, jump_s)
        time.sleep(CLOCK_STAY_S)
        arena.wait_for_answers(1)
        time_ns = arena.status().time_ns
        if time_ns < last_ns:
            raise NotRecovered(f"the matcher's time went back from {last_ns} to {time_ns}")
        last_ns = time_ns
    if last_ns < time.time_ns() + (max(CLOCK_JUMPS_S) // 2) * 1_000_000_000:
        raise NotRecovered("the matcher did not see the clock jump")


def set_clock(path: Path, offset_s: int) -> None:
    with path.open("r+b") as file:
        file.write(offset_s.to_bytes(8, "little", signed=True))
