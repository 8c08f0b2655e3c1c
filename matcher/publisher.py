"""Sends what the journal has committed to JetStream, in order, once, and for as long as it takes.

The cursor is the journal itself, so nothing can be lost between it and the stream: after a restart,
or any trouble, the stream is asked for its last batch and publishing goes on from the seq after it.
Several batches are in flight. Each names the stream sequence that it must follow, and the batch
that must stand there: a batch's id is the seq and the chain digest at its end, so that the same id
means the same history. A batch that was lost, repeated or written by a second matcher makes the
broker refuse the next, and a stream of another history ends the shard.
"""

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, NoReturn

import nats
from nats.aio.client import Client as NatsClient
from nats.errors import ConnectionClosedError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    DiscardPolicy,
    Header,
    PubAck,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import APIError, NotFoundError
from tradepit.engine import JournalReader
from tradepit.matcher.async_publish import AsyncPublish
from tradepit.matcher.shard_traces import BatchTraces, ShardTraces
from tradepit.matcher.stream_end import end_of
from tradepit.protocol import names
from tradepit.protocol.commit_batch import header_of
from tradepit.protocol.errors import MalformedRecord, TradepitError
from tradepit.protocol.log import get_logger
from tradepit.protocol.traces import BATCH_HEADER
from tradepit.protocol.waiting import wait_for_event
from tradepit.protocol.wire import (
    COMMIT_BATCH_HEADER_LAYOUT,
    HEADER_SIZE,
    JOURNAL_ENTRY_LAYOUT,
)

log = get_logger(__name__)

BATCH_BYTES_MAX = 64 * 1024
PAYLOAD_BYTES_NEEDED = 2 * 1024 * 1024  # the longest entry: one command that trades 10,000 times
HEADERS_BYTES_MAX = 1024  # of one message; the broker counts them as payload
BATCHES_IN_FLIGHT_MAX = 8
# A stream of several replicas refuses a second message that names the stream's sequence while the
# first is on its way through the majority (err_code 10164), and each refusal costs a new connection.
REPLICATED_IN_FLIGHT_MAX = 1
# Batches begin at most this often while the stream keeps up, so that commits gather and leave the
# processor to the orders. The first commit after a pause goes out at once.
INTERVAL_S = 0.005
IDLE_WAIT_S = 1.0
LOOK_INTERVAL_S = 5.0
ACK_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2
RECONNECT_WAIT_S = 0.1
BACKOFF_S_MIN = 0.05
BACKOFF_S_MAX = 2.0
DUPLICATE_WINDOW_S = 120.0
UNLIMITED = (None, 0, -1)  # as the broker says it of a limit of a stream
SILENT_MAX = 3
SILENT_REMEDY = "a_nats_server_whose_disk_was_full_acknowledges_nothing_until_it_is_restarted"
NO_REPLICAS_WITHOUT_CLUSTER = 10074  # the broker's code: replicas > 1 not supported


class StreamAhead(TradepitError):
    """The stream holds commands that the journal lacks: it must not be continued."""


class StreamForked(TradepitError):
    """The stream holds other commands than the journal under the same seqs."""


class StreamUnfit(TradepitError):
    """The stream cannot keep what it is meant to keep; the text says what to change."""


class _InFlight(NamedTuple):
    ack: asyncio.Future[PubAck]
    last_seq: int
    committed_ns: int  # when its oldest command was, on the monotonic clock
    traces: BatchTraces | None


class Publisher:
    """One shard's publisher. `committed_seq` tells how far the journal may be read, `on_published` is
    told how far the stream has it, and `on_acknowledged` how many ns a batch's oldest command took
    since its commit, which `committed_ns` knows of the last ones. With several `replicas` answers wait for the stream: nothing is
    then put off to gather more.

    `wake` is called from outside after each commit. `published_seq` is what JetStream has
    acknowledged; `is_connected` says whether it answers at present.
    """

    def __init__(
        self,
        nats_url: str,
        shard_id: int,
        make_reader: Callable[[], JournalReader],
        committed_seq: Callable[[], int],
        *,
        replicas: int = 1,
        on_published: Callable[[int], None] = lambda _seq: None,
        committed_ns: Callable[[int], int] = lambda _seq: 0,
        on_acknowledged: Callable[[int], None] = lambda _took_ns: None,
        traces: ShardTraces | None = None,
    ) -> None:
        self.published_seq = 0
        self.removal_lock = threading.Lock()
        """Held while segments go because the stream has them, and while `published_seq` is taken back."""
        self._replicas = replicas
        self._interval_s = INTERVAL_S if replicas == 1 else 0.0
        self._in_flight_max = BATCHES_IN_FLIGHT_MAX if replicas == 1 else REPLICATED_IN_FLIGHT_MAX
        self._on_published = on_published
        self._committed_ns = committed_ns
        self._on_acknowledged = on_acknowledged
        self._traces = traces
        self.interruption_count = 0
        self.is_connected = False
        self.lost_message_count = 0  # that the stream once had, when it was last looked at
        self._reported_lost_count = 0
        self.is_synchronized = asyncio.Event()
        self._url = nats_url
        self._shard_id = shard_id
        self._subject = names.events_subject(shard_id)
        self._stream = names.events_stream(shard_id)
        self._make_reader = make_reader
        self._committed_seq = committed_seq
        self._committed = asyncio.Event()
        self._in_flight: deque[_InFlight] = deque()
        self._sender: AsyncPublish | None = None
        self._last_stream_seq = 0  # of the last batch that was sent, acknowledged or not
        self._last_message_id = ""  # of that batch, if this connection sent it
        self._sent_s = 0.0  # when, on the loop's clock
        self._is_healthy = False  # this connection has published, or had nothing to publish

    @property
    def in_flight_count(self) -> int:
        """Batches sent and not yet acknowledged."""
        return len(self._in_flight)

    def wake(self) -> None:
        """Something was committed."""
        self._committed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set and everything committed by then is in the stream.

        Outlives an absent broker. Raises StreamAhead, StreamForked, StreamUnfit, or RuntimeError if
        the journal cannot be read: the shard must stop.
        """
        backoff_s = BACKOFF_S_MIN
        silent_count = 0
        while True:
            has_answered = False
            try:
                client = await self._connect()
                try:
                    await self._publish_all(client, stop)
                    return
                finally:
                    has_answered = self.is_connected
                    if self._is_healthy:
                        backoff_s = BACKOFF_S_MIN
                    self._is_healthy = self.is_connected = False
                    self._abandon_in_flight()
                    self._in_flight.clear()
                    async with asyncio.timeout(ACK_TIMEOUT_S):
                        await client.close()
            except (NatsError, TimeoutError, OSError) as error:
                self.interruption_count += 1
                is_silent = has_answered and isinstance(error, TimeoutError)
                silent_count = silent_count + 1 if is_silent else 0
                log.warning(
                    "publishing_interrupted",
                    published_seq=self.published_seq,
                    committed_seq=self._committed_seq(),
                    error=repr(error),
                    **({"remedy": SILENT_REMEDY} if silent_count >= SILENT_MAX else {}),
                )
            if stop.is_set():
                return  # what is missing goes out after the next start
            await wait_for_event(stop, backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            backoff_s = min(2 * backoff_s, BACKOFF_S_MAX)

    async def _connect(self) -> NatsClient:
        connecting = nats.connect(
            self._url.split(","),
            name=f"tradepit-matcher-{self._shard_id}",
            connect_timeout=CONNECT_TIMEOUT_S,
            # run() starts over and asks the stream where it stands. Without the two lines that
            # follow the first, the client tries a server that refuses for two minutes.
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=RECONNECT_WAIT_S,
            ping_interval=2,
            max_outstanding_pings=2,
            error_cb=_log_error,
            disconnected_cb=self._on_disconnect,
        )
        async with asyncio.timeout(3 * CONNECT_TIMEOUT_S):
            client = await connecting
        if client.max_payload < PAYLOAD_BYTES_NEEDED:
            log.warning(
                "payload_limit_too_small",
                max_payload=client.max_payload,
                needed=PAYLOAD_BYTES_NEEDED,
                remedy="set_max_payload_8MB",
            )
        return client

    async def _publish_all(self, client: NatsClient, stop: asyncio.Event) -> None:
        jetstream = client.jetstream(timeout=ACK_TIMEOUT_S)
        reader = await self._synchronize(jetstream)
        self._sender = sender = AsyncPublish(client)
        async with asyncio.timeout(ACK_TIMEOUT_S):
            await sender.open()
        batch_bytes_max = max(min(BATCH_BYTES_MAX, client.max_payload - HEADERS_BYTES_MAX), 1)
        loop = asyncio.get_running_loop()
        look_s = loop.time()
        while True:
            if loop.time() >= look_s:
                await self._look_for_holes(jetstream, reader)
                look_s = loop.time() + LOOK_INTERVAL_S
            await self._send_committed(sender, reader, batch_bytes_max)
            if self._in_flight:
                await self._await_oldest()
            elif stop.is_set() and reader.next_seq > self._committed_seq():
                return
            else:
                await self._wait_for_commit(client)

    async def _synchronize(self, jetstream: JetStreamContext) -> JournalReader:
        """Ask the stream where it stands; make it if it is missing."""
        await self._ensure_stream(jetstream)
        last_seq, last_digest, damage = 0, None, ""
        self._last_stream_seq, self._last_message_id = 0, ""
        reader = self._make_reader()
        try:
            end = await end_of(jetstream, self._stream, self._subject)
            self._last_stream_seq, damage = end.stream_seq, end.damage
            if end.batch is not None:
                last_seq, last_digest = end.batch.last_seq, end.batch.last_digest
        except NotFoundError:
            self._note_published(0)
        except MalformedRecord as error:
            raise self._damaged(str(error)) from error
        if last_seq > self._committed_seq():
            raise StreamAhead(
                f"stream {self._stream} holds seq {last_seq}, the journal ends at "
                f"{self._committed_seq()}: this is not the journal that the stream was made from; if "
                "the journal was lost, `tradepit journal rebuild` makes it again from the stream"
            )
        if last_seq == 0 and (oldest_seq := reader.oldest_seq) > 1:
            log.error(
                "stream_lacks_the_past",
                stream=self._stream,
                first_seq=oldest_seq,
                removed_from_journal=1,
            )
            last_seq = oldest_seq - 1
        await asyncio.to_thread(reader.seek, last_seq + 1)
        if last_digest not in (None, reader.digest):
            raise StreamForked(
                f"stream {self._stream} holds another history than the journal up to seq "
                f"{last_seq}: another matcher has published as shard {self._shard_id}"
            )
        if damage:  # the journal has all that stands before it
            await self._make_anew(jetstream, reader, damage)
        self._note_published(last_seq)
        self.is_connected = True
        self.is_synchronized.set()
        log.info(
            "publishing",
            stream=self._stream,
            from_seq=last_seq + 1,
            committed_seq=self._committed_seq(),
        )
        return reader

    async def _ensure_stream(self, jetstream: JetStreamContext) -> None:
        wanted = StreamConfig(
            name=self._stream,
            subjects=[self._subject],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.NEW,
            num_replicas=self._replicas,
            duplicate_window=DUPLICATE_WINDOW_S,
            deny_delete=True,
            deny_purge=True,
            allow_direct=True,
        )
        try:
            found = (await self._stream_info(jetstream)).config
        except NotFoundError:
            try:
                self._note_published(0)
                await jetstream.add_stream(wanted)
            except APIError as error:
                raise self._unfit(error) from error
            return
        for name in ("storage", "retention", "discard", "deny_delete", "deny_purge"):
            if getattr(found, name) != getattr(wanted, name):
                raise StreamUnfit(
                    f"stream {self._stream} has {name} = {getattr(found, name)}, and needs "
                    f"{getattr(wanted, name)}: delete it, and it is made anew from the journal"
                )
        for name in ("max_age", "max_msgs", "max_bytes", "max_msgs_per_subject"):
            if (limit := getattr(found, name)) not in UNLIMITED:
                raise StreamUnfit(
                    f"stream {self._stream} has {name} = {limit}, and must keep everything: take "
                    "the limit away, or delete it, and it is made anew from the journal"
                )
        if (found.num_replicas or 1) < self._replicas:
            try:
                await jetstream.update_stream(found, num_replicas=self._replicas)
            except APIError as error:
                raise self._unfit(error) from error

    async def _stream_info(self, jetstream: JetStreamContext) -> StreamInfo:
        """What the stream's leader knows. Raises NatsError if there is none: a server that is left
        without a majority goes on answering, and names no leader.
        """
        info = await jetstream.stream_info(self._stream)
        if info.cluster is not None and not info.cluster.leader:
            raise NatsError("the stream has no leader: most of its servers are away")
        return info

    async def _look_for_holes(self, jetstream: JetStreamContext, reader: JournalReader) -> None:
        """A stream that has lost messages, by a damaged file or an operator's hand, stops its readers
        for good: it is deleted, to be made anew from the journal. Raises NotFoundError if it is gone.
        """
        try:
            state = (await self._stream_info(jetstream)).state
        except NotFoundError:
            self._note_published(0)
            raise
        self.lost_message_count = (state.num_deleted or 0) + max(state.first_seq - 1, 0)
        if not state.messages:
            if self._last_stream_seq > 0 and not self._in_flight:
                log.error(
                    "stream_damaged", stream=self._stream, emptied=1, made_anew_from="journal"
                )
                self._note_published(0)
                if self._replicas == 1 and reader.oldest_seq == 1:
                    await self._delete_stream(jetstream, reader, 1)
                raise NatsError("the stream was emptied, and is filled again from the journal")
            return
        if not self.lost_message_count:
            return
        if self._replicas > 1:
            # It is the only copy off this machine: what of it is worth keeping, a person decides.
            self._log_damaged("an_operator_must_decide")
            return
        first = await jetstream.get_msg(self._stream, seq=state.first_seq)
        try:
            first_seq = header_of(first.data or b"").first_seq
        except MalformedRecord as error:
            await self._make_anew(
                jetstream,
                reader,
                f"{self.lost_message_count} messages are lost, and its first: {error}",
            )
        if reader.oldest_seq > first_seq:
            self._log_damaged("the_journal_begins_later")
            return
        log.error(
            "stream_damaged",
            stream=self._stream,
            lost_messages=self.lost_message_count,
            made_anew_from="journal",
        )
        await self._delete_stream(jetstream, reader, first_seq)

    def _log_damaged(self, why_kept: str) -> None:
        if self.lost_message_count == self._reported_lost_count:
            return  # it is looked at every few seconds, and stays as it is
        self._reported_lost_count = self.lost_message_count
        log.error(
            "stream_damaged",
            stream=self._stream,
            lost_messages=self.lost_message_count,
            not_made_anew=why_kept,
        )

    async def _make_anew(
        self, jetstream: JetStreamContext, reader: JournalReader, damage: str
    ) -> NoReturn:
        """Delete a stream that holds what no matcher has written, if the journal has all of it."""
        log.critical("stream_damaged", stream=self._stream, damage=damage)
        if self._replicas > 1 or reader.oldest_seq != 1:
            raise self._damaged(damage)
        await self._delete_stream(jetstream, reader, 1)

    def _damaged(self, damage: str) -> StreamUnfit:
        return StreamUnfit(
            f"stream {self._stream} is damaged ({damage}), and is not made anew from the "
            "journal: it is the only copy off this machine, or the journal's beginning is gone. "
            "Restore the stream from a copy; or, once `tradepit journal verify` passes, delete "
            "it, and it is made anew from what the journal has"
        )

    async def _delete_stream(
        self, jetstream: JetStreamContext, reader: JournalReader, from_seq: int
    ) -> NoReturn:
        """The journal is to make it anew from `from_seq` on."""

        def keep_segments() -> None:
            # Once the stream is gone, nothing may be removed from the journal for its sake.
            with self.removal_lock:
                if reader.oldest_seq > from_seq:
                    raise NatsError("the journal's beginning was removed meanwhile: looking again")
                self._note_published(0)

        await asyncio.to_thread(keep_segments)
        await jetstream.delete_stream(self._stream)
        raise NatsError("the stream is damaged, and is made anew from the journal")

    def _unfit(self, error: APIError) -> Exception:
        """What the broker refuses for good; anything else may pass."""
        if error.err_code != NO_REPLICAS_WITHOUT_CLUSTER:
            return error
        return StreamUnfit(
            f"durability `replicated` needs a JetStream cluster of {self._replicas} servers, and "
            "TRADEPIT_NATS_URL names one that stands alone"
        )

    async def _send_committed(
        self, sender: AsyncPublish, reader: JournalReader, batch_bytes_max: int
    ) -> None:
        while len(self._in_flight) < self._in_flight_max:
            batch = reader.next_batch(self._committed_seq(), batch_bytes_max)
            if not batch:
                return
            header = header_of(batch)
            message_id = f"{self._shard_id}:{header.last_seq}:{header.last_digest:016x}"
            headers: dict[str, str] = {
                Header.MSG_ID: message_id,
                Header.EXPECTED_LAST_SUBJECT_SEQUENCE: str(self._last_stream_seq),
            }
            if self._last_message_id:
                # The sequence alone would let a batch follow whatever took the place of the one
                # before it: a late message of an earlier connection, or another matcher's.
                headers[Header.EXPECTED_LAST_MSG_ID] = self._last_message_id
            traces = None
            if self._traces is not None:
                traces = self._traces.of_batch(header.first_seq, header.last_seq)
                if traces.header:
                    headers[BATCH_HEADER] = traces.header
            async with asyncio.timeout(ACK_TIMEOUT_S):
                ack = await sender.send(self._subject, batch, headers)
            self._sent_s = asyncio.get_running_loop().time()
            self._last_stream_seq += 1
            self._last_message_id = message_id
            committed_ns = self._committed_ns(header.first_seq) or _sequenced_ns(batch)
            self._in_flight.append(_InFlight(ack, header.last_seq, committed_ns, traces))

    async def _await_oldest(self) -> None:
        oldest = self._in_flight[0]
        try:
            async with asyncio.timeout(ACK_TIMEOUT_S):
                ack = await asyncio.shield(oldest.ack)
        except APIError as error:
            log.warning("batch_refused", last_seq=oldest.last_seq, error=error)
            raise
        if ack.duplicate:
            raise NatsError("the stream has this batch already")
        self._in_flight.popleft()
        self._on_acknowledged(time.monotonic_ns() - oldest.committed_ns)
        if self._traces is not None and oldest.traces is not None:
            self._traces.published(oldest.traces)
        self._is_healthy = True
        self._note_published(oldest.last_seq)

    def _note_published(self, seq: int) -> None:
        self.published_seq = seq
        self._on_published(seq)

    async def _wait_for_commit(self, client: NatsClient) -> None:
        self._is_healthy = True
        await wait_for_event(self._committed, IDLE_WAIT_S)
        if not client.is_connected:
            raise ConnectionClosedError
        self._committed.clear()
        await asyncio.sleep(self._sent_s + self._interval_s - asyncio.get_running_loop().time())

    async def _on_disconnect(self) -> None:
        self._abandon_in_flight()
        self._committed.set()

    def _abandon_in_flight(self) -> None:
        if self._sender is not None:
            self._sender.abandon(ConnectionClosedError())


def _sequenced_ns(batch: bytes) -> int:
    """When the first command of a batch was sequenced, on the monotonic clock: of one that was
    committed long ago, the next best.
    """
    offset = COMMIT_BATCH_HEADER_LAYOUT.size + JOURNAL_ENTRY_LAYOUT.size + HEADER_SIZE
    time_ns = int.from_bytes(batch[offset : offset + 8], "little", signed=True)
    return time.monotonic_ns() - max(time.time_ns() - time_ns, 0)


async def _log_error(error: Exception) -> None:
    log.info("nats_error", error=repr(error))
