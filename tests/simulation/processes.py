"""The two processes under test, with whoever starts them again: the matcher and the ledger."""

import asyncio
import itertools
import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from tradepit.engine import JournalReader
from tradepit.engine._core import SimulatedDisk, SimulatedMatcher
from tradepit.ledger.cache import RedisCache
from tradepit.ledger.errors import LedgerStopped
from tradepit.ledger.metrics import Metrics
from tradepit.ledger.stream import JetStream
from tradepit.ledger.writer import Writer
from tradepit.matcher.publisher import Publisher

from tests.simulation.broker import Connection
from tests.simulation.cache import SimulatedPositionReader
from tests.simulation.checkers import Violation
from tests.simulation.clients import key_of
from tests.simulation.database import SimulatedStore

if TYPE_CHECKING:
    from tests.simulation.world import World

SHARD_ID = 3
DIRECTORY = "/simulated"
SEGMENT_BYTES = 128 * 1024
ENTRY_BYTES_ROOM = 24 * 1024
URL = "nats://simulated"
STREAM_CHECK_S = 2.0
RESTART_S = (0.05, 1.5)
FIRST_NS = 1_700_000_000_000_000_000


class Matcher:
    """A shard's process. What it holds in memory dies with it; the disk stays."""

    def __init__(self, world: "World", random_: random.Random) -> None:
        self.world = world
        self.random = random_
        self.disk = SimulatedDisk()
        self.disk.install()
        self.core: SimulatedMatcher | None = None
        self.publisher: Publisher | None = None
        self.is_open = False
        """For orders."""
        self.synced_seq = 0
        """What had been committed when it last died."""
        self.recoveries = 0
        self.torn_count = 0
        self.connections: list[Connection] = []
        self._life = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._turn_at_s = 0.0
        self._is_turn_due = False
        self._is_preparing = False
        self._routing_ids = itertools.count(1)

    @property
    def now_ns(self) -> int:
        return FIRST_NS + int(self.world.loop.time() * 1e9)

    # Life and death.

    def start(self) -> None:
        world = self.world
        keys = [(key_of(client.account_id), client.account_id, client.is_operator)
                for client in world.clients]  # fmt: skip
        core = SimulatedMatcher(self.disk, SHARD_ID, SEGMENT_BYTES, ENTRY_BYTES_ROOM, keys)
        world.checkers.expect_refusal = self._turn_a_bit()
        try:
            _, torn_bytes = core.recover(self.now_ns)
        except RuntimeError as error:
            del core
            if self.disk.is_cut:
                self.die(power=True)
            else:
                world.checkers.refused(str(error))
                self._turn_back()
                self.die(power=False)
            return
        self.core = core
        self.recoveries += 1
        self.torn_count += torn_bytes > 0
        world.seen["matcher: torn tail"] += torn_bytes > 0
        world.note(f"matcher recovered seq={core.seq} torn_bytes={torn_bytes}")
        world.checkers.recovered(core)
        self._life += 1
        self._is_preparing = False
        self._is_turn_due = False
        self.publisher = Publisher(
            URL,
            SHARD_ID,
            lambda: JournalReader(DIRECTORY, SHARD_ID),
            lambda: core.committed_seq,
        )
        publish = world.loop.create_task(self._publish(self.publisher), name="matcher.publisher")
        opening = world.loop.create_task(self._open(self.publisher), name="matcher.opening")
        self._tasks = [publish, opening]

    async def _publish(self, publisher: Publisher) -> None:
        try:
            await publisher.run(asyncio.Event())
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - any failure ends the run
            if not self.disk.is_cut:
                self.world.fail(Violation(f"the publisher stopped: {error!r}"))

    async def _open(self, publisher: Publisher) -> None:
        try:
            async with asyncio.timeout(STREAM_CHECK_S):
                await publisher.is_synchronized.wait()
        except TimeoutError:
            pass  # opens anyway
        self.is_open = True
        self.soon()

    def die(self, *, power: bool) -> None:
        """Killed, or out of power; somebody starts it again."""
        world = self.world
        power = power or self.disk.is_cut
        world.note(f"matcher dies power={power}")
        if self.core is not None:
            world.seen["matcher: dies with a group handed over"] += self.core.is_writing
            world.seen["matcher: dies with a group written"] += self.core.is_written
            world.seen["matcher: dies with commands behind that group"] += (
                self.core.is_writing and self.core.has_pending
            )
        self._life += 1
        if self.core is not None:
            self.synced_seq = max(self.synced_seq, self.core.committed_seq)
        self.core = self.publisher = None
        self.is_open = False
        for connection in self.connections:
            connection.kill()
        self.connections.clear()
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        if power:
            options = world.options
            self.disk.cut_power(
                self.random.getrandbits(60), options.keep_percent, options.keeps_in_order
            )
        life = self._life
        restart_s = self.random.uniform(*RESTART_S)
        world.loop.call_later(restart_s, lambda: self.start() if self._life == life else None)

    def _turn_a_bit(self) -> bool:
        """Damage something that was acknowledged and is followed by a later commit."""
        world = self.world
        if not world.chance(world.options.bit_flip_share):
            return False
        place = world.checkers.place_to_damage(self.disk, self.random)
        if place is None:
            return False
        self._damage = (*place, self.random.randrange(8))
        world.note(f"a bit turns at {self._damage}")
        self.disk.flip_bit(*self._damage)
        return True

    def _turn_back(self) -> None:
        if self.world.checkers.expect_refusal:
            self.disk.flip_bit(*self._damage)  # as from a copy

    # Its work.

    def connect(self, old_routing_id: bytes) -> bytes:
        """A client's new connection; the one before is gone."""
        if self.core is not None and old_routing_id:
            self.core.disconnect(old_routing_id)
        return b"\0" + next(self._routing_ids).to_bytes(4, "big")

    def deliver(self, routing_id: bytes, payload: bytes) -> None:
        if self.core is not None and self.is_open:
            self.core.deliver(routing_id, payload)
            self.soon()

    def soon(self) -> None:
        """A turn of the hot loop is due."""
        if not self._is_turn_due and self.core is not None:
            self._is_turn_due = True
            life = self._life
            delay_s = self.world.options.network_delay_s * self.random.random() * 0.2
            self.world.loop.call_later(delay_s, lambda: self._turn(life))

    def _turn(self, life: int) -> None:
        core = self.core
        if life != self._life or core is None:
            return
        self._is_turn_due = False
        committed_seq = core.committed_seq
        is_failed = False
        try:
            sent = core.turn(self.now_ns)
        except RuntimeError as error:
            self.world.note(f"matcher stops: {error}")
            sent = core.sent_before_failure
            is_failed = True
        for routing_id, payload in sent:
            self.world.reply(routing_id, payload)
        if is_failed or self.disk.is_cut:
            self.die(power=False)
            return
        if core.committed_seq != committed_seq and self.publisher is not None:
            self.publisher.wake()
        if core.is_writing and not core.is_written:
            self._later(self._write)
        if core.needs_segment and not self._is_preparing:
            self._is_preparing = True
            self._later(self._prepare)
        if core.has_requests and not core.is_writing:
            self.soon()

    def _later(self, step: Callable[[], None]) -> None:
        life = self._life
        delay_s = self.world.options.disk_delay_s * self.random.uniform(0.1, 2)
        self.world.loop.call_later(delay_s, lambda: step() if self._life == life else None)

    def _write(self) -> None:
        core = self.core
        if core is None or not core.is_writing or core.is_written:
            return
        core.write()
        if self._goes_on():
            self._later(self._sync)

    def _sync(self) -> None:
        core = self.core
        if core is None or not core.is_written:
            return
        core.sync()
        if self._goes_on() and self.publisher is not None:
            self.publisher.wake()

    def _prepare(self) -> None:
        assert self.core is not None
        self.core.prepare()
        self._is_preparing = False
        if self._goes_on() and self.core.needs_segment:
            self._is_preparing = True
            life = self._life
            self.world.loop.call_later(1.0, lambda: self._prepare() if self._life == life else None)

    def _goes_on(self) -> bool:
        """After a step of the journal: its power may be gone; else the hot loop is woken."""
        if self.disk.is_cut:
            self.die(power=True)
            return False
        self.soon()
        return True


class Ledger:
    """The ledger's process."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.connections: list[Connection] = []
        self.stops: list[str] = []
        self._task: asyncio.Task[None] | None = None
        self._life = 0

    def start(self) -> None:
        self._life += 1
        self._task = self.world.loop.create_task(self._run(self._life), name=self.name)

    async def _run(self, life: int) -> None:
        world = self.world
        mirror: asyncio.Task[None] | None = None
        try:
            reader: Any = SimulatedPositionReader(world.database)
            cache = RedisCache("redis://simulated", SHARD_ID, reader)
            mirror = world.loop.create_task(
                cache.mirror_until(asyncio.Event()), name=f"{self.name}.cache"
            )
            mirror.add_done_callback(self._look_at)
            async with JetStream(URL, SHARD_ID) as stream:
                store = SimulatedStore(world.database, lambda: self._die_in(life))
                metrics = Metrics()
                metrics.gaps.inc = partial(self._count, "gap read again")  # type: ignore[method-assign]
                writer = Writer(SHARD_ID, stream, store, cache, metrics)
                await writer.write_until(asyncio.Event())
        except asyncio.CancelledError:
            raise
        except LedgerStopped as error:
            world.note(f"{self.name} stops: {error}")
            self.stops.append(type(error).__name__)
            world.seen[f"ledger: {type(error).__name__}"] += 1
            if not world.asks_for(error):
                world.fail(Violation(f"the ledger stopped: {error!r}"))
        except Exception as error:  # noqa: BLE001 - any failure ends the run
            if "cannot connect to NATS" not in str(error):
                world.fail(Violation(f"the ledger failed: {error!r}"))
        finally:
            if mirror is not None:
                mirror.cancel()
        self._restart(life)

    def _look_at(self, mirror: asyncio.Task[None]) -> None:
        if not mirror.cancelled() and mirror.exception() is not None:
            self.world.fail(Violation(f"the cache failed: {mirror.exception()!r}"))

    def _restart(self, life: int) -> None:
        delay_s = self.world.random.uniform(*RESTART_S)
        self.world.loop.call_later(delay_s, lambda: self.start() if self._life == life else None)

    def _count(self, what: str) -> None:
        self.world.seen[f"ledger: {what}"] += 1

    def _die_in(self, life: int) -> None:
        if self._life == life:
            self.die()

    def die(self, *, for_good: bool = False) -> None:
        self.world.note(f"{self.name} dies")
        for connection in self.connections:
            connection.kill()
        self.connections.clear()
        if self._task is not None:
            self._task.cancel()
        self._life += 1
        if not for_good:
            self._restart(self._life)
