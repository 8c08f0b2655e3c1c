"""Lists of orders: several in one command, alone or depending on each other."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from tradepit.ingress.bodies import decode_body, read_json_body
from tradepit.ingress.catalogue import Catalogue, Instrument
from tradepit.ingress.errors import LIST_ORDERS_MAX, Problem, ProblemDocument
from tradepit.ingress.openapi import operation_with_body, problem_responses
from tradepit.ingress.order_answers import (
    Order,
    order_of_answer,
    refuse_rejects,
    reports_by_order,
)
from tradepit.ingress.order_requests import OrderTerms, listed_order_fields
from tradepit.ingress.router import Answer, Router
from tradepit.protocol import wire

KindName = Literal["each", "all_or_none", "oco", "oto", "bracket"]
_KINDS: dict[str, int] = {kind.name.lower(): int(kind) for kind in wire.ListKind}
_KIND_NAMES = {number: name for name, number in _KINDS.items()}


class PlaceOrderList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Orders to place in one command. docs/matching.md says which orders each kind takes."""

    symbol: str
    kind: KindName
    orders: Annotated[list[OrderTerms], msgspec.Meta(min_length=1, max_length=LIST_ORDERS_MAX)]


class OrderListResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a list. `orders` are those that were accepted, in their order, each as the last of
    the list left it and with what it had traded by then. `refused` says, for kind `each` only, which
    were not and why; each has the `index` of its order. What the list triggers comes after that, also
    the exits of a bracket whose first order was filled at once: read those back.
    """

    kind: str
    orders: list[Order]
    refused: list[ProblemDocument]
    seq: int


_decode = msgspec.json.Decoder(PlaceOrderList)


@post(
    "/order-lists",
    operation_class=operation_with_body(
        PlaceOrderList,
        {
            "bracket": {
                "symbol": "BTC-USD",
                "kind": "bracket",
                "orders": [
                    {"side": "buy", "type": "limit", "price": "50000.00", "quantity": "0.01"},
                    {"side": "sell", "type": "limit", "price": "52000.00", "quantity": "0.01"},
                    {
                        "side": "sell",
                        "type": "stop",
                        "trigger_price": "49000.00",
                        "quantity": "0.01",
                    },
                ],
            },
            "one cancels the other": {
                "symbol": "BTC-USD",
                "kind": "oco",
                "orders": [
                    {"side": "sell", "type": "limit", "price": "52000.00", "quantity": "0.01"},
                    {
                        "side": "sell",
                        "type": "stop",
                        "trigger_price": "49000.00",
                        "quantity": "0.01",
                    },
                ],
            },
        },
    ),
    responses=problem_responses(400, 401, 403, 404, 409, 413, 415, 422, 503, 504),
)
async def place_order_list(
    request: Request[Any, Any, Any],
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
) -> OrderListResult:
    """Place several orders in one command

    `each` on its own, `all_or_none`, or linked: `oco`, one cancels the other; `oto`, the first, once it
    is filled, has the second placed; `bracket`, it has two placed, of which one cancels the other. An
    order that waits for the first has the status `waiting` and is `pending`. A list that is refused as
    a whole changes nothing; `index` of the problem says which order is the cause.
    """
    asked = decode_body(_decode, await read_json_body(request))
    instrument = await catalogue.find(asked.symbol)
    answer = await router.of_shard(instrument.shard_id).request(
        wire.NewOrderList,
        account_id=account_id,
        instrument_id=instrument.instrument_id,
        kind=_KINDS[asked.kind],
        orders=tuple(
            _listed_order(order, instrument, index) for index, order in enumerate(asked.orders)
        ),
    )
    refuse_rejects(answer[-1], instrument)
    return _result(instrument, answer)


def _listed_order(order: OrderTerms, instrument: Instrument, index: int) -> wire.ListedOrder:
    try:
        return wire.ListedOrder(**listed_order_fields(order, instrument))
    except Problem as problem:
        raise problem.at(index) from None


def _result(instrument: Instrument, answer: Answer) -> OrderListResult:
    """What the reports of a list come to, one run of them for each of its orders."""
    *reports, placed = answer
    orders: list[Order] = []
    refused: list[ProblemDocument] = []
    for index, of_order in enumerate(reports_by_order(reports)):
        try:
            orders.append(order_of_answer(instrument, of_order))
        except Problem as problem:
            refused.append(problem.at(index).document)
    return OrderListResult(
        kind=_KIND_NAMES[placed.kind], orders=orders, refused=refused, seq=placed.seq
    )
