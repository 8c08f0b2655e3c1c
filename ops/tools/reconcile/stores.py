"""What PostgreSQL and Redis hold of a shard, read for a comparison."""

import asyncio
import time
from typing import Any, NamedTuple, Self

import asyncpg
from redis.asyncio import Redis
from tradepit.ledger.ports import AccountPosition
from tradepit.protocol.names import applied_key, position_key
from tradepit.tools.reconcile.recorded import (
    ORDER_FIELDS,
    TRADE_FIELDS,
    OpenOrder,
    price_that_stays,
)
from tradepit.tools.reconcile.report import Check

CALL_TIMEOUT_S = 60.0  # the checking views read whole tables
CONNECT_TIMEOUT_S = 5.0
POLL_S = 0.05
PAGE_COUNT = 1_000

VIEWS = {
    "unbalanced_entries": "postings of an entry that do not sum to zero",
    "balance_differences": "balances that are not the sum of their postings",
    "position_differences": "positions that are not the sum of their trades",
    "order_differences": "orders that are not the sum of their trades",
    "trade_change_differences": "trades whose changes contradict them",
}
_ENDED = (3, 4)  # OrderStatus filled and canceled


class Tables(NamedTuple):
    """A shard's tables at one seq, read in one transaction."""

    seq: int
    digest: int
    balances: dict[tuple[int, int], int]  # (account_id, asset_id) -> units
    positions: dict[tuple[int, int], AccountPosition]
    open_orders: dict[int, OpenOrder]
    view_rows: dict[str, list[dict[str, Any]]]


async def read_tables(postgres_url: str, shard_id: int, seq: int, wait_s: float) -> Tables:
    """The tables once they have reached `seq`, or as they are after `wait_s`."""
    connection = await asyncpg.connect(
        postgres_url, timeout=CONNECT_TIMEOUT_S, command_timeout=CALL_TIMEOUT_S
    )
    try:
        deadline_s = time.monotonic() + wait_s
        while True:
            applied = await connection.fetchval(
                "SELECT seq FROM applied WHERE shard_id = $1", shard_id
            )
            if (applied or 0) >= seq or time.monotonic() > deadline_s:
                break
            await asyncio.sleep(POLL_S)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            row = await connection.fetchrow(
                "SELECT seq, digest FROM applied WHERE shard_id = $1", shard_id
            )
            balances = await connection.fetch(
                "SELECT account_id, asset_id, total_units FROM balances "
                "WHERE shard_id = $1 AND total_units <> 0",
                shard_id,
            )
            positions = await connection.fetch(
                f"SELECT {', '.join(AccountPosition._fields)} FROM positions "  # noqa: S608 - names of ours alone
                "WHERE shard_id = $1",
                shard_id,
            )
            orders = await connection.fetch(
                "SELECT order_id, order_type, account_id, instrument_id, client_order_id, side, "
                "price_ticks, quantity_lots, filled_lots FROM orders "
                "WHERE shard_id = $1 AND status <> ALL ($2::smallint[])",
                shard_id,
                _ENDED,
            )
            view_rows = {
                view: [
                    dict(found)
                    for found in await connection.fetch(f"SELECT * FROM {view} LIMIT 10")  # noqa: S608 - names of ours alone
                ]
                for view in VIEWS
            }
    finally:
        connection.terminate()
    return Tables(
        seq=row["seq"] if row else 0,
        digest=row["digest"] % 2**64 if row else 0,
        balances={(r["account_id"], r["asset_id"]): r["total_units"] for r in balances},
        positions={
            (r["account_id"], r["instrument_id"]): AccountPosition._make(map(int, r))
            for r in positions
        },
        open_orders={
            row["order_id"]: OpenOrder(
                row["account_id"],
                row["instrument_id"],
                row["client_order_id"],
                row["side"],
                price_that_stays(row["order_type"], row["price_ticks"]),
                row["quantity_lots"],
                row["filled_lots"],
            )
            for row in orders
        },
        view_rows=view_rows,
    )


async def read_sums(
    postgres_url: str, shard_id: int, first_seq: int, last_seq: int
) -> dict[str, list[int]]:
    """Count and column sums of the orders and trades that these commands made: as `Recorded`. The
    columns never change, so the tables may have moved on.
    """
    connection = await asyncpg.connect(
        postgres_url, timeout=CONNECT_TIMEOUT_S, command_timeout=CALL_TIMEOUT_S
    )
    sums = {}
    try:
        for table, fields in (("orders", ORDER_FIELDS), ("trades", TRADE_FIELDS)):
            columns = ", ".join(f"coalesce(sum({column}), 0)" for column in fields.values())
            row = await connection.fetchrow(
                f"SELECT count(*), {columns} FROM {table} "  # noqa: S608 - names of ours alone
                f"WHERE shard_id = $1 AND {fields['seq']} BETWEEN $2 AND $3",
                shard_id,
                first_seq,
                last_seq,
            )
            sums[table] = [int(value) for value in row or ()]
    finally:
        connection.terminate()
    return sums


class CachedPositions:
    """The mirror of `positions` in Redis. Use as `async with`."""

    def __init__(self, redis_url: str, shard_id: int) -> None:
        self._shard_id = shard_id
        self._redis: Redis = Redis.from_url(
            redis_url,
            socket_timeout=CONNECT_TIMEOUT_S,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            decode_responses=True,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await self._redis.aclose()

    async def compare(self, tables: Tables, check: Check, wait_s: float) -> list[str]:
        """Hold every row against the tables'. Rows that are newer than the tables are left alone.
        The keys that differ.
        """
        deadline_s = time.monotonic() + wait_s
        while (applied := await self._applied_seq()) < tables.seq:
            if time.monotonic() > deadline_s:
                check.differ(
                    f"the cache is complete up to seq {applied}, the tables to {tables.seq}"
                )
                break
            await asyncio.sleep(POLL_S)
        wrong = []
        left = {position_key(*place): row for place, row in tables.positions.items()}
        found_count = 0
        async for key in self._redis.scan_iter(match="tp:position:*", count=PAGE_COUNT):
            fields = await self._redis.hgetall(key)
            if fields.get("shard_id") != str(self._shard_id):
                continue
            found_count += 1
            row = left.pop(key, None)
            if _number(fields.get("seq")) > tables.seq:
                continue
            expected = {} if row is None else {n: str(v) for n, v in row._asdict().items()}
            if fields != expected:
                wrong.append(key)
                check.differ(f"{key}: {fields} in the cache, {expected or 'nothing'} in the tables")
        for key in left:
            wrong.append(key)
            check.differ(f"{key}: missing in the cache")
        check.compared = f"{found_count} positions in the cache at seq {applied}"
        return wrong

    async def repair(self, keys: list[str]) -> None:
        """Remove what differs and the mark of completeness: the ledger then builds the mirror anew."""
        for start in range(0, len(keys), PAGE_COUNT):
            await self._redis.unlink(*keys[start : start + PAGE_COUNT])
        await self._redis.unlink(applied_key(self._shard_id))

    async def _applied_seq(self) -> int:
        return _number(await self._redis.get(applied_key(self._shard_id)))


def _number(text: object) -> int:
    return int(text) if isinstance(text, str) and text.isdecimal() else 0
