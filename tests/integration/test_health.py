"""Ready means that an order is taken now, and made durable: shown by taking that away."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tradepit.cli.running import RunningExchange
from tradepit.protocol import wire

from tests.figures import figures
from tests.integration.test_matcher_faults import small_disk
from tests.matcher_process import (
    INSTRUMENT,
    MAKER,
    MatcherProcess,
    free_port,
    running_matcher,
    trade_once,
    wait_until,
)
from tests.nats_cluster import NatsCluster
from tests.rest import call, limit_order
from tests.servers import Servers

TIMEOUT_S = 5.0


def ready(port: int) -> tuple[int, str]:
    answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=TIMEOUT_S)
    return answer.status_code, answer.text


def says(port: int, reason: str) -> Callable[[], bool]:
    def look() -> bool:
        status, text = ready(port)
        return status == 503 and reason in text

    return look


def test_a_matcher_without_space_is_not_ready_until_there_is_some(
    tmp_path: Path, nats_url: str, shard_id: int
) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    port = free_port()
    with (
        small_disk(data_dir, 20) as resize,
        running_matcher(data_dir, nats_url, shard_id, TRADEPIT_METRICS_PORT=str(port)) as matcher,
    ):
        assert ready(port) == (200, "ready\n")
        fill(matcher)
        wait_until(says(port, "storage_full"), "it is told")
        assert httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=TIMEOUT_S).text == "live\n"
        shown = figures(port)
        assert (shown["tradepit_ready"], shown["tradepit_storage_full"]) == (0, 1)
        assert shown['tradepit_refused_records_total{reason="storage_full"}'] > 0
        resize(60)
        wait_until(lambda: ready(port)[0] == 200, "there is space")
        trade_once(matcher)
        matcher.kill()


def fill(matcher: MatcherProcess) -> None:
    """Trade until the journal has no room."""
    orders = [
        wire.NewOrder(
            account_id=MAKER,
            instrument_id=INSTRUMENT,
            side=side,
            order_type=wire.OrderType.LIMIT,
            time_in_force=wire.TimeInForce.GTC,
            price_ticks=1000,
            quantity_lots=1,
        )
        for side in (wire.Side.SELL, wire.Side.BUY) * 500
    ]
    with matcher.trader(MAKER) as maker:
        while not any(order.reason for order in maker.submit_many(orders)):
            pass


@pytest.mark.embedded
def test_a_replicated_matcher_without_a_majority_is_not_ready(
    tmp_path: Path, data_dir: Path
) -> None:
    port = free_port()
    with (
        NatsCluster(tmp_path / "cluster") as cluster,
        running_matcher(
            data_dir,
            cluster.url.split(",")[2],  # the one that stays, and goes on answering
            4,
            TRADEPIT_DURABILITY="replicated",
            TRADEPIT_METRICS_PORT=str(port),
        ) as matcher,
    ):
        wait_until(lambda: ready(port)[0] == 200, "the stream is there")
        cluster.kill(0)
        cluster.kill(1)
        wait_until(says(port, "stream"), "nobody has sent an order, and still it is told")
        cluster.start(0)
        cluster.start(1)
        wait_until(lambda: ready(port)[0] == 200, "the majority is back")
        trade_once(matcher)


def test_a_matcher_alone_does_not_need_the_stream(
    data_dir: Path, nats_url: str, shard_id: int, servers: Servers
) -> None:
    port = free_port()
    with running_matcher(data_dir, nats_url, shard_id, TRADEPIT_METRICS_PORT=str(port)) as matcher:
        servers.kill("nats")
        try:
            wait_until(lambda: figures(port)["tradepit_stream_connected"] == 0, "it is noticed")
            trade_once(matcher)
            assert ready(port) == (200, "ready\n")
            assert figures(port)["tradepit_publish_lag"] > 0
        finally:
            servers.restart("nats")
        wait_until(lambda: figures(port)["tradepit_publish_lag"] == 0, "all is published")
        assert figures(port)["tradepit_publish_interruptions_total"] >= 1


def test_an_ingress_is_not_ready_while_its_matcher_stands_still(
    start_exchange: Callable[[], RunningExchange],
) -> None:
    exchange = start_exchange()
    url = exchange.ingress_url

    def health() -> tuple[int, list[str]]:
        answer = httpx.get(f"{url}/health/ready", timeout=TIMEOUT_S)
        return answer.status_code, answer.json()["missing"]

    assert health() == (200, [])
    pid = exchange.pids["matcher"]
    os.kill(pid, signal.SIGSTOP)
    try:
        missing = ["shard 0: the matcher does not answer"]
        wait_until(lambda: health() == (503, missing), "it is told")
        assert httpx.get(f"{url}/health/live", timeout=TIMEOUT_S).status_code == 200
        text = httpx.get(f"{url}/metrics", timeout=TIMEOUT_S).text
        assert "\ntradepit_ready 0.0\n" in text
        assert 'tradepit_ingress_matcher_up{shard="0"} 0.0' in text
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: health() == (200, []), "it goes on")
    order = limit_order("buy", "9000.00", "0.0010")
    assert call(f"{url}/v1/orders", exchange.demo_key, "POST", order).status == 201


@pytest.mark.embedded
def test_a_database_that_hangs_is_told_and_nobody_waits_for_it(
    start_exchange: Callable[[], RunningExchange],
) -> None:
    exchange = start_exchange()
    url = exchange.ingress_url
    ledger_url = exchange.document["metrics_urls"]["ledger"].removesuffix("/metrics")
    postgres = exchange.pids["postgres"]
    children = Path(f"/proc/{postgres}/task/{postgres}/children")
    stopped = [postgres, *map(int, children.read_text().split())]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        order = limit_order("buy", "9000.00", "0.0010")
        assert call(f"{url}/v1/orders", exchange.demo_key, "POST", order).status == 201
        wait_until(
            lambda: httpx.get(f"{ledger_url}/health/ready", timeout=TIMEOUT_S).status_code == 503,
            "the ledger says that it does not get on",
        )
        answer = call(f"{url}/health/ready")
        assert (answer.status, answer.body["ledger"]) == (200, False)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    wait_until(
        lambda: httpx.get(f"{ledger_url}/health/ready", timeout=TIMEOUT_S).status_code == 200,
        "it goes on",
    )
