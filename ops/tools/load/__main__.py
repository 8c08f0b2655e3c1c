"""`python -m tradepit.tools.load run|add`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from tradepit.protocol import settings
from tradepit.protocol.errors import ConfigurationError, TradepitError
from tradepit.protocol.keys import keys_file, read_keys
from tradepit.tools.load.report import add_up
from tradepit.tools.load.run import Load


def main(argv: Sequence[str]) -> int:
    """Exit code 0; 1 if it failed or a report is missing; 2 for settings and arguments."""
    parser = argparse.ArgumentParser(prog="python -m tradepit.tools.load", description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    run = parts.add_parser("run", help="send orders to one shard and print a report (JSON)")
    run.add_argument("--rate", type=float, default=100.0, help="orders a second (100)")
    run.add_argument("--seconds", type=float, default=10.0, help="for how long (10)")
    run.add_argument(
        "--index",
        type=int,
        default=int(os.environ.get("JOB_COMPLETION_INDEX", "0")),
        help="which of the processes this is: chooses shard and account (JOB_COMPLETION_INDEX, or 0)",
    )
    add = parts.add_parser("add", help="add up the reports on stdin")
    add.add_argument("--expect", type=int, required=True, help="how many reports there must be")
    arguments = parser.parse_args(argv)
    try:
        if arguments.part == "add":
            return _add(arguments.expect)
        return _run(arguments.rate, arguments.seconds, arguments.index)
    except ConfigurationError as error:
        print(f"load: {error}", file=sys.stderr)
        return 2
    except TradepitError as error:
        print(f"load: {error}", file=sys.stderr)
        return 1


def _run(rate: float, seconds: float, index: int) -> int:
    endpoints = settings.of_each_shard(settings.ORDER_ENDPOINT, os.environ)
    path = keys_file(os.environ)
    traders = [key for key in read_keys(path) if not key.is_operator]
    if not traders:
        raise ConfigurationError(f"{path} has no trader's key")
    trader = traders[index // len(endpoints) % len(traders)]
    load = Load(
        endpoints[index % len(endpoints)],
        trader.account_id,
        trader.key,
        rate=rate,
        seconds=seconds,
        seed=index,
    )
    print(asyncio.run(load.run()).line(), flush=True)
    return 0


def _add(expected: int) -> int:
    total = add_up(sys.stdin)
    print(total.text())
    if total.processes != expected:
        print(
            f"load: {total.processes} reports, and there should be {expected}: this is not the whole load",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
