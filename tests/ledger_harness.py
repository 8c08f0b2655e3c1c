"""Runs the ledger on real servers, and compares what it wrote with the model."""

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import asyncpg
import nats
import redis
from nats.aio.client import Client
from nats.js.api import StreamConfig
from tradepit.cli.child import Child
from tradepit.ledger.batch import ORDER_COLUMNS, TERMS_COLUMNS, TRADE_CHANGE_COLUMNS, TRADE_COLUMNS
from tradepit.ledger.ports import AccountPosition
from tradepit.ledger.store import Connection
from tradepit.protocol import names

from tests.ledger_model import Tables, tables_of
from tests.ledger_stream import PretendMatcher

DEADLINE_S = 60.0
POLL_S = 0.02
CHECKING_VIEWS = (
    "unbalanced_entries",
    "balance_differences",
    "position_differences",
    "order_differences",
    "trade_change_differences",
)

T = TypeVar("T")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"not in {DEADLINE_S:.0f} s: {what}"
        time.sleep(POLL_S)


@dataclass
class LedgerSetting:
    """One shard with a migrated database, an empty Redis and a stream of its own."""

    shard_id: int
    database_url: str
    nats_url: str
    redis_url: str
    log_path: Path

    def process(self, *arguments: str, **environment: str) -> Child:
        """The ledger as users run it, not started yet."""
        return Child(
            name="ledger",
            command=[sys.executable, "-P", "-m", "tradepit.ledger", *arguments],
            log_path=self.log_path,
            environment={
                "TRADEPIT_SHARD_ID": str(self.shard_id),
                "TRADEPIT_POSTGRES_URL": self.database_url,
                "TRADEPIT_NATS_URL": self.nats_url,
                "TRADEPIT_REDIS_URL": self.redis_url,
                **environment,
            },
        )

    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    # The stream ---------------------------------------------------------------------------------

    def publish(self, messages: list[bytes]) -> None:
        """Append to the shard's stream, which is made if it is missing."""

        async def run(client: Client) -> None:
            js = client.jetstream(timeout=DEADLINE_S)
            subject = names.events_subject(self.shard_id)
            await js.add_stream(
                StreamConfig(name=names.events_stream(self.shard_id), subjects=[subject])
            )
            for data in messages:
                await js.publish(subject, data)

        self.with_nats(run)

    def delete_stream(self) -> None:
        async def run(client: Client) -> None:
            await client.jetstream().delete_stream(names.events_stream(self.shard_id))

        self.with_nats(run)

    def delete_message(self, stream_seq: int) -> None:
        async def run(client: Client) -> None:
            await client.jetstream().delete_msg(names.events_stream(self.shard_id), stream_seq)

        self.with_nats(run)

    def delete_consumers(self) -> int:
        """Take the ledger's consumer away from under it; returns how many there were."""
        count = 0

        async def run(client: Client) -> None:
            nonlocal count
            js, stream = client.jetstream(), names.events_stream(self.shard_id)
            for consumer in await js.consumers_info(stream):
                await js.delete_consumer(stream, consumer.name)
                count += 1

        self.with_nats(run)
        return count

    def with_nats(self, action: Callable[[Client], Awaitable[None]]) -> None:
        async def run() -> None:
            client = await nats.connect(self.nats_url, connect_timeout=5)
            try:
                await asyncio.wait_for(action(client), DEADLINE_S)
            finally:
                await client.close()

        asyncio.run(run())

    # The tables ---------------------------------------------------------------------------------

    def query(
        self, statement: str, *values: object, read_only: bool | None = None
    ) -> list[asyncpg.Record]:
        """`read_only` overrides what the database says."""
        overrides = {"default_transaction_read_only": "on" if read_only else "off"}

        async def run() -> list[asyncpg.Record]:
            connection: Connection = await asyncpg.connect(
                self.database_url,
                timeout=DEADLINE_S,
                server_settings=None if read_only is None else overrides,
            )
            try:
                return await connection.fetch(statement, *values, timeout=DEADLINE_S)
            finally:
                await connection.close(timeout=DEADLINE_S)

        return asyncio.run(run())

    def applied_seq(self) -> int:
        rows = self.query("SELECT seq FROM applied WHERE shard_id = $1", self.shard_id)
        return rows[0]["seq"] if rows else 0

    def wait_for_seq(self, seq: int) -> None:
        wait_until(lambda: self.applied_seq() >= seq, f"seq {seq} stored\n{self.log()}")

    def expect(self, matcher: PretendMatcher) -> None:
        """The tables hold what the events say, and agree with each other."""
        self.wait_for_seq(matcher.seq)
        assert self.applied_seq() == matcher.seq
        expected = tables_of(self.shard_id, matcher.entries)
        assert self.tables() == expected
        for view in CHECKING_VIEWS:
            assert self.query(f"SELECT * FROM {view}") == []  # noqa: S608 - our own names

    def tables(self) -> Tables:
        orders = self.query(f"SELECT {', '.join(ORDER_COLUMNS)} FROM orders")  # noqa: S608
        terms = self.query(f"SELECT {', '.join(TERMS_COLUMNS)} FROM order_terms")  # noqa: S608
        trades = self.query(f"SELECT {', '.join(TRADE_COLUMNS)} FROM trades")  # noqa: S608
        positions = [
            AccountPosition._make(map(int, row))
            for row in self.query(f"SELECT {', '.join(AccountPosition._fields)} FROM positions")  # noqa: S608
        ]
        return Tables(
            orders={row["order_id"]: dict(row) for row in orders},
            order_terms={row["order_id"]: tuple(row) for row in terms},
            trades={row["trade_id"]: tuple(row) for row in trades},
            trade_changes={
                (row["trade_id"], row["seq"]): tuple(row[name] for name in TRADE_CHANGE_COLUMNS)
                for row in self.query("SELECT * FROM trade_changes")
            },
            transfers={
                row["transfer_id"]: (row["account_id"], row["asset_id"], row["delta_units"])
                for row in self.query("SELECT * FROM transfers")
            },
            balances={
                (row["account_id"], row["asset_id"]): (row["total_units"], row["seq"])
                for row in self.query("SELECT * FROM balances")
            },
            positions={(row.account_id, row.instrument_id): row[3:] for row in positions},
        )

    # The cache ----------------------------------------------------------------------------------

    def cached(self) -> tuple[int | None, dict[str, dict[str, str]]]:
        """`tp:applied` and every position hash of Redis."""
        with redis.Redis.from_url(
            self.redis_url, decode_responses=True, socket_timeout=DEADLINE_S
        ) as client:
            applied = client.get(f"tp:applied:{self.shard_id}")
            keys = list(client.scan_iter(match="tp:position:*"))
            return (
                None if applied is None else int(applied),
                {key: client.hgetall(key) for key in keys},
            )

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: text in self.log(), f"{text!r} in the log")

    def expect_cached(self, matcher: PretendMatcher) -> None:
        """Redis gets to hold the model's positions, all of them and nothing else."""
        expected = {
            f"tp:position:{account_id}:{instrument_id}": {
                name: str(value)
                for name, value in AccountPosition(
                    account_id, instrument_id, self.shard_id, *values
                )
                ._asdict()
                .items()
            }
            for (account_id, instrument_id), values in tables_of(
                self.shard_id, matcher.entries
            ).positions.items()
        }
        wait_until(
            lambda: self.cached() == (matcher.seq, expected), f"positions cached\n{self.log()}"
        )


def started(ledger: Child, setting: LedgerSetting) -> Child:
    """Start it and wait for its `ready`."""
    before = setting.log().count(" ready ")
    ledger.start()
    wait_until(
        lambda: setting.log().count(" ready ") > before or not ledger.alive, "the ledger is ready"
    )
    assert ledger.alive, setting.log()
    return ledger


def exit_code(ledger: Child) -> int:
    """Wait for it to end by itself."""
    assert ledger.process is not None
    return ledger.process.wait(DEADLINE_S)


def stop(ledger: Child) -> int:
    """SIGTERM, and the exit code."""
    assert ledger.process is not None
    ledger.process.send_signal(signal.SIGTERM)
    return ledger.process.wait(DEADLINE_S)


def kill(ledger: Child) -> None:
    assert ledger.process is not None
    ledger.process.kill()
    ledger.process.wait(DEADLINE_S)
