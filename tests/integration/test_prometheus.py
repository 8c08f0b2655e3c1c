"""Prometheus itself, Debian's, reads a running exchange: every panel shows something, no alert is due."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tradepit.cli.running import RunningExchange

from tests.gentle_load import GentleLoad
from tests.prometheus import ROOT, WHY_NOT, RunningPrometheus, alert_rules, binary

pytestmark = pytest.mark.skipif(binary is None, reason=WHY_NOT)

DEADLINE_S = 120.0
POLL_INTERVAL_S = 0.2
DASHBOARDS = sorted((ROOT / "ops" / "grafana" / "dashboards").glob("*.json"))
METRIC = re.compile(r"\b(?:tradepit|process)_[a-z0-9_]+")

# How fast a machine is, and how much space it has, is not the exchange's doing.
OF_THE_MACHINE = {
    "TradepitCommitsStalled",
    "TradepitEventLoopLag",
    "TradepitIngressSlow",
    "TradepitLedgerLag",
    "TradepitReplySlow",
    "TradepitStorageFillsSoon",
    "TradepitSyncSlow",
}
# `tradepit reconcile --textfile` writes these for the node exporter.
NOT_SCRAPED_HERE = {"TradepitReconcileDiffers", "TradepitReconcileNotRun"}


def panel_queries(path: Path) -> list[tuple[str, str]]:
    """Each panel's title, and what it asks, with Grafana's variables filled in."""
    return [
        (panel["title"], target["expr"].replace("$__rate_interval", "30s").replace("$shard", ".*"))
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]
        for target in panel.get("targets", ())
    ]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    """An exchange with its demo market and a little load."""
    with (
        RunningExchange(tmp_path_factory.mktemp("exchange") / "data") as exchange,
        GentleLoad(exchange),
    ):
        yield exchange


@pytest.fixture(scope="module")
def prometheus(
    running: RunningExchange, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningPrometheus]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    with RunningPrometheus(folder, running.document["metrics_urls"]) as prometheus:
        yield prometheus


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(POLL_INTERVAL_S)


def test_it_reads_every_service(prometheus: RunningPrometheus) -> None:
    def read() -> set[str]:
        return {series["metric"]["job"] for series in prometheus.query("up == 1")}

    wait_until(lambda: read() == {"matcher", "ledger", "ingress"}, "every service is read")


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_shows_something(path: Path, prometheus: RunningPrometheus) -> None:
    queries = panel_queries(path)
    assert len(queries) > 10

    def shows_numbers(query: str) -> bool:
        values = [series["value"][1] for series in prometheus.query(query)]
        return any(value not in ("NaN", "+Inf", "-Inf") for value in values)

    deadline = time.monotonic() + DEADLINE_S
    while empty := [title for title, query in queries if not shows_numbers(query)]:
        assert time.monotonic() < deadline, empty
        time.sleep(POLL_INTERVAL_S)


def test_every_figure_that_an_alert_asks_for_is_there(prometheus: RunningPrometheus) -> None:
    rules = [rule for rule in alert_rules() if rule["alert"] not in NOT_SCRAPED_HERE]
    metrics = {metric for rule in rules for metric in METRIC.findall(rule["expr"])}

    def missing() -> list[str]:
        return [metric for metric in sorted(metrics) if not prometheus.query(metric)]

    wait_until(lambda: not missing(), "every metric of an alert is there")


def test_no_alert_is_due_in_a_healthy_exchange(prometheus: RunningPrometheus) -> None:
    wait_until(
        lambda: bool(prometheus.query("changes(tradepit_committed_seq[15s]) > 0 and up == 1")),
        "Prometheus has seen orders flow",
    )
    for rule in alert_rules():
        due = prometheus.query(rule["expr"])  # and it can be evaluated
        if rule["alert"] not in OF_THE_MACHINE:
            assert due == [], rule["alert"]
    firing = {
        alert["labels"]["alertname"]
        for alert in prometheus.get("alerts")["alerts"]
        if alert["state"] == "firing"
    }
    assert firing - OF_THE_MACHINE == set()


def test_the_rules_are_loaded_and_evaluated_without_an_error(
    prometheus: RunningPrometheus,
) -> None:
    def evaluated() -> bool:
        groups = prometheus.get("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert len(rules) == len(alert_rules())
        assert [rule["lastError"] for rule in rules if rule.get("lastError")] == []
        return all(rule["health"] == "ok" for rule in rules)

    wait_until(evaluated, "every rule was evaluated")


def test_a_ledger_that_stands_still_is_noticed(
    running: RunningExchange, prometheus: RunningPrometheus
) -> None:
    def state() -> set[str]:
        alerts = prometheus.get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts}

    wait_until(lambda: "TradepitLedgerDown" not in state(), "the ledger is well before")
    ledger = running.pids["ledger"]
    os.kill(ledger, signal.SIGSTOP)
    try:
        wait_until(lambda: "TradepitLedgerDown" in state(), "its silence is noticed")
        labels = prometheus.query('ALERTS{alertname="TradepitLedgerDown"}')[0]["metric"]
        assert labels["shard"] == "0"
        assert labels["severity"] == "critical"
    finally:
        os.kill(ledger, signal.SIGCONT)
    wait_until(lambda: "TradepitLedgerDown" not in state(), "it is well again")
