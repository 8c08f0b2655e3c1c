"""`tradepit engine run`: commands as JSON lines in, events as JSON lines out, nothing else."""

import argparse
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from tradepit.engine import Engine
from tradepit.protocol import text, wire
from tradepit.protocol.errors import MalformedRecord

DESCRIPTION = """\
Runs commands through the matching engine alone: no server, no journal, no clock. Each input line is
one command as a JSON object with the names of docs/protocol.md; each output line is one event.
"""

EPILOG = """\
An enum is its lower-case name (or its number), a bit set a list of names, prices and quantities are
whole ticks, lots and units; fields left out are zero. Nothing is listed at first: an asset, an
instrument and an account come before the first order. Each of these stands on one line:

  {"type": "set_asset", "asset_id": 1, "symbol": "USD", "decimals": 2}
  {"type": "set_asset", "asset_id": 2, "symbol": "BTC", "decimals": 2}
  {"type": "set_instrument", "instrument_id": 1, "symbol": "BTC-USD", "base_asset_id": 2,
   "quote_asset_id": 1, "price_decimals": 0, "tick_size": 1, "lot_size_units": 1,
   "price_ticks_min": 1, "price_ticks_max": 1000000, "quantity_lots_min": 1,
   "quantity_lots_max": 1000000, "trading_state": "continuous"}
  {"type": "set_account", "account_id": 7, "state": "active"}
  {"type": "credit", "account_id": 7, "asset_id": 1, "amount_units": 100000, "transfer_id": 1}
  {"type": "new_order", "account_id": 7, "instrument_id": 1, "side": "buy", "order_type": "limit",
   "time_in_force": "gtc", "price_ticks": 100, "quantity_lots": 5, "flags": ["post_only"]}

A line that is not a command ends the run with a sentence on stderr and exit code 1; the events of
the lines before it have been written.
"""


def run(argv: list[str]) -> int:
    """Run the subcommand `engine`; the exit code: 0 done, 1 bad input."""
    parser = argparse.ArgumentParser(
        prog="tradepit engine",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=["run"], help="run a script of commands")
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="the commands; - (default) is stdin"
    )
    arguments = parser.parse_args(argv)
    try:
        if arguments.file == "-":
            return run_lines(sys.stdin.buffer, "stdin", sys.stdout)
        with open(arguments.file, "rb") as file:
            return run_lines(file, arguments.file, sys.stdout)
    except BrokenPipeError:  # whoever read our events has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return 0
    except OSError as error:
        print(f"tradepit engine: {arguments.file}: {error.strerror}", file=sys.stderr)
        return 1


def run_lines(lines: Iterable[bytes], source: str, out: TextIO) -> int:
    """Apply each line of `lines` and write its events to `out`; 1 at the first bad line, else 0."""
    engine = Engine()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            command = command_from_line(line)
        except MalformedRecord as error:
            out.flush()
            print(f"tradepit engine: {source}: line {number}: {error}", file=sys.stderr)
            return 1
        out.writelines(
            text.record_to_line(event) + "\n"
            for event in wire.decode_all(engine.apply(command.encode()))
        )
    out.flush()
    return 0


def command_from_line(line: bytes) -> Any:
    """The command record of one line. Raises MalformedRecord."""
    try:
        command = text.record_from_line(line.decode())
    except UnicodeDecodeError as error:
        raise MalformedRecord("not UTF-8") from error
    if not isinstance(command, wire.COMMANDS):
        known = ", ".join(wire.type_of_record[kind].name.lower() for kind in wire.COMMANDS)
        raise MalformedRecord(f"not a command; commands are {known}")
    return command
