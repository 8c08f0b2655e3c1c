"""`tradepit reconcile` on a running exchange: nothing differs, until somebody changes something."""

import asyncio
import contextlib
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nats
import pytest
import redis
from tradepit.cli.main import main
from tradepit.cli.running import RunningExchange
from tradepit.client import Client
from tradepit.client.requests import new_order
from tradepit.engine import JournalReader
from tradepit.protocol import names, wire
from tradepit.tools import running
from tradepit.tools.journal.files import Journal
from tradepit.tools.reconcile import command, stream
from tradepit.tools.reconcile.report import Check, Report

from tests.exchange_checks import check_ledger_reached, key_of, operator, query
from tests.matcher_process import MatcherProcess, trade_once

BTC_USD = 1
TIMEOUT_S = 60.0


def reconcile(exchange: RunningExchange, *words: str) -> tuple[int, dict[str, Any]]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(
            ["reconcile", "--json", "--data", str(exchange.data_dir), "--wait", "20", *words]
        )
    return code, json.loads(printed.getvalue())


def failed(report: dict[str, Any]) -> list[str]:
    return [check["name"] for check in report["checks"] if not check["holds"]]


@pytest.fixture(autouse=True)
def _trades(exchange: RunningExchange) -> None:
    """A few trades, and an order that stays open, all in the tables."""
    with (
        Client(exchange.order_endpoint, 101, key_of(exchange, "maker-101")) as maker,
        Client(exchange.order_endpoint, 111, key_of(exchange, "taker-111")) as taker,
    ):
        for _ in range(3):
            maker.submit(
                instrument_id=BTC_USD, side=wire.Side.SELL, price_ticks=5_000, quantity_lots=10
            )
            taker.submit(
                instrument_id=BTC_USD, side=wire.Side.BUY, price_ticks=5_000, quantity_lots=9
            )
    with operator(exchange) as client:
        check_ledger_reached(exchange, client.status())


def test_an_exchange_that_trades_is_consistent(exchange: RunningExchange) -> None:
    code, report = reconcile(exchange)
    assert (code, failed(report)) == (0, [])
    with operator(exchange) as client:
        assert report["seq"] == client.status().seq
    assert len(report["checks"]) == 8


def test_what_somebody_changed_in_the_tables_is_found(exchange: RunningExchange) -> None:
    query(exchange, "UPDATE balances SET total_units = total_units + 1 WHERE account_id = 101")
    code, report = reconcile(exchange)
    query(exchange, "UPDATE balances SET total_units = total_units - 1 WHERE account_id = 101")
    assert (code, failed(report)) == (1, ["ledger = journal replay", "the ledger adds up"])
    assert any("account 101" in text for text in report["checks"][3]["differences"])

    (row,) = query(exchange, "SELECT * FROM trades ORDER BY trade_id DESC LIMIT 1")
    query(
        exchange,
        "UPDATE trades SET notional_units = notional_units + 1 WHERE trade_id = $1",
        row["trade_id"],
    )
    code, report = reconcile(exchange)
    query(
        exchange,
        "UPDATE trades SET notional_units = notional_units - 1 WHERE trade_id = $1",
        row["trade_id"],
    )
    names = ["orders and trades = journal", "the ledger adds up"]
    assert (code, failed(report)) == (1, names)
    assert reconcile(exchange)[0] == 0


@pytest.mark.parametrize(
    ("change", "undo", "check"),
    [
        (
            "UPDATE orders SET price_ticks = price_ticks + 7 WHERE status = 2",
            "UPDATE orders SET price_ticks = price_ticks - 7 WHERE status = 2",
            "ledger = journal replay",
        ),
        (
            "UPDATE orders SET client_order_id = client_order_id + 1 WHERE status = 3",
            "UPDATE orders SET client_order_id = client_order_id - 1 WHERE status = 3",
            "orders and trades = journal",
        ),
        (
            "UPDATE trades SET trade_id = trade_id + 1000000",
            "UPDATE trades SET trade_id = trade_id - 1000000",
            "orders and trades = journal",
        ),
        (
            "WITH gone AS (DELETE FROM trades RETURNING *) SELECT count(*) FROM gone",
            "",
            "orders and trades = journal",
        ),
    ],
    ids=["an open order", "closed orders", "ids of trades", "no trades"],
)
def test_rows_that_are_not_the_journals_are_found(
    exchange: RunningExchange, change: str, undo: str, check: str
) -> None:
    query(exchange, "CREATE TABLE kept AS SELECT * FROM trades")
    query(exchange, change)
    code, report = reconcile(exchange)
    query(exchange, undo or "INSERT INTO trades SELECT * FROM kept")
    query(exchange, "DROP TABLE kept")
    assert code == 1
    assert check in failed(report)
    assert reconcile(exchange)[0] == 0


def test_a_copy_of_the_folder_is_not_taken_for_the_exchange(
    exchange: RunningExchange, tmp_path: Path
) -> None:
    (tmp_path / "ready.json").write_bytes((exchange.data_dir / "ready.json").read_bytes())
    assert main(["reconcile", "--data", str(tmp_path)]) == 2


def test_an_exchange_whose_first_segments_are_gone_is_consistent(
    start_exchange: Callable[..., RunningExchange],
) -> None:
    exchange = start_exchange(
        environment={
            "TRADEPIT_SEGMENT_MIB": "16",
            "TRADEPIT_SNAPSHOT_COMMANDS": "2000",
            "TRADEPIT_JOURNAL_RETENTION_HOURS": "0",
        }
    )
    segments = exchange.data_dir / "journal" / "shard-0"
    first = segments / f"{1:020}.journal"
    orders = [
        new_order(instrument_id=BTC_USD, side=side, price_ticks=5_000, quantity_lots=1)
        for side in (wire.Side.BUY, wire.Side.SELL)
    ] * 2_000
    with Client(exchange.order_endpoint, 101, key_of(exchange, "maker-101")) as maker:
        deadline = time.monotonic() + TIMEOUT_S
        while first.exists():
            maker.submit_many(orders)
            assert time.monotonic() < deadline, list(segments.iterdir())
    code, report = reconcile(exchange)
    assert (code, failed(report)) == (0, []), report
    assert "has left the journal" in report["checks"][5]["compared"]


@pytest.mark.parametrize("damage", ["changed", "missing", "too many", "behind"])
def test_a_wrong_cache_is_found_and_repaired(exchange: RunningExchange, damage: str) -> None:
    key = f"tp:position:101:{BTC_USD}"
    assert reconcile(exchange)[0] == 0
    with redis.Redis.from_url(exchange.document["redis_url"], decode_responses=True) as cache:
        if damage == "changed":
            cache.hset(key, "bought_lots", "123456")
        elif damage == "missing":
            cache.unlink(key)
        elif damage == "too many":
            cache.hset("tp:position:999:1", mapping={"shard_id": "0", "seq": "1"})
        else:
            cache.hset(key, "seq", "1")
        code, report = reconcile(exchange)
        assert (code, failed(report)) == (1, ["cache = ledger"])
        code, report = reconcile(exchange, "--repair")
        assert (code, failed(report), report["repaired_count"]) == (0, [], 1)
        assert cache.exists("tp:position:999:1") == 0
    assert reconcile(exchange)[0] == 0


def test_a_part_that_is_away_is_a_difference_and_not_a_crash(exchange: RunningExchange) -> None:
    ready = json.loads((exchange.data_dir / "ready.json").read_text())
    away = {**ready, "redis_url": "redis://127.0.0.1:1/0", "nats_url": "nats://127.0.0.1:1"}
    path = exchange.data_dir / "ready.json"
    original = path.read_bytes()
    path.write_text(json.dumps(away))
    try:
        code, report = reconcile(exchange)
    finally:
        path.write_bytes(original)
    assert (code, failed(report)) == (1, ["stream = journal", "cache = ledger"])


def test_another_shards_matcher_is_not_taken_for_the_one_that_was_asked_for(
    exchange: RunningExchange,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (
        ("TRADEPIT_SHARD_ID", "2"),
        ("TRADEPIT_ORDER_ENDPOINT", exchange.order_endpoint),
        ("TRADEPIT_POSTGRES_URL", exchange.document["postgres_url"]),
        ("TRADEPIT_NATS_URL", exchange.document["nats_url"]),
        ("TRADEPIT_REDIS_URL", exchange.document["redis_url"]),
        ("TRADEPIT_KEYS_FILE", str(exchange.data_dir / "keys.json")),
    ):
        monkeypatch.setenv(name, value)
    place = running.find(tmp_path)
    report = Report()
    assert asyncio.run(command._ask_matcher(place, report)) is None
    assert "is shard 0, and shard 2 was asked for" in report.checks[0].differences[0]
    assert main(["reconcile", "--data", str(tmp_path)]) == 2
    assert "shard-2" in capsys.readouterr().err  # its journal, not that of shard 0


def test_a_stream_that_is_not_the_journal_is_found(
    matcher: MatcherProcess, nats_url: str, shard_id: int
) -> None:
    trade_once(matcher)
    seq = matcher.status().seq
    forged = published(matcher.journal_dir, shard_id, seq, forge=False)
    assert compare(matcher.data_dir, nats_url, shard_id, 90_000, forged, seq) == []
    forged = published(matcher.journal_dir, shard_id, seq, forge=True)
    (difference,) = compare(matcher.data_dir, nats_url, shard_id, 90_001, forged, seq)
    assert "is not what the journal holds as seq 5" in difference
    (difference,) = compare(matcher.data_dir, nats_url, shard_id, 90_003, [b"hello"], seq)
    assert "message 1 holds seq 0" in difference
    (difference,) = compare(matcher.data_dir, nats_url, shard_id, 90_002, forged[:3], seq)
    assert "the stream ends at seq 3;" in difference


def published(journal_dir: Path, shard_id: int, seq: int, *, forge: bool) -> list[bytes]:
    """One message a seq, the fifth with another's content if it is forged."""
    reader = JournalReader(str(journal_dir), shard_id)
    reader.seek(1)
    messages = []
    while batch := reader.next_batch(seq, 1):
        messages.append(batch)
    if forge:
        messages[4] = messages[3]
    return messages


def compare(
    data_dir: Path, nats_url: str, shard_id: int, stream_id: int, messages: list[bytes], seq: int
) -> list[str]:
    """What the comparison says of a stream of its own with these messages."""
    journal = Journal(data_dir, shard_id)
    journal.shard_id = stream_id  # the stream's name; entries do not carry the shard

    async def run() -> Check:
        client = await nats.connect(nats_url)
        jetstream = client.jetstream(timeout=10)
        subject = names.events_subject(stream_id)
        await jetstream.add_stream(name=names.events_stream(stream_id), subjects=[subject])
        for message in messages:
            await jetstream.publish(subject, message)
        check = Check("stream = journal")
        await stream.compare(nats_url, journal, seq, check, 2.0)
        await client.close()
        return check

    return asyncio.run(asyncio.wait_for(run(), TIMEOUT_S)).differences
