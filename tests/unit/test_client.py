"""Both clients against a fake matcher that can fall silent and forget sessions."""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq
from tradepit.client import (
    AsyncClient,
    Client,
    FeedSubscriber,
    NewOrderTerms,
    Refused,
    new_order,
)
from tradepit.client import blocking as blocking_module
from tradepit.client.results import Answer, accepted_order
from tradepit.protocol import wire
from tradepit.protocol.errors import MalformedRecord, OutcomeUnknown, Unreachable
from tradepit.protocol.names import feed_topic
from tradepit.protocol.wire import OrderStatus, OrderType, Reason, Side, TimeInForce

from tests.fake_matcher import BTC_USD, FUNDS_LOTS, FakeMatcher

KEY = secrets.token_hex(32)
SHORT_TIMEOUT_S = 0.2
DEADLINE_S = 10.0
FLAGS = ("post_only", "post_only_slide", "reduce_only")
ACCOUNT = 7


@pytest.fixture
def matcher() -> Iterator[FakeMatcher]:
    with FakeMatcher(bytes.fromhex(KEY)) as fake:
        yield fake


@pytest.fixture
def client(matcher: FakeMatcher) -> Iterator[Client]:
    with Client(matcher.endpoint, 0, KEY) as client:
        yield client


def order(quantity_lots: int = 4, client_order_id: int = 0) -> wire.NewOrder:
    return new_order(
        instrument_id=1,
        side=Side.BUY,
        quantity_lots=quantity_lots,
        price_ticks=10_000,
        client_order_id=client_order_id,
        account_id=ACCOUNT,
    )


def place(client: Client, quantity_lots: int = 4, **changes: Any) -> Any:
    return client.submit(
        instrument_id=1,
        side=Side.BUY,
        quantity_lots=quantity_lots,
        account_id=ACCOUNT,
        **{"price_ticks": 10_000, **changes},
    )


def test_an_order_lives_from_submit_to_cancel(client: Client) -> None:
    placed = place(client, client_order_id=5)
    assert placed.is_open
    assert (placed.quantity_lots, placed.remaining_lots, placed.client_order_id) == (4, 4, 5)
    moved = client.replace(order_id=placed.order_id, price_ticks=10_001, account_id=ACCOUNT)
    assert moved.price_ticks == 10_001
    assert client.order(client_order_id=5, account_id=ACCOUNT).price_ticks == 10_001
    assert [each.order_id for each in client.open_orders(account_id=ACCOUNT)] == [placed.order_id]
    canceled = client.cancel(order_id=placed.order_id, account_id=ACCOUNT)
    assert canceled.status == OrderStatus.CANCELED
    assert client.open_orders(account_id=ACCOUNT) == []


def test_a_taker_gets_its_fills(client: Client) -> None:
    filled = place(client, 5, price_ticks=0)
    assert filled.order_type == OrderType.MARKET
    assert filled.status == OrderStatus.FILLED
    assert [(fill.price_ticks, fill.quantity_lots) for fill in filled.fills] == [
        (10_000, 2),
        (10_002, 3),
    ]
    assert filled.filled_lots == 5


def test_queries_give_typed_answers(client: Client) -> None:
    book = client.book(1)
    assert (book.bids[0].price_ticks, book.asks[0].price_ticks) == (10_000, 10_002)
    listing = client.instruments()
    assert listing.instrument("BTC-USD") == BTC_USD._replace(
        request_id=listing.instruments[0].request_id
    )
    assert listing.instrument("NOPE") is None
    asset = listing.asset("BTC")
    assert asset is not None
    assert asset.asset_id == 2
    assert client.balances(account_id=ACCOUNT)[0].available_units == 1_500_000
    assert client.status().shard_id == 0


def test_mass_cancel_counts(client: Client) -> None:
    client.submit_many([order() for _ in range(3)])
    assert client.mass_cancel(account_id=ACCOUNT) == 3


def test_more_open_orders_than_a_page_are_all_found(client: Client) -> None:
    placed = client.submit_many([order() for _ in range(801)])
    assert client.open_orders(account_id=ACCOUNT) == [each._replace(reason=0) for each in placed]


def test_a_refusal_is_an_exception_for_one_and_a_value_for_many(client: Client) -> None:
    with pytest.raises(Refused, match="insufficient_funds") as caught:
        place(client, FUNDS_LOTS)
    assert caught.value.reason == Reason.INSUFFICIENT_FUNDS
    good, bad = client.submit_many([order(), order(FUNDS_LOTS)])
    assert good.is_open
    assert not good.is_refused
    assert (bad.is_refused, bad.reason) == (True, Reason.INSUFFICIENT_FUNDS)


def test_a_request_that_was_never_sequenced_becomes_a_refused_order() -> None:
    answer = Answer(order(client_order_id=9)._replace(request_id=3), 0.0)
    assert answer.add(wire.Reject(3, reason=Reason.STORAGE_FULL))
    with pytest.raises(Refused, match="storage_full"):
        accepted_order(answer)


def test_a_reason_of_a_newer_server_is_still_a_refusal() -> None:
    answer = Answer(order(), 0.0)
    answer.add(wire.Reject(0, reason=9_999))
    with pytest.raises(Refused, match="9999"):
        accepted_order(answer)


def test_many_orders_share_a_message(client: Client, matcher: FakeMatcher) -> None:
    placed = client.submit_many([order(client_order_id=n) for n in range(1, 5_001)])
    assert [each.client_order_id for each in placed] == list(range(1, 5_001))
    assert max(matcher.message_record_counts) == wire.MESSAGE_BYTES_MAX // len(order().encode())


def test_a_full_pipeline_answers_busy_and_sends_nothing(
    client: Client, matcher: FakeMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking_module, "OUTSTANDING_MAX", 10)
    before = len(matcher.message_record_counts)
    with pytest.raises(Refused, match="busy"):
        client.send([order()] * 11)
    assert client.outstanding_count == 0
    assert client.status().seq == 0
    assert matcher.message_record_counts[before:] == [1]


def test_silence_is_unknown_for_a_command_and_unreachable_for_a_query(
    matcher: FakeMatcher,
) -> None:
    with Client(matcher.endpoint, 0, KEY, timeout_s=SHORT_TIMEOUT_S) as client:
        matcher.silent = True
        with pytest.raises(OutcomeUnknown, match="NewOrder"):
            place(client)
        with pytest.raises(Unreachable, match="StatusQuery"):
            client.status()
        client.send([order()])
        with pytest.raises(OutcomeUnknown, match="1 requests"):
            client.receive()
        assert client.outstanding_count == 0
        matcher.silent = False
        assert len(client.open_orders(account_id=ACCOUNT)) == 2  # they took effect all the same


def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        Client("tcp://127.0.0.1:1", 0, KEY, timeout_s=SHORT_TIMEOUT_S).connect()
    with pytest.raises(Unreachable, match="not an endpoint"):
        Client("nonsense", 0, KEY).connect()
    with pytest.raises(Unreachable, match="connect first"):
        Client("tcp://127.0.0.1:1", 0, KEY, timeout_s=SHORT_TIMEOUT_S).status()


@pytest.mark.parametrize("key", ["", "zz" * 32, "00" * 31, " " * 64])
def test_a_key_that_is_none_is_refused_at_once(key: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        Client("tcp://127.0.0.1:1", 0, key)


def test_a_wrong_key_is_refused(matcher: FakeMatcher) -> None:
    with pytest.raises(Refused, match="wrong_key"):
        Client(matcher.endpoint, 0, "00" * 32).connect()


def test_a_value_that_does_not_fit_the_wire_is_not_sent(client: Client) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        place(client, 2**63)
    assert client.outstanding_count == 0
    assert place(client).is_open


def test_after_a_restart_the_client_logs_on_and_sends_again(
    client: Client, matcher: FakeMatcher
) -> None:
    matcher.forget_sessions()
    assert place(client).is_open
    assert client.logon_count == 2
    matcher.forget_sessions()
    assert all(each.is_open for each in client.submit_many([order()] * 3_000))
    assert client.logon_count == 3
    assert len(client.open_orders(account_id=ACCOUNT)) == 3_001  # each counted once


def test_a_pipeline_survives_a_restart_in_its_order(client: Client, matcher: FakeMatcher) -> None:
    first = client.send([order(client_order_id=n) for n in range(1, 101)])
    matcher.forget_sessions()
    second = client.send([order(client_order_id=n) for n in range(101, 201)])
    answered: list[tuple[int, Any]] = []
    while len(answered) < 200:
        answered += client.receive()
    assert sorted(request_id for request_id, _ in answered) == first + second
    found = client.open_orders(account_id=ACCOUNT)
    assert [each.client_order_id for each in found] == list(range(1, 201))


class Lagging:
    """A ROUTER in the test's hand: what it gets, and what it answers when."""

    def __init__(self) -> None:
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, int(DEADLINE_S * 1000))

        self.endpoint = f"tcp://127.0.0.1:{self.socket.bind_to_random_port('tcp://127.0.0.1')}"
        self.peer = b""

    def take(self) -> list[Any]:
        self.peer, data = self.socket.recv_multipart()
        return wire.decode_all(data)

    def say(self, *records: Any) -> None:
        self.socket.send_multipart([self.peer, b"".join(each.encode() for each in records)])


@pytest.fixture
def lagging() -> Iterator[Lagging]:
    router = Lagging()
    yield router
    router.socket.close()


def logged_on(lagging: Lagging, **changes: Any) -> Client:
    """A client that the test's router has let in."""

    def answer() -> None:
        (logon,) = lagging.take()
        lagging.say(wire.LoggedOn(logon.request_id, ACCOUNT))

    thread = threading.Thread(target=answer)
    thread.start()
    client = Client(lagging.endpoint, ACCOUNT, KEY, timeout_s=SHORT_TIMEOUT_S, **changes)
    client._session.timeout_s = DEADLINE_S
    client.connect()
    client._session.timeout_s = SHORT_TIMEOUT_S
    client._session.socket.rcvtimeo = int(SHORT_TIMEOUT_S * 1000)
    thread.join(DEADLINE_S)
    return client


def report(**changes: Any) -> wire.ExecutionReport:
    return wire.ExecutionReport(account_id=ACCOUNT, kind=wire.ExecutionKind.TRADE, **changes)


def test_an_answer_that_comes_late_is_an_unasked_report(lagging: Lagging) -> None:
    client = logged_on(lagging)
    with pytest.raises(OutcomeUnknown):
        place(client)
    (request,) = lagging.take()
    assert request.account_id == ACCOUNT
    lagging.say(report(request_id=request.request_id, order_id=8, flags=wire.ReportFlag.LAST))
    assert [each.order_id for each in client.reports(DEADLINE_S)] == [8]
    client.close()


def test_the_report_queue_drops_its_oldest_and_counts(
    lagging: Lagging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking_module, "REPORTS_QUEUED_MAX", 3)
    client = logged_on(lagging)
    lagging.say(*(report(order_id=number) for number in range(1, 6)))
    assert [each.order_id for each in client.reports(DEADLINE_S)] == [3, 4, 5]
    assert client.reports_dropped == 2
    assert client.reports(0.0) == []
    client.close()


def test_a_callback_takes_reports_instead(lagging: Lagging) -> None:
    seen: list[int] = []
    client = logged_on(lagging, on_report=lambda each: seen.append(each.order_id))
    lagging.say(report(order_id=1))
    assert client.reports(SHORT_TIMEOUT_S) == []
    assert seen == [1]
    client.close()


def test_a_waiting_client_finds_out_about_a_restart_by_its_heartbeat(
    lagging: Lagging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking_module, "HEARTBEAT_S", 0.05)
    client = logged_on(lagging)
    assert client.reports(SHORT_TIMEOUT_S) == []
    (heartbeat,) = lagging.take()
    assert type(heartbeat) is wire.StatusQuery
    lagging.say(wire.Reject(heartbeat.request_id, reason=Reason.NOT_LOGGED_ON))
    with pytest.raises(Unreachable):  # nobody answers the logon here
        client.reports(SHORT_TIMEOUT_S)
    while type(lagging.take()[0]) is not wire.Logon:
        pass  # more heartbeats
    client.close()


def test_a_message_of_several_frames_is_not_taken(lagging: Lagging) -> None:
    client = logged_on(lagging)
    lagging.socket.send_multipart([lagging.peer, b"", b"x"])
    with pytest.raises(MalformedRecord):
        client.reports(DEADLINE_S)
    client.close()


# asyncio


def run(
    matcher: FakeMatcher, body: Callable[[AsyncClient], Any], timeout_s: float = DEADLINE_S
) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(DEADLINE_S),
            AsyncClient(matcher.endpoint, 0, KEY, timeout_s=timeout_s) as client,
        ):
            await body(client)

    asyncio.run(main())


def submit(client: AsyncClient, quantity_lots: int = 4, client_order_id: int = 0) -> Any:
    return client.submit(
        instrument_id=1,
        side=Side.BUY,
        quantity_lots=quantity_lots,
        price_ticks=10_000,
        time_in_force=TimeInForce.GTC,
        client_order_id=client_order_id,
        account_id=ACCOUNT,
    )


def test_asyncio_all_orders_of_a_turn_share_a_message(matcher: FakeMatcher) -> None:
    async def body(client: AsyncClient) -> None:
        before = len(matcher.message_record_counts)
        placed = await asyncio.gather(*(submit(client, client_order_id=n) for n in range(1, 501)))
        assert [each.client_order_id for each in placed] == list(range(1, 501))
        assert matcher.message_record_counts[before:] == [500]

    run(matcher, body)


def test_asyncio_refusals_among_many_are_values(matcher: FakeMatcher) -> None:
    async def body(client: AsyncClient) -> None:
        before = len(matcher.message_record_counts)
        good, bad = await client.submit_many([order(), order(FUNDS_LOTS)])
        assert good.is_open
        assert bad.reason == Reason.INSUFFICIENT_FUNDS
        assert matcher.message_record_counts[before:] == [2]
        with pytest.raises(Refused, match="busy"):
            await client.submit_many([order()] * 65_537)
        assert matcher.message_record_counts[before:] == [2]

    run(matcher, body)


def test_asyncio_every_call_works(matcher: FakeMatcher) -> None:
    async def body(client: AsyncClient) -> None:
        placed = await submit(client, client_order_id=3)
        moved = await client.replace(
            order_id=placed.order_id, price_ticks=10_001, account_id=ACCOUNT
        )
        assert moved.price_ticks == 10_001
        assert (await client.order(client_order_id=3, account_id=ACCOUNT)).is_open
        assert len(await client.open_orders(account_id=ACCOUNT)) == 1
        assert not (await client.cancel(order_id=placed.order_id, account_id=ACCOUNT)).is_open
        await asyncio.gather(submit(client), submit(client))
        assert await client.mass_cancel(account_id=ACCOUNT) == 2
        assert (await client.book(1)).bids[0].price_ticks == 10_000
        assert (await client.instruments()).instrument("BTC-USD") is not None
        assert (await client.balances(account_id=ACCOUNT))[0].held_units == 500_000
        with pytest.raises(Refused, match="insufficient_funds"):
            await submit(client, FUNDS_LOTS)
        assert (await client.status()).seq == 8

    run(matcher, body)


def test_asyncio_silence_ends_at_the_deadline(matcher: FakeMatcher) -> None:
    async def body(client: AsyncClient) -> None:
        matcher.silent = True
        with pytest.raises(OutcomeUnknown):
            await submit(client)
        with pytest.raises(Unreachable):
            await client.status()

    run(matcher, body, SHORT_TIMEOUT_S)


def test_asyncio_a_restart_loses_and_doubles_nothing(matcher: FakeMatcher) -> None:
    async def body(client: AsyncClient) -> None:
        for _ in range(3):
            matcher.forget_sessions()
            await asyncio.gather(*(submit(client) for _ in range(2_000)))
        assert client.logon_count == 4
        assert len(matcher.open) == 6_000

    run(matcher, body)


def test_asyncio_an_idle_client_logs_on_again_after_a_restart(matcher: FakeMatcher) -> None:
    async def body(client: AsyncClient) -> None:
        matcher.forget_sessions()
        while client.logon_count < 2:  # noqa: ASYNC110 (polls; the client tells nobody)
            await asyncio.sleep(0.01)

    run(matcher, body)


def test_asyncio_a_cancelled_call_disturbs_no_other(matcher: FakeMatcher) -> None:
    async def body(client: AsyncClient) -> None:
        calls = [asyncio.ensure_future(submit(client)) for _ in range(10)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(each, asyncio.CancelledError) for each in outcomes] == [True, False] * 5

    run(matcher, body)


def test_asyncio_closing_ends_what_waits(matcher: FakeMatcher) -> None:
    async def body(client: AsyncClient) -> None:
        matcher.silent = True
        call = asyncio.ensure_future(submit(client))
        reader = asyncio.ensure_future(anext(client.reports(), None))
        await asyncio.sleep(0.05)
        client.close()
        with pytest.raises(OutcomeUnknown):
            await call
        assert await reader is None
        with pytest.raises(Unreachable, match="connect first"):
            await client.status()

    run(matcher, body)


def test_asyncio_a_wrong_key_and_nobody_there(matcher: FakeMatcher) -> None:
    async def main() -> None:
        with pytest.raises(Refused, match="wrong_key"):
            await AsyncClient(matcher.endpoint, 0, "00" * 32).connect()
        with pytest.raises(Unreachable):
            await AsyncClient("tcp://127.0.0.1:1", 0, KEY, timeout_s=SHORT_TIMEOUT_S).connect()

    asyncio.run(main())


# The feed


def test_the_feed_gives_records_of_the_instruments_asked_for() -> None:
    publisher: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
    publisher.linger = 0
    publisher.rcvtimeo = int(DEADLINE_S * 1000)
    endpoint = f"tcp://127.0.0.1:{publisher.bind_to_random_port('tcp://127.0.0.1')}"
    trade, top = wire.MarketTrade(seq=1, instrument_id=2), wire.TopOfBook(seq=2, instrument_id=2)
    try:
        with FeedSubscriber(endpoint, [2]) as feed:
            assert publisher.recv() == b"\x01" + feed_topic(2)
            publisher.send_multipart([feed_topic(1), wire.MarketTrade(instrument_id=1).encode()])
            publisher.send_multipart([feed_topic(2), trade.encode() + top.encode()])
            assert feed.receive(DEADLINE_S) == [trade, top]
            assert feed.receive(0.0) == []
            publisher.send_multipart([feed_topic(2), trade.encode()])
            assert next(iter(feed)) == trade
            publisher.send_multipart([feed_topic(2), b"short"])
            with pytest.raises(MalformedRecord):
                feed.receive(DEADLINE_S)
            publisher.send_multipart([feed_topic(2), trade.encode() + top.encode()])

            async def first_two() -> list[Any]:
                records = []
                async for record in feed:
                    records.append(record)
                    if len(records) == 2:
                        break
                return records

            assert asyncio.run(first_two()) == [trade, top]
    finally:
        publisher.close()


def test_the_deadline_of_a_call_holds_while_other_messages_come(lagging: Lagging) -> None:
    client = logged_on(lagging, on_report=lambda _: time.sleep(SHORT_TIMEOUT_S))
    for number in range(5):
        lagging.say(report(order_id=number))
    started_s = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        place(client)
    assert time.monotonic() - started_s < 5 * SHORT_TIMEOUT_S  # not one timeout for each message
    client.close()


def test_prices_say_which_type_an_order_is() -> None:
    kinds = [
        new_order(
            instrument_id=1,
            side=wire.Side.SELL,
            quantity_lots=1,
            price_ticks=price_ticks,
            trigger_price_ticks=trigger_price_ticks,
            self_trade_prevention=wire.SelfTradePrevention.CANCEL_BOTH,
        )
        for price_ticks in (0, 9)
        for trigger_price_ticks in (0, 10)
    ]
    assert [(order.order_type, order.time_in_force) for order in kinds] == [
        (wire.OrderType.MARKET, wire.TimeInForce.IOC),
        (wire.OrderType.STOP, wire.TimeInForce.IOC),
        (wire.OrderType.LIMIT, wire.TimeInForce.GTC),
        (wire.OrderType.STOP_LIMIT, wire.TimeInForce.GTC),
    ]
    assert {order.self_trade_prevention for order in kinds} == {3}


def test_every_term_of_an_order_reaches_the_wire() -> None:
    terms: NewOrderTerms = {
        "instrument_id": 1,
        "side": wire.Side.SELL,
        "quantity_lots": 2,
        "price_ticks": 3,
        "trigger_price_ticks": 4,
        "order_type": wire.OrderType.TRAILING_STOP,
        "time_in_force": wire.TimeInForce.GTD,
        "self_trade_prevention": wire.SelfTradePrevention.CANCEL_BOTH,
        "display_quantity_lots": 5,
        "minimum_quantity_lots": 6,
        "quote_budget_units": 7,
        "expire_time_ns": 8,
        "offset_ticks": -9,
        "trail_offset_bps": 10,
        "peg_reference": wire.PegReference.MIDDLE,
        "replaces_order_id": 11,
        "client_order_id": 12,
        "account_id": 13,
        "post_only": True,
        "post_only_slide": True,
        "reduce_only": True,
    }
    order = new_order(**terms)
    assert set(terms) == set(NewOrderTerms.__annotations__)
    assert order.flags == 7
    for name, value in terms.items():
        assert name in FLAGS or getattr(order, name) == value


@pytest.mark.parametrize(
    ("terms", "order_type", "time_in_force"),
    [
        ({"price_ticks": 5}, "LIMIT", "GTC"),
        ({}, "MARKET", "IOC"),
        ({"trigger_price_ticks": 5}, "STOP", "IOC"),
        ({"trigger_price_ticks": 5, "price_ticks": 6}, "STOP_LIMIT", "GTC"),
        ({"order_type": wire.OrderType.TRAILING_STOP, "price_ticks": 6}, "TRAILING_STOP", "IOC"),
        ({"order_type": wire.OrderType.PEGGED, "price_ticks": 6}, "PEGGED", "GTC"),
        ({"order_type": wire.OrderType.MARKET_TO_LIMIT}, "MARKET_TO_LIMIT", "GTC"),
    ],
)
def test_what_an_order_is_follows_from_its_terms(
    terms: Any, order_type: str, time_in_force: str
) -> None:
    order = new_order(instrument_id=1, side=wire.Side.BUY, quantity_lots=1, **terms)
    assert (order.order_type, order.time_in_force) == (
        wire.OrderType[order_type],
        wire.TimeInForce[time_in_force],
    )
