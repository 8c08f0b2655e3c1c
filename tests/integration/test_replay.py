"""`tradepit replay lobster` against a running exchange, and through a kill of the matcher."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tradepit.cli.running import RunningExchange
from tradepit.tools.replay import run

from tests.lobster_day import AMZN_BOOK, AMZN_MESSAGES, MATERIAL, ROWS, WHY_SKIPPED, write_day
from tests.matcher_process import MatcherProcess, running_matcher

DEADLINE_S = 60.0
POLL_S = 0.02

needs_material = pytest.mark.skipif(not MATERIAL.is_dir(), reason=WHY_SKIPPED)


@pytest.fixture
def matcher(data_dir: Path, nats_url: str, shard_id: int) -> Iterator[MatcherProcess]:
    with running_matcher(data_dir, nats_url, shard_id) as process:
        yield process


def replay(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    code = run(["lobster", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    report: dict[str, Any] = json.loads(captured.out)
    return report


def at(matcher: MatcherProcess) -> list[object]:
    keys_file = matcher.data_dir / "keys.json"
    return ["--endpoint", matcher.order_endpoint, "--operator-key-file", keys_file]


def test_a_day_can_be_replayed_again_and_again(
    matcher: MatcherProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages, book = write_day(tmp_path)
    for window in (1, 7, 512):
        report = replay(
            capsys, messages, "--book", book, "--symbol", "XYZ", "--window", window, *at(matcher)
        )
        assert report["trades"] == 4
        assert report["rejects"] == {}
        assert report["best_prices"]["equal"] == report["best_prices"]["compared"] == len(ROWS)
        assert report["latency_us"]["p50"] > 0
        assert report["in_database_after_s"] is None  # an endpoint alone does not say where it is


def test_a_symbol_with_other_terms_is_refused(
    matcher: MatcherProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages, _ = write_day(tmp_path)
    arguments = [messages, "--symbol", "BTC-USD", *at(matcher)]
    assert run(["lobster", *map(str, arguments)]) == 0  # cents and whole shares: it fits
    odd = tmp_path / "odd.csv"
    odd.write_text("34200.1,1,5,10,1000001,1\n")
    assert run(["lobster", str(odd), "--symbol", "BTC-USD", *map(str, at(matcher))]) == 1
    assert "use another --symbol" in capsys.readouterr().err


def test_a_dead_endpoint_is_said_in_one_sentence(
    matcher: MatcherProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages, _ = write_day(tmp_path)
    matcher.stop()
    assert run(["lobster", str(messages), "--symbol", "XYZ", *map(str, at(matcher))]) == 1
    error = capsys.readouterr().err
    assert "start one with `tradepit up`" in error
    assert error.count("\n") == 1


@needs_material
def test_a_kill_in_the_middle_loses_and_doubles_nothing(
    matcher: MatcherProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    first_seq = matcher.status().seq
    failures: list[BaseException] = []

    def kill_in_the_middle() -> None:
        try:
            deadline_s = time.monotonic() + DEADLINE_S
            while matcher.status().seq < first_seq + 20_000:
                assert time.monotonic() < deadline_s
                time.sleep(POLL_S)
            matcher.kill()
            matcher.start()
        except BaseException as error:
            failures.append(error)
            raise

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    report = replay(
        capsys,
        AMZN_MESSAGES,
        "--book",
        AMZN_BOOK,
        "--symbol",
        "AMZN",
        "--speed",
        "10000",
        *at(matcher),
    )
    killer.join(DEADLINE_S)
    assert not failures
    assert report["shard_restarts"] == 1
    assert report["rejects"] == {}
    best = report["best_prices"]
    assert best["equal"] == best["compared"]  # before, and after: the book is the recorded one
    assert best["compared"] + report["answers_lost"]["comparisons"] == 57_515
    assert report["orders"] == 74_094


@needs_material
def test_the_amazon_day_lands_in_the_database(
    exchange: RunningExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (AMZN_MESSAGES, "--book", AMZN_BOOK, "--symbol", "AMZN")
    report = replay(capsys, *arguments, "--ready-file", exchange.ready_file)
    assert report["best_prices"]["equal"] == 57_515
    assert report["rejects"] == {}
    assert report["in_database_after_s"] >= report["elapsed_s"]

    async def count(statement: str) -> int:
        connection = await asyncpg.connect(exchange.document["postgres_url"], timeout=DEADLINE_S)
        try:
            value: int = await connection.fetchval(statement, timeout=DEADLINE_S)
            return value
        finally:
            await connection.close(timeout=DEADLINE_S)

    amzn = "instrument_id = (SELECT instrument_id FROM instruments WHERE symbol = 'AMZN')"
    assert asyncio.run(count(f"SELECT count(*) FROM trades WHERE {amzn}")) == 8_974  # noqa: S608
