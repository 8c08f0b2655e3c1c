"""docs/metrics.md is what running services show, and the reverse."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tradepit.cli import main as command
from tradepit.cli.running import RunningExchange

from tests.figures import figures, text_of
from tests.matcher_process import wait_until
from tests.rest import call, limit_order

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|([^|]*)\| [^|]+ \|$", re.MULTILINE)
SERIES_MAX = {"matcher": 620, "ledger": 160, "ingress": 800}


class Family(NamedTuple):
    name: str
    kind: str
    labels: frozenset[str]


def documented() -> set[Family]:
    return {
        Family(
            name.removesuffix("_total") if kind == "counter" else name,
            kind,
            frozenset(re.findall(r"`(\w+)`", labels)),
        )
        for name, kind, labels in ROW.findall(PAGE.read_text())
    }


def shown(text: str) -> set[Family]:
    return {
        Family(
            family.name,
            family.type,
            frozenset(name for sample in family.samples for name in sample.labels) - {"le"},
        )
        for family in text_string_to_metric_families(text)
    }


def series_count(text: str) -> int:
    return sum(not line.startswith("#") for line in text.splitlines())


@pytest.fixture(scope="module")
def texts(exchange: RunningExchange, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each part shows once every metric has something to say."""
    url, key = exchange.ingress_url, exchange.demo_key
    for side in ("buy", "sell"):  # they trade, so that positions are cached
        order = limit_order(side, "9000.00", "0.0010")
        assert call(f"{url}/v1/orders", key, "POST", order).status == 201
    assert call(f"{url}/v1/orders", key, "POST", limit_order("buy", "8000.00", "0.0010")).body
    assert call(f"{url}/v1/nowhere").status == 404
    assert call(f"{url}/v1/instruments/BTC-USD/book").status == 200
    ports = json.loads((exchange.data_dir / "ports.json").read_text())
    published = 'tradepit_stage_seconds_count{stage="publish"}'
    wait_until(lambda: figures(ports["matcher_metrics"])[published] > 0, "a batch is acknowledged")
    textfile = tmp_path_factory.mktemp("textfile") / "tradepit.prom"
    arguments = ["reconcile", "--data", str(exchange.data_dir), "--textfile", str(textfile)]
    assert command.main(arguments) == 0
    return {
        "matcher": text_of(ports["matcher_metrics"]),
        "ledger": text_of(ports["ledger_metrics"]),
        "ingress": httpx.get(f"{url}/metrics").text,
        "reconcile": textfile.read_text(),
    }


def test_every_metric_that_is_shown_is_documented_and_the_reverse(texts: dict[str, str]) -> None:
    page = documented()
    everywhere = {family for text in texts.values() for family in shown(text)}
    names = {family.name for family in everywhere}
    assert names == {family.name for family in page}
    labels_of = {family.name: (family.kind, family.labels) for family in page}
    for family in everywhere:
        kind, labels = labels_of[family.name]
        assert family.kind == kind, family
        # Every service's own metrics carry the shard in matcher and ledger alone.
        assert family.labels - {"shard"} <= labels, family
        assert family.labels >= labels or not family.labels, family


def test_what_belongs_to_a_shard_says_so(texts: dict[str, str]) -> None:
    for service in ("matcher", "ledger", "reconcile"):
        for line in texts[service].splitlines():
            if line.startswith("tradepit_"):
                assert 'shard="0"' in line


def test_the_number_of_series_is_bounded(texts: dict[str, str]) -> None:
    for service, count_max in SERIES_MAX.items():
        assert series_count(texts[service]) <= count_max, service


def test_each_stage_of_an_order_was_measured(
    texts: dict[str, str], exchange: RunningExchange
) -> None:
    ports = json.loads((exchange.data_dir / "ports.json").read_text())
    matcher = figures(ports["matcher_metrics"])
    for stage in ("receive", "risk", "match", "journal", "sync", "publish", "reply"):
        count = matcher[f'tradepit_stage_seconds_count{{stage="{stage}"}}']
        total_s = matcher[f'tradepit_stage_seconds_sum{{stage="{stage}"}}']
        assert count >= 1
        assert total_s > 0
        longest_s = matcher[f'tradepit_stage_recent_seconds{{quantile="1",stage="{stage}"}}']
        median_s = matcher[f'tradepit_stage_recent_seconds{{quantile="0.5",stage="{stage}"}}']
        assert 0 < median_s <= longest_s <= total_s * 1.01
    assert (
        matcher['tradepit_stage_seconds_count{stage="match"}'] <= matcher["tradepit_commands_total"]
    )
    assert matcher["tradepit_open_orders"] >= 1
    assert matcher["tradepit_book_levels"] >= 1
    assert matcher["tradepit_ready"] == 1
    ingress = texts["ingress"]
    route = 'method="GET",route="/v1/instruments/{symbol}/book",status="2xx"'
    assert f"tradepit_ingress_request_seconds_count{{{route}}} 1.0" in ingress
    assert 'route="other",status="4xx"' in ingress
    assert "nowhere" not in ingress
