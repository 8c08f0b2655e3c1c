"""One run: the parts, what goes wrong with them, and the calm after it, in which all must converge."""

import asyncio
import logging
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from tradepit.ledger import cache as ledger_cache
from tradepit.ledger import stream as ledger_stream
from tradepit.ledger.errors import Fenced, GapFound, LedgerStopped
from tradepit.matcher import publisher as matcher_publisher
from tradepit.protocol import wire
from tradepit.protocol.wire import LogonFlag, Reason

from tests.simulation.broker import Broker, Connection
from tests.simulation.cache import SimulatedRedis, SimulatedRedisClient
from tests.simulation.checkers import Checkers, Violation
from tests.simulation.clients import OPERATOR, Client, opening
from tests.simulation.database import Database
from tests.simulation.options import Options
from tests.simulation.processes import SEGMENT_BYTES, SHARD_ID, Ledger, Matcher
from tests.simulation.virtual_loop import VirtualLoop, Way

CLIENT_TICK_S = 0.05
CALM_SHARE = 0.02
FAULTS_LAST_S = 15.0
POLL_S = 0.1
NOTES_MAX = 4000


class World:
    shard_id = SHARD_ID

    def __init__(self, options: Options, loop: VirtualLoop) -> None:
        self.options = options
        self.loop = loop
        self.random = random.Random(options.seed)
        self.notes: list[str] = []
        self.failure: BaseException | None = None
        self.has_trouble = True
        self.calm_s = math.inf
        self.is_disk_full = False
        self.failed = asyncio.Event()
        self.seen: Counter[str] = Counter()
        """Situations that it went through, and how often."""
        self.broker = Broker(loop, options, self._random("broker"), self.seen)
        self.database = Database(SHARD_ID, options, self._random("database"), self.seen)
        self.redis = SimulatedRedis(self._random("redis"), self.seen)
        self.checkers = Checkers(self)
        self.clients = [self._client(account) for account in range(options.trader_count + 1)]
        self._by_routing_id: dict[bytes, Client] = {}
        self.matcher = Matcher(self, self._random("matcher"))
        self.ledgers = [Ledger(self, "ledger")]
        self._ways: dict[bytes, Way] = {}

    def _random(self, name: str) -> random.Random:
        return random.Random(f"{name} {self.options.seed}")

    def chance(self, share: float) -> bool:
        return self.has_trouble and share > 0 and self.random.random() < share

    def note(self, text: str) -> None:
        if len(self.notes) < NOTES_MAX:
            self.notes.append(f"{self.loop.time():9.4f} {text}")

    def fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.failed.set()

    def asks_for(self, error: LedgerStopped) -> bool:
        """Whether the ledger had to stop: for a fault that makes it, and that was not long ago."""
        options = self.options
        if self.loop.time() > self.calm_s + FAULTS_LAST_S:
            return False
        if isinstance(error, GapFound):  # left out, or swapped each time that it was read again
            return options.skip_share > 0 or options.swap_share > 0
        return isinstance(error, Fenced) and options.second_ledger_rate > 0

    # Clients and the way to the matcher.

    def _client(self, account_id: int) -> Client:
        random_ = self._random(f"client {account_id}")
        flags = LogonFlag(0)
        if account_id != OPERATOR and random_.random() < self.options.tied_share:
            flags = LogonFlag.CANCEL_ON_DISCONNECT
        return Client(account_id, flags, random_, self._send, self._connect, self.loop.time)

    def _connect(self, client: Client) -> None:
        self._by_routing_id.pop(client.routing_id, None)
        client.routing_id = self.matcher.connect(client.routing_id)
        self._by_routing_id[client.routing_id] = client

    def _travel(self, way: bytes, arrive: Callable[[], None]) -> None:
        delay_s = self.options.network_delay_s * self.random.uniform(0.2, 2)
        self._ways.setdefault(way, Way(self.loop)).send(delay_s, arrive)

    def _send(self, client: Client, payload: bytes) -> None:
        routing_id = client.routing_id
        self._travel(routing_id, lambda: self.matcher.deliver(routing_id, payload))

    def reply(self, routing_id: bytes, payload: bytes) -> None:
        def arrive() -> None:
            client = self._by_routing_id.get(routing_id)
            if client is not None:
                try:
                    client.receive(payload)
                except AssertionError as error:
                    self.fail(error)

        self._travel(b"to" + routing_id, arrive)

    async def _run_client(self, client: Client) -> None:
        options = self.options
        share = options.commands_per_second * CLIENT_TICK_S / (options.records_per_message_max + 1)
        if client.is_operator:
            share /= 20
        while True:
            await asyncio.sleep(CLIENT_TICK_S * client.random.uniform(0.5, 1.5))
            client.give_up_waiting(options.request_timeout_s)
            if self.chance(options.reset_rate * CLIENT_TICK_S):
                client.reconnect()
            # In the calm a trickle goes on: some things are only noticed with the next commit.
            if client.random.random() < (2 * share if self.has_trouble else CALM_SHARE):
                count = client.random.randint(1, options.records_per_message_max)
                client.act(count, options.query_share)

    # What goes wrong.

    def _faults(self) -> list[tuple[float, Callable[[], None]]]:
        options, matcher, broker = self.options, self.matcher, self.broker
        return [
            (options.power_cut_rate, lambda: self._if_matcher(lambda: matcher.die(power=True))),
            (options.kill_rate, lambda: self._if_matcher(lambda: matcher.die(power=False))),
            (
                options.cut_in_write_rate,
                lambda: matcher.disk.cut_after(self.random.randint(1, 12)),
            ),
            (
                options.sync_failure_rate,
                lambda: matcher.disk.fail_sync_after(self.random.randint(0, 5)),
            ),
            (options.disk_full_rate, self._fill_disk),
            (options.broker_restart_rate, self._restart_broker),
            (options.wipe_rate, lambda: self._noted("stream wiped", broker.wipe)),
            (options.disconnect_rate, self._disconnect),
            (options.stall_rate, self._stall),
            (options.ledger_kill_rate, lambda: self.random.choice(self.ledgers).die()),
            (options.second_ledger_rate, self._second_ledger),
            (options.failover_rate, self._fail_over),
            (options.cache_flush_rate, lambda: self._noted("cache flushed", self.redis.flush)),
            (options.cache_restart_rate, self._restart_redis),
        ]

    async def _cause_trouble(self) -> None:
        faults = [fault for fault in self._faults() if fault[0] > 0]
        total_rate = sum(rate for rate, _ in faults)
        if not total_rate:
            return
        while True:
            await asyncio.sleep(self.random.expovariate(total_rate))
            self.random.choices(faults, [rate for rate, _ in faults])[0][1]()

    def _noted(self, text: str, cause: Callable[[], None]) -> None:
        self.note(text)
        cause()

    def _if_matcher(self, cause: Callable[[], None]) -> None:
        if self.matcher.core is not None:
            cause()

    def _fill_disk(self) -> None:
        self.note("disk full")
        self.is_disk_full = True
        self.matcher.disk.set_capacity(self.random.randint(1, 3) * SEGMENT_BYTES)

        def clear() -> None:
            self.matcher.disk.set_capacity(1 << 60)
            self.is_disk_full = False

        self.loop.call_later(self.random.uniform(0.1, 4), clear)

    def _restart_broker(self) -> None:
        if self.broker.is_up:
            self.note("broker stops")
            self.broker.stop()
            self.loop.call_later(self.random.uniform(0.01, 2), self.broker.start)

    def _connection(self) -> Connection | None:
        return self.random.choice(self.broker.connections) if self.broker.connections else None

    def _disconnect(self) -> None:
        if (connection := self._connection()) is not None:
            self.note("a connection to the broker breaks")
            connection.break_off()

    def _stall(self) -> None:
        if (connection := self._connection()) is not None:
            connection.stall(self.random.uniform(0.1, 7))

    def _second_ledger(self) -> None:
        if len(self.ledgers) == 1:
            self.note("a second ledger starts")
            self.ledgers.append(Ledger(self, "ledger.second"))
            self.ledgers[1].start()

    def _fail_over(self) -> None:
        self.note("the database fails over")
        self.database.refuses_until_s = self.loop.time() + self.random.uniform(0.1, 3)

    def _restart_redis(self) -> None:
        """Saves now, or goes back to what it saved."""
        if self.random.random() < 0.5:
            self.redis.save()
        else:
            self.note("redis restarts")
            self.redis.restart(self.random.uniform(0, 2))

    def _heal(self) -> None:
        self.note("calm")
        self.calm_s = self.loop.time()
        self.has_trouble = self.broker.has_trouble = self.database.has_trouble = False
        self.is_disk_full = False
        # Faults that wait for their moment will not have one; a power cut that has begun goes on.
        disk = self.matcher.disk
        if not disk.is_cut:
            disk.cut_after((1 << 64) - 1)
        disk.fail_sync_after((1 << 64) - 1)
        disk.set_capacity(1 << 60)
        self.database.refuses_until_s = 0.0
        for client in self.clients:
            # Rows of the others change no more: what is wrong with them stays wrong.
            client.instruments = client.instruments[:1]
        for ledger in self.ledgers[1:]:
            ledger.die(for_good=True)
        del self.ledgers[1:]
        if not self.broker.is_up:
            self.broker.start()

    # The run.

    async def run(self) -> None:
        """Raises Violation, or whatever the parts raise that they must not."""
        tasks = [self.loop.create_task(self._drive(), name="drive")]
        tasks.append(self.loop.create_task(self.failed.wait(), name="failed"))  # type: ignore[arg-type]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if self.failure is not None:
            raise self.failure

    async def _drive(self) -> None:
        options = self.options
        self.matcher.start()
        self.ledgers[0].start()
        operator = self.clients[0]
        for client in self.clients:
            client.reconnect()
        operator.ask(opening([client.account_id for client in self.clients[1:]]))
        background = [self._run_client(operator)]
        trouble = self.loop.create_task(self._cause_trouble(), name="trouble")
        running = [self.loop.create_task(run, name="client") for run in background]
        end_s = self.loop.time() + options.trouble_s
        deadline_s = end_s + options.quiet_s_max
        while operator.pending and self.loop.time() < deadline_s:  # noqa: ASYNC110 - no event
            await asyncio.sleep(POLL_S)
        for record in operator.told:
            if isinstance(record, wire.Reject) and record.reason != Reason.DUPLICATE_TRANSFER:
                raise AssertionError(f"the market was not set up: {record}")
        running += [
            self.loop.create_task(self._run_client(client), name="client")
            for client in self.clients[1:]
        ]
        await asyncio.sleep(max(end_s - self.loop.time(), options.trouble_s / 2))
        trouble.cancel()
        self._heal()
        await self._converge(running)
        self.checkers.check_everything()
        names = self.matcher.disk.names()
        self.seen["matcher: a second segment"] += sum(".journal" in name for name in names) > 1
        for client in self.clients:
            self.seen.update({f"client: {name}": n for name, n in client.refused.items()})

    async def _converge(self, running: list[asyncio.Task[None]]) -> None:
        """Everything is answered, published and stored; then the clients fall silent for the check."""
        deadline_s = self.loop.time() + self.options.quiet_s_max
        await self._wait(lambda: self._lag() == "", deadline_s)
        for task in running:
            task.cancel()
        # What was sent last is answered too.
        silent_s = self.loop.time()
        while any(client.pending for client in self.clients):
            await asyncio.sleep(POLL_S)
            for client in self.clients:
                client.give_up_waiting(self.options.request_timeout_s)
            if self.loop.time() > silent_s + self.options.quiet_s_max:
                raise Violation(f"clients wait for answers: {self._lag()}")
        await self._wait(lambda: self._lag() == "", deadline_s + self.options.quiet_s_max)

    async def _wait(self, holds: Callable[[], bool], deadline_s: float) -> None:
        while not holds():
            if self.loop.time() > deadline_s:
                raise Violation(f"it does not converge: {self._lag()}")
            await asyncio.sleep(POLL_S)

    def _lag(self) -> str:
        core, publisher = self.matcher.core, self.matcher.publisher
        if core is None or publisher is None:
            return "the matcher is down"
        seq = core.seq
        seqs = {
            "committed": core.committed_seq,
            "published": publisher.published_seq,
            "stored": self.database.position.seq,
        }
        late = [f"{name} {at} of {seq}" for name, at in seqs.items() if at != seq]
        if wrong := self.redis.differences(self.database):
            late.append(f"the cache: {wrong}")
        if core.is_writing or core.has_requests or self.broker.stream is None:
            late.append("work is left")
        return ", ".join(late)


@contextmanager
def in_place(world: World) -> Iterator[None]:
    """The production modules find the simulated clients where they look for nats-py's and redis-py's,
    and the loop's clock.
    """
    broker = world.broker

    def make() -> Connection:
        return Connection(broker)

    async def connect(url: str, **settings: Any) -> Connection:
        connection = make()
        await connection.connect(url, **settings)
        return connection

    changes: list[tuple[Any, str, Any]] = [
        (matcher_publisher, "nats", SimpleNamespace(connect=connect)),
        (ledger_stream, "Client", make),
        (
            ledger_cache,
            "Redis",
            SimpleNamespace(from_url=lambda *_, **__: SimulatedRedisClient(world.redis)),
        ),
        (ledger_stream, "time", SimpleNamespace(monotonic=broker.loop.time)),
    ]
    before = [getattr(module, name) for module, name, _ in changes]
    for module, name, value in changes:
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name, _), value in zip(changes, before, strict=True):
            setattr(module, name, value)


def unexpected(context: dict[str, Any]) -> BaseException:
    """What a callback or a task that nobody awaits has raised."""
    error = context.get("exception")
    return error if isinstance(error, BaseException) else Violation(str(context))


def simulate(options: Options, prepare: Callable[[World], None] | None = None) -> World:
    """One run from its beginning to its end; the world it was in. Raises what went wrong, with the
    world as `error.world`.
    """
    logging.disable(logging.CRITICAL)  # thousands of warnings, all of them asked for
    random.seed(options.seed)  # the jitter of the code under test
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    world = World(options, loop)
    loop.set_exception_handler(lambda _loop, context: world.fail(unexpected(context)))
    try:
        if prepare is not None:
            prepare(world)
        with in_place(world):
            loop.run_until_complete(world.run())
        return world
    except BaseException as error:
        error.world = world  # type: ignore[attr-defined]
        raise
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        with in_place(world):
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
        world.matcher.disk.uninstall()
        logging.disable(logging.NOTSET)
