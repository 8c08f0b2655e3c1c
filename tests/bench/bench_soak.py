"""A whole exchange at a steady rate for ten minutes: whether memory stays flat, and how far the ledger
is behind.

    python -m tests.bench.bench_soak [--minutes 10] [--orders-per-second 20000] [--plot FILE.svg]

Prints one JSON document. The rate is to be about half of what the whole system sustains here
(bench_replay); resting orders are bounded by cancels, so that only what leaks can grow.
"""

import argparse
import asyncio
import json
import multiprocessing
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import asyncpg
from tradepit.cli.running import RunningExchange
from tradepit.client import Client
from tradepit.client.requests import new_order
from tradepit.protocol import wire

from tests.exchange_checks import check_ledger_reached, key_of, operator

SAMPLE_S = 5.0
BATCH_ORDERS = 200
PRICES = range(5_000, 5_010)
PARTS = ("matcher", "ledger", "ingress")
WARM_UP_SHARE = 0.2  # caches and pools fill first


def trade(
    endpoint: str, key: str, account_id: int, per_second: float, stop: Event, seed: int
) -> None:
    """Orders at a steady rate: half of them trade at once, the rest rests until it is canceled."""
    from random import Random

    chance = Random(seed)
    with Client(endpoint, account_id, key, timeout_s=30.0) as client:
        due_s = time.monotonic()
        while not stop.is_set():
            client.submit_many(
                [
                    new_order(
                        instrument_id=1,
                        side=chance.choice((wire.Side.BUY, wire.Side.SELL)),
                        price_ticks=chance.choice(PRICES),
                        quantity_lots=chance.randint(1, 5),
                    )
                    for _ in range(BATCH_ORDERS)
                ]
            )
            client.mass_cancel()
            due_s += BATCH_ORDERS / per_second
            time.sleep(max(0.0, due_s - time.monotonic()))


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()]


async def applied_seq(postgres_url: str) -> int:
    connection = await asyncpg.connect(postgres_url, timeout=30)
    try:
        return int(await connection.fetchval("SELECT seq FROM applied") or 0)
    finally:
        await connection.close(timeout=10)


def sample(exchange: RunningExchange, started_s: float) -> dict[str, float]:
    pids = exchange.pids
    row = {"at_s": time.monotonic() - started_s}
    for part in PARTS:
        row[part] = resident_mib(pids[part])
    for child in children_of(pids["matcher"]):
        row["snapshotter"] = resident_mib(child)
    with operator(exchange) as client:
        row["seq"] = client.status().seq
    row["lag_commands"] = row["seq"] - asyncio.run(applied_seq(exchange.document["postgres_url"]))
    return row


def plot(rows: list[dict[str, float]], path: Path) -> None:
    """Resident memory over time, a line a process."""
    width, height, left, bottom = 640, 320, 50, 30
    end_s = max(row["at_s"] for row in rows)
    names = [*PARTS, "snapshotter"]
    top = 1.1 * max(row.get(name, 0.0) for row in rows for name in names)
    colors = dict(zip(names, ("#c33", "#36c", "#393", "#963"), strict=True))
    shapes = [
        f'<line x1="{left}" y1="{height - bottom}" x2="{width}" y2="{height - bottom}" stroke="#999"/>',
        f'<text x="{left}" y="{height - 8}">0</text>',
        f'<text x="{width - 60}" y="{height - 8}">{end_s / 60:.0f} min</text>',
        f'<text x="2" y="14">{top:.0f} MiB</text>',
    ]
    for number, name in enumerate(names):
        points = " ".join(
            f"{left + (width - left) * row['at_s'] / end_s:.1f},"
            f"{(height - bottom) * (1 - row[name] / top):.1f}"
            for row in rows
            if name in row
        )
        shapes.append(
            f'<polyline fill="none" stroke="{colors[name]}" stroke-width="2" points="{points}"/>'
        )
        shapes.append(
            f'<text x="{left + 80 + 110 * number}" y="14" fill="{colors[name]}">{name}</text>'
        )
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12">{"".join(shapes)}</svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--orders-per-second", type=float, default=20_000)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, float]] = []
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with (
        tempfile.TemporaryDirectory(prefix="tradepit-soak-") as folder,
        RunningExchange(
            Path(folder) / "data",
            "--no-demo",
            environment={"TRADEPIT_JOURNAL_RETENTION_HOURS": "0"},
        ) as exchange,
    ):
        traders = [
            context.Process(
                target=trade,
                args=(
                    exchange.order_endpoint,
                    key_of(exchange, name),
                    account_id,
                    arguments.orders_per_second / 2,
                    stop,
                    account_id,
                ),
            )
            for account_id, name in ((101, "maker-101"), (102, "maker-102"))
        ]
        for trader in traders:
            trader.start()
        started_s = time.monotonic()
        while time.monotonic() - started_s < 60 * arguments.minutes:
            time.sleep(SAMPLE_S)
            rows.append(sample(exchange, started_s))
        stop.set()
        for trader in traders:
            trader.join(60)
        with operator(exchange) as client:
            status = client.status()
        check_ledger_reached(exchange, status)  # with the matcher's digest
        journal_mib = (
            sum(path.stat().st_size for path in (exchange.data_dir / "journal").rglob("*.journal"))
            / 2**20
        )
    print(json.dumps(report(rows, status.seq, journal_mib)))
    if arguments.plot:
        plot(rows, arguments.plot)


def report(rows: list[dict[str, float]], seq: int, journal_mib: float) -> dict[str, Any]:
    steady = rows[int(len(rows) * WARM_UP_SHARE) :]
    half = len(steady) // 2
    memory = {}
    for name in (*PARTS, "snapshotter"):
        values = [row[name] for row in steady if name in row]
        if not values:
            continue
        memory[name] = {
            "first_half_max_mib": round(max(values[:half]), 1),
            "second_half_max_mib": round(max(values[half:]), 1),
        }
    lags = sorted(row["lag_commands"] for row in steady)
    return {
        "minutes": round(rows[-1]["at_s"] / 60, 1),
        "commands": seq,
        "commands_per_s": round(seq / rows[-1]["at_s"]),
        "memory": memory,
        "ledger_lag_commands": {"p50": lags[len(lags) // 2], "max": lags[-1]},
        "journal_mib_at_the_end": round(journal_mib),
    }


if __name__ == "__main__":
    main()
