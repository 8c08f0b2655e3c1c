"""What the ingress reads from the ledger's tables, and how many rows it reads for it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from tradepit.ingress import ledger_reads
from tradepit.ingress.errors import Problem
from tradepit.ingress.ledger_reads import ORDERS_BY_CLIENT_ORDER_ID, RECENT_TRADES, LedgerReads
from tradepit.ledger.migrate import migrate
from tradepit.protocol import wire
from tradepit.protocol.names import ids_of_shard, shard_of_id

TIMEOUT_S = 30.0
ACCOUNT_ID, INSTRUMENT_ID = 7, 1
CLOSED = [int(wire.OrderStatus.FILLED)]
SHARD_COUNT, ROW_COUNT = 3, 20_000  # rows of each shard
# The arguments: the shard's first id, the shard, how many rows. Every other order has a client order id.
FILL_ORDERS = """
    INSERT INTO orders
    SELECT $1::bigint + n - 1, $2::integer, 7, 1, n % 2 * n, 1, 1, 1, 0, 100, 5, 5, 500, 0, 3, 0, n, n, n, n
    FROM generate_series(1, $3) n"""
FILL_TRADES = """
    INSERT INTO trades
    SELECT $1::bigint + n - 1, $2::integer, n, n, 1, 1, 100, 5, 500, 5, n, 8, 0, 0, n, 9, 0, 0
    FROM generate_series(1, $3) n"""


@asynccontextmanager
async def filled(database_url: str) -> AsyncIterator[Any]:
    """A connection to a database that several shards share, with rows of each."""
    await migrate(database_url)
    connection = await asyncpg.connect(database_url, timeout=TIMEOUT_S, command_timeout=TIMEOUT_S)
    try:
        for shard_id in range(SHARD_COUNT):
            first_id, _ = ids_of_shard(shard_id)
            for statement in (FILL_ORDERS, FILL_TRADES):
                await connection.execute(statement, first_id, shard_id, ROW_COUNT)
        await connection.execute("ANALYZE orders, trades")
        yield connection
    finally:
        await connection.close(timeout=TIMEOUT_S)


async def rows_read(connection: Any, query: str, arguments: str) -> int:
    """How many rows the query looks at, as it runs once PostgreSQL has stopped planning it anew."""
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE asked AS {query}")
    text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked({arguments})")

    def read_by(node: Any) -> int:
        own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        return int(own * node["Actual Loops"]) + sum(map(read_by, node.get("Plans", [])))

    return read_by(json.loads(text)[0]["Plan"])


def test_the_ids_of_a_shard_are_those_that_name_it() -> None:
    for shard_id in (0, 1, 77, 2**15 - 1):
        first_id, last_id = ids_of_shard(shard_id)
        assert shard_of_id(first_id) == shard_of_id(last_id) == shard_id
        assert shard_of_id(first_id - 1) == shard_id - 1
        assert shard_of_id(last_id + 1) == shard_id + 1
        assert last_id < 2**63


def test_an_order_is_found_by_its_client_order_id_without_reading_the_others(
    database_url: str,
) -> None:
    async def run() -> None:
        async with filled(database_url) as connection, reads_of(database_url) as reads:
            name = 17
            found = await reads.orders_of_client(
                range(SHARD_COUNT), ACCOUNT_ID, name, statuses=CLOSED, limit=10
            )
            assert [row["order_id"] for row in found] == [
                ids_of_shard(shard_id)[0] + name - 1 for shard_id in reversed(range(SHARD_COUNT))
            ]
            for one in ([1], [2]):
                [row] = await reads.orders_of_client(
                    one, ACCOUNT_ID, name, statuses=CLOSED, limit=10
                )
                assert shard_of_id(row["order_id"]) == one[0]
            assert not await reads.orders_of_client([1], 8, name, statuses=CLOSED, limit=10)
            arguments = f"{ACCOUNT_ID}, {name}, ARRAY[{CLOSED[0]}], ARRAY[0, 1, 2], 400"
            assert await rows_read(connection, ORDERS_BY_CLIENT_ORDER_ID, arguments) < 100

    asyncio.run(run())


def test_a_shards_newest_trades_are_read_without_those_of_the_others(database_url: str) -> None:
    async def run() -> None:
        async with filled(database_url) as connection, reads_of(database_url) as reads:
            for shard_id in range(SHARD_COUNT):
                first_id, _ = ids_of_shard(shard_id)
                trades = await reads.recent_trades(shard_id, INSTRUMENT_ID, 3)
                newest = [first_id + ROW_COUNT - number for number in (1, 2, 3)]
                assert [row["trade_id"] for row in trades] == newest
                assert not await reads.recent_trades(shard_id, INSTRUMENT_ID + 1, 3)
            arguments = "{}, 3, {}, {}".format(INSTRUMENT_ID, *ids_of_shard(0))
            assert await rows_read(connection, RECENT_TRADES, arguments) < 1_000

    asyncio.run(run())


def test_a_read_waits_no_longer_than_it_may_for_a_database_that_hangs(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with filled(database_url) as connection, reads_of(database_url) as reads:
            await connection.execute("INSERT INTO applied VALUES (0, 5, 5, 0)")
            assert await reads.catch_up(0, 5) == 5
            monkeypatch.setattr(ledger_reads, "CATCH_UP_TIMEOUT_S", 0.1)
            async with connection.transaction():
                await connection.execute("LOCK TABLE applied")
                assert await reads.catch_up(0, 6) == 5  # what is known
            await connection.execute("UPDATE applied SET seq = 6")
            assert await reads.catch_up(0, 6) == 6

    asyncio.run(run())


def test_a_database_all_of_whose_connections_are_at_work_is_busy_and_one_that_hangs_unreachable(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_reads, "CONNECT_TIMEOUT_S", 0.5)

    async def run() -> None:
        async with filled(database_url) as connection, reads_of(database_url) as reads:
            async with connection.transaction():
                await connection.execute("LOCK TABLE applied")
                asked = [reads.applied_seq(0) for _ in range(ledger_reads.CONNECTIONS_MAX + 3)]
                answers = await asyncio.gather(*asked, return_exceptions=True)
            codes = [answer.document.code for answer in answers if isinstance(answer, Problem)]
            assert sorted(codes) == ["busy"] * 3 + (
                ["ledger_unreachable"] * ledger_reads.CONNECTIONS_MAX
            )
            assert await reads.applied_seq(0) == 0

        async def never_greets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await writer.wait_closed()

        silent = await asyncio.start_server(never_greets, "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        async with silent, reads_of(f"postgresql://127.0.0.1:{port}/tradepit") as reads:
            with pytest.raises(Problem, match="ledger_unreachable"):
                await reads.applied_seq(0)

    asyncio.run(run())


@asynccontextmanager
async def reads_of(database_url: str) -> AsyncIterator[LedgerReads]:
    urls = dict.fromkeys(range(SHARD_COUNT), database_url)
    async with LedgerReads(urls, "redis://127.0.0.1:9/0") as reads:
        yield reads
