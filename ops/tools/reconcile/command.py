"""The command line of `tradepit reconcile`, and the order of its comparisons."""

import argparse
import asyncio
import json
import time
from dataclasses import asdict
from pathlib import Path

import asyncpg
import nats.errors
from redis.exceptions import RedisError
from tradepit.client import Client
from tradepit.ledger.errors import Interrupted, LedgerStopped
from tradepit.protocol import wire
from tradepit.protocol.errors import JournalDamaged, TradepitError
from tradepit.tools import running
from tradepit.tools.journal.files import Entry, Journal
from tradepit.tools.journal.replay import BeginningGone, Replay, totals_of
from tradepit.tools.quiet import only_errors
from tradepit.tools.reconcile import stream, textfile
from tradepit.tools.reconcile.recorded import ORDER_FIELDS, TRADE_FIELDS, Recorded, open_orders
from tradepit.tools.reconcile.report import Check, Report
from tradepit.tools.reconcile.stores import (
    VIEWS,
    CachedPositions,
    Tables,
    read_sums,
    read_tables,
)

WAIT_S_DEFAULT = 30.0
ATTEMPTS_MAX = 3
STATUS_TIMEOUT_S = 10.0

DESCRIPTION = """\
Proves on a running exchange that its journal, its stream, its ledger and its cache tell one story:

  journal   every entry sound; replaying the commands gives the recorded events and the live digest
  stream    holds what the journal holds, entry by entry
  ledger    has the journal's digest at its seq; postings sum to zero; balances and positions are the
            sums of postings and trades; balances and open orders are the engine's at that seq; orders
            and trades have the journal's count, and the same sum in each column that never changes
  cache     says of every position what PostgreSQL says

Orders may flow meanwhile: each part is compared at a seq that it has reached.
"""
EPILOG = """\
The last line is the verdict. Exit codes: 0 nothing differs; 1 something does, or could not be
compared; 2 there is no exchange.
"""


def run(argv: list[str]) -> int:
    """Run the subcommand `reconcile`; the exit code: 0 nothing differs, 1 something does."""
    parser = argparse.ArgumentParser(
        prog="tradepit reconcile",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    running.add_data(parser)
    parser.add_argument(
        "--wait",
        type=float,
        default=WAIT_S_DEFAULT,
        metavar="S",
        help="how long a part may take to catch up (default: %(default)s)",
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="let the ledger build the cache again where it differs; nothing else is ever changed",
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.add_argument(
        "--textfile",
        type=Path,
        metavar="PATH",
        help="write the result for Prometheus, too (the node exporter's textfile collector)",
    )
    arguments = parser.parse_args(argv)
    place = running.find(arguments.data)
    started_s = time.monotonic()
    with only_errors("tradepit.ledger"):
        report = asyncio.run(reconcile(place, arguments.wait, repair=arguments.repair))
    if arguments.textfile is not None:
        textfile.write(arguments.textfile, report, time.monotonic() - started_s)
    print(as_json(report) if arguments.json else as_text(report))
    return 0 if report.holds else 1


async def reconcile(place: running.Running, wait_s: float, *, repair: bool = False) -> Report:
    """Compare everything with everything. A part that cannot be read is a difference, not an error.

    Raises ConfigurationError if the folder holds no journal.
    """
    attempts_left = ATTEMPTS_MAX
    while True:
        attempts_left -= 1
        try:
            return await _reconcile_once(place, wait_s, repair=repair)
        except (BeginningGone, FileNotFoundError) as error:
            # Segments and snapshots were removed while they were read: newer ones are there.
            if not attempts_left:
                report = Report()
                report.add("journal replay = live digest").differ(f"cannot be compared: {error}")
                return report


async def _reconcile_once(place: running.Running, wait_s: float, *, repair: bool) -> Report:
    report = Report()
    status = await _ask_matcher(place, report)
    shard_id = report.shard_id = place.shard_id
    journal = Journal(place.data_dir, shard_id)
    tables = await _read_ledger(place, shard_id, status.seq if status else 0, wait_s, report)
    report.seq = status.seq if status else 0
    recorded = Recorded()
    first_seq = await asyncio.to_thread(_replay, journal, status, tables, recorded, report)
    if tables is not None:
        await _compare_sums(place, shard_id, first_seq, tables.seq, recorded, report)
    check = report.add("stream = journal")
    try:
        await stream.compare(place.nats_url, journal, report.seq, check, wait_s)
    except FileNotFoundError:
        raise  # a segment was removed
    except (Interrupted, LedgerStopped, JournalDamaged, nats.errors.Error, OSError) as error:
        check.differ(f"cannot be compared: {error}")
    if tables is not None:
        _check_views(tables, report)
        await _check_cache(place, shard_id, tables, wait_s, report, repair=repair)
    return report


async def _ask_matcher(place: running.Running, report: Report) -> wire.ShardStatus | None:
    check = report.add("the matcher answers")
    try:
        status = await asyncio.to_thread(_status, place)
    except TradepitError as error:
        check.differ(str(error))
        return None
    if status.shard_id != place.shard_id:
        check.differ(
            f"{place.order_endpoint} is shard {status.shard_id}, and shard {place.shard_id} was asked for"
        )
        return None
    check.compared = f"shard {status.shard_id} at seq {status.seq}"
    return status


def _status(place: running.Running) -> wire.ShardStatus:
    with Client(
        place.order_endpoint, 0, place.operator_key, timeout_s=STATUS_TIMEOUT_S
    ) as operator:
        return operator.status()


async def _read_ledger(
    place: running.Running, shard_id: int, seq: int, wait_s: float, report: Report
) -> Tables | None:
    check = report.add("the ledger has caught up")
    try:
        tables = await read_tables(place.postgres_url, shard_id, seq, wait_s)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        check.differ(f"PostgreSQL cannot be read: {error!r}")
        return None
    if tables.seq < seq:
        check.differ(f"it is at seq {tables.seq}, the matcher was at {seq} {wait_s:.0f} s ago")
    check.compared = f"seq {tables.seq}"
    return tables


def _replay(
    journal: Journal,
    status: wire.ShardStatus | None,
    tables: Tables | None,
    recorded: Recorded,
    report: Report,
) -> int:
    """One pass through the journal, with a stop where the tables are, which is not before the
    matcher's seq unless the ledger is behind. Returns the first seq that was replayed.
    """
    check = report.add("journal replay = live digest")
    balances = report.add("ledger = journal replay")
    parts = [part.seq for part in (status, tables) if part is not None]
    stops = {"tables": tables.seq if tables else 0, "live": status.seq if status else None}
    replay: Replay | None = None

    def note(entries: list[Entry]) -> None:
        assert replay is not None
        if tables is not None and entries[0].seq <= tables.seq:
            recorded.add(entries)  # a stop at the tables' seq cuts the run there

    try:
        replay = Replay(journal, min(parts, default=None), on_entries=note)
        for name in sorted(stops, key=lambda name: stops[name] or 2**63):
            replay.move_to(stops[name])
            if name == "tables" and tables is not None:
                _compare_tables(replay, tables, balances)
            elif name == "live":
                _compare_live(replay, status, check)
    except JournalDamaged as error:
        check.differ(str(error))
        balances.differ("the journal cannot be replayed so far")
    return replay.first_seq if replay else 1


def _compare_live(replay: Replay, status: wire.ShardStatus | None, check: Check) -> None:
    engine = replay.engine
    if status is not None and engine.seq != status.seq:
        check.differ(f"the journal ends at seq {engine.seq}, the matcher is at {status.seq}")
    elif status is not None and engine.digest != status.digest:
        check.differ(
            f"at seq {engine.seq} the replay has digest {engine.digest:016x}, the matcher "
            f"{status.digest:016x}"
        )
    check.compared = f"seq {replay.first_seq} to {engine.seq}, digest {engine.digest:016x}"


def _compare_tables(replay: Replay, tables: Tables, check: Check) -> None:
    engine = replay.engine
    if (engine.seq, engine.digest) != (tables.seq, tables.digest) and tables.seq:
        check.differ(
            f"the tables are at seq {tables.seq} with digest {tables.digest:016x}, the replay at "
            f"{engine.seq} with {engine.digest:016x}"
        )
        return
    replayed = totals_of(engine)
    for place in sorted(replayed.keys() | tables.balances.keys()):
        ours, theirs = replayed.get(place, 0), tables.balances.get(place, 0)
        if ours != theirs:
            check.differ(
                f"account {place[0]}, asset {place[1]}: {theirs} in the ledger, {ours} here"
            )
    orders = open_orders(engine)
    for order_id in sorted(orders.keys() | tables.open_orders.keys()):
        order, row = orders.get(order_id), tables.open_orders.get(order_id)
        if order != row:
            check.differ(f"open order {order_id}: {row} in the ledger, {order} here")
    check.compared = f"{len(replayed)} balances and {len(orders)} open orders at seq {tables.seq}"


async def _compare_sums(
    place: running.Running,
    shard_id: int,
    first_seq: int,
    last_seq: int,
    recorded: Recorded,
    report: Report,
) -> None:
    check = report.add("orders and trades = journal")
    try:
        rows = await read_sums(place.postgres_url, shard_id, first_seq, last_seq)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        check.differ(f"PostgreSQL cannot be read: {error!r}")
        return
    for table, sums, fields in (
        ("orders", recorded.orders, ORDER_FIELDS),
        ("trades", recorded.trades, TRADE_FIELDS),
    ):
        names = ["count", *(f"sum of {column}" for column in fields.values())]
        for name, ours, theirs in zip(names, sums.values, rows[table], strict=True):
            if ours != theirs:
                check.differ(f"{table}, {name}: {theirs} in the ledger, {ours} in the journal")
    check.compared = (
        f"{recorded.orders.count} orders and {recorded.trades.count} trades of seq {first_seq} to "
        f"{last_seq}: their count, and the sum of each column that never changes"
    )


def _check_views(tables: Tables, report: Report) -> None:
    check = report.add("the ledger adds up")
    for view, meaning in VIEWS.items():
        for row in tables.view_rows[view]:
            check.differ(f"{view} ({meaning}): {row}")
    check.compared = ", ".join(VIEWS)


async def _check_cache(
    place: running.Running,
    shard_id: int,
    tables: Tables,
    wait_s: float,
    report: Report,
    *,
    repair: bool,
) -> None:
    check = report.add("cache = ledger")
    try:
        async with CachedPositions(place.redis_url, shard_id) as cache:
            wrong = await cache.compare(tables, check, wait_s)
            if repair and not check.holds:
                await cache.repair(wrong)
                report.repaired_count = max(len(wrong), 1)
                report.checks.remove(check)
                await cache.compare(tables, report.add("cache = ledger"), wait_s)
    except (OSError, TimeoutError, RedisError) as error:
        check.differ(f"Redis cannot be read: {error!r}")


def as_json(report: Report) -> str:
    return json.dumps(
        {
            "holds": report.holds,
            "seq": report.seq,
            "repaired_count": report.repaired_count,
            "checks": [{**asdict(check), "holds": check.holds} for check in report.checks],
        }
    )


def as_text(report: Report) -> str:
    lines = []
    for check in report.checks:
        lines.append(f"{'ok  ' if check.holds else 'FAIL'} {check.name}: {check.compared}")
        lines += [f"       {difference}" for difference in check.differences]
        if check.difference_count > len(check.differences):
            lines.append(f"       and {check.difference_count - len(check.differences)} more")
    if report.repaired_count:
        lines.append(
            f"     repaired: {report.repaired_count} entries of the cache were built again"
        )
    failed = [check.name for check in report.checks if not check.holds]
    verdict = (
        f"DIFFERENT: {', '.join(failed)}" if failed else "CONSISTENT: nothing lost, nothing doubled"
    )
    return "\n".join([*lines, f"{verdict}, up to seq {report.seq}"])
