"""What the REST service does when the world fails, and how its process starts and stops."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tradepit.ingress import catalogue as catalogue_module
from tradepit.ingress import router as router_module
from tradepit.ingress.app import Ingress
from tradepit.ingress.ledger_reads import Position
from tradepit.ingress.request_context import TRACE
from tradepit.protocol import wire

from tests.fake_matcher import FakeMatcher
from tests.ingress_harness import (
    AUTHORIZED,
    CONDITION_TIMEOUT_S,
    LIMIT,
    OPERATOR_KEY,
    assert_problem,
    run,
    start_process,
    until,
    url_of,
)


@pytest.fixture
def matcher() -> Iterator[FakeMatcher]:
    with FakeMatcher(bytes.fromhex(OPERATOR_KEY)) as running:
        yield running


# -- the matcher fails -------------------------------------------------------------------------


def test_orders_of_one_turn_travel_in_one_message(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        link = app.resources.router.all()[0]
        order = (
            0,
            7,
            0,
            10_000,
            5,
            0,
            1,
            wire.Side.BUY,
            wire.OrderType.LIMIT,
            wire.TimeInForce.GTC,
            0,
        )
        answers = await asyncio.gather(*(link.request(wire.NewOrder, *order) for _ in range(3_000)))
        assert len({answer[-1].order_id for answer in answers}) == 3_000
        limit = wire.MESSAGE_BYTES_MAX // len(wire.NewOrder().encode())
        assert matcher.message_record_counts.count(limit) == 3_000 // limit
        assert link.outstanding == 0

    run(matcher, body)


def test_a_matcher_that_forgot_the_session_gets_logon_and_the_order_once(
    matcher: FakeMatcher,
) -> None:
    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        matcher.forget_sessions()
        orders = [client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED) for _ in range(20)]
        answers = await asyncio.gather(*orders)
        assert [answer.status_code for answer in answers] == [201] * 20
        assert matcher.seq == 20
        assert app.resources.router.all()[0].epoch == 2

    run(matcher, body)


def test_a_traced_order_that_a_new_session_refuses_is_sent_again_once(
    matcher: FakeMatcher,
) -> None:
    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        link = app.resources.router.all()[0]
        matcher.forget_sessions()
        TRACE.set((b"t" * 16, b"s" * 8))
        await link.request(wire.NewOrder, account_id=7, price_ticks=10_000, quantity_lots=5)
        await link.request(wire.StatusQuery)  # by its answer, all that was sent before has come
        assert link.epoch == 2
        assert len(matcher.orders) == 1

    run(matcher, body)


def test_a_command_to_all_shards_that_one_did_not_carry_out_is_outcome_unknown(
    matcher: FakeMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_module, "SILENCE_S", 0.2)
    monkeypatch.setattr(router_module, "HEARTBEAT_S", 0.05)

    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        first, second = app.resources.router.all()
        await until(lambda: first.up and second.up)
        client.headers.update(AUTHORIZED)

        async def cancel_all() -> httpx.Response:
            assert (await client.post("/v1/orders", json=LIMIT)).status_code == 201
            return await client.delete("/v1/orders")

        assert (await cancel_all()).status_code == 200
        other.full = True
        assert_problem(await cancel_all(), 504, "outcome_unknown", None)
        assert matcher.open == {}  # what the client must not take for "nothing was sent"
        other.full, other.silent = False, True
        await until(lambda: not second.up)
        answer = await cancel_all()
        assert_problem(answer, 504, "outcome_unknown", None)
        assert "send it again" in answer.json()["detail"]
        assert matcher.open == {}
        assert_problem(await client.get("/v1/orders"), 503, "matcher_unreachable", None)
        matcher.silent = True
        await until(lambda: not first.up)
        assert_problem(await client.delete("/v1/orders"), 503, "matcher_unreachable", None)
        matcher.silent = other.silent = False

    with FakeMatcher(bytes.fromhex(OPERATOR_KEY)) as other:
        other.instruments = []
        run(matcher, body, other)


def test_what_is_listed_is_shown_while_a_shard_is_away(
    matcher: FakeMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_module, "SILENCE_S", 0.2)
    monkeypatch.setattr(router_module, "HEARTBEAT_S", 0.05)

    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        other.silent = True
        await until(lambda: not app.resources.router.of_shard(1).up)
        for interval_s in (0.0, 3600.0):  # the shards are asked each time; they are not asked again
            monkeypatch.setattr(catalogue_module, "REFRESH_INTERVAL_S", interval_s)
            listed = await client.get("/v1/instruments")
            assert listed.status_code == 200
            assert listed.json()["instruments"] == [
                (await client.get("/v1/instruments/BTC-USD")).json()
            ]
            # Whether the other shard has listed it meanwhile, nobody can say.
            unknown = await client.get("/v1/instruments/NEW-USD")
            assert_problem(unknown, 503, "matcher_unreachable", None)

    with FakeMatcher(bytes.fromhex(OPERATOR_KEY)) as other:
        other.instruments = []
        run(matcher, body, other)


def test_positions_are_read_of_all_shards_at_once(
    matcher: FakeMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        await until(lambda: all(link.up for link in app.resources.router.all()))
        all_asked = asyncio.Barrier(2)

        async def wait_for_the_other(*_: Any) -> list[Position]:
            async with asyncio.timeout(CONDITION_TIMEOUT_S):
                await all_asked.wait()
            return []

        monkeypatch.setattr(app.resources.ledger, "cached_positions", wait_for_the_other)
        answer = await client.get("/v1/positions", headers=AUTHORIZED)
        assert (answer.status_code, answer.json()["complete"]) == (200, True)
        assert list(answer.json()["as_of_seqs"]) == ["0", "1"]

    with FakeMatcher(bytes.fromhex(OPERATOR_KEY)) as other:
        other.instruments = []
        run(matcher, body, other)


def test_no_answer_in_time_is_outcome_unknown(
    matcher: FakeMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_module, "REQUEST_TIMEOUT_S", 0.2)

    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        matcher.silent = True
        answer = await client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED)
        assert_problem(answer, 504, "outcome_unknown", None)
        assert "client_order_id" in answer.json()["detail"]
        assert app.resources.router.all()[0].outstanding == 0
        matcher.silent = False

    run(matcher, body)


def test_an_ingress_is_not_ready_while_its_matcher_has_no_space(
    matcher: FakeMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_module, "HEARTBEAT_S", 0.05)

    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        link = app.resources.router.all()[0]
        assert (await client.get("/health/ready")).json()["missing"] == []
        matcher.full = True
        answer = await client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED)
        assert_problem(answer, 503, "storage_full", None)
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["missing"] == ["shard 0: the matcher refuses orders: storage_full"]
        asked = matcher.refused_count
        await until(lambda: matcher.refused_count > asked + 2)  # it goes on asking
        assert link.up
        assert link.trouble
        matcher.full = False
        await until(lambda: not link.trouble)  # nobody has sent an order
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED)).status_code == 201

    run(matcher, body)


def test_a_matcher_that_is_away_is_told_at_once_and_found_again(
    matcher: FakeMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_module, "SILENCE_S", 0.2)
    monkeypatch.setattr(router_module, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(router_module, "REQUEST_TIMEOUT_S", 0.3)

    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        link = app.resources.router.all()[0]
        matcher.silent = True
        await until(lambda: not link.up)
        answer = await client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED)
        assert_problem(answer, 503, "matcher_unreachable", None)
        assert answer.headers["retry-after"] == "1"
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 503
        matcher.silent = False
        await until(lambda: link.up)
        assert (await client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED)).status_code == 201

    run(matcher, body)


def test_a_logon_without_an_answer_does_not_keep_the_next_one_waiting(
    matcher: FakeMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_module, "SILENCE_S", 0.2)
    monkeypatch.setattr(router_module, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(router_module, "REQUEST_TIMEOUT_S", 10 * CONDITION_TIMEOUT_S)

    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        link = app.resources.router.all()[0]
        matcher.silent = True
        await until(lambda: not link.up)
        asked_count = len(matcher.message_record_counts)
        await until(lambda: len(matcher.message_record_counts) > asked_count)
        matcher.silent = False
        await until(lambda: link.up)
        assert (await client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED)).status_code == 201

    run(matcher, body)


def test_more_requests_than_the_bound_are_busy(
    matcher: FakeMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_module, "OUTSTANDING_MAX", 10)

    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        posts = [client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED) for _ in range(40)]
        answers = await asyncio.gather(*posts)
        codes = {answer.status_code for answer in answers}
        assert codes == {201, 503}
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert_problem(refused, 503, "busy", None)

    run(matcher, body)


def test_a_request_that_is_cancelled_leaves_nothing_behind(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        task = asyncio.create_task(client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED))
        link = app.resources.router.all()[0]
        await until(lambda: link.outstanding > 0)
        task.cancel()
        await until(lambda: link.outstanding == 0)
        assert (await client.post("/v1/orders", json=LIMIT, headers=AUTHORIZED)).status_code == 201

    run(matcher, body)


def test_a_client_that_goes_away_before_its_body_places_nothing_and_logs_nothing(
    matcher: FakeMatcher, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(client: httpx.AsyncClient, app: Ingress) -> None:
        request = client.build_request("POST", "/v1/orders", json=LIMIT, headers=AUTHORIZED)
        for path in ("/v1/orders", "/v1/orders/"):
            messages = iter([{"type": "http.request", "body": b"{", "more_body": True}])
            scope: dict[str, Any] = {
                "type": "http",
                "method": "POST",
                "path": path,
                "raw_path": path.encode(),
                "root_path": "",
                "query_string": b"",
                "headers": [(name.lower(), value) for name, value in request.headers.raw],
                "client": None,
                "app": app.litestar,
                "state": {},
            }
            sent: list[Any] = []

            async def receive(messages: Any = messages) -> Any:
                return next(messages, {"type": "http.disconnect"})

            async def send(message: Any, sent: list[Any] = sent) -> None:
                sent.append(message)

            await app(scope, receive, send)
            assert sent[0]["status"] == 400
        assert matcher.seq == 0

    run(matcher, body)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_without_a_ledger_what_needs_it_says_so_and_the_rest_works(matcher: FakeMatcher) -> None:
    async def body(client: httpx.AsyncClient, _: Ingress) -> None:
        client.headers.update(AUTHORIZED)
        for path in ("/v1/fills", "/v1/positions", "/v1/orders?status=closed", "/v1/orders/1"):
            assert_problem(await client.get(path), 503, "ledger_unreachable", None)
        balance = (await client.get("/v1/balances")).json()["balances"][0]
        assert balance == {
            "asset": "USD",
            "available": "1.500000",
            "held": "0.500000",
            "total": "2.000000",
        }
        assert (await client.get("/v1/orders")).json()["complete"] is True
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["ledger"]) == (200, False)

    run(matcher, body)


# -- the process -------------------------------------------------------------------------------


def test_the_process_serves_without_a_matcher_and_stops_in_order(tmp_path: Path) -> None:
    with start_process(tmp_path) as process:
        assert process.stderr is not None
        url = url_of(process)
        assert httpx.get(f"{url}/health/live").status_code == 200
        ready = httpx.get(f"{url}/health/ready")
        assert (ready.status_code, ready.json()["matcher"]) == (503, False)
        answer = httpx.get(f"{url}/v1/instruments/BTC-USD/book")
        assert_problem(answer, 503, "matcher_unreachable", None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(CONDITION_TIMEOUT_S) == 0
        assert "Traceback" not in process.stderr.read()


def test_what_keeps_it_from_starting_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for environment, code, text in [
            ({"TRADEPIT_HTTP_PORT": port}, 1, "cannot listen on 127.0.0.1"),
            ({"TRADEPIT_HTTP_PORT": "x"}, 2, "TRADEPIT_HTTP_PORT"),
            ({"TRADEPIT_KEYS_FILE": str(tmp_path / "none")}, 2, "cannot read the keys file"),
        ]:
            with start_process(tmp_path, **environment) as process:
                _, printed = process.communicate(timeout=CONDITION_TIMEOUT_S)
                assert process.returncode == code
                assert text in printed
                assert len(printed.strip().split("\n")) == 1
