"""A shard's process: recovers the journal, binds the sockets, runs the hot loop and the publisher."""

import asyncio
import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq
import zmq.backend.cython._zmq as zmq_extension
from tradepit.engine import JournalReader, MatcherCore
from tradepit.matcher import metrics
from tradepit.matcher.broker_sync import check_broker_sync
from tradepit.matcher.halt import ShardHalted, halt, refuse_if_halted, reserve
from tradepit.matcher.publisher import Publisher
from tradepit.matcher.readiness import Readiness
from tradepit.matcher.retirement import retire_until
from tradepit.matcher.settings import Settings
from tradepit.matcher.shard_traces import ShardTraces
from tradepit.matcher.snapshots import Diverged, Snapshots
from tradepit.protocol.errors import ConfigurationError, JournalDamaged, TradepitError
from tradepit.protocol.health_server import serve_health
from tradepit.protocol.log import get_logger
from tradepit.protocol.traces import make_tracer
from tradepit.protocol.vitals import Vitals, render
from tradepit.protocol.wire import MESSAGE_BYTES_MAX, Durability

log = get_logger(__name__)

# Longer messages are answered with a Reject up to this size; past it libzmq drops the peer.
RECEIVED_BYTES_MAX = 4 * MESSAGE_BYTES_MAX
ROUTER_RECEIVE_QUEUE_MESSAGES = 1000  # of one peer; what it sends beyond waits in its own process
ROUTER_SEND_QUEUE_MESSAGES = 10_000  # of one peer; the hot loop bounds their bytes
FEED_QUEUE_MESSAGES = 10_000
LINGER_MS = 1000
STREAM_CHECK_TIMEOUT_S = 5.0
# Where the journal may have lost its end, and the stream alone could tell.
DOUBTED_STREAM_CHECK_TIMEOUT_S = 60.0
STREAM_REPLICAS = 3  # under durability `replicated`
PUBLISH_REST_TIMEOUT_S = 10.0
LIBZMQ_MIN = (4, 3, 5)  # earlier ones have known holes


class HotLoopFailed(TradepitError):
    """The hot loop stopped by itself; the text says why."""


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; what was sequenced by then is durable and published.

    Raises ConfigurationError, JournalDamaged, HotLoopFailed, ShardHalted, or what the publisher stops
    the shard for: StreamAhead, StreamForked, StreamUnfit.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    with _locked(settings.journal_dir):
        refuse_if_halted(settings.journal_dir)
        reserve(settings.journal_dir)
        is_replicated = settings.durability == Durability.REPLICATED
        await check_broker_sync(settings.nats_monitor_urls, required=is_replicated)
        core, doubts = _recover(settings)
        tracer = make_tracer("matcher")
        publisher = Publisher(
            settings.nats_url,
            settings.shard_id,
            lambda: JournalReader(str(settings.journal_dir), settings.shard_id),
            lambda: core.committed_seq,
            replicas=STREAM_REPLICAS if is_replicated else 1,
            on_published=core.note_replicated,
            committed_ns=core.committed_ns,
            on_acknowledged=core.note_published,
            traces=None
            if tracer is None
            else ShardTraces(settings.shard_id, tracer, core.take_traced, core.committed_ns),
        )
        snapshots = Snapshots(
            settings.journal_dir,
            settings.shard_id,
            settings.segment_bytes,
            settings.snapshot_commands,
            lambda: core.committed_seq,
        )
        hot_loop = _HotLoop(settings, core, stop)
        readiness = Readiness(
            core,
            lambda: hot_loop.is_running,
            (lambda: (publisher.is_connected, publisher.published_seq)) if is_replicated else None,
        )
        registry = metrics.make_registry(
            core, publisher, snapshots, settings.journal_dir, readiness
        )
        vitals = Vitals("matcher", registry, lambda: not readiness.why_not_ready())
        with (
            _following(core, publisher, snapshots),
            vitals.watching_garbage(),
            serve_health(
                settings.metrics_host,
                settings.metrics_port,
                lambda: vitals.is_live,
                readiness.why_not_ready,
                lambda: render(registry, settings.shard_id),
            ),
        ):
            publishing_stop = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                publishing = tasks.create_task(
                    publisher.run(publishing_stop), name="matcher.publisher"
                )
                tasks.create_task(vitals.beat_until(stop, readiness.look), name="matcher.vitals")
                await _wait_for_stream(publisher, publishing, stop, doubts)
                with hot_loop.open():
                    snapshotting = tasks.create_task(
                        _take_snapshots(snapshots, settings, core, stop), name="matcher.snapshots"
                    )
                    tasks.create_task(
                        retire_until(
                            stop,
                            settings.journal_dir,
                            settings.retention_hours,
                            lambda: snapshots.kept,
                            lambda: publisher.published_seq,
                            publisher.removal_lock,
                        ),
                        name="matcher.retirement",
                    )
                    if not stop.is_set():
                        log.info(
                            "ready",
                            shard_id=settings.shard_id,
                            seq=core.committed_seq,
                            order_endpoint=settings.order_endpoint,
                            feed_endpoint=settings.feed_endpoint,
                        )
                    await stop.wait()
                publishing_stop.set()
                publisher.wake()
                await _finish(publishing)
        log.info("stopped", seq=core.committed_seq, published_seq=publisher.published_seq)
        if (halted := snapshotting.result()) is not None:
            raise halted


async def _take_snapshots(
    snapshots: Snapshots, settings: Settings, core: MatcherCore, stop: asyncio.Event
) -> ShardHalted | None:
    """Run the snapshotter until `stop` is set. What it returns has halted the shard."""
    if settings.snapshot_commands == 0:
        return None
    try:
        await snapshots.run(stop)
    except Diverged as error:
        halted = halt(settings.journal_dir, str(error), core.committed_seq)
        stop.set()
        return halted
    return None


def _recover(settings: Settings) -> tuple[MatcherCore, list[str]]:
    """The recovered core, and what makes it doubtful that this was all of the journal."""
    core = MatcherCore(
        str(settings.journal_dir), settings.shard_id, settings.durability, settings.segment_bytes
    )
    has_traces = any(
        next(settings.journal_dir.glob(traces), None) for traces in ("*.snapshot", "torn-*.bytes")
    )
    started_s = time.monotonic()
    try:
        recovery = core.recover()
    except RuntimeError as error:
        raise JournalDamaged(str(error)) from error
    for refusal in recovery.refusals:
        log.error("snapshot_refused", reason=refusal)
    if recovery.torn_bytes:
        saved = settings.journal_dir.glob(f"torn-{core.committed_seq + 1:020}*.bytes")
        log.warning(
            "torn_tail_cut",
            bytes=recovery.torn_bytes,
            after_seq=core.committed_seq,
            of="a_group_that_nothing_proves_synced",
            saved_as=max((path.name for path in saved), default="nothing:the_disk_is_full"),
        )
    log.info(
        "recovered",
        snapshot_seq=recovery.snapshot_seq,
        entries=recovery.entry_count,
        seq=core.committed_seq,
        took_s=round(time.monotonic() - started_s, 2),
    )
    doubts = {
        "torn_tail_cut": recovery.torn_bytes > 0,
        "snapshot_refused": bool(recovery.refusals),
        "empty_journal_beside_traces_of_another": has_traces and core.committed_seq == 0,
    }
    return core, [doubt for doubt, is_there in doubts.items() if is_there]


async def _wait_for_stream(
    publisher: Publisher,
    publishing: asyncio.Task[None],
    stop: asyncio.Event,
    doubts: list[str],
) -> None:
    """Give the stream the chance to say that it is ahead of this journal, before orders come."""
    timeouts_s = [STREAM_CHECK_TIMEOUT_S]
    if doubts:
        timeouts_s.append(DOUBTED_STREAM_CHECK_TIMEOUT_S - STREAM_CHECK_TIMEOUT_S)
    waits = [
        asyncio.ensure_future(publisher.is_synchronized.wait()),
        asyncio.ensure_future(stop.wait()),
    ]
    try:
        for timeout_s in timeouts_s:
            done, _ = await asyncio.wait(
                [*waits, publishing], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if done:
                break
            if timeout_s != timeouts_s[-1]:
                log.error(
                    "stream_unreachable",
                    waiting_s=round(timeouts_s[-1]),
                    because_of=",".join(doubts),
                    the_stream_may_know_more=1,
                )
    finally:
        for wait in waits:
            wait.cancel()
    if not publisher.is_synchronized.is_set() and not stop.is_set():
        log.error("stream_unreachable", opening_anyway=1, backlog_waits_in="journal")


async def _finish(publishing: asyncio.Task[None]) -> None:
    try:
        await asyncio.wait_for(publishing, PUBLISH_REST_TIMEOUT_S)
    except TimeoutError:
        log.warning("publishing_unfinished", goes_on="after_the_next_start")


class _HotLoop:
    """The thread that orders go through, with its sockets."""

    def __init__(self, settings: Settings, core: MatcherCore, stop: asyncio.Event) -> None:
        self.is_running = False
        self._settings = settings
        self._core = core
        self._stop = stop
        self._error: str | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Serve orders while the context is open. Raises HotLoopFailed at its end."""
        loop = asyncio.get_running_loop()
        with zmq.Context() as context, _router(context) as router, _feed(context) as feed:
            _bind(router, self._settings.order_endpoint, "TRADEPIT_ORDER_ENDPOINT")
            _bind(feed, self._settings.feed_endpoint, "TRADEPIT_FEED_ENDPOINT")
            thread = threading.Thread(
                target=self._run, args=(router, feed, loop), name="hot-loop", daemon=True
            )
            thread.start()
            self.is_running = True
            try:
                yield
            finally:
                self.is_running = False
                self._core.stop()
                thread.join()
        if self._error is not None:
            raise HotLoopFailed(self._error)

    def _run(
        self,
        router: zmq.Socket[bytes],
        feed: zmq.Socket[bytes],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        keys = [(key.key_bytes, key.account_id, key.is_operator) for key in self._settings.keys]
        try:
            self._core.run(router.underlying, feed.underlying, zmq_extension.__file__, keys)
        except RuntimeError as error:
            self._error = str(error)
        loop.call_soon_threadsafe(self._stop.set)


def _router(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.setsockopt(zmq.ROUTER_HANDOVER, 0)
    router.setsockopt(zmq.SNDHWM, ROUTER_SEND_QUEUE_MESSAGES)
    router.setsockopt(zmq.RCVHWM, ROUTER_RECEIVE_QUEUE_MESSAGES)
    router.setsockopt(zmq.MAXMSGSIZE, RECEIVED_BYTES_MAX)
    router.setsockopt(zmq.HANDSHAKE_IVL, 5000)
    router.setsockopt(zmq.HEARTBEAT_IVL, 1000)
    router.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3000)
    router.setsockopt(zmq.TCP_KEEPALIVE, 1)
    router.setsockopt(zmq.BACKLOG, 128)
    router.setsockopt(zmq.LINGER, LINGER_MS)
    return router


def _feed(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    feed = context.socket(zmq.PUB)
    feed.setsockopt(zmq.SNDHWM, FEED_QUEUE_MESSAGES)
    feed.setsockopt(zmq.MAXMSGSIZE, 1024)  # subscribers send topics only
    feed.setsockopt(zmq.HANDSHAKE_IVL, 5000)
    feed.setsockopt(zmq.LINGER, 0)
    return feed


def _bind(socket: zmq.Socket[bytes], endpoint: str, setting: str) -> None:
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        raise ConfigurationError(
            f"cannot listen on {endpoint} ({error.strerror}): another process uses it, or it is "
            f"not an address of this machine; set {setting}"
        ) from error


@contextmanager
def _following(core: MatcherCore, publisher: Publisher, snapshots: Snapshots) -> Iterator[None]:
    """Wake the publisher and the snapshotter after each commit."""
    loop = asyncio.get_running_loop()

    def on_commit() -> None:
        core.clear_follower_fd()
        publisher.wake()
        snapshots.wake()

    loop.add_reader(core.follower_fd, on_commit)
    try:
        yield
    finally:
        loop.remove_reader(core.follower_fd)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One matcher for a journal."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write to {directory} ({error.strerror}): set TRADEPIT_DATA_DIR to a folder "
            "that this user may write to"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                f"another matcher runs on {directory}: stop it, or give this one another "
                "TRADEPIT_SHARD_ID or TRADEPIT_DATA_DIR"
            ) from error
        yield
    finally:
        os.close(lock)


def check_libzmq() -> None:
    """Refuse a libzmq that is too old. Raises ConfigurationError."""
    if zmq.zmq_version_info() < LIBZMQ_MIN:
        raise ConfigurationError(
            f"libzmq {zmq.zmq_version()} is too old: pip install -U pyzmq (it brings 4.3.5)"
        )
