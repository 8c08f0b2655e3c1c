"""Two shards behind one ingress: each with its own instruments, journal, stream and database."""

import asyncio
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis
from tradepit.cli.child import Child
from tradepit.cli.embedded import EmbeddedServers
from tradepit.cli.exchange import http_ready
from tradepit.client import Client
from tradepit.protocol.names import shard_of_id
from tradepit.tools import demo

from tests.matcher_process import free_port
from tests.rest import call, limit_order

pytestmark = pytest.mark.embedded

SHARD_COUNT = 2
SYMBOLS = {"BTC-USD": 0, "ETH-USD": 1, "SOL-USD": 0}
PRICES = {"BTC-USD": "64000.00", "ETH-USD": "3100.00", "SOL-USD": "145.00"}
DEADLINE_S = 30.0
STRANGER = 77  # an account that only shard 1 knows


def until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"not in {DEADLINE_S:.0f} s: {what}"
        time.sleep(0.02)


class Venue:
    """The processes of two shards, and the REST API in front of them."""

    def __init__(self, folder: Path, servers: EmbeddedServers) -> None:
        self.servers = servers
        self.http_port = free_port()
        self.keys = {
            account: secrets.token_hex(32)
            for account in (
                *(0, demo.DEMO_ACCOUNT_ID, STRANGER),
                *demo.MAKER_ACCOUNT_IDS,
                *demo.TAKER_ACCOUNT_IDS,
            )
        }
        keys_file = folder / "keys.json"
        keys_file.touch(mode=0o600)
        entries = [
            {"key": key, "account_id": account, "role": "trader" if account else "operator"}
            for account, key in self.keys.items()
        ]
        keys_file.write_text(json.dumps({"keys": entries}))
        self.order_endpoint = f"ipc://{folder}/orders-{{shard}}"
        database = servers.database_url("ledger_{shard}")
        (folder / "postgres_url").write_text(database + "\n")
        self.environment = {
            "TRADEPIT_SHARD_COUNT": str(SHARD_COUNT),
            "TRADEPIT_DATA_DIR": str(folder),
            "TRADEPIT_ORDER_ENDPOINT": self.order_endpoint,
            "TRADEPIT_FEED_ENDPOINT": f"ipc://{folder}/feed-{{shard}}",
            "TRADEPIT_NATS_URL": servers.nats_url,
            "TRADEPIT_POSTGRES_URL_FILE": str(folder / "postgres_url"),
            "TRADEPIT_REDIS_URL": servers.redis_url,
            "TRADEPIT_HTTP_PORT": str(self.http_port),
            "TRADEPIT_SEGMENT_MIB": "16",
        }
        self.folder = folder
        self.children: dict[str, Child] = {}

    def start(self) -> None:
        for shard_id in range(SHARD_COUNT):
            asyncio.run(self._make_database(shard_id))
            migrate = self.child("ledger", shard_id, "migrate")
            migrate.start()
            assert migrate.process is not None
            assert migrate.process.wait(DEADLINE_S) == 0
            for service in ("matcher", "ledger"):
                child = self.children[f"{service}-{shard_id}"] = self.child(service, shard_id)
                child.start()
        self.children["ingress"] = self.child("ingress", 0)
        self.children["ingress"].start()
        until(lambda: _ready(self.http_port), "the ingress is ready")
        command = [sys.executable, "-P", "-m", "tradepit.cli.main", "demo", "--seed-only"]
        environment = {**self.children["ingress"].environment, "PATH": ""}
        subprocess.run(command, env=environment, check=True, timeout=DEADLINE_S)
        until(
            lambda: all(self.ask(f"/v1/instruments/{symbol}")[0] == 200 for symbol in SYMBOLS),
            "all instruments are listed",
        )
        with self.client(0, shard_id=1) as operator:
            operator.set_account(STRANGER)
            operator.credit(
                account_id=STRANGER, asset_id=demo.USD, amount_units=10**9, transfer_id=1
            )

    def kill(self) -> None:
        for child in self.children.values():
            child.kill()

    def child(self, service: str, shard_id: int, *arguments: str) -> Child:
        return Child(
            name=service,
            command=[sys.executable, "-P", "-m", f"tradepit.{service}", *arguments],
            log_path=self.folder / f"{service}-{shard_id}.log",
            environment={**self.environment, "TRADEPIT_SHARD_ID": str(shard_id)},
        )

    async def _make_database(self, shard_id: int) -> None:
        connection = await asyncpg.connect(self.servers.postgres_url, timeout=DEADLINE_S)
        await connection.execute(f"CREATE DATABASE ledger_{shard_id}")
        await connection.close()

    def client(self, account_id: int, *, shard_id: int) -> Client:
        endpoint = self.order_endpoint.replace("{shard}", str(shard_id))
        return Client(endpoint, account_id, self.keys[account_id])

    def ask(
        self, path: str, account_id: int = demo.DEMO_ACCOUNT_ID, *how: Any
    ) -> tuple[int, dict[str, Any]]:
        url = f"http://127.0.0.1:{self.http_port}{path}"
        answer = call(url, self.keys[account_id], *how)
        return answer.status, answer.body

    def place(self, symbol: str, account_id: int = demo.DEMO_ACCOUNT_ID, **terms: Any) -> Any:
        order = limit_order(symbol=symbol, price=PRICES[symbol], quantity="0.01", **terms)
        status, body = self.ask("/v1/orders", account_id, "POST", order)
        assert status == 201, body
        return body

    def trade(self, symbol: str) -> None:
        maker, taker = demo.MAKER_ACCOUNT_IDS[0], demo.DEMO_ACCOUNT_ID
        self.place(symbol, maker, side="sell")
        assert self.place(symbol, taker, side="buy")["status"] == "filled"


def _ready(port: int) -> bool:
    try:
        return http_ready(port)
    except OSError:
        return False


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    folder = tmp_path_factory.mktemp("shards")
    with ExitStack() as stack:
        servers = stack.enter_context(EmbeddedServers(folder / "servers"))
        running = Venue(folder, servers)
        stack.callback(running.kill)
        running.start()
        yield running


@pytest.fixture(autouse=True)
def _no_open_orders(venue: Venue) -> None:
    for account_id in (demo.DEMO_ACCOUNT_ID, demo.MAKER_ACCOUNT_IDS[0]):
        status, body = venue.ask("/v1/orders", account_id, "DELETE")
        assert status == 200, body


def test_each_order_goes_to_the_shard_of_its_instrument(venue: Venue) -> None:
    for symbol, shard_id in SYMBOLS.items():
        order = venue.place(symbol, side="buy")
        assert shard_of_id(int(order["order_id"])) == shard_id
        status, found = venue.ask(f"/v1/orders/{order['order_id']}")
        assert (status, found["symbol"], found["status"]) == (200, symbol, "open")


def test_balances_are_the_sum_over_the_shards(venue: Venue) -> None:
    status, body = venue.ask("/v1/balances")
    assert status == 200
    usd = next(each for each in body["balances"] if each["asset"] == "USD")
    with venue.client(demo.DEMO_ACCOUNT_ID, shard_id=0) as first:
        on_first = first.balances()
    with venue.client(demo.DEMO_ACCOUNT_ID, shard_id=1) as second:
        on_second = second.balances()
    units = [
        balance.available_units + balance.held_units
        for balance in (*on_first, *on_second)
        if balance.asset_id == demo.USD
    ]
    assert all(units)
    assert len(units) == SHARD_COUNT
    assert usd["total"] == f"{sum(units) / 10**6:.6f}"
    assert body["as_of_seqs"].keys() == {"0", "1"}


def test_open_orders_are_paged_over_the_shards(venue: Venue) -> None:
    placed = [venue.place(symbol, side="buy")["order_id"] for symbol in SYMBOLS for _ in "12"]
    listed: list[str] = []
    after = ""
    while True:
        status, page = venue.ask(f"/v1/orders?limit=2{after}")
        assert status == 200, page
        listed += [order["order_id"] for order in page["orders"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert listed == sorted(placed, key=int)


def test_fills_closed_orders_and_positions_come_from_the_database_of_each_shard(
    venue: Venue,
) -> None:
    for symbol in SYMBOLS:
        venue.trade(symbol)
    for path, name in (("fills", "fills"), ("orders?status=closed", "orders")):
        status, page = venue.ask(f"/v1/{path}")
        assert status == 200
        assert page["complete"] is True
        assert {each["symbol"] for each in page[name]} == SYMBOLS.keys()
        ids = [int(each["trade_id" if name == "fills" else "order_id"]) for each in page[name]]
        assert ids == sorted(ids, reverse=True)
    status, body = venue.ask("/v1/positions")
    assert (status, body["complete"]) == (200, True)
    assert {position["symbol"] for position in body["positions"]} == SYMBOLS.keys()

    async def shards_in(shard_id: int) -> list[int]:
        connection = await asyncpg.connect(venue.servers.database_url(f"ledger_{shard_id}"))
        rows = await connection.fetch("SELECT DISTINCT shard_id FROM trades")
        await connection.close()
        return [row[0] for row in rows]

    for shard_id in range(SHARD_COUNT):
        assert asyncio.run(shards_in(shard_id)) == [shard_id]


def test_pages_of_fills_go_on_from_shard_to_shard(venue: Venue) -> None:
    for symbol in ("BTC-USD", "ETH-USD", "ETH-USD"):
        venue.trade(symbol)
    _, whole = venue.ask("/v1/fills")
    ids: list[str] = []
    before = ""
    while True:
        _, page = venue.ask(f"/v1/fills?limit=1{before}")
        ids += [fill["trade_id"] for fill in page["fills"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert ids == [fill["trade_id"] for fill in whole["fills"]]


def test_an_order_is_found_by_its_client_order_id_on_whatever_shard(venue: Venue) -> None:
    for number, (symbol, closed) in enumerate((("BTC-USD", False), ("ETH-USD", True)), 501):
        order = venue.place(symbol, side="buy", client_order_id=str(number))
        if closed:
            venue.ask(f"/v1/orders/{order['order_id']}", demo.DEMO_ACCOUNT_ID, "DELETE")
        status, page = venue.ask(f"/v1/orders?client_order_id={number}")
        assert (status, page["complete"]) == (200, True)
        assert [found["order_id"] for found in page["orders"]] == [order["order_id"]]


def test_an_account_of_one_shard_only_reads_what_is_there(venue: Venue) -> None:
    status, body = venue.ask("/v1/balances", STRANGER)
    assert status == 200
    assert {each["asset"]: each["total"] for each in body["balances"]}["USD"] == "1000.000000"
    assert body["as_of_seqs"].keys() == {"1"}
    assert venue.ask("/v1/orders?status=all", STRANGER)[0] == 200
    order = limit_order("buy", PRICES["BTC-USD"], "0.01")
    status, body = venue.ask("/v1/orders", STRANGER, "POST", order)
    assert (status, body["code"]) == (404, "unknown_account")


def test_positions_come_from_redis_while_postgresql_is_away(venue: Venue) -> None:
    venue.trade("ETH-USD")
    _, before = venue.ask("/v1/positions?symbol=ETH-USD")
    until(
        lambda: _cached_seq(venue, 1) >= before["as_of_seqs"]["1"],
        "the ledger has written the position to Redis",
    )
    venue.servers.kill("postgres")
    try:
        status, body = venue.ask("/v1/positions?symbol=ETH-USD")
    finally:
        venue.servers.restart("postgres")
    assert status == 200, body
    assert body["complete"] is True
    assert body["positions"] == before["positions"]


def _cached_seq(venue: Venue, shard_id: int) -> int:
    with redis.Redis.from_url(venue.servers.redis_url, socket_timeout=DEADLINE_S) as client:
        return int(client.get(f"tp:applied:{shard_id}") or 0)


def test_a_shard_that_is_down_leaves_the_other_trading(venue: Venue) -> None:
    venue.children["matcher-1"].kill()
    until(lambda: not _ready(venue.http_port), "the ingress notices")
    assert venue.place("BTC-USD", side="buy")["status"] == "open"
    order = limit_order("buy", PRICES["ETH-USD"], "0.01", symbol="ETH-USD")
    assert venue.ask("/v1/orders", demo.DEMO_ACCOUNT_ID, "POST", order)[0] == 503
    assert venue.ask("/v1/orders?symbol=BTC-USD")[0] == 200
    status, body = venue.ask("/v1/instruments")
    assert status == 200
    assert {each["symbol"] for each in body["instruments"]} == SYMBOLS.keys()
    assert all(venue.ask(f"/v1/instruments/{symbol}")[0] == 200 for symbol in SYMBOLS)
    assert venue.ask("/v1/orders")[0] == 503  # half an answer would look like a whole one
    status, body = venue.ask("/v1/orders", demo.DEMO_ACCOUNT_ID, "DELETE")
    assert (status, body["code"]) == (504, "outcome_unknown")  # the other shard has carried it out
    assert venue.ask("/v1/orders?symbol=BTC-USD")[1]["orders"] == []
    venue.children["matcher-1"].start()
    until(lambda: _ready(venue.http_port), "the shard is back")
    assert venue.place("ETH-USD", side="buy")["status"] == "open"
