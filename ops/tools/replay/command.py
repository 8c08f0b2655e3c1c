"""The command line of `tradepit replay`, and the report of `tradepit replay lobster`."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tradepit.client import Client, Session
from tradepit.protocol import wire
from tradepit.protocol.errors import ConfigurationError, Refused, TradepitError, Unreachable
from tradepit.protocol.keys import read_keys
from tradepit.tools.replay import journal
from tradepit.tools.replay.database import wait_until_applied
from tradepit.tools.replay.lobster import ReplayError, read_recording
from tradepit.tools.replay.plan import Plan, Planner
from tradepit.tools.replay.sender import Outcome, Sender
from tradepit.tools.replay.venue import fund, prepare_venue

WINDOW_RECORDS = 512
WINDOW_RECORDS_MAX = 8_192
READY_FILE = Path("data/ready.json")

DESCRIPTION = """\
Sends a recorded market-by-order day through the ZeroMQ path of the running exchange and reports how
fast it went, how long answers took, and how often our best bid and ask equal the recorded ones.

The exchange is found by the ready file that `tradepit up` writes. The instrument, two accounts and
their funds are made as needed; run it as often as you like.
"""

EPILOG = """\
What becomes of the messages: new -> limit order; partial cancel -> replace by a smaller total;
delete -> cancel; visible execution -> the immediate-or-cancel order that caused it; hidden
executions and halts are counted. What the file could not know (orders older than it, or deeper than
its levels) is seeded from the book rows, and counted.
"""


class Exchange(NamedTuple):
    """A running exchange, as far as a replay needs it."""

    order_endpoint: str
    operator_key: str
    postgres_url: str  # empty: unknown


def run(argv: list[str]) -> int:
    """Exit code 0 if the day went through, 1 if it did not, 2 for arguments that do not fit."""
    arguments = _parse(argv)
    try:
        if arguments.format == "journal":
            journal.run(arguments)
            return 0
        report = _replay(arguments)
    except ConfigurationError as error:
        print(f"tradepit replay: {error}", file=sys.stderr)
        return 2
    except TradepitError as error:
        print(f"tradepit replay: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report, indent=2) if arguments.json else _text(report))
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tradepit replay",
        description="Goes through what was recorded: a market day, or the exchange's own journal.",
    )
    formats = parser.add_subparsers(required=True, metavar="WHAT", dest="format")
    journal.add_arguments(
        formats.add_parser(
            "journal",
            help="the exchange as it stood at any seq",
            description=journal.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    lobster = formats.add_parser(
        "lobster",
        help="message and order book files of lobsterdata.com",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    lobster.add_argument("messages", type=Path, metavar="MESSAGES.csv", help="the message file")
    lobster.add_argument(
        "--book", type=Path, metavar="BOOK.csv", help="the order book file: to seed and to compare"
    )
    lobster.add_argument("--symbol", required=True, help="instrument to trade, such as AMZN")
    where = lobster.add_mutually_exclusive_group()
    where.add_argument(
        "--ready-file", type=Path, default=READY_FILE, help="of the exchange (default %(default)s)"
    )
    where.add_argument("--endpoint", help="order endpoint, instead of a ready file")
    lobster.add_argument(
        "--operator-key-file", type=Path, help="keys file with an operator's key, for --endpoint"
    )
    lobster.add_argument(
        "--speed", type=_speed, metavar="X", help="X times real time (default: as fast as it goes)"
    )
    lobster.add_argument(
        "--window",
        type=_window,
        default=WINDOW_RECORDS,
        metavar="N",
        help="commands and queries without an answer, at most (default %(default)s)",
    )
    lobster.add_argument("--json", action="store_true", help="the report as JSON")
    return parser.parse_args(argv)


def _speed(text: str) -> float:
    speed = float(text)
    if not 0.001 <= speed <= 1e9:
        raise argparse.ArgumentTypeError("must lie between 0.001 and 1000000000")
    return speed


def _window(text: str) -> int:
    window = int(text)
    if not 1 <= window <= WINDOW_RECORDS_MAX:
        raise argparse.ArgumentTypeError(f"must lie between 1 and {WINDOW_RECORDS_MAX}")
    return window


def _replay(arguments: argparse.Namespace) -> dict[str, Any]:
    if len(arguments.symbol.encode()) > 16 or not arguments.symbol:
        raise ConfigurationError("--symbol must have 1 to 16 characters")
    recording = read_recording(arguments.messages, arguments.book)
    exchange = _find_exchange(arguments)
    try:
        with Client(exchange.order_endpoint, 0, exchange.operator_key) as operator:
            venue = prepare_venue(operator, arguments.symbol, recording)
            plan = Planner(recording, venue.terms).plan()
            fund(operator, venue, plan)
            shard_id = operator.status().shard_id
        with (
            Session(exchange.order_endpoint, 0, exchange.operator_key) as session,
            _progress(len(recording.messages)) as on_progress,
        ):
            outcome = Sender(
                session,
                plan,
                window=arguments.window,
                speed=arguments.speed,
                on_progress=on_progress,
            ).run()
    except Unreachable as error:
        raise ReplayError(f"no exchange answers: {error}; start one with `tradepit up`") from error
    except Refused as error:
        raise ReplayError(f"the exchange refused to prepare the replay: {error}") from error
    landed_s = None
    if exchange.postgres_url:
        landed_s = wait_until_applied(exchange.postgres_url, shard_id, outcome.last_seq)
    return _report(arguments, plan, outcome, landed_s)


def _find_exchange(arguments: argparse.Namespace) -> Exchange:
    if arguments.endpoint:
        if not arguments.operator_key_file:
            raise ConfigurationError("--endpoint needs --operator-key-file")
        keys = read_keys(arguments.operator_key_file)
        operator_key = next(key.key for key in keys if key.is_operator)
        return Exchange(arguments.endpoint, operator_key, "")
    if arguments.operator_key_file:
        raise ConfigurationError("--operator-key-file goes with --endpoint")
    path = arguments.ready_file
    try:
        ready = json.loads(path.read_text(encoding="utf-8"))
        return Exchange(
            ready["order_endpoint"], ready["operator"]["key"], ready.get("postgres_url") or ""
        )
    except FileNotFoundError:
        raise ReplayError(
            f"no exchange is running here ({path} does not exist): start one with `tradepit up`, "
            "or name its --ready-file"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is not a ready file of `tradepit up`: {error!r}"
        ) from None


@contextmanager
def _progress(message_count: int) -> Iterator[Callable[[int, Outcome], None]]:
    """A bar on the terminal, if there is one and rich is installed."""
    try:
        if not sys.stderr.isatty():
            raise ImportError
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )
    except ImportError:
        yield lambda _done, _outcome: None
        return
    columns = (
        TextColumn("messages"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("replay", total=message_count, note="")

        def on_progress(done: int, outcome: Outcome) -> None:
            note = f"{outcome.trade_count} trades"
            if outcome.compared_count:
                note += f", {outcome.equal_count / outcome.compared_count:.2%} equal"
            bar.update(task, completed=done, note=note)

        yield on_progress


def _report(
    arguments: argparse.Namespace, plan: Plan, outcome: Outcome, landed_s: float | None
) -> dict[str, Any]:
    latencies_ns = sorted(outcome.latencies_ns)

    def percentile_us(share: float) -> float | None:
        if not latencies_ns:
            return None
        index = min(len(latencies_ns) - 1, int(share * len(latencies_ns)))
        return round(latencies_ns[index] / 1000, 1)

    report: dict[str, Any] = {
        "symbol": arguments.symbol,
        "messages": len(plan.ends),
        "orders": outcome.command_count,
        "elapsed_s": round(outcome.elapsed_s, 3),
        "orders_per_s": round(outcome.command_count / outcome.elapsed_s) if latencies_ns else 0,
        "messages_per_s": round(len(plan.ends) / outcome.elapsed_s),
        "in_database_after_s": None if landed_s is None else round(outcome.elapsed_s + landed_s, 3),
        "trades": outcome.trade_count,
        "rejects": {
            wire.Reason(reason).name.lower(): count
            for reason, count in sorted(outcome.rejects.items())
        },
        "window": arguments.window,
        "latency_us": {
            "p50": percentile_us(0.5),
            "p99": percentile_us(0.99),
            "p99_9": percentile_us(0.999),
            "max": percentile_us(1.0),
        },
        "best_prices": {
            "compared": outcome.compared_count,
            "equal": outcome.equal_count,
            "levels_came_into_sight": plan.revealed_row_count,
            "messages_contradict_book": plan.repaired_row_count,
        },
        "hidden_executions_skipped": plan.hidden_execution_count,
        "halts": plan.halt_count,
        "seeded": {
            "orders_that_the_file_names_later": plan.placed_from_ahead_count,
            "anonymous_orders": plan.seeded_count,
            "orders_canceled_out_of_sight": plan.canceled_unseen_count,
            "orders_moved_back": plan.requeued_count,
        },
        "shard_restarts": outcome.restart_count,
        "answers_lost": {
            "orders": outcome.lost_answer_count,
            "comparisons": outcome.lost_comparison_count,
        },
    }
    if outcome.first_difference is not None:
        record, recorded, ours = outcome.first_difference
        row = next(row for row, end in enumerate(plan.ends) if end > record)
        report["best_prices"]["first_difference"] = {
            "row": row + 1,
            "recorded": recorded._asdict(),
            "ours": ours._asdict(),
        }
    return report


def _text(report: dict[str, Any]) -> str:
    latency, best, seeded = report["latency_us"], report["best_prices"], report["seeded"]
    rejects = ", ".join(f"{name} {count:,}" for name, count in report["rejects"].items()) or "none"
    lines = [
        (
            f"{report['symbol']}: {report['messages']:,} messages became {report['orders']:,} orders, "
            f"cancels and replaces"
        ),
        (
            f"acknowledged    in {report['elapsed_s']:.2f} s: {report['orders_per_s']:,} a second, "
            f"{report['window']} in flight"
        ),
    ]
    if report["in_database_after_s"] is not None:
        lines.append(f"in PostgreSQL   after {report['in_database_after_s']:.2f} s")
    if latency["p50"] is not None:
        lines.append(
            f"latency         p50 {latency['p50']:,.0f} us, p99 {latency['p99']:,.0f} us, "
            f"p99.9 {latency['p99_9']:,.0f} us, max {latency['max']:,.0f} us"
        )
    lines += [f"trades          {report['trades']:,}", f"rejects         {rejects}"]
    if best["compared"]:
        lines += [
            (
                f"best bid, ask   equal to the recorded after {best['equal']:,} of "
                f"{best['compared']:,} messages ({best['equal'] / best['compared']:.3%})"
            ),
            (
                f"                a level came into sight and was seeded or cleared in "
                f"{best['levels_came_into_sight']:,} rows; messages and book contradict each other in "
                f"{best['messages_contradict_book']:,}"
            ),
        ]
    lines.append(
        f"not in the file {seeded['orders_that_the_file_names_later']:,} orders that it names later, "
        f"{seeded['anonymous_orders']:,} anonymous, {seeded['orders_canceled_out_of_sight']:,} "
        f"canceled out of sight, {seeded['orders_moved_back']:,} moved back"
    )
    lines.append(
        f"skipped         {report['hidden_executions_skipped']:,} hidden executions, "
        f"{report['halts']:,} halts"
    )
    if report["shard_restarts"]:
        lost = report["answers_lost"]
        lines.append(
            f"shard restarts  {report['shard_restarts']}; {lost['orders']:,} orders had been taken "
            f"without an answer, {lost['comparisons']:,} comparisons were lost"
        )
    return "\n".join(lines)
