"""The loop that moves commit batches from the stream to the store, and their positions to the cache.

Where it stands is what the store says, and nothing else: after any trouble both ends are opened again
from there. So every command counts once, whatever is repeated, lost or restarted.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tradepit.ledger import batch_traces
from tradepit.ledger.batch import Batch, Instrument, Position
from tradepit.ledger.errors import (
    GapFound,
    Interrupted,
    LedgerStopped,
    StoreInterrupted,
    StreamMissing,
)
from tradepit.ledger.fold import fold
from tradepit.ledger.metrics import Metrics
from tradepit.ledger.ports import Cache, EventStream, Store
from tradepit.protocol.log import get_logger
from tradepit.protocol.traces import Tracer
from tradepit.protocol.waiting import wait_for_event

log = get_logger(__name__)

FETCH_TIMEOUT_S = 0.5
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 2.0
MISSING_STREAM_WAIT_MAX_S = 1.0
GAP_REREADS_MAX = 3
# Small transactions begin at most this often: under load each has more in it, and the processor time
# that the others would have cost is left to the orders. The first after a pause begins at once.
INTERVAL_S = 0.02
TRANSACTION_S_MAX = 5.0  # one that takes longer hangs, as far as anybody can tell
BACKLOG_COMMANDS = 1000  # a transaction of more does not wait


class Writer:
    """Writes one shard; `write_until` is the whole of its life."""

    def __init__(
        self,
        shard_id: int,
        stream: EventStream,
        store: Store,
        cache: Cache,
        metrics: Metrics,
        on_progress: Callable[[], None] = lambda: None,
        tracer: Tracer | None = None,
    ) -> None:
        self._shard_id = shard_id
        self._stream = stream
        self._store = store
        self._cache = cache
        self._metrics = metrics
        self._ready = False
        self._on_progress = on_progress
        self._tracer = tracer
        self._gap_count = 0
        self._position = Position()
        self._instruments: dict[int, Instrument] = {}
        self._busy_since_s = math.inf  # with what the store is asked

    @property
    def ready(self) -> bool:
        """The store and the stream are open, or there is no stream to read yet; and no transaction
        hangs.
        """
        return self._ready and time.monotonic() - self._busy_since_s < TRANSACTION_S_MAX

    async def write_until(self, stop: asyncio.Event) -> None:
        """Move batches until `stop` is set; a transaction that has begun is finished first.

        A server that goes away is waited for, without end. Raises LedgerStopped for what no second
        try can mend; nothing of it has been stored.
        """
        failure_count = 0
        missing_count = 0
        while not stop.is_set():
            try:
                await self._open()
                failure_count = missing_count = 0
                while not stop.is_set():
                    started_s = asyncio.get_running_loop().time()
                    command_count = await self._step()
                    if 0 < command_count < BACKLOG_COMMANDS:
                        passed_s = asyncio.get_running_loop().time() - started_s
                        await wait_for_event(stop, INTERVAL_S - passed_s)
            except LedgerStopped:
                self._ready = False
                raise
            except StreamMissing as error:
                if missing_count == 0:
                    log.info("waiting", reason=error)
                self._ready = self._position.seq == 0  # normal before the first order of a shard
                await wait_for_event(stop, min(backoff_s(missing_count), MISSING_STREAM_WAIT_MAX_S))
                missing_count += 1
            except Interrupted as error:
                self._ready = False
                server = "postgres" if isinstance(error, StoreInterrupted) else "nats"
                self._metrics.interruptions.labels(server).inc()
                wait_s = backoff_s(failure_count)
                failure_count += 1
                log.warning("interrupted", server=server, wait_s=round(wait_s, 1), error=error)
                await wait_for_event(stop, wait_s)
        self._ready = False

    @contextmanager
    def _busy(self) -> Iterator[None]:
        """While the store is asked."""
        self._busy_since_s = time.monotonic()
        try:
            yield
        finally:
            self._busy_since_s = math.inf

    async def _open(self) -> None:
        with self._busy():
            state = await self._store.open()
        self._position = state.position
        self._instruments = dict(state.instruments)
        self._metrics.applied_seq.set(state.position.seq)
        # A COMMIT whose outcome was unknown may have moved it: the cache then misses rows.
        self._cache.offer(state.position.seq, state.position.seq, ())
        await self._stream.open(state.position)
        self._ready = True

    async def _step(self) -> int:
        """Move what has come, if anything has. Returns how many commands were stored."""
        messages = await self._stream.fetch(FETCH_TIMEOUT_S)
        if not messages:
            self._on_progress()  # nothing is in the way
            return 0
        started_ns = time.time_ns()
        with self._metrics.fold_seconds.time():
            batch = fold(self._shard_id, messages, self._position, self._instruments)
        self._metrics.repeats.inc(batch.repeat_count)
        if batch.entry_count:
            with self._metrics.commit_seconds.time(), self._busy():
                positions = await self._store.write(batch)
            self._move_to(batch)
            self._cache.offer(batch.before.seq, batch.after.seq, positions)
            log.debug(
                "stored",
                shard_id=self._shard_id,
                first_seq=batch.before.seq + 1,
                last_seq=batch.after.seq,
            )
            self._metrics.lag_seconds.observe(max(time.time() - batch.first_time_ns / 1e9, 0.0))
            if self._tracer is not None:
                batch_traces.record(self._tracer, messages, batch, started_ns)
        if batch.gap_seq:
            await self._reread(batch.gap_seq)
        else:
            self._on_progress()
            await self._stream.acknowledge(messages[-1].stream_seq)
        return batch.entry_count

    def _move_to(self, batch: Batch) -> None:
        self._position = batch.after
        for record in batch.instruments.values():
            self._instruments[record.instrument_id] = Instrument(
                record.base_asset_id, record.quote_asset_id
            )
        self._gap_count = 0
        self._metrics.applied_seq.set(batch.after.seq)
        self._metrics.commands.inc(batch.entry_count)
        self._metrics.events.inc(batch.event_count)

    async def _reread(self, gap_seq: int) -> None:
        """Read again from where the store stands: what is missing may only have been late."""
        self._gap_count += 1
        self._metrics.gaps.inc()
        expected_seq = self._position.seq + 1
        if self._gap_count > GAP_REREADS_MAX:
            raise GapFound(
                f"the stream of shard {self._shard_id} goes on with seq {gap_seq}, but seq "
                f"{expected_seq} to {gap_seq - 1} are missing, also after reading it again "
                f"{GAP_REREADS_MAX} times"
            )
        log.warning("gap", expected_seq=expected_seq, found_seq=gap_seq, reading_again=1)
        await self._stream.open(self._position)


def backoff_s(failure_count: int) -> float:
    """How long to wait after so many failures in a row: doubled each time to a maximum, half random."""
    longest_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(failure_count, 16))
    return longest_s * random.uniform(0.5, 1)  # noqa: S311 - jitter
