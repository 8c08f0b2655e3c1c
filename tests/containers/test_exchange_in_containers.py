"""`docker compose up -d --wait` on a clean machine: a whole exchange, and a closed one."""

import http.client
import json
import re
from urllib.parse import urlsplit

import pytest
from tradepit.client import Client
from tradepit.protocol import wire

from tests.compose import services
from tests.containers.stack import SECRETS, Stack, docker
from tests.exchange_checks import check_everything
from tests.rest import call, limit_order

pytestmark = pytest.mark.containers

OURS = ("matcher-0", "ledger-0", "ingress", "demo")
SERVERS = ("postgres", "nats", "redis")
NEEDED = {
    "matcher-0": {"keys.json", "nats_url", "postgres_url", "redis_url"},
    "ledger-0": {"nats_url", "postgres_url", "redis_url"},
    "ingress": {"keys.json", "postgres_url", "redis_url"},
    "demo": {"keys.json"},
    "postgres": {"postgres_password"},
    "nats": {"nats_users.conf"},
    "redis": {"redis_users.conf", "redis_password"},
}
BTC_USD = 1
MAKER = 101


def test_the_first_command_brings_up_a_market_with_accounts_that_can_trade(stack: Stack) -> None:
    parts = urlsplit(stack.ingress_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("GET", "/docs")
    assert connection.getresponse().status == 200
    listed = call(f"{stack.ingress_url}/v1/instruments", stack.key("demo"))
    assert {each["symbol"] for each in listed.body["instruments"]} == {
        *("BTC-USD", "ETH-USD", "SOL-USD")
    }
    stack.wait(
        lambda: bool(
            call(f"{stack.ingress_url}/v1/instruments/BTC-USD/book", stack.key("demo")).body["asks"]
        ),
        "somebody to sell",
    )
    order = {"symbol": "BTC-USD", "side": "buy", "type": "market", "quantity": "0.0001"}
    answer = call(f"{stack.ingress_url}/v1/orders", stack.key("demo"), "POST", order)
    assert (answer.status, answer.body["status"]) == (201, "filled")


def test_a_second_start_changes_nothing(stack: Stack) -> None:
    before = {name: stack.container(name) for name in stack.service_names}
    secrets = stack.exec("matcher-0", "cat", f"{SECRETS}/keys.json")
    stack.up()
    assert {name: stack.container(name) for name in stack.service_names} == before
    assert stack.exec("matcher-0", "cat", f"{SECRETS}/keys.json") == secrets


@pytest.mark.parametrize("service", OURS)
def test_our_services_are_an_ordinary_user_on_a_read_only_disk(stack: Stack, service: str) -> None:
    assert stack.exec(service, "id", "-u").strip() == "10001"
    host = stack.inspect(service)["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert stack.exec(service, "sh", "-c", "touch /opt/x /x 2>&1 || echo no").strip().endswith("no")


@pytest.mark.parametrize("service", OURS + SERVERS)
def test_nobody_has_a_capability(stack: Stack, service: str) -> None:
    status = stack.exec(service, "cat", "/proc/1/status")
    assert re.search(r"^CapEff:\s*0+$", status, re.MULTILINE), status
    assert re.search(r"^NoNewPrivs:\s*1$", status, re.MULTILINE), status


@pytest.mark.parametrize("service", OURS + SERVERS)
def test_a_service_has_the_secrets_that_it_needs_and_no_others(stack: Stack, service: str) -> None:
    assert set(stack.exec(service, "ls", "-A", SECRETS).split()) == NEEDED[service]


def test_secrets_are_in_no_description_no_argument_and_no_log(stack: Stack) -> None:
    secrets = [str(key) for key in stack.keys().values()]
    secrets += [str(urlsplit(stack.secret(f"{name}_url")).password) for name in SERVERS]
    shown = stack.logs()
    for name in stack.service_names:
        shown += json.dumps(stack.inspect(name))
    for name in OURS + SERVERS:
        shown += docker("top", stack.container(name), "-eo", "pid,args")
        if name in OURS:
            shown += stack.exec(name, "sh", "-c", "cat /proc/[0-9]*/environ | tr '\\0' ' '")
    assert "matcher ready" in shown
    for secret in secrets:
        assert secret not in shown, f"{secret[:4]}..."


def test_nothing_else_can_be_reached_from_outside(stack: Stack) -> None:
    published = {}
    for name in stack.service_names:
        for target, places in (stack.inspect(name)["NetworkSettings"]["Ports"] or {}).items():
            for place in places or []:
                published[name, target] = place["HostIp"]
    assert published == {
        ("ingress", "8000/tcp"): "127.0.0.1",
        ("matcher-0", "5555/tcp"): "127.0.0.1",
    }


def test_the_health_check_tells_ready_from_not(stack: Stack) -> None:
    health = stack.inspect("matcher-0")["State"]["Health"]
    assert health["Log"][-1]["Output"].strip() == "ready"
    check = ("/opt/tradepit/bin/python", "-I", "-S", "/opt/tradepit/health.py")
    shown = stack.compose(
        *("run", "--rm", "--no-deps", "--entrypoint", "sh", "ledger-0", "-c"),
        f"{' '.join(check)}; echo exit=$?",
    )
    assert shown.strip().endswith("exit=1")  # nobody listens in that container


def test_redis_is_healthy_only_while_it_lets_its_clients_in(stack: Stack) -> None:
    stack.wait_until_healthy("redis")
    stack.exec(
        *("redis", "sh", "-c"),
        f"REDISCLI_AUTH=$(cat {SECRETS}/redis_password) "
        "redis-cli -e --user tradepit ACL SETUSER tradepit resetpass '>another'",
    )
    stack.wait(lambda: not stack.is_healthy("redis"), "redis to be unhealthy")
    stack.restart("redis")  # with the password of its configuration
    stack.wait_until_healthy("redis")


def test_orders_over_rest_and_zeromq_meet_and_every_part_tells_the_same(stack: Stack) -> None:
    stack.compose("stop", "demo")
    with Client(stack.order_endpoint, MAKER, stack.keys()[MAKER]) as maker:
        maker.mass_cancel()
        resting = maker.submit(
            instrument_id=BTC_USD, side=wire.Side.SELL, price_ticks=10_000, quantity_lots=50
        )
        assert resting.is_open or resting.filled_lots
    body = limit_order("buy", "100.00", "0.0010", 4_711)
    first = call(f"{stack.ingress_url}/v1/orders", stack.key("demo"), "POST", body)
    assert first.status == 201, first
    again = call(f"{stack.ingress_url}/v1/orders", stack.key("demo"), "POST", body)
    assert (again.status, again.body) == (200, first.body | {"replayed": True})
    check_everything(stack)
    report = json.loads(stack.exec("matcher-0", "tradepit", "reconcile", "--json"))
    assert not [each for each in report["checks"] if each["differences"]], report


def test_a_stop_ends_every_service_in_order_and_a_start_knows_everything(stack: Stack) -> None:
    before = check_everything(stack)
    stack.compose("stop")
    for name in (*OURS, *SERVERS):
        assert stack.inspect(name)["State"]["ExitCode"] == 0, name
    assert f"matcher stopped seq={before.seq} published_seq={before.seq}" in stack.logs("matcher-0")
    assert "ledger stopped shard_id=0" in stack.logs("ledger-0")
    stack.compose("up", "--detach", "--wait", "--scale", "demo=0")
    after = check_everything(stack)
    assert (after.seq, after.digest) == (before.seq, before.digest)


def test_a_service_that_dies_is_started_again(stack: Stack) -> None:
    # From inside, tini's child: Docker takes its own `docker kill` as somebody's wish.
    find = "min(int(name) for name in os.listdir('/proc') if name.isdigit() and name != '1')"
    before = stack.inspect("matcher-0")["RestartCount"]
    # Detached: the killer goes down with the container.
    killer = f"import os; os.kill({find}, 9)"
    stack.compose("exec", "--detach", "matcher-0", "python", "-c", killer)
    stack.wait(lambda: stack.inspect("matcher-0")["RestartCount"] > before, "a restart")
    stack.wait_until_healthy("matcher-0")
    check_everything(stack)


def test_the_end_leaves_nothing_behind(stack: Stack) -> None:
    stack.down()
    for kind, words in (
        ("containers", ("ps", "--all")),
        ("volumes", ("volume", "ls")),
        ("networks", ("network", "ls")),
    ):
        label = f"label=com.docker.compose.project={stack.project}"
        assert docker(*words, "--quiet", "--filter", label) == "", kind


def test_our_services_share_one_image_that_says_what_it_is() -> None:
    image = services()["ingress"]["image"]
    (document,) = json.loads(docker("image", "inspect", image))
    assert document["Config"]["User"] == "10001:10001"
    labels = document["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "Tradepit"
    assert labels["org.opencontainers.image.version"]
    assert "SECRET" not in json.dumps(document)
