"""The three-shards variant: an instrument on each shard, a ledger database for each."""

from collections.abc import Iterator
from typing import Any

import pytest
from tradepit.client import Client

from tests.containers.stack import Stack
from tests.exchange_checks import (
    DIFFERENCES,
    check_balances,
    check_ledger_reached,
    positions_in_redis,
    query,
)
from tests.rest import call, limit_order

pytestmark = pytest.mark.containers

SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD")
MAKER = 101


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack("three", tmp_path_factory.mktemp("stack"), "three-shards") as running:
        yield running


def test_orders_go_to_every_shard_and_each_ledger_has_its_own(stack: Stack) -> None:
    stack.compose("stop", "demo")
    places: dict[str, dict[str, Any]] = {}
    for symbol in SYMBOLS:
        for number, (side, name) in enumerate((("sell", "maker-102"), ("buy", "demo"))):
            body = {**limit_order(side, "1.00", "1.0000", 900 + number), "symbol": symbol}
            answer = call(f"{stack.ingress_url}/v1/orders", stack.key(name), "POST", body)
            assert answer.status == 201, answer
        places[symbol] = answer.body
        found = call(f"{stack.ingress_url}/v1/orders/{answer.body['order_id']}", stack.key("demo"))
        assert found.status == 200, found
    seen: dict[str, int] = {}
    positions = 0
    for shard_id in range(3):
        stack.shard_id = shard_id
        with Client(stack.order_endpoint, 0, stack.operator_key) as operator:
            status = operator.status()
            listed = {each.symbol for each in operator.instruments().instruments}
        check_ledger_reached(stack, status)
        for view in DIFFERENCES:
            assert query(stack, f"SELECT * FROM {view} LIMIT 3") == [], view  # noqa: S608 - our own names
        check_balances(stack)
        for symbol in listed:
            assert symbol not in seen, (symbol, shard_id)
            seen[symbol] = shard_id
            order_id = int(places[symbol]["order_id"])
            (order,) = query(stack, "SELECT shard_id FROM orders WHERE order_id = $1", order_id)
            assert order["shard_id"] == shard_id
        positions += len(query(stack, "SELECT * FROM positions"))
    assert seen == {symbol: shard_id for shard_id, symbol in enumerate(SYMBOLS)}
    stack.wait(lambda: len(positions_in_redis(stack)) == positions, "the cache of all shards")


def test_a_shard_that_dies_stops_nobody_elses_orders(stack: Stack) -> None:
    stack.compose("kill", "matcher-1")
    for symbol, expected in (("BTC-USD", 201), ("ETH-USD", 503), ("SOL-USD", 201)):
        body = {**limit_order("buy", "0.01", "1.0000", 950), "symbol": symbol}
        answer = call(f"{stack.ingress_url}/v1/orders", stack.key("demo"), "POST", body)
        assert answer.status == expected, (symbol, answer)
    stack.compose("start", "matcher-1")
    stack.wait_until_healthy("matcher-1")
    stack.wait_until_healthy("ingress")
    body = {**limit_order("buy", "0.01", "1.0000", 950), "symbol": "ETH-USD"}
    answer = call(f"{stack.ingress_url}/v1/orders", stack.key("demo"), "POST", body)
    assert answer.status in (200, 201), answer
