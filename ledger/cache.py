"""Mirrors `positions` in Redis, behind the Cache protocol.

`offer` only notes rows; one task writes them, so that Redis, slow or gone, never holds up the ledger.
A row replaces an older one only (compare-and-set on seq, in a script), so that repeats and races do
no harm. `tp:applied:<shard>` says up to which seq the mirror is complete. A value there that is older
than what this task left means that Redis was flushed, restarted or restored: it is looked for with
every write and once a second, and the mirror is then built again from PostgreSQL. So it is when what
was noted does not go on where the mirror ends: a COMMIT of unknown outcome stored rows of which nobody
was told.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from tradepit.ledger.errors import Interrupted, LedgerStopped
from tradepit.ledger.ports import AccountPosition
from tradepit.ledger.store import PositionReader
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.log import get_logger
from tradepit.protocol.names import applied_key, position_key

log = get_logger(__name__)

TIMEOUT_S = 2.0
CLOSE_TIMEOUT_S = 1.0
CHECK_INTERVAL_S = 1.0
RETRY_WAIT_MAX_S = 1.0
PIPELINE_COUNT = 500
NOTED_ROWS_MAX = 100_000
"""More than this waiting for Redis are forgotten, and the mirror is built again later."""

# KEYS: the position. ARGV: seq, then field, value, field, value ... A double holds seq to 2^53.
_PUT = """
local seq = redis.call('HGET', KEYS[1], 'seq')
if seq and tonumber(seq) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
"""


# KEYS: applied. ARGV: the seq that we left there, the new one. Returns what was there.
_ADVANCE = """
local found = redis.call('GET', KEYS[1])
if found and tonumber(found) >= tonumber(ARGV[1]) and tonumber(ARGV[2]) > tonumber(found) then
    redis.call('SET', KEYS[1], ARGV[2])
end
return found
"""


class RedisCache:
    """Use as `async with`; run `mirror_until` as a task."""

    def __init__(
        self,
        redis_url: str,
        shard_id: int,
        reader: PositionReader,
        *,
        on_written: Callable[[float], None] = lambda _took_s: None,
        on_interrupted: Callable[[], None] = lambda: None,
    ) -> None:
        self._shard_id = shard_id
        self._reader = reader
        self._on_written = on_written
        self._on_interrupted = on_interrupted
        try:
            self._redis: Redis = Redis.from_url(
                redis_url,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                max_connections=2,
                retry=Retry(NoBackoff(), 0),
                client_name="tradepit-ledger",
                decode_responses=True,
            )
        except ValueError as error:
            raise ConfigurationError(f"TRADEPIT_REDIS_URL: {error}") from error
        self._noted: dict[tuple[int, int], AccountPosition] = {}
        self._noted_after_seq: int | None = None
        """What was noted follows this seq; None if nothing was."""
        self._noted_seq = 0
        self._mirrored_seq = 0
        self._complete = False
        self._forgotten = False
        self._wake = asyncio.Event()
        self._script = ""

    @property
    def complete(self) -> bool:
        """The mirror held every position when it was last looked at."""
        return self._complete

    @property
    def mirrored_seq(self) -> int:
        return self._mirrored_seq

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._redis.aclose()
        except (OSError, TimeoutError, RedisError) as close_error:
            log.warning("redis_not_closed", error=repr(close_error))

    def offer(self, before_seq: int, seq: int, positions: Iterable[AccountPosition]) -> None:
        if len(self._noted) > NOTED_ROWS_MAX:
            self._noted.clear()
            self._forgotten = True
        if self._noted_after_seq is None:
            self._noted_after_seq = before_seq
        elif before_seq != self._noted_seq:
            self._forgotten = True
        for position in positions:
            self._noted[position.account_id, position.instrument_id] = position
        self._noted_seq = seq
        self._wake.set()

    def wake(self) -> None:
        """Let `mirror_until` look at its stop event at once."""
        self._wake.set()

    async def finish(self) -> None:
        """Write what the last transactions left, if Redis is there; else the next start heals it."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if self._complete and not self._forgotten:
                    await self._flush()
        except (OSError, TimeoutError, RedisError) as error:
            log.warning("positions_not_cached", error=repr(error))

    async def mirror_until(self, stop: asyncio.Event) -> None:
        """Write what was noted, and heal what is missing, until `stop` is set."""
        trouble = ""
        while not stop.is_set():
            try:
                if self._forgotten or not self._complete:
                    await self._rebuild()
                await self._flush()
                if trouble:
                    log.info("redis_recovered")
                    trouble = ""
                wait_s = CHECK_INTERVAL_S
            except (OSError, TimeoutError, RedisError, Interrupted, LedgerStopped) as error:
                self._complete = False
                if not trouble:  # once, not every second
                    self._on_interrupted()
                    log.warning("positions_not_cached", error=repr(error))
                trouble = repr(error)
                wait_s = RETRY_WAIT_MAX_S * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
                self._wake.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _flush(self) -> None:
        self._wake.clear()
        after_seq, self._noted_after_seq = self._noted_after_seq, None
        if self._forgotten or (after_seq is not None and after_seq > self._mirrored_seq):
            self._forgotten = True  # also what was noted: it is stored, and so will be read
            self._noted.clear()
            self._wake.set()
            return
        noted, self._noted = self._noted, {}
        seq = max(self._noted_seq, self._mirrored_seq)
        started_s = time.perf_counter()
        await self._put(list(noted.values()))
        found_seq = _seq_of(
            await self._redis.eval(
                _ADVANCE, 1, applied_key(self._shard_id), self._mirrored_seq, seq
            )
        )
        if found_seq is None or found_seq < self._mirrored_seq:
            log.warning(
                "cache_lost", found_seq=found_seq, left_seq=self._mirrored_seq, building_it_again=1
            )
            self._complete = False
            self._wake.set()
            return
        if noted:
            self._on_written(time.perf_counter() - started_s)
        self._mirrored_seq = seq

    async def _rebuild(self) -> None:
        """Make the mirror complete. What commits meanwhile is noted, and written after."""
        key = applied_key(self._shard_id)
        lost = self._forgotten  # then rows are missing whatever Redis says
        self._forgotten = False
        found_seq = await self._applied_seq()  # before PostgreSQL is read: it cannot be ahead then
        count = 0
        seq = 0
        async with aclosing(self._reader.read()) as pages:
            first = True
            async for seq, rows in pages:
                if first and found_seq == seq and not lost:
                    break  # nothing was lost
                if first and found_seq is not None and found_seq > seq:
                    await self._remove_all(found_seq, seq)
                if first:
                    await self._redis.delete(key)  # until the last row is there
                first = False
                await self._put(rows)
                count += len(rows)
        if lost or found_seq != seq:
            await self._redis.set(key, seq)
            log.info("cache_built", seq=seq, found_seq=found_seq, positions=count)
        self._mirrored_seq = seq
        self._complete = True

    async def _remove_all(self, found_seq: int, seq: int) -> None:
        """Remove the shard's positions: they are of another history than PostgreSQL's."""
        log.warning("cache_ahead", found_seq=found_seq, seq=seq, removing="the shard's rows")
        async for key in self._redis.scan_iter(match="tp:position:*", count=1000):
            if await self._redis.hget(key, "shard_id") == str(self._shard_id):
                await self._redis.unlink(key)

    async def _applied_seq(self) -> int | None:
        return _seq_of(await self._redis.get(applied_key(self._shard_id)))

    async def _put(self, rows: Sequence[AccountPosition]) -> None:
        for start in range(0, len(rows), PIPELINE_COUNT):
            part = rows[start : start + PIPELINE_COUNT]
            try:
                await self._put_part(part)
            except NoScriptError:  # the first time, and after a restart of Redis
                self._script = await self._redis.script_load(_PUT)
                await self._put_part(part)

    async def _put_part(self, rows: Sequence[AccountPosition]) -> None:
        if not self._script:
            self._script = await self._redis.script_load(_PUT)
        async with self._redis.pipeline(transaction=False) as pipeline:
            for row in rows:
                fields: list[Any] = [row.seq]
                for name, value in row._asdict().items():
                    fields += (name, value)
                pipeline.evalsha(
                    self._script, 1, position_key(row.account_id, row.instrument_id), *fields
                )
            await pipeline.execute()


def _seq_of(value: object) -> int | None:
    """What `tp:applied` holds; None if it holds nothing that this module wrote."""
    return int(value) if isinstance(value, str) and value.isdecimal() else None
