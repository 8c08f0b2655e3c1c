"""The load and the smoke test on a running exchange, as the Kubernetes scripts run them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tradepit.cli.running import RunningExchange
from tradepit.client import Client
from tradepit.tools.demo import DEMO_ACCOUNT_ID
from tradepit.tools.load.report import Report, add_up

from tests.exchange_checks import check_everything

TIMEOUT_S = 60.0


def start(exchange: RunningExchange, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=os.environ
        | {
            "TRADEPIT_ORDER_ENDPOINT": exchange.order_endpoint,
            "TRADEPIT_HTTP_PORT": exchange.ingress_url.rpartition(":")[2],
            "TRADEPIT_KEYS_FILE": str(Path(exchange.data_dir) / "keys.json"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    output, error = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, output, error


def test_processes_load_one_exchange_and_their_reports_add_up(exchange: RunningExchange) -> None:
    started = [
        start(
            exchange, "tradepit.tools.load", "run", f"--index={index}", "--rate=50", "--seconds=2"
        )
        for index in range(3)
    ]
    lines = []
    for process in started:
        code, output, error = finish(process)
        assert code == 0, error
        lines += output.splitlines()
    reports = [Report.from_line(line) for line in lines]
    total = add_up(lines)
    assert len(reports) == total.processes == 3
    assert (total.sent, total.unknown, total.not_sent) == (300, 0, 0)
    assert total.accepted + total.refused.total() == total.latency_ns.count == 300
    assert total.accepted > 0
    assert total.latency_ns.percentile(50) <= total.latency_ns.percentile(99.9)
    check_everything(exchange)


def test_the_smoke_test_places_an_order_and_takes_it_back(exchange: RunningExchange) -> None:
    code, output, error = finish(start(exchange, "tradepit.tools.smoke", "--order"))
    assert (code, error) == (0, "")
    assert "was open and is canceled" in output
    with Client(exchange.order_endpoint, DEMO_ACCOUNT_ID, exchange.demo_key) as client:
        assert client.open_orders() == []


def test_the_smoke_test_fails_where_no_order_is_taken(
    exchange: RunningExchange, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    operator = {"key": "0" * 64, "account_id": 0, "role": "operator"}
    stranger = {"key": "1" * 64, "account_id": 7, "role": "trader"}
    keys.write_text(json.dumps({"keys": [operator, stranger]}))
    keys.chmod(0o600)
    process = subprocess.run(
        [sys.executable, "-m", "tradepit.tools.smoke", "--order"],
        env=os.environ
        | {
            "TRADEPIT_HTTP_PORT": exchange.ingress_url.rpartition(":")[2],
            "TRADEPIT_KEYS_FILE": str(keys),
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert process.returncode == 1
    assert process.stderr.startswith("smoke: POST /v1/orders: 401")
