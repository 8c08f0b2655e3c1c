"""What must hold in a running exchange, checked from outside through every part of it."""

import asyncio
import time
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import nats
import redis
from tradepit.cli.files import read_json
from tradepit.client import Client
from tradepit.protocol import names, wire

TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 10.0
FETCH_COUNT = 256
SHARD_ID = 0
DIFFERENCES = (
    "unbalanced_entries",
    "balance_differences",
    "position_differences",
    "order_differences",
    "trade_change_differences",
)


class Exchange(Protocol):
    """What is asked of an exchange here, wherever it runs."""

    @property
    def data_dir(self) -> Path:
        """Where its keys.json is."""
        ...

    @property
    def order_endpoint(self) -> str: ...

    @property
    def operator_key(self) -> str: ...

    @property
    def document(self) -> dict[str, Any]:
        """postgres_url, nats_url and redis_url."""
        ...


def key_of(exchange: Exchange, name: str) -> str:
    """The API key of that name in the exchange's keys file."""
    for key in read_json(exchange.data_dir / "keys.json")["keys"]:
        if key["name"] == name:
            return str(key["key"])
    raise AssertionError(f"no key named {name}")


def operator(exchange: Exchange) -> Client:
    return Client(exchange.order_endpoint, 0, exchange.operator_key, timeout_s=CALL_TIMEOUT_S)


def query(exchange: Exchange, statement: str, *arguments: object) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(
            exchange.document["postgres_url"], timeout=CALL_TIMEOUT_S
        )
        try:
            rows = await connection.fetch(statement, *arguments, timeout=CALL_TIMEOUT_S)
            return [dict(row) for row in rows]
        finally:
            await connection.close(timeout=CALL_TIMEOUT_S)

    return asyncio.run(run())


def read_stream(exchange: Exchange) -> list[bytes]:
    """Every commit batch in the shard's JetStream stream, in its order."""

    async def run() -> list[bytes]:
        connection = await nats.connect(exchange.document["nats_url"])
        try:
            context = connection.jetstream(timeout=CALL_TIMEOUT_S)
            info = await context.stream_info(names.events_stream(SHARD_ID))
            subscription = await context.pull_subscribe(
                names.events_subject(SHARD_ID), stream=names.events_stream(SHARD_ID)
            )
            messages: list[bytes] = []
            while len(messages) < info.state.messages:
                for message in await subscription.fetch(FETCH_COUNT, timeout=CALL_TIMEOUT_S):
                    messages.append(message.data)
                    await message.ack()
            await subscription.unsubscribe()
            return messages
        finally:
            await connection.close()

    return asyncio.run(asyncio.wait_for(run(), TIMEOUT_S))


def records_of(message: bytes) -> list[Any]:
    """The commands and events of a commit batch, in their order."""
    records: list[Any] = []
    offset = wire.COMMIT_BATCH_HEADER_LAYOUT.size
    layout = wire.JOURNAL_ENTRY_LAYOUT
    while offset < len(message):
        length = layout.unpack_from(message, offset)[0]
        records += wire.decode_all(message[offset + layout.size : offset + length])
        offset += length
    return records


def positions_in_redis(exchange: Exchange) -> dict[tuple[int, int], dict[str, int]]:
    """By (account_id, instrument_id)."""
    found: dict[tuple[int, int], dict[str, int]] = {}
    with redis.Redis.from_url(
        exchange.document["redis_url"], socket_timeout=CALL_TIMEOUT_S, decode_responses=True
    ) as client:
        for name in client.scan_iter("tp:position:*"):
            _, _, account_id, instrument_id = name.split(":")
            fields = client.hgetall(name)
            found[int(account_id), int(instrument_id)] = {
                field: int(value) for field, value in fields.items()
            }
    return found


def check_everything(exchange: Exchange) -> wire.ShardStatus:
    """Journal, stream, tables and cache tell one story, to the last command, with nothing twice.

    Call it when nobody trades. Waits until the ledger has caught up; returns the matcher's status.
    """
    with operator(exchange) as client:
        status = client.status()
    assert status.committed_seq == status.seq
    check_ledger_reached(exchange, status)
    check_stream(exchange, status)
    for view in DIFFERENCES:
        assert query(exchange, f"SELECT * FROM {view} LIMIT 3") == [], view  # noqa: S608
    check_balances(exchange)
    check_cache(exchange)
    return status


def check_ledger_reached(exchange: Exchange, status: wire.ShardStatus) -> None:
    """The tables are at the matcher's seq, and what was written there had the matcher's digest."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        (applied,) = query(exchange, "SELECT seq, digest FROM applied")
        if applied["seq"] >= status.seq:
            break
        assert time.monotonic() < deadline, f"the ledger is at {applied}, the matcher at {status}"
        time.sleep(0.05)
    assert applied["seq"] == status.seq
    assert applied["digest"] % 2**64 == status.digest


def check_stream(exchange: Exchange, status: wire.ShardStatus) -> None:
    """Commands from 1 to the matcher's last, without a gap and without a repeat."""
    layout = wire.COMMIT_BATCH_HEADER_LAYOUT
    expected_seq = 1
    digest = 0
    for message in read_stream(exchange):
        header = wire.CommitBatchHeader(*layout.unpack_from(message))
        assert header.first_seq == expected_seq
        expected_seq = header.last_seq + 1
        digest = header.last_digest
    assert expected_seq == status.seq + 1
    assert digest == status.digest


def check_balances(exchange: Exchange) -> None:
    """The engine's funds are the ledger's, account by account; and money is conserved."""
    rows = query(
        exchange, "SELECT account_id, asset_id, total_units FROM balances WHERE total_units <> 0"
    )
    in_ledger = {(row["account_id"], row["asset_id"]): row["total_units"] for row in rows}
    in_engine: dict[tuple[int, int], int] = {}
    accounts = query(exchange, "SELECT account_id FROM accounts")
    with operator(exchange) as client:
        for account_id in {0, *(row["account_id"] for row in accounts)}:
            for balance in client.balances(account_id=account_id):
                total_units = balance.available_units + balance.held_units
                if total_units:
                    in_engine[account_id, balance.asset_id] = total_units
    assert in_engine == in_ledger
    transfers = query(
        exchange, "SELECT asset_id, sum(delta_units)::bigint AS units FROM transfers GROUP BY 1"
    )
    for transfer in transfers:
        total = sum(
            units for (_, asset), units in in_ledger.items() if asset == transfer["asset_id"]
        )
        assert total == transfer["units"]


def check_cache(exchange: Exchange) -> None:
    """Redis says of every position what PostgreSQL says, as soon as it has caught up."""
    columns = (
        *("bought_lots", "sold_lots", "bought_notional_units", "sold_notional_units"),
        *("fee_units", "trade_count", "seq"),
    )
    rows = query(exchange, "SELECT * FROM positions")
    expected = {
        (row["account_id"], row["instrument_id"]): {name: int(row[name]) for name in columns}
        for row in rows
    }
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        found = {
            place: {name: fields.get(name, -1) for name in columns}
            for place, fields in positions_in_redis(exchange).items()
        }
        if found == expected:
            return
        assert time.monotonic() < deadline, (found, expected)
        time.sleep(0.05)
