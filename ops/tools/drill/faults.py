"""What can be done to a running exchange, and what is expected of it."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import nats
from tradepit.protocol import names
from tradepit.tools.drill import cold, machine, network
from tradepit.tools.drill.arena import PARTS, SHARD_ID, TRADER_ACCOUNT_IDS, Arena
from tradepit.tools.drill.load import connect_and_leave

PAUSE_S = 10.0
SLOW_DISK_S = 5.0
STORM_CLIENTS = 100
STORM_ROUNDS = 3
CALL_TIMEOUT_S = 10.0
UNRULY_ANSWERS = 3_000

# Writes and syncs on the same disk as fast as it goes, until its input ends.
_HAMMER = """
import os, sys, threading
def hammer(path):
    block = os.urandom(1 << 20)
    with open(path, "wb", buffering=0) as file:
        while True:
            file.seek(0)
            for _ in range(8):
                file.write(block)
            os.fsync(file.fileno())
for path in sys.argv[1:]:
    threading.Thread(target=hammer, args=(path,), daemon=True).start()
sys.stdin.read()
os._exit(0)
"""


def _usual_setting(_folder: Path, _seed: int) -> AbstractContextManager[dict[str, str]]:
    return nullcontext({})


@dataclass(frozen=True)
class Fault:
    """`inject` breaks something and returns when the parts that it touched serve again."""

    name: str
    summary: str
    expected: str
    expected_recovery_s: float
    """Until every order is answered and every part works again, on two cores."""
    inject: Callable[[Arena, random.Random], None]
    chaos_weight: int = 2
    """How often `chaos` takes it, beside the others; 0 = never."""
    setting: Callable[[Path, int], AbstractContextManager[dict[str, str]]] = _usual_setting
    """What the exchange of this drill needs around it: takes the drill's folder and a seed, and gives
    environment variables for the exchange."""


def _kill(part: str) -> Callable[[Arena, random.Random], None]:
    return lambda arena, _: arena.kill(part)


def pause(arena: Arena, chance: random.Random, pause_s: float = 0.0) -> None:
    arena.signal("matcher", signal.SIGSTOP)
    try:
        time.sleep(pause_s or chance.uniform(0.5, 2.0))
    finally:
        arena.signal("matcher", signal.SIGCONT)


def wipe_stream(arena: Arena, _: random.Random) -> None:
    async def delete() -> None:
        client = await nats.connect(
            arena.exchange.document["nats_url"], connect_timeout=int(CALL_TIMEOUT_S)
        )
        try:
            await client.jetstream(timeout=CALL_TIMEOUT_S).delete_stream(
                names.events_stream(SHARD_ID)
            )
        finally:
            await client.close()

    asyncio.run(asyncio.wait_for(delete(), CALL_TIMEOUT_S))


def slow_disk(arena: Arena, _: random.Random) -> None:
    paths = [arena.data_dir / f"ballast-{number}" for number in range(2)]
    with subprocess.Popen([sys.executable, "-c", _HAMMER, *paths], stdin=subprocess.PIPE) as hammer:
        try:
            time.sleep(SLOW_DISK_S)
        finally:
            hammer.terminate()
    for path in paths:
        path.unlink(missing_ok=True)


def kill_snapshotter(arena: Arena, _: random.Random) -> None:
    """It is a child of the matcher's, not of the supervisor's."""

    def children() -> set[int]:
        matcher = arena.exchange.pids["matcher"]
        try:
            text = Path(f"/proc/{matcher}/task/{matcher}/children").read_text()
        except FileNotFoundError:  # it is being started
            return set()
        return set(map(int, text.split()))

    arena.wait(lambda: bool(children()), "a snapshotter")
    killed = children()
    for child in killed:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    arena.wait(lambda: bool(children() - killed), "another snapshotter")


def unruly_deliveries(arena: Arena, _: random.Random) -> None:
    """They have been so since the start: let some time pass."""
    arena.wait_for_answers(UNRULY_ANSWERS)


def reconnect_storm(arena: Arena, _: random.Random) -> None:
    account_id = TRADER_ACCOUNT_IDS[0]
    key = arena.key_of(account_id)
    for _round in range(STORM_ROUNDS):
        threads = [
            threading.Thread(
                target=connect_and_leave,
                args=(arena.exchange.order_endpoint, account_id, key),
                daemon=True,
            )
            for _client in range(STORM_CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(CALL_TIMEOUT_S)


FAULTS = {
    fault.name: fault
    for fault in (
        Fault(
            "kill-matcher",
            "SIGKILL the matcher while orders flow",
            "orders wait for its restart; each counts once, however often it is sent again",
            5.0,
            _kill("matcher"),
        ),
        Fault(
            "kill-ledger",
            "SIGKILL the ledger in the middle of a transaction",
            "orders do not notice; the tables catch up from where PostgreSQL says",
            5.0,
            _kill("ledger"),
        ),
        Fault(
            "kill-ingress",
            "SIGKILL the REST server",
            "ZeroMQ does not notice; REST clients send again under the same client_order_id",
            5.0,
            _kill("ingress"),
        ),
        Fault(
            "kill-nats",
            "SIGKILL NATS",
            "orders do not notice; the backlog waits in the journal and is published afterwards",
            5.0,
            _kill("nats"),
        ),
        Fault(
            "kill-postgres",
            "SIGKILL PostgreSQL's postmaster",
            "orders do not notice; a transaction whose outcome is unknown is looked up, not repeated",
            10.0,
            _kill("postgres"),
        ),
        Fault(
            "kill-redis",
            "SIGKILL the cache, which keeps nothing",
            "orders do not notice; positions are read from PostgreSQL until the cache is built again",
            5.0,
            _kill("redis"),
        ),
        Fault(
            "pause",
            f"SIGSTOP the matcher for {PAUSE_S:.0f} s",
            "orders wait; what timed out is sent again and counts once",
            PAUSE_S + 5.0,
            lambda arena, chance: pause(arena, chance, PAUSE_S),
            chaos_weight=0,
        ),
        Fault(
            "short-pause",
            "SIGSTOP the matcher for a second or two",
            "orders wait",
            5.0,
            pause,
        ),
        Fault(
            "wipe-stream",
            "delete the JetStream stream",
            "orders do not notice; the matcher makes it anew from the journal, and the ledger skips "
            "what it has",
            10.0,
            wipe_stream,
        ),
        Fault(
            "slow-disk",
            f"write and sync on the same disk as fast as it goes for {SLOW_DISK_S:.0f} s",
            "orders take longer; none fails",
            SLOW_DISK_S + 5.0,
            slow_disk,
            chaos_weight=0,
        ),
        Fault(
            "reconnect-storm",
            f"{STORM_CLIENTS} clients connect, log on and leave, {STORM_ROUNDS} times",
            "orders take longer; no session is lost",
            10.0,
            reconnect_storm,
        ),
        Fault(
            "power-cut",
            "SIGKILL everything at once; drop what no answer vouches for from journal and stream",
            "after the next start everything acknowledged is there",
            15.0,
            cold.power_cut,
            chaos_weight=1,
        ),
        Fault(
            "torn-journal",
            "the power goes while a group of commands is being written",
            "the torn group, which was never acknowledged, is cut off and reported",
            15.0,
            cold.torn_journal,
            chaos_weight=1,
        ),
        Fault(
            "flip-journal",
            "flip one bit of an acknowledged command in the journal",
            "the matcher refuses to start and names file, offset and seq; with the bit put right it "
            "starts",
            20.0,
            cold.flip_journal,
            chaos_weight=0,
        ),
        Fault(
            "flip-snapshot",
            "flip one bit of the newest snapshot",
            "the matcher says so, and starts from the snapshot before it",
            20.0,
            cold.flip_snapshot,
            chaos_weight=0,
            setting=cold.many_snapshots,
        ),
        Fault(
            "kill-snapshotter",
            "SIGKILL the second engine that follows the journal",
            "orders do not notice; another one goes on from the newest snapshot",
            5.0,
            kill_snapshotter,
        ),
        Fault(
            "flip-stream",
            "flip one bit of the stream's file",
            "the stream is read no further than its damage; it is made anew from the journal",
            20.0,
            cold.flip_stream,
            chaos_weight=0,
        ),
        Fault(
            "fill-disk",
            "fill the journal's disk, then make room (needs root: it mounts a file system of its own)",
            "orders are refused with storage_full, and taken again once there is room",
            60.0,
            machine.fill_disk,
            chaos_weight=0,
            setting=machine.small_disk,
        ),
        Fault(
            "clock-jump",
            "an hour forward, two back, a day forward, a day back (needs a C compiler)",
            "the exchange's time never goes back; orders go on",
            20.0,
            machine.clock_jump,
            chaos_weight=0,
            setting=machine.own_clock,
        ),
        Fault(
            "unruly-deliveries",
            "NATS delivers messages to the ledger twice and out of order",
            "the ledger skips repeats and reads again what it misses",
            10.0,
            unruly_deliveries,
            chaos_weight=0,
            setting=network.unruly_nats,
        ),
    )
}
KILLS = {f"kill-{part}": part for part in PARTS}
