"""The REST service on a fake matcher: what it answers, and what it refuses."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tradepit.ingress.app import Ingress
from tradepit.ingress.errors import CODES, Problem, problem_of_reason
from tradepit.ingress.guards import KeyRing
from tradepit.ingress.order_requests import PlaceOrder
from tradepit.ingress.settings import Settings, read_settings
from tradepit.protocol import wire
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.keys import read_keys

from tests.fake_matcher import FakeMatcher
from tests.ingress_harness import (
    AUTHORIZED,
    KEYS,
    LIMIT,
    OPERATOR_KEY,
    OTHER_KEY,
    TRADER_KEY,
    assert_problem,
    client_of,
    run,
)


@pytest.fixture
def matcher() -> Iterator[FakeMatcher]:
    with FakeMatcher(bytes.fromhex(OPERATOR_KEY)) as running:
        yield running


# -- orders ------------------------------------------------------------------------------------


def test_an_order_is_placed_read_changed_and_canceled(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        client.headers.update(AUTHORIZED)
        placed = await client.post(
            "/v1/orders", json=LIMIT | {"client_order_id": "9007199254740993"}
        )
        assert placed.status_code == 201
        order = placed.json()
        assert order | {"time_ns": "", "order_id": ""} == {
            "order_id": "",
            "client_order_id": "9007199254740993",
            "symbol": "BTC-USD",
            "side": "buy",
            "type": "limit",
            "time_in_force": "gtc",
            "post_only": False,
            "self_trade_prevention": "none",
            "price": "100.50",
            "trigger_price": None,
            "quantity": "0.0200",
            "status": "open",
            "filled_quantity": "0.0000",
            "remaining_quantity": "0.0200",
            "average_price": None,
            "fees": "0.000000",
            "fills": [],
            "cancel_reason": None,
            "seq": 1,
            "time_ns": "",
        }
        path = f"/v1/orders/{order['order_id']}"
        assert (await client.get(path)).json()["status"] == "open"
        by_client = await client.get("/v1/orders?client_order_id=9007199254740993")
        assert [found["order_id"] for found in by_client.json()["orders"]] == [order["order_id"]]
        changed = (await client.patch(path, json={"price": "101", "quantity": "0.01"})).json()
        assert (changed["price"], changed["quantity"]) == ("101.00", "0.0100")
        assert len((await client.get("/v1/orders")).json()["orders"]) == 1
        canceled = (await client.delete(path)).json()
        assert (canceled["status"], canceled["cancel_reason"]) == ("canceled", "requested")
        assert_problem(await client.delete(path), 404, "unknown_order", None)

    run(matcher, body)


def test_what_only_some_orders_have_goes_there_and_back(matcher: FakeMatcher) -> None:
    terms = {
        "display_quantity": "0.0050",
        "expire_time_ns": "1900000000000000001",
        "offset": "-0.25",
        "trail_offset_bps": 150,
        "peg_reference": "middle",
        "post_only_slide": True,
        "reduce_only": True,
    }
    sent_only = {"minimum_quantity": "0.0010", "quote_budget": "12.5", "replaces_order_id": "7"}

    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        client.headers.update(AUTHORIZED)
        answer = await client.post("/v1/orders", json=LIMIT | terms | sent_only)
        assert answer.status_code == 201
        assert {name: answer.json()[name] for name in terms} == terms
        by_id = (await client.get(f"/v1/orders/{answer.json()['order_id']}")).json()
        assert {name: by_id[name] for name in terms} == terms
        unknown = await client.post("/v1/orders", json=LIMIT | {"replaces_order_id": "x"})
        assert_problem(unknown, 404, "unknown_order", None)

    run(matcher, body)
    (order,) = (each for each in matcher.orders if each.display_quantity_lots)
    assert order.minimum_quantity_lots == 10
    assert order.quote_budget_units == 12_500_000
    assert order.replaces_order_id == 7


def test_fills_are_listed_with_their_average_and_fees(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        order = {"symbol": "BTC-USD", "side": "sell", "type": "market", "quantity": "0.0004"}
        answer = (await client.post("/v1/orders", json=order, headers=AUTHORIZED)).json()
        assert answer["status"] == "filled"
        assert answer["time_in_force"] == "ioc"
        assert (answer["average_price"], answer["fees"]) == ("100.01", "0.000010")
        assert [fill["price"] for fill in answer["fills"]] == ["100.00", "100.02"]
        assert {fill["liquidity"] for fill in answer["fills"]} == {"taker"}

    run(matcher, body)


def test_the_fast_path_and_the_typed_route_answer_alike(matcher: FakeMatcher) -> None:
    bodies: list[Any] = [
        LIMIT,
        LIMIT | {"price": "1e5"},
        LIMIT | {"quantity": "1000"},
        LIMIT | {"extra": 1},
        [],
    ]

    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        async with client_of(app.litestar) as typed:
            for document in bodies:
                fast_answer = await client.post("/v1/orders", json=document, headers=AUTHORIZED)
                slow_answer = await typed.post("/v1/orders", json=document, headers=AUTHORIZED)
                assert fast_answer.status_code == slow_answer.status_code
                varying = {"order_id": "", "seq": 0, "time_ns": ""}
                assert fast_answer.json() | varying == slow_answer.json() | varying
                for name in ("content-type", "cache-control", "x-content-type-options"):
                    assert fast_answer.headers[name] == slow_answer.headers[name]

    run(matcher, body)


def test_an_order_that_is_sent_again_gets_its_first_answer(matcher: FakeMatcher) -> None:
    order = LIMIT | {"time_in_force": "ioc", "client_order_id": "5"}

    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        async with client_of(app.litestar) as typed:
            first = await client.post("/v1/orders", json=order, headers=AUTHORIZED)
            assert (first.status_code, first.json()["status"]) == (201, "filled")
            for sender in (client, typed):  # the fast path and the typed route
                again = await sender.post("/v1/orders", json=order, headers=AUTHORIZED)
                assert (again.status_code, again.json()) == (200, first.json() | {"replayed": True})
        responses = app.litestar.openapi_schema.to_schema()["paths"]["/v1/orders"]["post"]
        assert {"200", "201", "409"} <= set(responses["responses"])

    run(matcher, body)


def test_mass_cancel_takes_the_account_s_own_orders_only(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        other = {"authorization": f"Bearer {OTHER_KEY}"}
        for headers in (AUTHORIZED, AUTHORIZED, other):
            await client.post("/v1/orders", json=LIMIT, headers=headers)
        typo = await client.delete("/v1/orders?symbl=BTC-USD", headers=AUTHORIZED)
        assert_problem(typo, 400, "unknown_parameter", "symbl")
        twice = await client.delete("/v1/orders?side=buy&side=sell", headers=AUTHORIZED)
        assert_problem(twice, 400, "invalid_parameter", "side")
        wrong = await client.delete("/v1/orders?side=both", headers=AUTHORIZED)
        assert_problem(wrong, 400, "invalid_parameter", "side")
        misplaced = await client.request(
            "DELETE", "/v1/orders", json={"symbol": "ETH-USD"}, headers=AUTHORIZED
        )
        assert_problem(misplaced, 400, "invalid_body", None)
        assert "query parameters symbol and side" in misplaced.json()["detail"]
        answer = await client.delete("/v1/orders?symbol=BTC-USD&side=buy", headers=AUTHORIZED)
        assert answer.json()["canceled_count"] == 2
        assert len((await client.get("/v1/orders", headers=other)).json()["orders"]) == 1

    run(matcher, body)


def test_another_account_s_order_does_not_exist(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        placed = await client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED)
        path = f"/v1/orders/{placed.json()['order_id']}"
        other = {"authorization": f"Bearer {OTHER_KEY}"}
        foreign = await client.delete(path, headers=other)
        unknown = await client.delete(f"/v1/orders/{2**47}", headers=other)
        assert foreign.content == unknown.content
        assert_problem(foreign, 404, "unknown_order", None)
        changed = await client.patch(path, json={"price": "1"}, headers=other)
        assert_problem(changed, 404, "unknown_order", None)
        for strange in ("0", "01", "-1", "x", str(2**63), str(2**62), "9" * 400, "%D9%A3"):
            answer = await client.delete(f"/v1/orders/{strange}", headers=AUTHORIZED)
            assert_problem(answer, 404, "unknown_order", None)

    run(matcher, body)


# -- bad input ---------------------------------------------------------------------------------

TWICE = b'{"symbol":"BTC-USD","side":"buy","type":"limit","quantity":"1","price":"1","%s":"2"}'
# Field and code: values that break the field's rule.
WRONG: dict[tuple[str, str], tuple[Any, ...]] = {
    ("price", "invalid_price"): (
        *("NaN", "1e5", "-1", "0", "1.001", "1" + "0" * 30, "", " 1", "\u0663"),
        *(100.5, 100, True, [], {}, None),
    ),
    ("quantity", "invalid_quantity"): (
        *("0", "0.00001", "-1", "1e30", "Infinity", "9" * 39, "0.00000000001"),
        *(1, None),
    ),
    ("side", "invalid_side"): ("BUY", "both", "", 1, None),
    ("type", "invalid_order_type"): ("peg", "Limit", 1, None),
    ("time_in_force", "invalid_time_in_force"): ("gtx", "", 1),
    ("client_order_id", "invalid_client_order_id"): (
        *("0", "x", "01", "", str(2**63)),
        *(-1, 0, 1.5, 2**53, True),
    ),
    ("post_only", "invalid_flags"): ("true", 1),
    ("post_only_slide", "invalid_flags"): ("true", 1),
    ("reduce_only", "invalid_flags"): ("true", 1),
    ("display_quantity", "invalid_display_quantity"): ("0", "-1", "0.00001", "1e30", 1, True),
    ("minimum_quantity", "invalid_minimum_quantity"): ("0", "-1", "0.00001", "1e30", 1, True),
    ("quote_budget", "invalid_quote_budget"): ("0", "-1", "0.0000001", "1e30", 1, True),
    ("expire_time_ns", "invalid_expire_time"): ("0", "-1", "1.5", "tomorrow", 1, str(2**63)),
    ("offset", "invalid_offset"): ("0", "--1", "+1", "0.001", 1, True),
    ("trail_offset_bps", "invalid_offset"): (0, -1, 10_000, "1", 1.5, True),
    ("peg_reference", "invalid_offset"): ("none", "mid", "", 1),
    ("replaces_order_id", "invalid_body"): (1, True),
    ("trigger_price", "invalid_trigger_price"): ("100.00", "NaN", 1, True),
    ("self_trade_prevention", "invalid_self_trade_prevention"): ("cancel", "", 1, True),
    ("symbol", "unknown_instrument"): (1, "NO", ""),
}
WRONG_FIELDS = [(field, value, code) for (field, code), values in WRONG.items() for value in values]


def test_every_wrong_field_is_named_with_its_rule(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        for field, value, code in WRONG_FIELDS:
            answer = await client.post(
                "/v1/orders", json=LIMIT | {field: value}, headers=AUTHORIZED
            )
            assert_problem(answer, CODES[code][0], code, field)
            assert re.fullmatch(
                rf"{field} .*\b(must|is required|names) .*", answer.json()["detail"]
            )
            assert "null" not in answer.json()["detail"]
        unknown = await client.post("/v1/orders", json=LIMIT | {"symbol": "NO"}, headers=AUTHORIZED)
        assert_problem(unknown, 404, "unknown_instrument", "symbol")
        market = await client.post(
            "/v1/orders", json=LIMIT | {"type": "market"}, headers=AUTHORIZED
        )
        assert_problem(market, 400, "invalid_price", "price")
        extra = await client.post("/v1/orders", json=LIMIT | {"prize": "1"}, headers=AUTHORIZED)
        assert_problem(extra, 400, "unknown_field", "prize")
        for field in ("symbol", "side", "type", "quantity"):
            less = {name: value for name, value in LIMIT.items() if name != field}
            answer = await client.post("/v1/orders", json=less, headers=AUTHORIZED)
            assert_problem(answer, 400, "missing_field", field)
        refused = await client.post(
            "/v1/orders", json=LIMIT | {"quantity": "1"}, headers=AUTHORIZED
        )
        assert_problem(refused, 422, "insufficient_funds", None)
        assert matcher.seq == 1  # only the last one came so far

    run(matcher, body)


def test_every_optional_field_of_an_order_may_be_null(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        optional = set(PlaceOrder.__struct_fields__) - LIMIT.keys()
        nulls = dict.fromkeys(optional)
        for path in ("/v1/orders", "/v1/orders/"):  # the fast path and the typed route
            answer = await client.post(path, json=LIMIT | nulls, headers=AUTHORIZED)
            assert answer.status_code == 201, answer.text
        bare = await client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED)
        assert answer.json().keys() == bare.json().keys()
        quotes: dict[str, Any] = {"levels": [], "post_only": None, "self_trade_prevention": None}
        answer = await client.put("/v1/quotes/BTC-USD", json=quotes, headers=AUTHORIZED)
        assert answer.status_code == 200, answer.text

    run(matcher, body)


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        (b"", "invalid_body", None),
        (b"{", "invalid_body", None),
        (b"null", "invalid_body", None),
        (b"[" * 10_000, "invalid_body", None),
        (b'{"symbol":' + b"[" * 10_000, "unknown_instrument", "symbol"),
        (b'{"symbol":"\xff\xfe"}', "invalid_body", None),
        (b'{"\xff":1}', "invalid_body", None),
        (b'{"price":NaN}', "invalid_body", None),
        (TWICE % b"price", "duplicate_field", "price"),
        (TWICE % b"pric\\u0065", "duplicate_field", "price"),
    ],
)
def test_a_body_that_is_no_order_is_refused(
    matcher: FakeMatcher, content: bytes, code: str, field: str | None
) -> None:
    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        headers = AUTHORIZED | {"content-type": "application/json"}
        for path in ("/v1/orders", "/v1/orders/"):  # the fast path, and the typed route
            answer = await client.post(path, content=content, headers=headers)
            assert_problem(answer, CODES[code][0], code, field)

    run(matcher, body)


def test_a_body_that_is_too_large_is_refused_without_reading_it_all(matcher: FakeMatcher) -> None:
    chunks_read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal chunks_read
        for _ in range(640):
            chunks_read += 1
            yield b" " * 16_384

    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        nonlocal chunks_read
        headers = AUTHORIZED | {"content-type": "application/json"}
        for path, method in (
            ("/v1/orders", "POST"),
            ("/v1/orders/1", "PATCH"),
            ("/v1/orders/", "POST"),
        ):
            chunks_read = 0
            answer = await client.request(method, path, content=endless(), headers=headers)
            assert_problem(answer, 413, "body_too_large", None)
            assert chunks_read < 10
            known = headers | {"content-length": str(10 * 2**20)}
            answer = await client.request(method, path, content=b"{}", headers=known)
            assert_problem(answer, 413, "body_too_large", None)
            assert answer.headers["connection"] == "close"

    run(matcher, body)


def test_methods_paths_and_media_types_that_do_not_exist_are_problems(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        client.headers.update(AUTHORIZED)
        assert_problem(await client.put("/v1/orders"), 405, "method_not_allowed", None)
        assert_problem(await client.get("/v1/nothing"), 404, "not_found", None)
        for content_type in ("text/plain", "application/xml", "application/json; charset=latin-1"):
            headers = {"content-type": content_type}
            answer = await client.post("/v1/orders", content=b"{}", headers=headers)
            assert_problem(answer, 415, "unsupported_media_type", None)
        for query in ("limit=0", "limit=401", "limit=x", "limit="):
            answer = await client.get(f"/v1/orders?{query}")
            assert_problem(answer, 400, "invalid_parameter", "limit")
            assert answer.json()["detail"].startswith("limit must ")
        answer = await client.get("/v1/instruments/BTC-USD/book?levels=501")
        assert_problem(answer, 400, "invalid_parameter", "levels")

    run(matcher, body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
order_like = st.dictionaries(
    st.sampled_from(
        [
            *LIMIT,
            "time_in_force",
            "client_order_id",
            "post_only",
            "self_trade_prevention",
            "trigger_price",
            "post_only_slide",
            "reduce_only",
            "display_quantity",
            "minimum_quantity",
            "quote_budget",
            "expire_time_ns",
            "offset",
            "trail_offset_bps",
            "peg_reference",
            "replaces_order_id",
        ]
    ),
    json_values | st.sampled_from(list(LIMIT.values())),
)


@settings(max_examples=10, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.lists(
        st.binary(max_size=300) | (json_values | order_like).map(json.dumps).map(str.encode),
        min_size=60,
        max_size=100,
    )
)
def test_no_body_makes_the_server_fail(matcher: FakeMatcher, contents: list[bytes]) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        headers = AUTHORIZED | {"content-type": "application/json"}
        for content in contents:
            for method, path in (
                ("POST", "/v1/orders"),
                ("POST", "/v1/orders/"),
                ("PATCH", "/v1/orders/1"),
            ):
                answer = await client.request(method, path, content=content, headers=headers)
                assert answer.status_code in (201, 400, 404, 409, 413, 422), answer.text
                if answer.status_code != 201:
                    assert answer.json()["code"] in CODES

    run(matcher, body)


# -- keys --------------------------------------------------------------------------------------


def test_private_routes_need_a_trader_s_key(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        paths = app.litestar.openapi_schema.to_schema()["paths"]
        private = [
            (method, path.replace("{order_id}", "1"))
            for path, methods in paths.items()
            for method, operation in methods.items()
            if operation.get("security")
        ]
        assert len(private) == 15
        cases = [
            ({}, 401, "missing_key"),
            ({"authorization": "Basic eDp5"}, 401, "missing_key"),
            ({"authorization": "Bearer "}, 401, "wrong_key"),
            ({"authorization": "Bearer " + "c3" * 32}, 401, "wrong_key"),
            ({"authorization": f"Bearer {TRADER_KEY}0"}, 401, "wrong_key"),
            ({"authorization": f"Bearer {OPERATOR_KEY}"}, 403, "not_authorized"),
        ]
        for method, path in private:
            for headers, status, code in cases:
                answer = await client.request(method, path, headers=headers)
                assert_problem(answer, status, code, None)
                assert ("www-authenticate" in answer.headers) == (status == 401)

    run(matcher, body)


def test_a_key_never_shows_in_text() -> None:
    shown = repr(Settings(keys=KEYS)) + repr(KEYS)
    assert not re.search("0f0f|a1a1", shown)
    with pytest.raises(Problem) as caught:
        KeyRing(KEYS).trader(b"Bearer " + b"c3" * 32)
    assert b"c3c3" not in caught.value.body()


def test_a_keys_file_that_is_not_right_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    def write(document: Any, mode: int = 0o600) -> None:
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        path.chmod(mode)

    trader = {"key": TRADER_KEY, "account_id": 7, "role": "trader", "name": "demo"}
    operator = {"key": OPERATOR_KEY, "account_id": 0, "role": "operator"}
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_keys(path)
    write({"keys": [trader, operator]})
    assert len(read_keys(path)) == 2
    for document, mode, reason in [
        ({"keys": [trader, operator]}, 0o644, "chmod 600"),
        ({"keys": [trader]}, 0o600, "no operator"),
        ({"keys": [trader | {"account_id": 0}, operator]}, 0o600, "account_id"),
        ({"keys": [trader | {"key": "xyz"}, operator]}, 0o600, "64 lower-case hex"),
        ({"keys": [trader | {"role": "root"}, operator]}, 0o600, "role"),
        ("{", 0o600, "not a keys file"),
        ("[]", 0o600, "not a keys file"),
    ]:
        write(document, mode)
        with pytest.raises(ConfigurationError, match=reason) as caught:
            read_keys(path)
        assert TRADER_KEY not in str(caught.value)
    with pytest.raises(ConfigurationError, match="TRADEPIT_HTTP_PORT"):
        read_settings({"TRADEPIT_HTTP_PORT": "80000"})
    with pytest.raises(ConfigurationError, match="ZeroMQ address"):
        read_settings({"TRADEPIT_ORDER_ENDPOINT": "localhost:5555"})


# -- market data and pages ---------------------------------------------------------------------


def test_market_data_needs_no_key(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        listed = (await client.get("/v1/instruments")).json()["instruments"]
        assert listed == [(await client.get("/v1/instruments/BTC-USD")).json()]
        assert (listed[0]["tick_size"], listed[0]["lot_size"]) == ("0.01", "0.0001")
        assert listed[0]["taker_fee"] == "0.000500"
        book = (await client.get("/v1/instruments/BTC-USD/book?levels=5")).json()
        assert book["bids"] == [{"price": "100.00", "quantity": "0.0005", "order_count": 2}]
        assert book["asks"] == [{"price": "100.02", "quantity": "0.0007", "order_count": 1}]
        assert (await client.get("/v1/instruments/BTC-USD/trades")).json() == {"trades": []}
        missing = await client.get("/v1/instruments/NO-USD/book")
        assert_problem(missing, 404, "unknown_instrument", "symbol")

    run(matcher, body)


def test_pages_load_nothing_from_elsewhere(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        for path in ("/", "/docs"):
            page = await client.get(path)
            assert page.status_code == 200
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert not re.search(r"""(src|href)=["']?(https?:)?//""", page.text)
            for asset in re.findall(r"""(?:src|href)=["'](/[^"']+)""", page.text):
                assert (await client.get(asset)).status_code == 200, asset
        document = (await client.get("/docs/openapi.json")).json()
        posted = document["paths"]["/v1/orders"]["post"]
        assert posted["summary"] == "Place an order"
        assert posted["description"].startswith("Answers when the order is durable")
        assert "limit" in posted["requestBody"]["content"]["application/json"]["examples"]
        assert "/docs/assets/../app.py" not in document["paths"]
        assert (await client.get("/docs/assets/..%2Fapp.py")).status_code == 404

    run(matcher, body)


def test_metrics_count_orders_by_status(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        await client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED)
        await client.post("/v1/orders", json={}, headers=AUTHORIZED)
        text = (await client.get("/metrics")).text
        count = 'tradepit_ingress_request_seconds_count{method="POST",route="/v1/orders",status='
        assert f'{count}"2xx"}} 1.0' in text
        assert f'{count}"4xx"}} 1.0' in text
        assert 'tradepit_ingress_problems_total{code="missing_field"} 1.0' in text
        assert 'tradepit_ingress_matcher_up{shard="0"} 1.0' in text

    run(matcher, body)


def test_every_reason_has_a_problem() -> None:
    for reason in wire.Reason:
        if reason is not wire.Reason.NONE:
            assert Problem(reason.name.lower()).status == wire.REASON_HTTP_STATUS[reason]


def test_no_refusal_of_an_order_speaks_of_fields_in_ticks_lots_or_units() -> None:
    of_operators = {wire.Reason.INVALID_AMOUNT, wire.Reason.INVALID_FEE_SCHEDULE}
    for reason in set(wire.Reason) - {wire.Reason.NONE} - of_operators:
        detail = problem_of_reason(reason).document.detail
        assert not re.search(r"_(ticks|lots|units)\b|_ticks_|_units_|_lots_", detail), detail
