"""One request as one trace: from its headers to the row in PostgreSQL."""

import json
import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from tradepit.cli.running import RunningExchange

from tests.matcher_process import wait_until
from tests.rest import limit_order
from tests.trace_collector import Collector, running_collector

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT_SPAN_ID = "00f067aa0ba902b7"
NAMES = {"POST /v1/orders", "match", "journal", "publish", "ledger.apply"}
TIMEOUT_S = 10.0


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


def place(exchange: RunningExchange, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{exchange.ingress_url}/v1/orders",
        json=limit_order("buy", "9000.00", "0.0010"),
        headers={"Authorization": f"Bearer {exchange.demo_key}", **headers},
        timeout=TIMEOUT_S,
    )


def test_a_sampled_order_is_one_trace_from_rest_to_postgresql(
    start_exchange: Callable[..., RunningExchange], collector: Collector
) -> None:
    exchange = start_exchange(
        environment={
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_TRACES_SAMPLER": "parentbased_always_off",
            "LOG_LEVEL": "DEBUG",
        }
    )
    assert place(exchange).status_code == 201  # asked for by nobody, and so not sampled
    sampled = f"00-{TRACE_ID}-{CLIENT_SPAN_ID}-01"
    answer = place(exchange, traceparent=sampled, **{"X-Request-Id": "my-request.7"})
    assert answer.status_code == 201
    assert answer.headers["x-request-id"] == "my-request.7"
    seq = answer.json()["seq"]
    wait_until(lambda: collector.of_trace(TRACE_ID).keys() == NAMES, "all spans have come")
    spans = collector.of_trace(TRACE_ID)
    rest, match = spans["POST /v1/orders"], spans["match"]
    assert rest.parent_id == CLIENT_SPAN_ID
    assert match.parent_id == rest.span_id
    for name in ("journal", "publish", "ledger.apply"):
        assert spans[name].parent_id == match.span_id
    for span in spans.values():
        assert (span.attributes["tradepit.shard"], span.attributes["tradepit.seq"]) == (0, seq)
        assert span.start_ns <= span.end_ns
    assert rest.attributes["tradepit.request_id"] == "my-request.7"
    assert rest.attributes["tradepit.order_id"] == answer.json()["order_id"]
    assert rest.attributes["http.response.status_code"] == 201
    assert {span.service for span in spans.values()} == {
        "tradepit-ingress",
        "tradepit-matcher",
        "tradepit-ledger",
    }
    # What was answered was durable: the order's answer comes after its commit.
    assert rest.start_ns <= match.start_ns <= match.end_ns <= spans["journal"].end_ns
    assert spans["journal"].end_ns <= rest.end_ns
    assert collector.count == len(NAMES)

    log = (exchange.data_dir / "logs" / "ingress.log").read_text()
    found = re.search(r"DEBUG ingress request request_id=my-request\.7 .*answered=0:(\d+)", log)
    assert found is not None
    assert int(found[1]) == seq


def test_without_an_endpoint_nothing_is_traced_and_every_answer_names_its_request(
    exchange: RunningExchange,
) -> None:
    made = place(exchange, traceparent=f"00-{TRACE_ID}-{CLIENT_SPAN_ID}-01")
    again = place(exchange, **{"X-Request-Id": "not well-formed"})
    other = httpx.get(f"{exchange.ingress_url}/v1/instruments", timeout=TIMEOUT_S)
    ids = {answer.headers["x-request-id"] for answer in (made, again, other)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", request_id) for request_id in ids)
    log = (exchange.data_dir / "logs" / "ingress.log").read_text()
    assert "request_id=" not in log
    ready = json.loads((exchange.data_dir / "ready.json").read_text())
    assert ready["pids"]


def test_an_endpoint_where_nobody_listens_hurts_nobody(
    start_exchange: Callable[..., RunningExchange],
) -> None:
    exchange = start_exchange(
        environment={
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        }
    )
    assert all(place(exchange).status_code == 201 for _ in range(50))
