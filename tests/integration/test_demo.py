"""The demo: seeded once however often, and a market that survives the shard."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tradepit.client import Client, FeedSubscriber, Refused
from tradepit.protocol import wire
from tradepit.tools import demo

from tests.matcher_process import MatcherProcess

DEADLINE_S = 60.0
POLL_S = 0.02


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"never happened: {what}"
        time.sleep(POLL_S)


@pytest.fixture
def matcher(data_dir: Path, nats_url: str, shard_id: int) -> Iterator[MatcherProcess]:
    """A matcher without instruments, with a key for each demo trader."""
    process = MatcherProcess(data_dir, nats_url, shard_id)
    keys_file = data_dir / "keys.json"
    document = json.loads(keys_file.read_text())
    for account_id in (*demo.MAKER_ACCOUNT_IDS, *demo.TAKER_ACCOUNT_IDS):
        document["keys"].append(
            {"key": os.urandom(32).hex(), "account_id": account_id, "role": "trader"}
        )
    keys_file.write_text(json.dumps(document))
    process.start()
    try:
        yield process
    finally:
        if process.is_running:
            process.kill()


@contextmanager
def running_demo(matcher: MatcherProcess, log_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tradepit.tools.demo", "--trade-only"],
            env=matcher.environment,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(DEADLINE_S)


def test_seeding_twice_changes_nothing(matcher: MatcherProcess) -> None:
    demo.seed(matcher.order_endpoint, matcher.operator_key)
    with matcher.operator() as operator:
        balances = operator.balances(account_id=demo.DEMO_ACCOUNT_ID)
        listing = operator.instruments()
    assert [each.symbol for each in listing.instruments] == ["BTC-USD", "ETH-USD", "SOL-USD"]
    assert [each.available_units for each in balances] == [10**12, 2 * 10**9, 4 * 10**10, 10**10]
    demo.seed(matcher.order_endpoint, matcher.operator_key)
    with matcher.operator() as operator:
        again = operator.balances(account_id=demo.DEMO_ACCOUNT_ID)
    assert [each.available_units for each in again] == [each.available_units for each in balances]


def test_the_market_quotes_trades_and_survives_a_restart(
    matcher: MatcherProcess, tmp_path: Path
) -> None:
    demo.seed(matcher.order_endpoint, matcher.operator_key)
    log_path = tmp_path / "demo.log"
    symbols = range(1, len(demo.MARKETS) + 1)

    def quoted() -> bool:
        with matcher.operator() as operator:
            books = [operator.book(instrument_id) for instrument_id in symbols]
        return all(book.bids and book.asks for book in books)

    def traded(feed: FeedSubscriber) -> bool:
        return any(type(record) is wire.MarketTrade for record in feed.receive(0.0))

    with (
        running_demo(matcher, log_path) as process,
        FeedSubscriber(matcher.feed_endpoint) as feed,
    ):
        wait_until(quoted, "quotes on both sides of every book")
        wait_until(lambda: traded(feed), "a trade")
        matcher.kill()
        matcher.start()
        wait_until(lambda: traded(feed), "a trade after a restart")
        wait_until(quoted, "quotes after a restart")
        with matcher.operator() as operator:
            for account_id in demo.MAKER_ACCOUNT_IDS:
                open_orders = operator.open_orders(account_id=account_id)
                assert len(open_orders) <= 2 * len(demo.MARKETS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    assert log_path.read_text().count(" ready ") == 1


def test_a_key_that_is_missing_is_named(matcher: MatcherProcess, tmp_path: Path) -> None:
    keys_file = Path(matcher.environment["TRADEPIT_KEYS_FILE"])
    document = json.loads(keys_file.read_text())
    document["keys"] = [key for key in document["keys"] if key["account_id"] != 112]
    keys_file.write_text(json.dumps(document))
    with running_demo(matcher, tmp_path / "demo.log") as process:
        assert process.wait(DEADLINE_S) == 2
    assert "has no key for account 112" in (tmp_path / "demo.log").read_text()


def test_seeding_needs_an_operator(matcher: MatcherProcess) -> None:
    with pytest.raises(Refused, match="wrong_key"):
        demo.seed(matcher.order_endpoint, "00" * 32)
    with Client(matcher.order_endpoint, 0, matcher.operator_key) as operator:
        assert operator.status().seq == 0
