"""JetStream in memory, as far as the publisher and the ledger use it, with what goes wrong there.

`Connection` stands where nats-py's client does. Messages of a connection keep their order. One that
has died may still have bytes under way, which arrive late. The stream checks what a server checks, in
its order: the message id seen before, the sequence it must follow, the id it must follow.
"""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

from nats.errors import ConnectionClosedError, NoServersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import ConsumerConfig, Header, StreamConfig
from nats.js.errors import NotFoundError

from tests.simulation.options import Options
from tests.simulation.virtual_loop import VirtualLoop, Way, run_now

DEDUPE_S = 120.0
CONNECT_S = 0.02

Callback = Callable[[Any], Awaitable[None]]


class Message(NamedTuple):
    subject: str
    data: bytes
    reply: str = ""
    headers: dict[str, str] | None = None


class Stored(NamedTuple):
    message_id: str
    data: bytes
    time_s: float


@dataclass
class Stream:
    config: StreamConfig
    stored: list[Stored] = field(default_factory=list)
    synced_count: int = 0
    ids: dict[str, tuple[int, float]] = field(default_factory=dict)
    last_id: str = ""

    @property
    def last_seq(self) -> int:
        return len(self.stored)

    def refusal(self, headers: dict[str, str], now_s: float) -> dict[str, Any] | None:
        """What the broker answers instead of storing the message."""
        seen = self.ids.get(headers.get(Header.MSG_ID, ""))
        if seen and now_s - seen[1] < DEDUPE_S:
            return {"stream": self.config.name, "seq": seen[0], "duplicate": True}
        expected = headers.get(Header.EXPECTED_LAST_SUBJECT_SEQUENCE)
        if expected is not None and int(expected) != self.last_seq:
            return _error(10071, f"wrong last sequence: {self.last_seq}")
        expected = headers.get(Header.EXPECTED_LAST_MSG_ID)
        if expected is not None and expected != self.last_id:
            return _error(10070, f"wrong last msg ID: {self.last_id}")
        return None

    def store(self, message: Message, now_s: float) -> None:
        message_id = (message.headers or {}).get(Header.MSG_ID, "")
        self.stored.append(Stored(message_id, message.data, now_s))
        self.ids[message_id] = (self.last_seq, now_s)
        self.last_id = message_id

    def cut(self, count: int, forgets_last_id: bool) -> None:
        """Lose what stands after `count`, as a server that starts again does."""
        del self.stored[count:]
        self.ids = {
            stored.message_id: (seq, stored.time_s)
            for seq, stored in enumerate(self.stored, start=1)
        }
        self.last_id = self.stored[-1].message_id if self.stored and not forgets_last_id else ""
        self.synced_count = len(self.stored)


@dataclass
class Consumer:
    name: str
    connection: "Connection"
    inbox: str
    next_seq: int
    sent_count: int = 0
    wanted: int = 0
    request: int = 0


class Broker:
    """One server with one shard's stream."""

    def __init__(
        self,
        loop: VirtualLoop,
        options: Options,
        random_: random.Random,
        seen: Counter[str],
    ) -> None:
        self.loop = loop
        self.seen = seen
        self.options = options
        self.random = random_
        self.is_up = True
        self.has_trouble = True
        self.stream: Stream | None = None
        self.consumers: dict[str, Consumer] = {}
        self.connections: list[Connection] = []
        self.names = itertools.count(1)
        self.observers: list[Callable[[Message], None]] = []
        loop.call_later(options.broker_sync_interval_s, self._sync)

    def chance(self, share: float) -> bool:
        return self.has_trouble and share > 0 and self.random.random() < share

    # What goes wrong.

    def stop(self) -> None:
        self.is_up = False
        for connection in list(self.connections):
            connection.break_off()
        self.consumers.clear()
        if self.stream is not None and self.options.broker_loses_unsynced:
            kept = self.random.randint(self.stream.synced_count, self.stream.last_seq)
            self.seen["broker: lost acknowledged messages"] += kept < self.stream.last_seq
            self.stream.cut(kept, self.options.broker_forgets_last_id)

    def start(self) -> None:
        self.is_up = True

    def wipe(self) -> None:
        self.stream = None
        for consumer in self.consumers.values():
            status = {"Status": "409", "Description": "Consumer Deleted"}
            consumer.connection.deliver(Message(consumer.inbox, b"", headers=status))
        self.consumers.clear()

    def _sync(self) -> None:
        if self.stream is not None:
            self.stream.synced_count = self.stream.last_seq
        self.loop.call_later(self.options.broker_sync_interval_s, self._sync)

    # What arrives.

    def receive(self, connection: "Connection", message: Message) -> None:
        if not self.is_up:
            return
        if message.subject.startswith("$JS.API.CONSUMER.MSG.NEXT."):
            self._request(connection, message)
        elif not message.subject.startswith("$JS.ACK."):
            self._publish(connection, message)

    def _publish(self, connection: "Connection", message: Message) -> None:
        if self.stream is None:
            self.seen["broker: no stream"] += 1
            connection.deliver(Message(message.reply, b"", headers={Header.STATUS: "503"}))
            return
        answer = self.stream.refusal(message.headers or {}, self.loop.time())
        if answer is not None:
            self.seen[f"broker: {answer.get('error', {}).get('err_code', 'duplicate')}"] += 1
        else:
            self.stream.store(message, self.loop.time())
            answer = {"stream": self.stream.config.name, "seq": self.stream.last_seq}
            for observer in self.observers:
                observer(message)
        if not self.chance(self.options.ack_loss_share):
            connection.deliver(Message(message.reply, json.dumps(answer).encode()))
        for consumer in list(self.consumers.values()):
            self._pump(consumer)

    def _request(self, connection: "Connection", message: Message) -> None:
        consumer = self.consumers.get(message.subject.rpartition(".")[2])
        if consumer is None:
            connection.deliver(Message(message.reply, b"", headers={Header.STATUS: "503"}))
            return
        request = json.loads(message.data)
        consumer.inbox = message.reply
        consumer.wanted = request["batch"]
        consumer.request += 1
        expires_s = self.loop.time() + request["expires"] / 1e9
        self._beat(consumer, consumer.request, request["idle_heartbeat"] / 1e9, expires_s)
        self._pump(consumer)

    def _beat(self, consumer: Consumer, number: int, interval_s: float, expires_s: float) -> None:
        def beat() -> None:
            if self.consumers.get(consumer.name) is not consumer or consumer.request != number:
                return
            if self.loop.time() >= expires_s:
                consumer.wanted = 0
                consumer.request += 1
                status = {"Status": "408", "Description": "Request Timeout"}
            else:
                status = {"Status": "100", "Description": "Idle Heartbeat"}
                self.loop.call_later(interval_s, beat)
            consumer.connection.deliver(Message(consumer.inbox, b"", headers=status))

        self.loop.call_later(interval_s, beat)

    def _pump(self, consumer: Consumer) -> None:
        stream, options = self.stream, self.options
        while stream is not None and consumer.wanted > 0 and consumer.next_seq <= stream.last_seq:
            seqs = [consumer.next_seq]
            if consumer.next_seq < stream.last_seq and self.chance(options.swap_share):
                seqs = [consumer.next_seq + 1, consumer.next_seq]
            consumer.next_seq += len(seqs)
            if self.chance(options.skip_share):
                seqs.pop()
            if self.chance(options.repeat_share):
                seqs.append(self.random.randint(1, consumer.next_seq - 1))
            for seq in seqs:
                consumer.wanted -= 1
                consumer.sent_count += 1
                ack = (
                    f"$JS.ACK.{stream.config.name}.{consumer.name}.1.{seq}.{consumer.sent_count}"
                    f".0.{stream.last_seq - consumer.next_seq + 1}"
                )
                consumer.connection.deliver(
                    Message(consumer.inbox, stream.stored[seq - 1].data, reply=ack)
                )


class Connection:
    """nats-py's client: what the publisher and the ledger call of it."""

    max_payload = 8 * 2**20

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.is_connected = False
        self.is_closed = False
        self.generation = 0
        self._callbacks: dict[str, Callback] = {}
        self._disconnected: Callable[[], Awaitable[None]] | None = None
        self._reconnects = False
        self.way_in = Way(broker.loop)
        self.way_out = Way(broker.loop)
        self._stalled_until_s = 0.0

    async def connect(self, _url: str, **settings: Any) -> None:
        await asyncio.sleep(CONNECT_S)
        if not self.broker.is_up:
            raise NoServersError
        self._disconnected = settings.get("disconnected_cb")
        self._reconnects = settings.get("max_reconnect_attempts") == -1
        self._open()

    def _open(self) -> None:
        self.is_connected = True
        self.generation += 1
        self.broker.connections.append(self)

    # What goes wrong.

    def kill(self) -> None:
        """Its process ends."""
        self._reconnects = False
        self._disconnected = None
        self.break_off()
        self.is_closed = True

    def break_off(self) -> None:
        if not self.is_connected:
            return
        self.is_connected = False
        self.broker.connections.remove(self)
        if self._disconnected is not None:
            run_now(self._disconnected())  # type: ignore[arg-type]
        if self._reconnects:
            self.broker.loop.call_later(0.25, self._reconnect)

    def _reconnect(self) -> None:
        if self.is_closed or self.is_connected:
            return
        if self.broker.is_up:
            self._open()
        else:
            self.broker.loop.call_later(0.25, self._reconnect)

    def stall(self, duration_s: float) -> None:
        self._stalled_until_s = self.broker.loop.time() + duration_s

    # Bytes under way.

    def travel(self, way: Way, arrive: Callable[[], None]) -> None:
        delay_s = self.broker.options.network_delay_s * self.broker.random.uniform(0.2, 2)
        way.send(delay_s, arrive, self._stalled_until_s)

    def send(self, message: Message) -> None:
        generation = self.generation

        def arrive() -> None:
            if self.is_connected and self.generation == generation:
                self.broker.receive(self, message)
            elif self.broker.chance(self.broker.options.late_publish_share):
                self.broker.seen["broker: late publish"] += message.subject.startswith("tp.")
                late_s = self.broker.random.uniform(0, 3)
                self.broker.loop.call_later(late_s, self.broker.receive, self, message)

        self.travel(self.way_out, arrive)

    def deliver(self, message: Message) -> None:
        generation = self.generation

        def arrive() -> None:
            if not self.is_connected or self.generation != generation:
                return
            callback = self._callbacks.get(message.subject) or self._callbacks.get(
                message.subject.rpartition(".")[0] + ".*"
            )
            if callback is not None:
                run_now(callback(message))  # type: ignore[arg-type]

        self.travel(self.way_in, arrive)

    # The client's methods.

    async def publish(
        self,
        subject: str,
        payload: bytes,
        reply: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        if not self.is_connected:
            raise ConnectionClosedError
        if not (
            subject.startswith("tp.") and self.broker.chance(self.broker.options.publish_loss_share)
        ):
            self.send(Message(subject, payload, reply, headers))

    async def subscribe(self, subject: str, cb: Callback, **_limits: int) -> Any:
        if self.is_closed:
            raise ConnectionClosedError
        self._callbacks[subject] = cb

        async def unsubscribe() -> None:
            self._callbacks.pop(subject, None)

        return SimpleNamespace(unsubscribe=unsubscribe)

    def new_inbox(self) -> str:
        return f"_INBOX.{next(self.broker.names)}"

    async def flush(self, _timeout_s: float = 0) -> None:
        pass

    async def close(self) -> None:
        self.kill()

    def jetstream(self, timeout: float) -> "JetStreamApi":
        return JetStreamApi(self, timeout)


class JetStreamApi:
    """nats-py's JetStreamContext: requests and their answers."""

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    async def _ask(self, answer: Callable[[Broker], Any]) -> Any:
        connection = self._connection
        future: asyncio.Future[Any] = connection.broker.loop.create_future()
        generation = connection.generation

        def is_alive() -> bool:
            return connection.is_connected and connection.generation == generation

        def there() -> None:
            if is_alive():
                result = answer(connection.broker)
                connection.travel(connection.way_in, lambda: back(result))

        def back(result: Any) -> None:
            if is_alive() and not future.done():
                future.set_result(result)

        if not connection.is_connected:
            raise ConnectionClosedError
        connection.travel(connection.way_out, there)
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await future
        except TimeoutError as error:
            raise NatsTimeoutError from error
        if isinstance(found, Exception):
            raise found
        return found

    async def stream_info(self, _name: str) -> Any:
        def info(broker: Broker) -> Any:
            if broker.stream is None:
                return NotFoundError()
            count = len(broker.stream.stored)
            state = SimpleNamespace(
                messages=count,
                first_seq=min(count, 1),
                last_seq=broker.stream.last_seq,
                num_deleted=None,
            )
            return SimpleNamespace(config=broker.stream.config, state=state, cluster=None)

        return await self._ask(info)

    async def add_stream(self, config: StreamConfig) -> None:
        def add(broker: Broker) -> None:
            if broker.stream is None:
                broker.stream = Stream(config)

        await self._ask(add)

    async def get_last_msg(self, name: str, _subject: str) -> Any:
        return await self.get_msg(name, seq=-1)

    async def get_msg(self, _name: str, seq: int) -> Any:
        def get(broker: Broker) -> Any:
            stored = broker.stream.stored if broker.stream is not None else []
            at = len(stored) if seq == -1 else seq
            if not 0 < at <= len(stored):
                return NotFoundError()
            return SimpleNamespace(seq=at, data=stored[at - 1].data)

        return await self._ask(get)

    async def add_consumer(self, _name: str, config: ConsumerConfig) -> Any:
        def add(broker: Broker) -> Any:
            if broker.stream is None:
                return NotFoundError()
            start = config.opt_start_seq or 1
            consumer = Consumer(f"c{next(broker.names)}", self._connection, "", start)
            broker.consumers[consumer.name] = consumer
            return SimpleNamespace(
                name=consumer.name, num_pending=broker.stream.last_seq - start + 1
            )

        return await self._ask(add)

    async def delete_consumer(self, _name: str, consumer: str) -> None:
        await self._ask(lambda broker: broker.consumers.pop(consumer, None) and None)


def _error(code: int, description: str) -> dict[str, Any]:
    return {"error": {"code": 400, "err_code": code, "description": description}}
