"""`tradepit top` on a running exchange."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tradepit.cli.ports import choose
from tradepit.cli.running import RunningExchange
from tradepit.client import Client, Side

TIMEOUT_S = 60.0


def top(*arguments: str) -> tuple[int, str]:
    """Its exit code and what it printed, without a terminal."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tradepit.cli.main", "top", *arguments],
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_one_frame_shows_every_service_of_the_data_folder(exchange: RunningExchange) -> None:
    account_id = int(exchange.document["demo"]["account_id"])
    with Client(exchange.order_endpoint, account_id, exchange.demo_key) as client:
        client.submit(instrument_id=1, side=Side.BUY, price_ticks=1_000_000, quantity_lots=10)
        code, text = top("--data", str(exchange.data_dir), "--once")
    assert code == 0, text
    assert "all answer" in text
    assert "\x1b" not in text  # plain, where there is no terminal
    for kind in ("matcher", "ledger", "ingress"):
        assert kind in text
    assert text.count(" ready ") == 3
    assert "last minute" in text  # the order was measured


def test_it_finds_services_by_their_address_and_shows_one_that_is_not_there(
    exchange: RunningExchange,
) -> None:
    nobody = f"127.0.0.1:{choose({}, ['nobody'])['nobody']}"
    matcher = exchange.document["metrics_urls"]["matcher"]
    code, text = top("--once", "--url", matcher, "--url", nobody)
    assert code == 1
    assert "1 down" in text
    assert f"{nobody} does not answer" in text
    assert "matcher" in text


def test_a_service_that_hangs_is_down_and_the_others_are_shown(exchange: RunningExchange) -> None:
    ledger = exchange.pids["ledger"]
    os.kill(ledger, signal.SIGSTOP)
    try:
        code, text = top("--data", str(exchange.data_dir), "--once")
    finally:
        os.kill(ledger, signal.SIGCONT)
    assert code == 1
    assert "ledger does not answer" in text
    assert "TradepitLedgerDown" in text
    assert text.count(" ready ") == 2


def test_without_an_exchange_it_says_so_in_one_sentence(tmp_path: Path) -> None:
    code, text = top("--data", str(tmp_path), "--once")
    assert code == 2
    assert text.count("\n") == 1
    assert "no exchange runs here" in text
