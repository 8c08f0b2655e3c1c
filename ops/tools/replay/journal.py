"""`tradepit replay journal`: the exchange as it stood at any seq."""

import argparse
import json
from typing import Any

from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.errors import ConfigurationError
from tradepit.tools.journal.command import add_place, seq
from tradepit.tools.journal.files import Journal
from tradepit.tools.journal.replay import Replay, assets_of, instruments_of

LEVELS_DEFAULT = 10

DESCRIPTION = """\
Applies the journal's commands to an engine up to a seq, from the newest snapshot before it on,
compares every event with what was recorded, and prints the books, the balances and the digest as they
stood there. It reads only, and may be used while the matcher runs.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_place(parser)
    parser.add_argument(
        "--to-seq",
        type=seq,
        metavar="N",
        help="the last command applied (default: the last there is)",
    )
    parser.add_argument(
        "--levels",
        type=_levels,
        default=LEVELS_DEFAULT,
        metavar="N",
        help=f"price levels of each side, at most {wire.BOOK_LEVELS_MAX} (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="whole numbers as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print the state. Raises ConfigurationError, JournalDamaged."""
    replay = Replay(Journal(arguments.data, arguments.shard), arguments.to_seq, is_quick=True)
    replay.move_to(arguments.to_seq)
    engine = replay.engine
    if arguments.to_seq is not None and engine.seq < arguments.to_seq:
        raise ConfigurationError(f"--to-seq: the journal ends at seq {engine.seq}")
    state = state_of(engine, arguments.levels)
    print(json.dumps(state) if arguments.json else _text(state, engine))


def _levels(argument: str) -> int:
    value = int(argument)
    if not 1 <= value <= wire.BOOK_LEVELS_MAX:
        raise argparse.ArgumentTypeError(f"must lie between 1 and {wire.BOOK_LEVELS_MAX}")
    return value


def state_of(engine: Engine, levels: int) -> dict[str, Any]:
    """Prices in ticks, quantities in lots, funds in the asset's smallest unit."""
    assets = assets_of(engine)
    books = []
    for instrument_id, terms in instruments_of(engine).items():
        bids, asks = engine.book(instrument_id, levels)
        books.append({"symbol": terms.symbol, "bids": bids, "asks": asks})
    balances = []
    for account_id in engine.account_ids:
        for asset_id, asset in assets.items():
            available, held = engine.balance(account_id, asset_id)
            if available or held:
                balances.append(
                    {
                        "account_id": account_id,
                        "asset": asset.symbol,
                        "available_units": available,
                        "held_units": held,
                    }
                )
    return {
        "seq": engine.seq,
        "digest": f"{engine.digest:016x}",
        "open_orders": engine.open_order_count,
        "books": books,
        "balances": balances,
    }


def _text(state: dict[str, Any], engine: Engine) -> str:
    assets = {asset.symbol: asset.decimals for asset in assets_of(engine).values()}
    lines = [
        (f"seq {state['seq']:,}, digest {state['digest']}, {state['open_orders']:,} open orders"),
    ]
    for book in state["books"]:
        lines += ["", f"{book['symbol']}  (price in ticks x lots, orders)"]
        for name, side in (("ask", reversed(book["asks"])), ("bid", book["bids"])):
            lines += [
                f"  {name} {price:>14,} x {lots:<12,} {count:>6,}" for price, lots, count in side
            ]
    lines += ["", f"{'account':>20}  {'asset':<8} {'available':>28} {'held':>28}"]
    for row in state["balances"]:
        decimals = assets[row["asset"]]
        lines.append(
            f"{row['account_id']:>20}  {row['asset']:<8} "
            f"{_decimal(row['available_units'], decimals):>28} "
            f"{_decimal(row['held_units'], decimals):>28}"
        )
    return "\n".join(lines)


def _decimal(units: int, decimals: int) -> str:
    whole, part = divmod(abs(units), 10**decimals)
    sign = "-" if units < 0 else ""
    return f"{sign}{whole:,}" + (f".{part:0{decimals}}" if decimals else "")
