"""`tradepit top`: what follows from two scrapes, and what is said of it."""

from pathlib import Path

import pytest
from rich.console import Console
from tradepit.protocol.errors import ConfigurationError
from tradepit.tools.top.concerns import concerns
from tradepit.tools.top.figures import Change, parse
from tradepit.tools.top.screen import frame, number, per_second, seconds
from tradepit.tools.top.services import Service, Services, metrics_url

EARLIER = """\
# TYPE tradepit_commands_total counter
tradepit_commands_total{shard="0"} 100
# TYPE tradepit_rejected_commands_total counter
tradepit_rejected_commands_total{shard="0",reason="unknown_order"} 5
tradepit_rejected_commands_total{shard="0",reason="insufficient_funds"} 50
# TYPE tradepit_ledger_lag_seconds histogram
tradepit_ledger_lag_seconds_bucket{shard="0",le="0.1"} 10
tradepit_ledger_lag_seconds_bucket{shard="0",le="1.0"} 10
tradepit_ledger_lag_seconds_bucket{shard="0",le="+Inf"} 10
tradepit_ledger_lag_seconds_count{shard="0"} 10
tradepit_ledger_lag_seconds_sum{shard="0"} 1
"""
NOW = """\
# TYPE tradepit_build_info gauge
tradepit_build_info{shard="0",service="matcher",version="1"} 1
# TYPE tradepit_ready gauge
tradepit_ready{shard="0"} 1
# TYPE tradepit_commands_total counter
tradepit_commands_total{shard="0"} 150
# TYPE tradepit_rejected_commands_total counter
tradepit_rejected_commands_total{shard="0",reason="unknown_order"} 15
tradepit_rejected_commands_total{shard="0",reason="insufficient_funds"} 10
# TYPE tradepit_committed_seq gauge
tradepit_committed_seq{shard="0"} 500000
# TYPE tradepit_stage_recent_seconds gauge
tradepit_stage_recent_seconds{shard="0",stage="reply",quantile="0.99"} 0.000118
# TYPE tradepit_ledger_lag_seconds histogram
tradepit_ledger_lag_seconds_bucket{shard="0",le="0.1"} 60
tradepit_ledger_lag_seconds_bucket{shard="0",le="1.0"} 110
tradepit_ledger_lag_seconds_bucket{shard="0",le="+Inf"} 110
tradepit_ledger_lag_seconds_count{shard="0"} 110
tradepit_ledger_lag_seconds_sum{shard="0"} 5
"""


def service(text: str, kind: str = "matcher", shard: str = "0") -> Service:
    """One that has answered with that, and with nothing before."""
    return Service(f"http://h/{kind}", kind, shard, change=Change(None, parse(text, 1.0)))


def shown(*services: Service, width: int = 140) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(frame(services, "here", width))
    return capture.get()


CHANGE = Change(parse(EARLIER, 10.0), parse(NOW, 12.0))


def test_a_rate_is_the_growth_over_the_time_between() -> None:
    assert CHANGE.rate("tradepit_commands_total") == 25.0


def test_a_counter_that_fell_began_anew() -> None:
    assert CHANGE.rates("tradepit_rejected_commands_total", "reason") == {
        "unknown_order": 5.0,
        "insufficient_funds": 5.0,
    }
    assert CHANGE.rate("tradepit_rejected_commands_total") == 10.0


def test_a_quantile_is_of_what_came_between_the_scrapes() -> None:
    assert CHANGE.quantile(0.5, "tradepit_ledger_lag_seconds") == pytest.approx(0.1)
    assert CHANGE.quantile(0.75, "tradepit_ledger_lag_seconds") == pytest.approx(0.55)
    assert CHANGE.quantile(1.0, "tradepit_ledger_lag_seconds") == pytest.approx(1.0)


def test_with_one_scrape_there_are_values_and_no_rates() -> None:
    change = Change(None, parse(NOW, 12.0))
    assert change.value("tradepit_committed_seq") == 500_000
    assert change.rate("tradepit_commands_total") is None
    assert change.rates("tradepit_commands_total", "shard") == {}
    assert change.quantile(0.5, "tradepit_ledger_lag_seconds") is None


def test_what_nobody_has_said_is_not_known() -> None:
    assert CHANGE.value("tradepit_sessions") is None
    assert CHANGE.rate("tradepit_trades_total") is None
    assert CHANGE.quantile(0.5, "tradepit_ledger_cache_seconds") is None
    assert CHANGE.label("tradepit_sessions", "shard") == ""


def test_numbers_are_short_and_say_their_unit() -> None:
    assert [seconds(value) for value in (None, 0.000118, 0.00123, 0.25, 3.0, 0.0)] == [
        "-",
        "118 us",
        "1.23 ms",
        "250 ms",
        "3 s",
        "0 us",
    ]
    assert [per_second(value) for value in (None, 0.0, 0.25, 12_345.6)] == [
        "-",
        "0",
        "0.2",
        "12,346",
    ]
    assert number(1_234_567.0) == "1,234,567"


def test_a_frame_shows_each_service_and_that_nothing_is_wrong() -> None:
    text = shown(service(NOW))
    assert "all answer" in text
    assert "nothing to look at" in text
    assert "118 us" in text
    assert "500,000" in text


def test_on_a_narrow_screen_less_is_shown_and_nothing_is_cut() -> None:
    services = [service(NOW), service("", "ledger"), service("", "ingress")]
    assert "sessions" in shown(*services)
    narrow = shown(*services, width=80)
    assert "sessions" not in narrow
    assert "118 us" in narrow
    assert "…" not in narrow


def test_a_service_that_does_not_answer_is_shown_as_down() -> None:
    away = Service("http://h:9100/metrics", "ledger", "0", trouble="Connection refused")
    text = shown(service(NOW), away)
    assert "1 down" in text
    assert "ledger 0 does not answer (Connection refused)" in text
    assert "docs/runbooks/TradepitLedgerDown.md" in text


def test_one_that_has_never_said_what_it_is_is_shown_by_its_address() -> None:
    text = shown(Service("http://h:9100/metrics", trouble="timed out"))
    assert "h:9100" in text
    assert "down" in text


@pytest.mark.parametrize(
    ("text", "alert"),
    [
        ("tradepit_ready 0", "TradepitNotReady"),
        ("tradepit_halted 1", "TradepitShardHalted"),
        ("tradepit_uncommitted_seconds 3", "TradepitCommitsStalled"),
        ("tradepit_storage_full 1", "TradepitStorageFull"),
        ("tradepit_journal_free_bytes 1000", "TradepitStorageFillsSoon"),
        ("tradepit_stream_connected 0", "TradepitNatsDown"),
        ("tradepit_stream_lost_messages 2", "TradepitStreamLostMessages"),
        ("tradepit_ledger_parked 1", "TradepitLedgerParked"),
        ("tradepit_ledger_following 0", "TradepitPostgresDown"),
        ("tradepit_ledger_cache_complete 0", "TradepitCacheIncomplete"),
        ('tradepit_ingress_matcher_up{shard="3"} 0', "TradepitMatcherUnreachable"),
        (
            'tradepit_stage_recent_seconds{stage="sync",quantile="0.99"} 0.1',
            "TradepitSyncSlow",
        ),
        (
            'tradepit_stage_recent_seconds{stage="reply",quantile="0.99"} 0.1',
            "TradepitReplySlow",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_runbook(text: str, alert: str) -> None:
    assert [found for _, found in concerns([service(f"{text}\n")])] == [alert]


def test_requests_that_fail_and_a_loop_that_stands_still_are_said() -> None:
    text = 'tradepit_ingress_request_seconds_count{{status="{}"}} {}\n'
    turns = "tradepit_hot_loop_turns_total 7\n"
    before = parse(text.format("2xx", 0) + text.format("5xx", 0) + turns, 1.0)
    now = parse(text.format("2xx", 90) + text.format("5xx", 10) + turns, 2.0)
    found = concerns([Service("http://h", "ingress", change=Change(before, now))])
    assert ("ingress: 10% of requests fail", "TradepitIngressErrors") in found
    assert "TradepitHotLoopStalled" in [alert for _, alert in found]


def test_a_ledger_that_is_far_behind_its_matcher_is_said() -> None:
    ledger = service('tradepit_ledger_applied_seq{shard="0"} 100000\n', "ledger")
    assert concerns([service(NOW), ledger]) == [
        ("ledger 0 is 400,000 commands behind", "TradepitLedgerLag")
    ]


def test_an_address_without_a_path_means_its_metrics() -> None:
    assert metrics_url("h:9100") == "http://h:9100/metrics"
    assert metrics_url("http://h:9100/") == "http://h:9100/metrics"
    assert metrics_url("https://h/here") == "https://h/here"
    with pytest.raises(ConfigurationError):
        metrics_url("file:///etc/passwd")


def test_nonsense_instead_of_figures_is_a_service_in_trouble(tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.write_text("<html>not Prometheus text</html>")
    odd = Service(page.as_uri())
    odd.look()
    assert odd.trouble
    assert odd.change is None


def test_without_an_exchange_it_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--url"):
        Services([], tmp_path)
    (tmp_path / "ready.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="not a ready file"):
        Services([], tmp_path)
