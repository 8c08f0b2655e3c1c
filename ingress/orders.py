"""Orders: the routes that change them.

Reading them back is in order_history.py. `place` is also what the fast path calls (order_path.py).
"""

from typing import Annotated, Any

from litestar import Request, Response, delete, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from tradepit.ingress.bodies import decode_body, read_body, read_json_body
from tradepit.ingress.catalogue import Catalogue
from tradepit.ingress.errors import Problem, invalid_parameter, problem_of_reason
from tradepit.ingress.openapi import operation_with_body, problem_responses
from tradepit.ingress.order_answers import (
    MassCancelResult,
    Order,
    order_of_answer,
    parse_id,
    refuse_rejects,
)
from tradepit.ingress.order_requests import (
    SIDES,
    AmendOrder,
    PlaceOrder,
    decode_amend,
    decode_place,
    new_order_fields,
    price_ticks_of,
    quantity_lots_of,
)
from tradepit.ingress.router import MatcherLink, Router
from tradepit.ingress.shards import ask
from tradepit.protocol import wire

CREATED, REPLAYED = 201, 200


async def place(order: PlaceOrder, account_id: int, catalogue: Catalogue, router: Router) -> Order:
    """Send the order and return it as it stands after what it traded at once. Raises Problem."""
    instrument = catalogue.by_symbol.get(order.symbol) or await catalogue.find(order.symbol)
    answer = await router.of_shard(instrument.shard_id).request(
        wire.NewOrder, account_id=account_id, **new_order_fields(order, instrument)
    )
    return order_of_answer(instrument, answer)


def link_of_order(router: Router, text: str) -> tuple[MatcherLink, int]:
    """The shard of an order id in a path. An id that no shard gave out is an unknown order."""
    order_id = parse_id(text)
    link = None if order_id is None else router.of_order(order_id)
    if link is None or order_id is None:
        raise problem_of_reason(wire.Reason.UNKNOWN_ORDER)
    return link, order_id


@post(
    "/orders",
    operation_class=operation_with_body(
        PlaceOrder,
        {
            "limit": {
                "symbol": "BTC-USD",
                "side": "buy",
                "type": "limit",
                "price": "50000.00",
                "quantity": "0.0100",
                "client_order_id": "1001",
            },
            "market": {"symbol": "ETH-USD", "side": "sell", "type": "market", "quantity": "0.5"},
        },
    ),
    responses={
        REPLAYED: ResponseSpec(
            Order,
            generate_examples=False,
            description="Sent again: the order was placed before, and this is its first answer.",
        ),
        **problem_responses(400, 401, 403, 404, 409, 413, 415, 422, 503, 504),
    },
)
async def place_order(
    request: Request[Any, Any, Any],
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
) -> Response[Order]:
    """Place an order

    Answers when the order is durable, with what it traded at once. A market order is `ioc` unless
    it says `fok`. A `stop` or `stop_limit` order has the status `waiting` until a trade reaches its
    `trigger_price`. With a `client_order_id`, sending the same order twice places it once: the second
    time the answer of the first comes again, with the status 200 and `replayed` true.
    """
    asked = decode_body(decode_place, await read_json_body(request))
    order = await place(asked, account_id, catalogue, router)
    return Response(order, status_code=REPLAYED if order.replayed else CREATED)


@patch(
    "/orders/{order_id:str}",
    operation_class=operation_with_body(
        AmendOrder, {"smaller": {"quantity": "0.0050"}, "moved": {"price": "49900.00"}}
    ),
    responses=problem_responses(400, 401, 403, 404, 409, 413, 415, 422, 503, 504),
)
async def amend_order(
    request: Request[Any, Any, Any],
    order_id: FromPath[str],
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
) -> Order:
    """Change price or quantity of an open order"""
    amendment = decode_body(decode_amend, await read_json_body(request))
    link, number = link_of_order(router, order_id)
    # The order's instrument gives the scales for its new price and quantity.
    status = (await link.request(wire.OrderQuery, account_id, number, 0))[-1]
    refuse_rejects(status)
    instrument = await catalogue.of_id(status.instrument_id)
    price_ticks = quantity_lots = 0
    if isinstance(amendment.price, str):
        price_ticks = price_ticks_of(instrument, amendment.price)
    if isinstance(amendment.quantity, str):
        quantity_lots = quantity_lots_of(instrument, amendment.quantity)
    if not price_ticks and not quantity_lots:
        raise Problem("missing_field", "price or quantity is required")
    answer = await link.request(
        wire.ReplaceOrder, 0, account_id, number, 0, price_ticks, quantity_lots
    )
    return order_of_answer(instrument, answer)


@delete(
    "/orders/{order_id:str}", status_code=200, responses=problem_responses(401, 403, 404, 503, 504)
)
async def cancel_order(
    order_id: FromPath[str],
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
) -> Order:
    """Cancel an open order

    Another account's order and one that is not open are the same 404.
    """
    link, number = link_of_order(router, order_id)
    answer = await link.request(wire.CancelOrder, 0, account_id, number, 0)
    refuse_rejects(answer[-1])
    return order_of_answer(await catalogue.of_id(answer[-1].instrument_id), answer)


@delete("/orders", status_code=200, responses=problem_responses(400, 401, 403, 404, 413, 503, 504))
async def cancel_orders(
    request: Request[Any, Any, Any],
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
    symbol: Annotated[str | None, QueryParameter(description="only this instrument's")] = None,
    side: Annotated[str | None, QueryParameter(description="only `buy` or `sell` orders")] = None,
) -> MassCancelResult:
    """Cancel all open orders, or those of one instrument or side

    The query says which: a request with a body is refused.
    """
    if await read_body(request.receive, request.headers.get("content-length", "").encode()):
        raise Problem(
            "invalid_body",
            "this request takes no body: the query parameters symbol and side say what to cancel",
        )
    if side is not None and side not in SIDES:
        raise invalid_parameter("side", "must be buy or sell")
    instrument = None if symbol is None else await catalogue.find(symbol)
    canceled = remaining = seq = 0
    order_ids: list[str] = []
    answers = await ask(
        router.all_or(None if instrument is None else instrument.shard_id),
        wire.MassCancel,
        account_id=account_id,
        instrument_id=0 if instrument is None else instrument.instrument_id,
        side=0 if side is None else SIDES[side],
    )
    for _, answer in answers:
        canceled += answer[-1].canceled_count
        remaining += answer[-1].remaining_count
        seq = max(seq, answer[-1].seq)
        order_ids += [str(report.order_id) for report in answer[:-1]]
    return MassCancelResult(
        canceled_count=canceled, remaining_count=remaining, order_ids=order_ids, seq=seq
    )
