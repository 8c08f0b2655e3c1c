"""Lists of orders from both clients: what they send, and what they make of the answer."""

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from tradepit.client import (
    AsyncClient,
    Client,
    ListKind,
    NewOrderTerms,
    OutcomeUnknown,
    Refused,
    new_order_list,
)
from tradepit.client.results import Answer, list_of_answer
from tradepit.protocol import wire
from tradepit.protocol.wire import ExecutionKind, OrderStatus, Reason, Side

from tests.fake_matcher import FUNDS_LOTS, FakeMatcher

KEY = secrets.token_hex(32)
ACCOUNT = 7
SHORT_TIMEOUT_S = 0.2


@pytest.fixture
def matcher() -> Iterator[FakeMatcher]:
    with FakeMatcher(bytes.fromhex(KEY)) as fake:
        yield fake


def terms(**changes: int) -> NewOrderTerms:
    found: Any = {"instrument_id": 1, "side": Side.BUY, "quantity_lots": 4, "price_ticks": 10_000}
    order: NewOrderTerms = found | changes
    return order


BRACKET = [
    terms(client_order_id=1),
    terms(side=Side.SELL, price_ticks=11_000, client_order_id=2),
    terms(side=Side.SELL, price_ticks=0, trigger_price_ticks=9_000, client_order_id=3),
]


def test_a_list_says_what_each_of_its_orders_says() -> None:
    request = new_order_list(
        ListKind.BRACKET,
        [BRACKET[0] | {"post_only": True}, *BRACKET[1:]],
        account_id=ACCOUNT,
    )
    assert (request.account_id, request.instrument_id, request.kind) == (ACCOUNT, 1, 5)
    assert [(each.client_order_id, each.flags) for each in request.orders] == [
        (1, 1),
        (2, 0),
        (3, 0),
    ]
    assert [each.order_type for each in request.orders] == [
        wire.OrderType.LIMIT,
        wire.OrderType.LIMIT,
        wire.OrderType.STOP,
    ]
    assert request.orders[2].time_in_force == wire.TimeInForce.IOC
    assert wire.decode_all(request.encode()) == [request]


@pytest.mark.parametrize(
    ("orders", "rule"),
    [
        ([], "1 to 16 orders, not 0"),
        ([terms()] * 17, "1 to 16 orders, not 17"),
        ([terms(), terms(instrument_id=2)], "of one instrument"),
        ([terms(account_id=7), terms(account_id=8)], "of one account"),
        ([terms(replaces_order_id=3)], "replaces none"),
    ],
)
def test_what_fits_into_no_command_is_not_sent(orders: list[NewOrderTerms], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        new_order_list(ListKind.EACH, orders)


def test_a_list_is_of_the_account_that_the_call_or_its_orders_name() -> None:
    assert new_order_list(ListKind.EACH, [terms(), terms(account_id=8)]).account_id == 8
    assert new_order_list(ListKind.EACH, [terms(account_id=8)], account_id=8).account_id == 8
    with pytest.raises(ValueError, match="of one account"):
        new_order_list(ListKind.EACH, [terms(account_id=8)], account_id=7)


def test_a_bracket_comes_back_order_by_order(matcher: FakeMatcher) -> None:
    with Client(matcher.endpoint, ACCOUNT, KEY) as client:
        placed = client.submit_list(ListKind.BRACKET, BRACKET)
        assert (placed.kind, placed.seq) == (ListKind.BRACKET, matcher.seq)
        assert [each.client_order_id for each in placed.orders] == [1, 2, 3]
        assert [each.is_pending for each in placed.orders] == [False, True, True]
        assert [each.status for each in placed.orders[1:]] == [OrderStatus.WAITING] * 2
        assert all(each.is_open and not each.is_refused for each in placed.orders)
        assert {each.account_id for each in placed.orders} == {ACCOUNT}


def test_each_on_its_own_has_its_fills_or_its_refusal(matcher: FakeMatcher) -> None:
    orders = [
        terms(client_order_id=1),
        terms(client_order_id=2, quantity_lots=FUNDS_LOTS),
        terms(client_order_id=3, price_ticks=0, quantity_lots=5),
        terms(client_order_id=4, quantity_lots=FUNDS_LOTS),
    ]
    with Client(matcher.endpoint, ACCOUNT, KEY) as client:
        placed = client.submit_list(ListKind.EACH, orders)
        assert [each.client_order_id for each in placed.orders] == [1, 2, 3, 4]
        assert [each.is_refused for each in placed.orders] == [False, True, False, True]
        assert placed.orders[1].reason == Reason.INSUFFICIENT_FUNDS
        assert [fill.quantity_lots for fill in placed.orders[2].fills] == [2, 3]
        assert placed.orders[2].status == OrderStatus.FILLED


def test_a_list_refused_as_a_whole_names_the_order_that_is_the_cause(matcher: FakeMatcher) -> None:
    with Client(matcher.endpoint, ACCOUNT, KEY) as client:
        with pytest.raises(Refused, match="order 1: insufficient_funds") as caught:
            client.submit_list(ListKind.ALL_OR_NONE, [terms(), terms(quantity_lots=FUNDS_LOTS)])
        assert (caught.value.reason, caught.value.index) == (Reason.INSUFFICIENT_FUNDS, 1)
        with pytest.raises(Refused) as of_one:
            client.submit(**terms(quantity_lots=FUNDS_LOTS))
        assert of_one.value.index is None
        assert client.open_orders() == []


def test_where_the_shape_of_the_list_is_the_cause_no_order_is() -> None:
    for record, index in (
        (wire.OrderListRejected(reason=Reason.INVALID_LIST), None),
        (wire.OrderListRejected(reason=Reason.INVALID_PRICE), 0),
        (wire.OrderListRejected(reason=9_999, index=2), 2),  # of a newer server
        (wire.Reject(reason=Reason.STORAGE_FULL), None),  # it was never sequenced
    ):
        answer = Answer(new_order_list(ListKind.OCO, [terms()]), 0.0)
        assert answer.add(record)
        with pytest.raises(Refused) as caught:
            list_of_answer(answer)
        assert (caught.value.reason, caught.value.index) == (record.reason, index)


def test_only_the_end_of_the_list_ends_the_answer() -> None:
    """A report of it never does: none says that it is the last."""
    answer = Answer(new_order_list(ListKind.EACH, [terms(), terms()]), 0.0)
    for number in (1, 2):
        accepted = wire.ExecutionReport(order_id=number, kind=ExecutionKind.ACCEPTED)
        assert not answer.add(accepted)
    canceled = wire.ExecutionReport(
        order_id=1, kind=ExecutionKind.CANCELED, status=OrderStatus.CANCELED
    )
    assert not answer.add(canceled)
    assert answer.add(wire.OrderListPlaced(seq=3, kind=ListKind.EACH))
    first, second = list_of_answer(answer).orders
    assert (first.order_id, first.status, second.order_id) == (1, OrderStatus.CANCELED, 2)


def test_a_list_without_an_answer_is_unknown(matcher: FakeMatcher) -> None:
    with Client(matcher.endpoint, ACCOUNT, KEY, timeout_s=SHORT_TIMEOUT_S) as client:
        matcher.silent = True
        with pytest.raises(OutcomeUnknown, match="NewOrderList"):
            client.submit_list(ListKind.EACH, [terms()])


def test_asyncio_lists_work_alike(matcher: FakeMatcher) -> None:
    async def body() -> None:
        async with AsyncClient(matcher.endpoint, ACCOUNT, KEY) as client:
            placed, order = await asyncio.gather(
                client.submit_list(ListKind.BRACKET, BRACKET), client.submit(**terms())
            )
            assert [each.is_pending for each in placed.orders] == [False, True, True]
            assert order.is_open
            with pytest.raises(Refused, match="order 0: insufficient_funds"):
                await client.submit_list(ListKind.OTO, [terms(quantity_lots=FUNDS_LOTS), terms()])

    asyncio.run(body())
