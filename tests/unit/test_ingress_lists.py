"""Lists of orders and quotes over REST, on a fake matcher: what is sent, answered and refused."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tradepit.ingress import router as router_module
from tradepit.ingress.app import Ingress
from tradepit.ingress.errors import CODES, FIELD_CODES, FIELD_RULES
from tradepit.protocol import wire

from tests.fake_matcher import FakeMatcher
from tests.ingress_harness import AUTHORIZED, LIMIT, OPERATOR_KEY, assert_problem, run

ORDER = {name: value for name, value in LIMIT.items() if name != "symbol"}
EXIT = ORDER | {"side": "sell", "price": "110"}
STOP = {"side": "sell", "type": "stop", "trigger_price": "90", "quantity": "0.02"}
BRACKET = {"symbol": "BTC-USD", "kind": "bracket", "orders": [ORDER, EXIT, STOP]}
LISTS, QUOTES, PROTECTION = (
    "/v1/order-lists",
    "/v1/quotes/BTC-USD",
    "/v1/quotes/BTC-USD/protection",
)
BID, ASK = {"price": "99.5", "quantity": "0.01"}, {"price": "100.5", "quantity": "0.02"}


@pytest.fixture
def matcher() -> Iterator[FakeMatcher]:
    with FakeMatcher(bytes.fromhex(OPERATOR_KEY)) as running:
        yield running


# -- lists -------------------------------------------------------------------------------------


def test_a_bracket_is_placed_and_what_is_pending_says_so(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        client.headers.update(AUTHORIZED)
        answer = await client.post(LISTS, json=BRACKET)
        assert answer.status_code == 201
        document = answer.json()
        assert (document["kind"], document["refused"]) == ("bracket", [])
        assert document["seq"] == matcher.seq == app.resources.router.all()[0].last_seq
        first, profit, loss = document["orders"]
        assert (first["status"], "pending" in first) == ("open", False)
        assert [(each["status"], each["pending"]) for each in (profit, loss)] == [
            ("waiting", True)
        ] * 2
        assert (profit["price"], loss["trigger_price"], loss["type"]) == ("110.00", "90.00", "stop")
        by_id = (await client.get(f"/v1/orders/{loss['order_id']}")).json()
        assert (by_id["status"], by_id["pending"]) == ("waiting", True)
        open_orders = (await client.get("/v1/orders")).json()["orders"]
        assert [each.get("pending", False) for each in open_orders] == [False, True, True]

    run(matcher, body)


def test_a_list_says_all_that_its_orders_say(matcher: FakeMatcher) -> None:
    terms = {
        "display_quantity": "0.0050",
        "expire_time_ns": "1900000000000000001",
        "time_in_force": "gtd",
        "post_only": True,
        "self_trade_prevention": "cancel_both",
        "client_order_id": "77",
    }

    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        asked = BRACKET | {"kind": "each", "orders": [ORDER | terms]}
        answer = await client.post(LISTS, json=asked, headers=AUTHORIZED)
        assert answer.status_code == 201
        assert [order.client_order_id for order in matcher.orders] == [77]
        (sent,) = matcher.orders
        assert (sent.flags, sent.time_in_force) == (1, wire.TimeInForce.GTD)
        assert (sent.display_quantity_lots, sent.self_trade_prevention) == (50, 3)
        assert sent.expire_time_ns == 1_900_000_000_000_000_001

    run(matcher, body)


def test_each_on_its_own_is_placed_or_refused(matcher: FakeMatcher) -> None:
    orders = [
        ORDER | {"client_order_id": "1"},
        ORDER | {"quantity": "1"},
        {"side": "sell", "type": "market", "quantity": "0.0004", "client_order_id": "2"},
        ORDER | {"quantity": "2"},
    ]

    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        asked = {"symbol": "BTC-USD", "kind": "each", "orders": orders}
        document = (await client.post(LISTS, json=asked, headers=AUTHORIZED)).json()
        assert [each["client_order_id"] for each in document["orders"]] == ["1", "2"]
        filled = document["orders"][1]
        assert (filled["status"], filled["average_price"]) == ("filled", "100.01")
        assert [fill["price"] for fill in filled["fills"]] == ["100.00", "100.02"]
        assert [(each["index"], each["code"]) for each in document["refused"]] == [
            (1, "insufficient_funds"),
            (3, "insufficient_funds"),
        ]

    run(matcher, body)


def test_a_list_refused_as_a_whole_names_the_order_that_is_the_cause(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        client.headers.update(AUTHORIZED)
        asked = BRACKET | {"orders": [ORDER, EXIT | {"quantity": "1"}, STOP]}
        refused = await client.post(LISTS, json=asked)
        assert_problem(refused, 422, "insufficient_funds", None)
        assert refused.json()["index"] == 1
        assert (await client.get("/v1/orders")).json()["orders"] == []

    run(matcher, body)


# What is wrong, then status, code, field and index.
WRONG_LISTS: list[tuple[dict[str, Any], int, str, str | None, int | None]] = [
    ({"symbol": "NO"}, 404, "unknown_instrument", "symbol", None),
    ({"kind": "one_cancels_other"}, 400, "invalid_list", "kind", None),
    ({"kind": None}, 400, "invalid_list", "kind", None),
    ({"orders": []}, 400, "invalid_list", "orders", None),
    ({"orders": [ORDER] * 17}, 400, "invalid_list", "orders", None),
    ({"orders": {}}, 400, "invalid_list", "orders", None),
    ({"orders": [ORDER, 1]}, 400, "invalid_list", "orders", 1),
    ({"orders": [ORDER, {"side": "buy"}]}, 400, "missing_field", "type", 1),
    ({"orders": [ORDER | {"prize": "1"}]}, 400, "unknown_field", "prize", 0),
    ({"orders": [LIMIT]}, 400, "unknown_field", "symbol", 0),
    ({"orders": [ORDER | {"replaces_order_id": "7"}]}, 400, "unknown_field", None, 0),
    ({"orders": [ORDER, ORDER | {"side": "BUY"}]}, 400, "invalid_side", "side", 1),
    ({"orders": [ORDER, ORDER | {"price": "1.005"}]}, 400, "invalid_price", "price", 1),
    ({"orders": [ORDER, ORDER, STOP | {"price": "1"}]}, 400, "invalid_price", "price", 2),
    ({"orders": [ORDER | {"quantity": "0"}]}, 400, "invalid_quantity", "quantity", 0),
    ({"orders": [ORDER | {"client_order_id": "x"}]}, 400, "invalid_client_order_id", None, 0),
    ({"extra": 1}, 400, "unknown_field", "extra", None),
]


def test_what_is_wrong_with_a_list_is_named_with_its_order(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        client.headers.update(AUTHORIZED)
        for wrong, status, code, field, index in WRONG_LISTS:
            answer = await client.post(LISTS, json=BRACKET | wrong)
            document = answer.json()
            assert_problem(answer, status, code, field or document.get("field"))
            assert document.get("index") == index, document
            assert document["field"] in document["detail"]
        twice = json.dumps(BRACKET).replace('"sell", "type"', '"sell", "side": "buy", "type"')
        headers = {"content-type": "application/json"}
        answer = await client.post(LISTS, content=twice, headers=headers)
        assert_problem(answer, 400, "duplicate_field", "side")
        assert matcher.seq == 0

    run(matcher, body)


# -- quotes ------------------------------------------------------------------------------------


def test_quotes_take_the_place_of_all_before(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        client.headers.update(AUTHORIZED)
        asked: dict[str, Any] = {
            "levels": [{"bid": BID, "ask": ASK}, {"bid": BID | {"price": "99"}, "ask": None}]
        }
        answer = await client.put(QUOTES, json=asked | {"post_only": True})
        assert answer.status_code == 200
        document = answer.json()
        assert (document["kept_count"], document["canceled_count"]) == (0, 0)
        assert document["placed_count"] == len(document["orders"]) == 3
        assert [(each["side"], each["price"], each["quantity"]) for each in document["orders"]] == [
            ("buy", "99.50", "0.0100"),
            ("sell", "100.50", "0.0200"),
            ("buy", "99.00", "0.0100"),
        ]
        assert all(each["quote"] and each["post_only"] for each in document["orders"])
        assert document["seq"] == app.resources.router.all()[0].last_seq

        asked = {"levels": [{"ask": ASK}], "self_trade_prevention": "cancel_oldest"}
        second = (await client.put(QUOTES, json=asked)).json()
        assert (second["canceled_count"], second["placed_count"]) == (3, 1)
        assert [each["cancel_reason"] for each in second["orders"]] == ["quote_replaced"] * 3 + [
            None
        ]
        assert second["orders"][3]["self_trade_prevention"] == "cancel_oldest"
        assert not second["orders"][3]["post_only"]

        gone = (await client.delete(QUOTES)).json()
        assert (gone["canceled_count"], gone["placed_count"]) == (1, 0)
        assert (await client.get("/v1/orders")).json()["orders"] == []

    run(matcher, body)


WRONG_QUOTES: list[tuple[Any, int, str, str | None, int | None]] = [
    ({}, 400, "missing_field", "levels", None),
    ({"levels": None}, 400, "invalid_quote", "levels", None),
    ({"levels": [{}] * 33}, 400, "invalid_quote", "levels", None),
    ({"levels": [1]}, 400, "invalid_quote", "levels", 0),
    ({"levels": [{}, {"bid": 5}]}, 400, "invalid_quote", "bid", 1),
    ({"levels": [{"bid": {"price": "1"}}]}, 400, "missing_field", "bid.quantity", 0),
    ({"levels": [{"ask": ASK | {"price": 1}}]}, 400, "invalid_price", "ask.price", 0),
    ({"levels": [{}, {"ask": ASK | {"price": "1.005"}}]}, 400, "invalid_price", "ask.price", 1),
    ({"levels": [{"bid": BID | {"quantity": "0"}}]}, 400, "invalid_quantity", "bid.quantity", 0),
    ({"levels": [{"bid": BID | {"x": 1}}]}, 400, "unknown_field", "bid.x", 0),
    ({"levels": [{"mid": BID}]}, 400, "unknown_field", "mid", 0),
    ({"levels": [], "post_only": 1}, 400, "invalid_flags", "post_only", None),
    (
        {"levels": [], "self_trade_prevention": "x"},
        400,
        "invalid_self_trade_prevention",
        None,
        None,
    ),
    ({"levels": [{"bid": BID | {"quantity": "1"}}]}, 422, "insufficient_funds", None, None),
]


def test_what_is_wrong_with_quotes_is_named_with_its_level(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        client.headers.update(AUTHORIZED)
        for wrong, status, code, field, index in WRONG_QUOTES:
            answer = await client.put(QUOTES, json=wrong)
            document = answer.json()
            assert_problem(answer, status, code, field or document.get("field"))
            assert document.get("index") == index, document
        for method, path in (("PUT", ""), ("DELETE", ""), ("PUT", "/protection")):
            sent: dict[str, Any] = {} if path else {"levels": []}
            content = json.dumps(sent) if method == "PUT" else None
            headers = {"content-type": "application/json"}
            answer = await client.request(
                method, f"/v1/quotes/NO{path}", content=content, headers=headers
            )
            assert_problem(answer, 404, "unknown_instrument", "symbol")

    run(matcher, body)


def test_protection_is_set_and_switched_off(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        client.headers.update(AUTHORIZED)
        limits = {"window_ns": 10**9, "fill_count_max": 3, "filled_quantity_max": "0.5"}
        answer = await client.put(PROTECTION, json=limits)
        assert answer.status_code == 200
        assert answer.json() == {
            "state": "armed",
            "window_ns": 10**9,
            "fill_count_max": 3,
            "filled_quantity_max": "0.5000",
            "seq": 1,
        }
        for off in ({}, {"window_ns": 0, "fill_count_max": None, "filled_quantity_max": None}):
            document = (await client.put(PROTECTION, json=off)).json()
            assert document["state"] == "off"
            assert document["fill_count_max"] is document["filled_quantity_max"] is None
        for field, value, code in (
            ("window_ns", -1, "invalid_quote_protection"),
            ("window_ns", "1", "invalid_quote_protection"),
            ("window_ns", wire.QUOTE_WINDOW_NS_MAX + 1, "invalid_quote_protection"),
            ("fill_count_max", 2**32, "invalid_quote_protection"),
            ("filled_quantity_max", 1, "invalid_quote_protection"),
            ("filled_quantity_max", "0.00001", "invalid_quote_protection"),
            ("window", 1, "unknown_field"),
        ):
            wrong = await client.put(PROTECTION, json={field: value})
            assert_problem(wrong, 400, code, field)
            assert wrong.json()["detail"].startswith((field, "there is no field"))

    run(matcher, body)


# -- whatever comes ----------------------------------------------------------------------------


def test_every_field_that_can_be_wrong_has_a_rule_and_a_code() -> None:
    assert set(FIELD_CODES) <= set(FIELD_RULES)
    assert set(FIELD_CODES.values()) <= set(CODES)


def test_without_an_answer_the_outcome_is_unknown(
    matcher: FakeMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_module, "REQUEST_TIMEOUT_S", 0.2)
    monkeypatch.setattr(router_module, "SILENCE_S", 600.0)  # else it is down after some of them

    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        client.headers.update(AUTHORIZED)
        await client.get("/v1/orders")
        matcher.silent = True
        for method, path, document, advice in (
            ("POST", LISTS, BRACKET, "client_order_id"),
            ("PUT", QUOTES, {"levels": []}, "GET /v1/orders"),
            ("PUT", PROTECTION, {}, "send it again"),
            ("DELETE", QUOTES, None, "GET /v1/orders"),
            ("DELETE", "/v1/orders", None, "send it again"),
            ("DELETE", "/v1/orders/1", None, "send it again"),
            ("POST", "/v1/cancel-after", {"timeout_ms": 0}, "send it again"),
            ("POST", "/v1/kill-switch", None, "send it again"),
            ("GET", "/v1/balances", None, "nothing was changed"),
            ("PATCH", "/v1/orders/1", {"price": "1"}, "nothing was changed"),  # only looked for
        ):
            answer = await client.request(method, path, json=document)
            assert_problem(answer, 504, "outcome_unknown", None)
            detail = answer.json()["detail"]
            assert advice in detail
            assert ("the order was sent" in detail) == (path == LISTS)
            assert "some shards" not in detail  # there is one
        matcher.silent = False

    run(matcher, body)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
shapes = st.recursive(
    scalars
    | st.sampled_from([ORDER, STOP, EXIT, BID, {"bid": BID, "ask": ASK}, "buy", "oco", "99.5"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*BRACKET, *ORDER, "levels", "bid", "ask", "window_ns", "post_only"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
bodies = st.binary(max_size=60) | shapes.map(json.dumps).map(str.encode)
near_misses = st.builds(
    lambda base, name, value: json.dumps(base | {name: value}).encode(),
    st.sampled_from([BRACKET, {"levels": [{"bid": BID}]}]),
    st.sampled_from(["kind", "orders", "levels", "post_only"]),
    shapes,
)


@settings(max_examples=10, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(bodies | near_misses, min_size=40, max_size=60))
def test_no_list_and_no_quote_makes_the_server_fail(
    matcher: FakeMatcher, contents: list[bytes]
) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        headers = AUTHORIZED | {"content-type": "application/json"}
        for content in contents:
            for method, path in (("POST", LISTS), ("PUT", QUOTES), ("PUT", PROTECTION)):
                answer = await client.request(method, path, content=content, headers=headers)
                assert answer.status_code in (200, 201, 400, 404, 409, 413, 422), answer.text
                if answer.status_code > 201:
                    assert answer.json()["code"] in CODES

    run(matcher, body)
