"""A shard's commit batches from JetStream, behind the EventStream protocol.

The consumer is ephemeral and made at every `open`, from where the store stands: what a consumer
remembers is never trusted. Pull requests are sent and their answers sorted here, one request
outstanding at a time, because a callback that only appends to a queue has no wait that a timeout
could interrupt with a message in hand. A watchdog listens for the request's heartbeats: silence,
a reconnect, or any status that ends the consumer raises StreamInterrupted, and the writer opens again.
"""

import asyncio
import json
import random
import time
from collections import deque
from types import TracebackType
from typing import Self

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from tradepit.ledger.batch import Position, StreamMessage
from tradepit.ledger.errors import StreamInterrupted, StreamMissing
from tradepit.protocol import names
from tradepit.protocol.commit_batch import header_of
from tradepit.protocol.errors import ConfigurationError, MalformedRecord
from tradepit.protocol.log import get_logger
from tradepit.protocol.traces import BATCH_HEADER

log = get_logger(__name__)

CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0
RETRY_MAX_S = 1.0
PING_INTERVAL_S = 2
RECONNECT_WAIT_S = 0.25

PULL_COUNT = 1024
PULL_BYTES = 9 * 2**20
"""Above the server's max_payload of 8 MiB: a message larger than this could never be delivered."""
PULL_EXPIRES_S = 10.0
HEARTBEAT_S = 1.0
SILENCE_MAX_S = 3.5
FETCH_BYTES = 2**20
"""Messages of about this size together make one transaction."""
BUFFER_BYTES_MAX = 4 * PULL_BYTES

ACK_WAIT_S = 60.0
"""Far above the time of a transaction. A message delivered again is a repeat, and skipped."""
INACTIVE_S = 60.0
ACKS_PENDING_MAX = 50_000

_NANOSECONDS = 1_000_000_000
# What the server says of a request that has got all that it asked for; the second since 2.10.
_REQUEST_IS_DONE = ("Message Size Exceeds MaxBytes", "Batch Completed")


class JetStream:
    """Use as `async with`, from one task."""

    def __init__(self, nats_url: str, shard_id: int) -> None:
        self._nats_url = nats_url
        self._stream = names.events_stream(shard_id)
        self._client = Client()
        self._js: JetStreamContext | None = None
        self._subscription: Subscription | None = None
        self._consumer = ""
        self._inbox = ""
        self._buffer: deque[StreamMessage] = deque()
        self._buffer_bytes = 0
        self._ack_subject: dict[int, str] = {}
        self._arrived = asyncio.Event()
        self._trouble = ""
        self._last_error = ""
        self._requested_count = 0
        self._heard_s = 0.0
        self.pending_count = 0
        """Messages that the server still has for this consumer, as of the last one received."""
        self.last_stream_seq = 0
        """Of the last message that the stream had at `open`, as its leader said."""

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def _connect(self) -> None:
        """Connect. Raises StreamInterrupted if the server does not answer in time."""
        self._client = Client()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._client.connect(
                    self._nats_url.split(","),
                    name="tradepit-ledger",
                    connect_timeout=2,
                    ping_interval=PING_INTERVAL_S,
                    max_outstanding_pings=2,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # a sleep's
                    pending_size=-1,  # an acknowledgement fails at once while disconnected
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnected,
                    closed_cb=self._on_closed,
                )
        except (OSError, TimeoutError, nats.errors.Error) as error:
            if "nats: invalid" in str(error):
                raise ConfigurationError(f"TRADEPIT_NATS_URL: {error}") from error
            trouble = self._last_error or str(error) or "no answer"
            raise StreamInterrupted(f"cannot connect to NATS: {trouble}") from error
        self._js = self._client.jetstream(timeout=REQUEST_TIMEOUT_S)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._forget_consumer()
                if self._client.is_connected:
                    await self._client.flush(1)  # the last acknowledgement
                await self._client.close()
        except (OSError, TimeoutError, nats.errors.Error) as close_error:
            log.warning("nats_not_closed", error=repr(close_error))

    async def open(self, position: Position) -> None:
        if self._client.is_closed:  # by an error that the server said, such as of the credentials
            await self._connect()
        assert self._js is not None, "enter the context first"
        try:
            async with asyncio.timeout(3 * REQUEST_TIMEOUT_S):
                await self._forget_consumer()
                await self._open(self._js, position)
        except nats.js.errors.NotFoundError as error:
            raise StreamMissing(f"stream {self._stream} does not exist yet") from error
        except (OSError, TimeoutError, nats.errors.Error) as error:
            raise StreamInterrupted(
                f"cannot read stream {self._stream}: {str(error) or 'no answer'}"
            ) from error

    async def open_whole(self, wait_s: float) -> None:
        """Read from the first message, for a tool that runs once. As `open`, tried again for `wait_s`:
        servers that have lost one of theirs are choosing a leader.
        """
        deadline_s = time.monotonic() + wait_s
        while True:
            try:
                return await self.open(Position())
            except StreamMissing:
                raise
            except StreamInterrupted as error:
                if time.monotonic() >= deadline_s:
                    raise
                log.warning("stream_not_open", stream=self._stream, trying_again=1, error=error)
            await asyncio.sleep(RETRY_MAX_S * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def _open(self, js: JetStreamContext, position: Position) -> None:
        start = await self._start_of(js, position)
        self._buffer.clear()
        self._buffer_bytes = 0
        self._ack_subject.clear()
        self._requested_count = 0
        self._trouble = ""
        self._arrived.clear()
        inbox = self._client.new_inbox()
        self._subscription = await self._client.subscribe(
            inbox,
            cb=self._on_message,
            pending_msgs_limit=4 * PULL_COUNT,
            pending_bytes_limit=2 * BUFFER_BYTES_MAX,
        )
        self._inbox = inbox
        info = await js.add_consumer(
            self._stream,
            ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=start,
                ack_policy=AckPolicy.ALL,  # one acknowledgement a transaction
                ack_wait=ACK_WAIT_S,
                max_ack_pending=ACKS_PENDING_MAX,
                inactive_threshold=INACTIVE_S,
                mem_storage=True,
                num_replicas=1,
            ),
        )
        self._consumer = info.name
        self._last_error = ""
        self.pending_count = info.num_pending or 0
        log.info("stream_opened", stream=self._stream, start=start, pending=self.pending_count)

    async def _start_of(self, js: JetStreamContext, position: Position) -> int:
        """The stream sequence to read from: after the message that carried `position`, if it is
        still there and the same, else the first.
        """
        info = await js.stream_info(
            self._stream
        )  # NotFoundError is of the stream, not of a message
        if info.cluster is not None and not info.cluster.leader:
            raise StreamInterrupted(f"stream {self._stream} has no leader: servers of it are away")
        self.last_stream_seq = info.state.last_seq
        if position.stream_seq == 0:
            return 1
        try:
            message = await js.get_msg(self._stream, seq=position.stream_seq)
            header = header_of(message.data or b"")
        except (nats.js.errors.NotFoundError, MalformedRecord):
            header = None
        if header is not None and (header.last_seq, header.last_digest) == (
            position.seq,
            position.digest,
        ):
            return position.stream_seq + 1
        log.warning(
            "stream_reread",
            stream=self._stream,
            seq=position.seq,
            stream_seq=position.stream_seq,
            reason="the message is not there any more",
        )
        return 1

    async def fetch(self, timeout_s: float) -> list[StreamMessage]:
        deadline_s = time.monotonic() + timeout_s
        while True:
            if self._trouble:
                raise StreamInterrupted(self._trouble)
            await self._request_more()
            if self._buffer:
                return self._take()
            now_s = time.monotonic()
            if now_s - self._heard_s > SILENCE_MAX_S:
                raise StreamInterrupted(
                    f"nothing heard of consumer {self._consumer} for {now_s - self._heard_s:.1f} s"
                )
            if now_s >= deadline_s:
                return []
            self._arrived.clear()
            try:
                async with asyncio.timeout(min(deadline_s - now_s, HEARTBEAT_S)):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    def _take(self) -> list[StreamMessage]:
        messages: list[StreamMessage] = []
        size_bytes = 0
        while self._buffer and size_bytes < FETCH_BYTES:
            message = self._buffer.popleft()
            size_bytes += len(message.data)
            messages.append(message)
        self._buffer_bytes -= size_bytes
        return messages

    async def _request_more(self) -> None:
        if self._requested_count > 0 or self._buffer_bytes >= BUFFER_BYTES_MAX:
            if not self._requested_count:
                self._heard_s = time.monotonic()  # nothing was asked for
            return
        request = {
            "batch": PULL_COUNT,
            "max_bytes": PULL_BYTES,
            "expires": int(PULL_EXPIRES_S * _NANOSECONDS),
            "idle_heartbeat": int(HEARTBEAT_S * _NANOSECONDS),
        }
        self._requested_count = PULL_COUNT
        self._heard_s = time.monotonic()
        try:
            await self._client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}",
                json.dumps(request).encode(),
                reply=self._inbox,
            )
        except (OSError, TimeoutError, nats.errors.Error) as error:
            raise StreamInterrupted(f"cannot ask for messages: {error!r}") from error

    async def acknowledge(self, stream_seq: int) -> None:
        subject = self._ack_subject.pop(stream_seq, None)
        for passed in [key for key in self._ack_subject if key < stream_seq]:
            del self._ack_subject[passed]
        if subject is None or self._trouble:
            return
        try:
            await self._client.publish(subject, b"+ACK")
        except (OSError, TimeoutError, nats.errors.Error) as error:
            log.warning("not_acknowledged", stream_seq=stream_seq, error=repr(error))

    async def _on_message(self, message: Msg) -> None:
        self._heard_s = time.monotonic()
        if not message.reply.startswith("$JS.ACK."):
            self._on_status(message.headers or {})
        else:
            # $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>;
            # newer servers put domain and account hash in front, so count from the end.
            tokens = message.reply.split(".")
            counts = tokens[4:9] if len(tokens) == 9 else tokens[6:11]
            stream_seq = int(counts[1])
            self.pending_count = int(counts[4])
            self._requested_count -= 1
            self._ack_subject[stream_seq] = message.reply
            traces = (message.headers or {}).get(BATCH_HEADER, "")
            self._buffer.append(StreamMessage(stream_seq, message.data, traces))
            self._buffer_bytes += len(message.data)
        self._arrived.set()

    def _on_status(self, headers: dict[str, str]) -> None:
        status = headers.get("Status", "")
        text = headers.get("Description", "")
        if status == "100":
            return
        if status in ("404", "408") or (status == "409" and text in _REQUEST_IS_DONE):
            # Nothing is wrong. One that ends for the number of its messages has been counted by them,
            # and the next may be under way already.
            if headers.get("Nats-Pending-Messages") != "0":
                self._requested_count = 0
            return
        self._trouble = f"the pull request ended: {status} {text}"

    async def _forget_consumer(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            try:
                await subscription.unsubscribe()
            except nats.errors.Error as error:
                log.debug("not_unsubscribed", error=repr(error))
        consumer, self._consumer = self._consumer, ""
        if consumer and self._js is not None and self._client.is_connected:
            try:
                await self._js.delete_consumer(self._stream, consumer)
            except (nats.errors.Error, TimeoutError) as error:
                log.debug("consumer_not_deleted", error=repr(error))  # it goes by itself

    def _fail(self, trouble: str) -> None:
        self._trouble = self._trouble or trouble
        self._arrived.set()

    async def _on_error(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if text != self._last_error:  # attempts to reconnect repeat it several times a second
            log.warning("nats_error", error=text)
        self._last_error = text
        if isinstance(error, nats.errors.SlowConsumerError):
            self._fail("messages were dropped: the buffer was full")

    async def _on_disconnected(self) -> None:
        log.warning("nats_disconnected")
        self._fail("the connection to NATS was lost")

    async def _on_closed(self) -> None:
        self._fail("the connection to NATS was closed")
