"""How fast the ledger is: from JetStream to committed rows, beside its parts and a raw COPY.

    python -m tests.bench.bench_ledger [COMMANDS]

Starts servers of its own in a temporary folder and prints one line a figure. A run's figures may be
compared with each other; those of two machines, or of a busy one, may not.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import nats
from tradepit.cli.embedded import EmbeddedServers
from tradepit.ledger.batch import TRADE_COLUMNS, Instrument, Position, StreamMessage
from tradepit.ledger.fold import fold
from tradepit.ledger.migrate import migrate
from tradepit.protocol import names

from tests.ledger_harness import LedgerSetting, started, stop
from tests.ledger_stream import PretendMatcher

SHARD = 0
ENTRIES_PER_MESSAGE = 200  # some 60 KB, as a busy matcher sends
POLL_S = 0.005
PACED_EVENTS_PER_S = 10_000
PACED_COMMANDS = 60_000
PACED_INTERVAL_S = 0.005  # as often as a matcher publishes


def fold_everything(matcher: PretendMatcher) -> float:
    """Seconds to fold the whole journal, five messages a batch."""
    messages = [
        StreamMessage(number, data)
        for number, data in enumerate(matcher.messages(ENTRIES_PER_MESSAGE), start=1)
    ]
    position, instruments = Position(), dict[int, Instrument]()
    start_s = time.perf_counter()
    for first in range(0, len(messages), 5):
        batch = fold(SHARD, messages[first : first + 5], position, instruments)
        position = batch.after
        for record in batch.instruments.values():
            instruments[record.instrument_id] = Instrument(
                record.base_asset_id, record.quote_asset_id
            )
    return time.perf_counter() - start_s


async def copy_raw(database_url: str, matcher: PretendMatcher) -> tuple[int, float]:
    """Rows and seconds of nothing but COPY into `trades`, 1,000 rows a transaction."""
    batch = fold(
        SHARD,
        [StreamMessage(1, data) for data in matcher.messages(ENTRIES_PER_MESSAGE)],
        Position(),
        {},
    )
    connection = await asyncpg.connect(database_url, timeout=10)
    start_s = time.perf_counter()
    for first in range(0, len(batch.trades), 1_000):
        await connection.copy_records_to_table(
            "trades", records=batch.trades[first : first + 1_000], columns=TRADE_COLUMNS
        )
    seconds = time.perf_counter() - start_s
    await connection.execute("TRUNCATE trades")
    await connection.close(timeout=10)
    return len(batch.trades), seconds


async def wait_for(database_url: str, seq: int) -> None:
    connection = await asyncpg.connect(database_url, timeout=10)
    while (await connection.fetchval("SELECT seq FROM applied") or 0) < seq:  # noqa: ASYNC110 - no event
        await asyncio.sleep(POLL_S)
    await connection.close(timeout=10)


async def lags(setting: LedgerSetting, matcher: PretendMatcher, count: int) -> list[float]:
    """Milliseconds from a command's publication to its commit, one command at a time."""
    client = await nats.connect(setting.nats_url)
    js = client.jetstream()
    connection = await asyncpg.connect(setting.database_url, timeout=10)
    took_ms = []
    for _ in range(count):
        before_seq = matcher.seq
        matcher.play(1)
        [data] = matcher.messages(1, after_seq=before_seq)
        start_s = time.perf_counter()
        await js.publish(names.events_subject(SHARD), data)
        while await connection.fetchval("SELECT seq FROM applied") < matcher.seq:
            pass
        took_ms.append((time.perf_counter() - start_s) * 1_000)
    await client.close()
    await connection.close(timeout=10)
    return sorted(took_ms)


async def paced_lags(setting: LedgerSetting, matcher: PretendMatcher) -> list[float]:
    """Milliseconds from a message's publication to its commit, at PACED_EVENTS_PER_S."""
    first_seq = matcher.seq
    first_entry = len(matcher.entries)
    matcher.play(PACED_COMMANDS)
    event_count = sum(len(entry.events) for entry in matcher.entries[first_entry:])
    commands_per_s = PACED_EVENTS_PER_S * PACED_COMMANDS / event_count
    per_message = max(1, round(commands_per_s * PACED_INTERVAL_S))
    messages = matcher.messages(per_message, after_seq=first_seq)
    client = await nats.connect(setting.nats_url)
    js = client.jetstream()
    connection = await asyncpg.connect(setting.database_url, timeout=10)
    published_s: list[float] = []
    took_ms: list[float] = []

    async def watch() -> None:
        while len(took_ms) < len(messages):
            applied = await connection.fetchval("SELECT seq FROM applied")
            now_s = time.perf_counter()
            while len(took_ms) < len(published_s) and applied >= min(
                first_seq + (len(took_ms) + 1) * per_message, matcher.seq
            ):
                took_ms.append((now_s - published_s[len(took_ms)]) * 1_000)
            await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch(), name="watch")
        start_s = time.perf_counter()
        for number, data in enumerate(messages):
            due_s = start_s + number * per_message / commands_per_s
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            published_s.append(time.perf_counter())
            await js.publish(names.events_subject(SHARD), data)
    await client.close()
    await connection.close(timeout=10)
    return sorted(took_ms)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commands", type=int, nargs="?", default=60_000)
    arguments = parser.parse_args(argv)
    matcher = PretendMatcher(SHARD, seed=1, accounts=50)
    matcher.list_everything()
    matcher.play(arguments.commands)
    events = sum(len(entry.events) for entry in matcher.entries)
    print(f"commands {matcher.seq}, events {events}")
    seconds = fold_everything(matcher)
    print(f"fold alone: {events / seconds:,.0f} events/s")

    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServers(Path(folder) / "data") as servers,
    ):
        asyncio.run(migrate(servers.postgres_url))
        rows, seconds = asyncio.run(copy_raw(servers.postgres_url, matcher))
        print(f"raw COPY into trades: {rows / seconds:,.0f} rows/s ({rows} rows)")
        setting = LedgerSetting(
            SHARD,
            servers.postgres_url,
            servers.nats_url,
            servers.redis_url,
            Path(folder) / "ledger.log",
        )
        setting.publish(matcher.messages(ENTRIES_PER_MESSAGE))
        ledger = setting.process()
        start_s = time.perf_counter()
        started(ledger, setting)
        ready_s = time.perf_counter()
        asyncio.run(wait_for(servers.postgres_url, matcher.seq))
        end_s = time.perf_counter()
        print(
            f"stream to committed rows: {events / (end_s - ready_s):,.0f} events/s "
            f"({matcher.seq / (end_s - ready_s):,.0f} commands/s; start {ready_s - start_s:.2f} s)"
        )
        took_ms = asyncio.run(lags(setting, matcher, 300))
        print(f"lag when idle: p50 {took_ms[150]:.2f} ms, p99 {took_ms[297]:.2f} ms")
        took_ms = asyncio.run(paced_lags(setting, matcher))
        print(
            f"lag at {PACED_EVENTS_PER_S:,} events/s: p50 {took_ms[len(took_ms) // 2]:.2f} ms, "
            f"p99 {took_ms[len(took_ms) * 99 // 100]:.2f} ms, max {took_ms[-1]:.2f} ms"
        )
        setting.expect(matcher)
        print("tables equal the model")
        stop(ledger)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
