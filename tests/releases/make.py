"""Records what this version writes, for the versions that come after it to read.

Run it before a release is tagged: `python -m tests.releases.make 0.2.0`. It makes `tests/releases/0.2.0`,
which is committed, and never changes once the version is out: a backup of an exchange that has seen
every kind of command, the golden bytes of the wire, and what is to be found in them.
"""

import json
import re
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from tradepit.cli.engine import command_from_line
from tradepit.cli.main import main
from tradepit.cli.running import RunningExchange
from tradepit.client import Client
from tradepit.engine import JOURNAL_VERSION, Engine, crc32c
from tradepit.protocol import wire
from tradepit.tools.journal.files import Journal

from tests.exchange_checks import key_of, operator, query
from tests.integration.test_backup import wait_until
from tests.journal_builder import entry_bytes

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SEGMENT_MIB = 16
SETTINGS = {"TRADEPIT_SEGMENT_MIB": str(SEGMENT_MIB), "TRADEPIT_SNAPSHOT_COMMANDS": "20"}
TABLES = (
    "orders",
    "order_terms",
    "trades",
    "trade_changes",
    "transfers",
    "instruments",
    "accounts",
)
INSTRUMENT = 77
MAKER, TAKER = 101, 111
AFTER_SNAPSHOT = 5  # orders, so that there is something to replay


def write_journal(directory: Path) -> None:
    """Every kind of command, in one segment."""
    directory.mkdir(parents=True, mode=0o700)
    engine = Engine()
    header = wire.SegmentHeader(
        magic=b"TPJRNL\0\0",
        version=JOURNAL_VERSION,
        first_seq=1,
        digest=engine.digest,
        size_bytes=SEGMENT_MIB << 20,
    ).encode()
    data = header[:-4] + crc32c(header[:-4]).to_bytes(4, "little")
    for line in (ROOT / "docs" / "examples" / "orders.jsonl").read_bytes().splitlines():
        if line.strip():
            command = command_from_line(line).encode()
            events = engine.apply(command)
            data += entry_bytes(engine, command, events, engine.seq)
    path = directory / f"{1:020}.journal"
    path.write_bytes(data)
    with path.open("r+b") as file:
        file.truncate(SEGMENT_MIB << 20)


def trade(exchange: RunningExchange, count: int) -> None:
    """What this version's own matcher sequences and writes."""
    with (
        Client(exchange.order_endpoint, MAKER, key_of(exchange, f"maker-{MAKER}")) as maker,
        Client(exchange.order_endpoint, TAKER, key_of(exchange, f"taker-{TAKER}")) as taker,
    ):
        for number in range(count):
            price_ticks = 1000 + number
            for client, side in ((maker, wire.Side.SELL), (taker, wire.Side.BUY)):
                client.submit(
                    instrument_id=INSTRUMENT, side=side, price_ticks=price_ticks, quantity_lots=10
                )


def list_market(exchange: RunningExchange) -> None:
    with operator(exchange) as client:
        client.set_asset(wire.SetAsset(symbol="EUR", asset_id=11, decimals=6))
        client.set_asset(wire.SetAsset(symbol="XAU", asset_id=12, decimals=6))
        client.set_instrument(
            wire.SetInstrument(
                symbol="XAU-EUR",
                instrument_id=INSTRUMENT,
                base_asset_id=12,
                quote_asset_id=11,
                tick_size=1,
                price_decimals=2,
                lot_size_units=10_000,
                price_ticks_min=1,
                price_ticks_max=100_000,
                quantity_lots_min=1,
                quantity_lots_max=1_000,
                taker_fee_ppm=500,
                trading_state=wire.TradingState.CONTINUOUS,
            )
        )
        for account_id in (MAKER, TAKER):
            client.set_account(account_id)
            for asset_id in (11, 12):
                client.credit(
                    account_id=account_id,
                    asset_id=asset_id,
                    amount_units=10**12,
                    transfer_id=100 * account_id + asset_id,
                )


def record(version: str, folder: Path, backup: Path) -> dict[str, Any]:
    """An exchange in `folder`, backed up; what is to be found in the backup."""
    data_dir = folder / "data"
    journal_dir = data_dir / "journal" / "shard-0"
    write_journal(journal_dir)
    (data_dir / "seeded").touch(mode=0o600)  # no demo listing
    with RunningExchange(data_dir, "--no-demo", environment=SETTINGS) as exchange:
        list_market(exchange)
        trade(exchange, 15)
        wait_until(lambda: len(list(journal_dir.glob("*.snapshot"))) >= 2, "snapshots")
        trade(exchange, AFTER_SNAPSHOT)
        if main(["reconcile", "--data", str(data_dir)]) != 0:
            raise SystemExit("this version does not agree with itself")
        if main(["backup", str(backup), "--data", str(data_dir)]) != 0:
            raise SystemExit("no backup was made")
        last = list(Journal(backup, 0).entries())[-1]
        return {
            "version": version,
            "last_seq": last.seq,
            "digest": f"{last.digest:016x}",
            "snapshot_seq": max(int(path.stem) for path in backup.rglob("*.snapshot")),
            "wire_version": wire.VERSION,
            "rows": {
                table: query(exchange, f"SELECT count(*) FROM {table}")[0]["count"]  # noqa: S608 - ours
                for table in TABLES
            },
        }


def make(version: str) -> None:
    target = HERE / version
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise SystemExit(f"{version} is no version such as 0.2.0")
    if target.exists():
        raise SystemExit(f"{target.name} is recorded already: a version that is out never changes")
    with tempfile.TemporaryDirectory() as name:
        backup = Path(name) / "backup"
        found = record(version, Path(name), backup)
        target.mkdir()
        with tarfile.open(target / "backup.tar.xz", "w:xz") as archive:
            archive.add(backup, "backup")
    shutil.copy(ROOT / "tests" / "vectors" / "wire.json", target)
    (target / "release.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    make(sys.argv[1])
