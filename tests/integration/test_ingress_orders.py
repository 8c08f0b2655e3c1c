"""Over REST on a whole exchange: every kind of order, lists and quotes, placed and read back."""

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tradepit.cli.running import RunningExchange
from tradepit.client import Client
from tradepit.protocol import wire

from tests.exchange_checks import key_of

TIMEOUT_S = 10.0

_client_order_ids = itertools.count(1)


@pytest.fixture
def client(exchange: RunningExchange) -> Iterator[httpx.Client]:
    yield from session_of(exchange, exchange.demo_key)


@pytest.fixture
def other(exchange: RunningExchange) -> Iterator[httpx.Client]:
    """Of another account, to trade with."""
    yield from session_of(exchange, key_of(exchange, "maker-101"))


def session_of(exchange: RunningExchange, key: str) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=exchange.ingress_url, headers=headers, timeout=TIMEOUT_S) as session:
        yield session
        session.delete("/v1/orders").raise_for_status()


def place(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    order = {"symbol": "BTC-USD", "type": "limit", "quantity": "0.0010"} | fields
    order["client_order_id"] = str(next(_client_order_ids))
    answer = client.post("/v1/orders", json=order)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def assert_shown_everywhere(
    client: httpx.Client,
    placed: dict[str, Any],
    in_ledger: dict[str, Any] | None = None,
    **terms: Any,
) -> None:
    """The open order by its id, in the list, by its client's id; then, canceled, from the ledger, with
    what is `in_ledger` otherwise.
    """
    order_id = placed["order_id"]
    by_id = client.get(f"/v1/orders/{order_id}").json()
    listed = client.get("/v1/orders").json()["orders"]
    by_client = client.get(f"/v1/orders?client_order_id={placed['client_order_id']}").json()
    for found in (
        by_id,
        next(order for order in listed if order["order_id"] == order_id),
        by_client["orders"][0],
    ):
        assert {name: found.get(name) for name in terms} == terms
    client.delete(f"/v1/orders/{order_id}").raise_for_status()
    history = client.get("/v1/orders?status=closed&limit=5").json()
    assert history["complete"]
    closed = next(order for order in history["orders"] if order["order_id"] == order_id)
    assert closed == client.get(f"/v1/orders/{order_id}").json()
    terms |= {"status": "canceled", "cancel_reason": "requested"} | (in_ledger or {})
    assert {name: closed.get(name) for name in terms} == terms


def test_a_trailing_stop_shows_where_its_trigger_is(
    client: httpx.Client, other: httpx.Client
) -> None:
    def trade(price: str) -> None:
        place(other, side="sell", price=price)
        assert place(client, side="buy", price=price)["status"] == "filled"

    trade("200.00")
    for distance in ({"offset": "5.00"}, {"trail_offset_bps": 250}):
        trailing = place(client, side="sell", type="trailing_stop", **distance)
        assert (trailing["status"], trailing["trigger_price"]) == ("waiting", "195.00")
        trade("210.00")
        trigger_price = "205.00" if "offset" in distance else "204.75"
        shown = {"status": "waiting", "type": "trailing_stop", "trigger_price": trigger_price}
        began = {"trigger_price": "195.00"}
        assert_shown_everywhere(client, trailing, began, **shown, **distance)
        trade("200.00")


def test_a_pegged_order_shows_where_it_rests(client: httpx.Client, other: httpx.Client) -> None:
    bid = place(other, side="buy", price="100.00")
    peg: dict[str, Any] = {"type": "pegged", "peg_reference": "best_bid", "offset": "-0.50"}
    pegged = place(client, side="buy", price="150.00", **peg)
    assert (pegged["status"], pegged["price"]) == ("open", "99.50")
    other.patch(f"/v1/orders/{bid['order_id']}", json={"price": "120.00"}).raise_for_status()
    assert_shown_everywhere(client, pegged, status="open", price="119.50", **peg)


def test_a_reduce_only_order_says_so(client: httpx.Client, other: httpx.Client) -> None:
    place(other, side="sell", price="100.00")
    place(client, side="buy", price="100.00")  # now there is a position to reduce
    reducing = place(client, side="sell", price="180.00", reduce_only=True)
    assert_shown_everywhere(client, reducing, status="open", price="180.00", reduce_only=True)


def test_orders_of_an_auction_say_so(
    exchange: RunningExchange, client: httpx.Client, other: httpx.Client
) -> None:
    closing = place(client, side="buy", price="90.00", time_in_force="at_the_close")
    assert_shown_everywhere(
        client, closing, status="waiting", time_in_force="at_the_close", price="90.00"
    )
    with Client(exchange.order_endpoint, 0, exchange.operator_key) as operator:
        instrument = operator.instruments().instrument("ETH-USD")
        assert instrument is not None
        operator.set_trading_state(instrument.instrument_id, wire.TradingState.PRE_OPEN)
        opening = place(
            client, symbol="ETH-USD", side="buy", price="90.00", time_in_force="at_the_open"
        )
        assert_shown_everywhere(client, opening, status="open", time_in_force="at_the_open")
        operator.set_trading_state(instrument.instrument_id, wire.TradingState.CONTINUOUS)


def place_list(client: httpx.Client, kind: str, *orders: dict[str, Any]) -> httpx.Response:
    named = [
        {"type": "limit", "quantity": "0.0020", "client_order_id": str(next(_client_order_ids))}
        | order
        for order in orders
    ]
    return client.post("/v1/order-lists", json={"symbol": "BTC-USD", "kind": kind, "orders": named})


def test_of_two_linked_orders_one_cancels_the_other(
    client: httpx.Client, other: httpx.Client
) -> None:
    pair = (
        {"side": "sell", "price": "130.00"},
        {"side": "sell", "type": "stop", "trigger_price": "80.00"},
    )
    answer = place_list(client, "oco", *pair)
    assert answer.status_code == 201, answer.text
    rests, waits = answer.json()["orders"]
    assert [each["status"] for each in (rests, waits)] == ["open", "waiting"]
    assert not any(each.get("pending") for each in (rests, waits))
    linked = client.patch(f"/v1/orders/{rests['order_id']}", json={"price": "131.00"})
    assert linked.json()["code"] == "contingent_order"
    place(other, side="buy", price="130.00")
    ended = client.get(f"/v1/orders/{waits['order_id']}").json()
    assert (ended["status"], ended["cancel_reason"]) == ("canceled", "contingency")
    traded = client.get(f"/v1/orders/{rests['order_id']}").json()
    assert (traded["status"], traded["remaining_quantity"]) == ("partially_filled", "0.0010")

    client.delete(f"/v1/orders/{rests['order_id']}").raise_for_status()
    place(other, side="buy", price="130.00")  # the first of the two meets it when it is placed
    at_once = place_list(client, "oco", *pair).json()["orders"]
    assert [each["status"] for each in at_once] == ["partially_filled", "canceled"]
    assert at_once[1]["cancel_reason"] == "contingency"

    refused = place_list(client, "oco", pair[0], pair[0])
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_list")
    assert "index" not in refused.json()
    refused = place_list(client, "oco", pair[0], pair[1] | {"trigger_price": "10000000.01"})
    assert refused.json() | {"type": "", "title": "", "status": 0} == {
        "type": "",
        "title": "",
        "status": 0,
        "code": "invalid_trigger_price",
        "detail": "trigger_price must lie between 0.01 and 10000000.00",
        "field": "trigger_price",
        "index": 1,
    }


def test_a_bracket_waits_for_its_first_order(client: httpx.Client, other: httpx.Client) -> None:
    answer = place_list(
        client,
        "bracket",
        {"side": "buy", "price": "100.00"},
        {"side": "sell", "price": "120.00"},
        {"side": "sell", "type": "stop", "trigger_price": "80.00"},
    )
    assert answer.status_code == 201, answer.text
    first, profit, loss = answer.json()["orders"]
    for order in (profit, loss):
        found = client.get(f"/v1/orders/{order['order_id']}").json()
        assert (found["status"], found["pending"]) == ("waiting", True)
    rows = client.get("/v1/orders?status=all&limit=3").json()["orders"]
    assert [row.get("pending", False) for row in rows] == [True, True, False]
    assert client.get("/v1/instruments/BTC-USD/book").json()["asks"] == []

    place(other, side="sell", price="100.00", quantity="0.0020")
    statuses = {"order_id": "status", first["order_id"]: "filled"}
    statuses |= {profit["order_id"]: "open", loss["order_id"]: "waiting"}
    for page in ("/v1/orders", "/v1/orders?status=all&limit=4"):
        for order in client.get(page).json()["orders"]:
            if order["order_id"] in statuses:
                assert order["status"] == statuses[order["order_id"]]
                assert "pending" not in order
    assert client.get("/v1/instruments/BTC-USD/book").json()["asks"][0]["price"] == "120.00"

    place(other, side="buy", price="120.00", quantity="0.0020")
    history = client.get("/v1/orders?status=closed&limit=3").json()
    assert history["complete"]
    assert [(row["order_id"], row["status"]) for row in history["orders"]] == [
        (loss["order_id"], "canceled"),
        (profit["order_id"], "filled"),
        (first["order_id"], "filled"),
    ]
    assert history["orders"][0]["cancel_reason"] == "contingency"
    assert not any("pending" in row for row in history["orders"])


def test_quotes_are_replaced_and_pulled_when_they_trade_too_much(
    client: httpx.Client, other: httpx.Client
) -> None:
    path = "/v1/quotes/BTC-USD"

    def side(price: str, quantity: str = "0.0020") -> dict[str, str]:
        return {"price": price, "quantity": quantity}

    day_ns = wire.QUOTE_WINDOW_NS_MAX
    limits = {"window_ns": day_ns, "fill_count_max": 2}
    assert client.put(f"{path}/protection", json=limits).json()["state"] == "armed"
    levels = [
        {"bid": side("99.00"), "ask": side("101.00")},
        {"bid": side("98.00"), "ask": side("102.00")},
    ]
    quoted = client.put(path, json={"levels": levels, "post_only": True})
    assert quoted.status_code == 200, quoted.text
    assert (quoted.json()["placed_count"], len(quoted.json()["orders"])) == (4, 4)
    book = client.get("/v1/instruments/BTC-USD/book").json()
    assert [level["price"] for level in book["bids"] + book["asks"]] == [
        *("99.00", "98.00"),
        *("101.00", "102.00"),
    ]
    smaller = [{"bid": side("99.00", "0.0010"), "ask": side("101.00")}]
    changed = client.put(path, json={"levels": smaller, "post_only": True}).json()
    assert (changed["kept_count"], changed["canceled_count"], changed["placed_count"]) == (2, 2, 0)
    assert [(each["price"], each["status"]) for each in changed["orders"]] == [
        ("99.00", "open"),
        ("98.00", "canceled"),
        ("102.00", "canceled"),
    ]
    crossed = client.put(path, json={"levels": [{"bid": side("101.00"), "ask": side("100.00")}]})
    assert (crossed.status_code, crossed.json()["field"]) == (400, "levels")
    for order in client.get("/v1/orders").json()["orders"]:
        assert order["quote"]

    for _ in range(2):
        assert place(other, side="buy", price="101.00")["status"] == "filled"
    assert client.get("/v1/orders").json()["orders"] == []
    pulled = client.get(f"/v1/orders/{changed['orders'][0]['order_id']}").json()
    assert (pulled["cancel_reason"], pulled["quote"]) == ("quote_protection", True)
    refused = client.put(path, json={"levels": levels})
    assert (refused.status_code, refused.json()["code"]) == (409, "quote_protection_active")
    assert client.put(f"{path}/protection", json={}).json()["state"] == "off"
    assert client.put(path, json={"levels": levels[:1]}).json()["placed_count"] == 2
    gone = client.delete(path).json()
    assert (gone["canceled_count"], gone["placed_count"]) == (2, 0)
    unlimited = client.put(f"{path}/protection", json={"window_ns": 1})
    assert (unlimited.status_code, unlimited.json()["code"]) == (400, "invalid_quote_protection")
