"""What the ledger knows: closed orders, fills, positions, from PostgreSQL and Redis.

The ledger follows the matcher by some milliseconds. A reader who must see his own writes names the
seq that he has seen, and waits, with a bound, until the ledger has it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

import asyncpg
import redis.asyncio
from redis.exceptions import RedisError
from tradepit.ingress.errors import Problem
from tradepit.protocol.log import get_logger
from tradepit.protocol.names import applied_key, ids_of_shard, position_key

log = get_logger(__name__)

CONNECTIONS_MAX = 4
CONNECT_TIMEOUT_S = 2.0
STATEMENT_TIMEOUT_S = 2.0
CATCH_UP_TIMEOUT_S = 1.0
POLL_FIRST_S, POLL_MAX_S = 0.004, 0.05
REDIS_TIMEOUT_S = 0.25
HEALTH_TIMEOUT_S = 0.5
_ALL_AT_WORK = "too many reads of the ledger are at work: try again"

_ORDERS = """SELECT order_id, account_id, instrument_id, client_order_id, side, order_type,
    time_in_force, flags, price_ticks, quantity_lots, filled_lots, notional_units, fee_units, status,
    cancel_reason, updated_seq, updated_ns, self_trade_prevention, trigger_price_ticks,
    display_quantity_lots, expire_time_ns, offset_ticks, trail_offset_bps, peg_reference
    FROM orders LEFT JOIN order_terms USING (order_id)"""
# The index holds no order without an id, and is used only where that is said.
ORDERS_BY_CLIENT_ORDER_ID = f"""{_ORDERS}
    WHERE account_id = $1 AND client_order_id = $2 AND client_order_id <> 0
        AND status = ANY($3::smallint[]) AND shard_id = ANY($4::integer[])
    ORDER BY order_id DESC LIMIT $5"""
# By the shard's ids, which are one range of the primary key: other shards may share the database.
RECENT_TRADES = """SELECT trade_id, seq, time_ns, price_ticks, quantity_lots, instrument_id, taker_side
    FROM (SELECT * FROM current_trades WHERE trade_id BETWEEN $3 AND $4
        ORDER BY trade_id DESC LIMIT $2 * 20) AS newest
    WHERE instrument_id = $1 AND quantity_lots > 0 ORDER BY trade_id DESC LIMIT $2"""
_POSITION_FIELDS = (
    "bought_lots",
    "sold_lots",
    "bought_notional_units",
    "sold_notional_units",
    "fee_units",
    "trade_count",
    "seq",
)
# An account's own legs of trades as they stand, newest first. Two index scans, each bounded by the limit.
_FILLS = """
SELECT * FROM (
    (SELECT * FROM current_trades WHERE maker_account_id = $1 AND trade_id < $2
        AND ($3::bigint IS NULL OR instrument_id = $3)
        AND ($4::bigint IS NULL OR maker_order_id = $4 OR taker_order_id = $4)
     ORDER BY trade_id DESC LIMIT $5)
    UNION
    (SELECT * FROM current_trades WHERE taker_account_id = $1 AND trade_id < $2
        AND ($3::bigint IS NULL OR instrument_id = $3)
        AND ($4::bigint IS NULL OR maker_order_id = $4 OR taker_order_id = $4)
     ORDER BY trade_id DESC LIMIT $5)
) AS legs ORDER BY trade_id DESC LIMIT $5
"""


class Position(NamedTuple):
    """Running sums of an account's trades in one instrument, as of `seq`."""

    instrument_id: int
    bought_lots: int
    sold_lots: int
    bought_notional_units: int
    sold_notional_units: int
    fee_units: int
    trade_count: int
    seq: int


class LedgerReads:
    """Pools of connections to PostgreSQL and Redis. Use as an async context manager; it opens
    without either server, and each read then tells: Problem(ledger_unreachable), or Problem(busy)
    where too many are at work.
    """

    def __init__(self, postgres_urls: Mapping[int, str], redis_url: str) -> None:
        self._postgres_urls = postgres_urls  # by shard; several shards may share a database
        self._redis_url = redis_url
        self._pools: dict[str, asyncpg.Pool] = {}
        self._applied: dict[int, int] = {}  # newest seq seen per shard: it never falls

    async def __aenter__(self) -> Self:
        for url in dict.fromkeys(self._postgres_urls.values()):
            self._pools[url] = await asyncpg.create_pool(
                url,
                min_size=0,  # opens no connection yet
                max_size=CONNECTIONS_MAX,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=STATEMENT_TIMEOUT_S,
                max_inactive_connection_lifetime=60.0,
                server_settings={
                    "application_name": "tradepit-ingress",
                    "default_transaction_read_only": "on",
                    "statement_timeout": str(int(STATEMENT_TIMEOUT_S * 1000)),
                },
            )
        self._redis = redis.asyncio.Redis.from_url(
            self._redis_url,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            max_connections=16,
            decode_responses=True,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._redis.aclose()
                for pool in self._pools.values():
                    await pool.close()
        except TimeoutError:
            for pool in self._pools.values():
                pool.terminate()

    @asynccontextmanager
    async def _connection(self, url: str) -> AsyncIterator[Any]:
        """A connection to a database. What its server's absence raises becomes
        Problem(ledger_unreachable); that others have all connections, Problem(busy).
        """
        pool = self._pools[url]
        has_connection = False
        try:
            async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                has_connection = True
                yield connection
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            is_waiting = isinstance(error, TimeoutError) and not has_connection
            if is_waiting and pool.get_size() == pool.get_max_size():
                raise Problem("busy", _ALL_AT_WORK) from error
            log.warning("ledger_unreachable", error=type(error).__name__)
            raise Problem("ledger_unreachable") from error

    async def _gather(self, shard_ids: Sequence[int], query: str, *arguments: Any) -> list[Any]:
        """The rows of every database that these shards are in."""

        async def fetch(url: str) -> list[Any]:
            async with self._connection(url) as connection:
                rows: list[Any] = await connection.fetch(query, *arguments)
            return rows

        urls = dict.fromkeys(self._postgres_urls[shard_id] for shard_id in shard_ids)
        return [row for rows in await asyncio.gather(*map(fetch, urls)) for row in rows]

    async def applied_seq(self, shard_id: int) -> int:
        """The newest command of the shard that is in PostgreSQL; 0 for none."""
        async with self._connection(self._postgres_urls[shard_id]) as connection:
            seq = await connection.fetchval("SELECT seq FROM applied WHERE shard_id = $1", shard_id)
        self._applied[shard_id] = int(seq or 0)
        return self._applied[shard_id]

    async def catch_up(self, shard_id: int, seq: int) -> int:
        """Wait until the ledger has applied `seq`, at most CATCH_UP_TIMEOUT_S; where it stood when it
        last said so.
        """
        pause_s = POLL_FIRST_S
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_TIMEOUT_S):
                while (
                    self._applied.get(shard_id, 0) < seq and await self.applied_seq(shard_id) < seq
                ):
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, POLL_MAX_S)
        return self._applied.get(shard_id, 0)

    async def order(self, shard_id: int, account_id: int, order_id: int) -> Any | None:
        """The account's order of that id, or None."""
        rows = await self._gather(
            [shard_id], f"{_ORDERS} WHERE order_id = $1 AND account_id = $2", order_id, account_id
        )
        return rows[0] if rows else None

    async def orders(
        self,
        shard_ids: Sequence[int],
        account_id: int,
        *,
        before: int,
        statuses: Sequence[int],
        limit: int,
        instrument_id: int | None,
    ) -> list[Any]:
        """The account's orders with ids below `before`, highest first: of a shard, newest first."""
        rows = await self._gather(
            shard_ids,
            f"""{_ORDERS}
            WHERE account_id = $1 AND order_id < $2 AND status = ANY($3::smallint[])
                AND ($4::bigint IS NULL OR instrument_id = $4)
                AND shard_id = ANY($6::integer[])
            ORDER BY order_id DESC LIMIT $5""",
            account_id,
            before,
            list(statuses),
            instrument_id,
            limit,
            list(shard_ids),
        )
        return sorted(rows, key=lambda row: row["order_id"], reverse=True)[:limit]

    async def orders_of_client(
        self,
        shard_ids: Sequence[int],
        account_id: int,
        client_order_id: int,
        *,
        statuses: Sequence[int],
        limit: int,
    ) -> list[Any]:
        """The account's orders of that client order id, highest first: over time it may name several."""
        rows = await self._gather(
            shard_ids,
            ORDERS_BY_CLIENT_ORDER_ID,
            account_id,
            client_order_id,
            list(statuses),
            list(shard_ids),
            limit,
        )
        return sorted(rows, key=lambda row: row["order_id"], reverse=True)[:limit]

    async def fills(
        self,
        shard_ids: Sequence[int],
        account_id: int,
        *,
        before: int,
        limit: int,
        instrument_id: int | None,
        order_id: int | None,
    ) -> list[Any]:
        """The account's trades with ids below `before`, highest first: of a shard, newest first."""
        rows = await self._gather(
            shard_ids, _FILLS, account_id, before, instrument_id, order_id, limit
        )
        return sorted(rows, key=lambda row: row["trade_id"], reverse=True)[:limit]

    async def recent_trades(self, shard_id: int, instrument_id: int, limit: int) -> list[Any]:
        """The instrument's newest trades, newest first, without parties."""
        return await self._gather(
            [shard_id], RECENT_TRADES, instrument_id, limit, *ids_of_shard(shard_id)
        )

    async def cached_positions(
        self, account_id: int, instrument_ids: Sequence[int], shard_id: int, seq: int
    ) -> list[Position] | None:
        """Positions from Redis, if it has all of these at `seq` or later; else None.

        A position that is missing there may have been evicted: only PostgreSQL can say that there is
        none.
        """
        try:
            async with asyncio.timeout(2 * REDIS_TIMEOUT_S):
                async with self._redis.pipeline(transaction=True) as pipeline:
                    pipeline.get(applied_key(shard_id))
                    for instrument_id in instrument_ids:
                        pipeline.hgetall(position_key(account_id, instrument_id))
                    applied, *hashes = await pipeline.execute()
            if applied is None or int(applied) < seq:
                return None
            return [
                Position(instrument_id, *(int(found[name]) for name in _POSITION_FIELDS))
                for instrument_id, found in zip(instrument_ids, hashes, strict=True)
            ]
        except (RedisError, OSError, TimeoutError, KeyError, ValueError):
            return None

    async def positions(self, shard_id: int, account_id: int) -> list[Position]:
        """The account's positions from PostgreSQL. The sums are numeric there, whole numbers."""
        rows = await self._gather(
            [shard_id],
            """SELECT instrument_id, bought_lots::text, sold_lots::text,
                bought_notional_units::text, sold_notional_units::text, fee_units::text,
                trade_count, seq
            FROM positions WHERE account_id = $1 AND shard_id = $2 ORDER BY instrument_id""",
            account_id,
            shard_id,
        )
        return [Position(*(int(value) for value in row)) for row in rows]

    async def health(self) -> dict[str, bool]:
        """Which of the two servers answers now, and at once: whoever probes waits for it."""
        ledger, cache = await asyncio.gather(self._ledger_answers(), self._cache_answers())
        return {"ledger": ledger, "cache": cache}

    async def _ledger_answers(self) -> bool:
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                await asyncio.gather(*map(self.applied_seq, self._postgres_urls))
        except (Problem, TimeoutError):
            return False
        return True

    async def _cache_answers(self) -> bool:
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                await self._redis.ping()
        except (RedisError, OSError, TimeoutError):
            return False
        return True
