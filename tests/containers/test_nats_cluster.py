"""The nats-cluster variant: an answer means three copies, and one server may be missing."""

from collections.abc import Iterator

import pytest

from tests.containers.stack import Stack, docker
from tests.exchange_checks import check_everything
from tests.rest import Answer, call, limit_order

pytestmark = pytest.mark.containers

NODES = ("nats", "nats-1", "nats-2")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack("cluster", tmp_path_factory.mktemp("stack"), "nats-cluster") as running:
        yield running


def place(stack: Stack, number: int) -> Answer:
    body = limit_order("buy", "1.00", "0.0001", number)
    return call(f"{stack.ingress_url}/v1/orders", stack.key("demo"), "POST", body)


@pytest.mark.parametrize("node", NODES)
def test_orders_are_answered_while_one_server_is_away(stack: Stack, node: str) -> None:
    stack.compose("stop", "demo")
    first_id = 100 * (1 + NODES.index(node))
    container = stack.container(node)
    docker("kill", container)
    taken = []
    stack.wait(
        lambda: place(stack, first_id).status in (200, 201), "an answer with two servers of three"
    )
    for number in range(first_id + 1, first_id + 20):
        stack.wait(lambda number=number: place(stack, number).status in (200, 201), "an answer")  # type: ignore[misc]  # a default binds the number of this turn
        taken.append(number)
    docker("start", container)
    stack.wait_until_healthy(node)
    assert place(stack, first_id).body["replayed"]
    check_everything(stack)


def test_the_matcher_has_seen_that_every_server_syncs(stack: Stack) -> None:
    log = stack.logs("matcher-0")
    for number in range(3):
        assert f"broker_sync url=http://nats-{number}:8222 always=1" in log
