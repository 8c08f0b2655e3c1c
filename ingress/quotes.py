"""Quotes: all that an account quotes in an instrument in one command, and what protects them."""

from typing import Annotated, Any

import msgspec
from litestar import Request, delete, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import UNSET, UnsetType
from tradepit.ingress.bodies import decode_body, read_json_body
from tradepit.ingress.catalogue import Catalogue, Instrument
from tradepit.ingress.errors import (
    COUNT_MAX,
    QUOTE_LEVELS_MAX,
    Problem,
)
from tradepit.ingress.openapi import operation_with_body, problem_responses
from tradepit.ingress.order_answers import (
    Order,
    order_of_answer,
    refuse_rejects,
    reports_by_order,
)
from tradepit.ingress.order_requests import (
    PRICE,
    QUANTITY,
    SELF_TRADES,
    SelfTradeName,
    price_ticks_of,
    quantity_lots_of,
)
from tradepit.ingress.router import Router
from tradepit.protocol import wire

_STATE_NAMES = {int(state): state.name.lower() for state in wire.QuoteProtectionState}


class Quote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One side of a level; `quantity` is what is to be open."""

    price: PRICE
    quantity: QUANTITY


class QuoteLevel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bid, an ask, or both. A side that is left out or null is not quoted."""

    bid: Quote | UnsetType | None = UNSET
    ask: Quote | UnsetType | None = UNSET


class MassQuote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All quotes of the account in the instrument, levels from the best down; the rest is of each, and may
    be left out or null.
    """

    levels: Annotated[list[QuoteLevel], msgspec.Meta(max_length=QUOTE_LEVELS_MAX)]
    post_only: bool | UnsetType | None = UNSET
    self_trade_prevention: SelfTradeName | UnsetType | None = UNSET  # none


class QuotesResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a mass quote did. `orders` are the quotes that it placed, made smaller or canceled, each as
    it stands after that; those that it left as they were are not among them.
    """

    kept_count: int
    canceled_count: int
    placed_count: int
    orders: list[Order]
    seq: int


class SetProtection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much the account's quotes may trade within a window before all of them are pulled. 0, null or
    left out: no such limit. Without any of the three, protection is off.
    """

    window_ns: (
        Annotated[int, msgspec.Meta(ge=0, le=wire.QUOTE_WINDOW_NS_MAX)] | UnsetType | None
    ) = UNSET
    fill_count_max: Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)] | UnsetType | None = UNSET
    filled_quantity_max: QUANTITY | UnsetType | None = UNSET


class Protection(msgspec.Struct, frozen=True, kw_only=True):
    """The account's protection in the instrument: `armed` or `off`. A limit that is null is none."""

    state: str
    window_ns: int
    fill_count_max: int | None
    filled_quantity_max: str | None
    seq: int


_decode_quotes = msgspec.json.Decoder(MassQuote)
_decode_protection = msgspec.json.Decoder(SetProtection)


@put(
    "/quotes/{symbol:str}",
    operation_class=operation_with_body(
        MassQuote,
        {
            "two levels": {
                "levels": [
                    {
                        "bid": {"price": "49990.00", "quantity": "0.5"},
                        "ask": {"price": "50010.00", "quantity": "0.5"},
                    },
                    {"bid": {"price": "49980.00", "quantity": "1"}, "ask": None},
                ],
                "post_only": True,
            }
        },
    ),
    responses=problem_responses(400, 401, 403, 404, 409, 413, 415, 422, 503, 504),
)
async def put_quotes(
    request: Request[Any, Any, Any],
    symbol: FromPath[str],
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
) -> QuotesResult:
    """Put these quotes in the place of all that the account has in the instrument

    All or nothing. A quote whose price and terms stay and whose quantity does not grow keeps its place
    in the queue. Orders that are not quotes stay as they are.
    """
    asked = decode_body(_decode_quotes, await read_json_body(request))
    instrument = await catalogue.find(symbol)
    self_trade_prevention = 0
    if isinstance(asked.self_trade_prevention, str):
        self_trade_prevention = SELF_TRADES[asked.self_trade_prevention]
    levels = tuple(_level(level, instrument, index) for index, level in enumerate(asked.levels))
    flags = wire.OrderFlag.POST_ONLY if asked.post_only is True else 0
    return await _quote(router, account_id, instrument, levels, flags, self_trade_prevention)


@delete(
    "/quotes/{symbol:str}",
    status_code=200,
    responses=problem_responses(401, 403, 404, 409, 503, 504),
)
async def cancel_quotes(
    symbol: FromPath[str],
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
) -> QuotesResult:
    """Cancel all quotes that the account has in the instrument

    It is a mass quote of nothing, so the instrument must take orders; DELETE /v1/orders always works,
    and takes the other orders too.
    """
    return await _quote(router, account_id, await catalogue.find(symbol), (), 0, 0)


@put(
    "/quotes/{symbol:str}/protection",
    operation_class=operation_with_body(
        SetProtection,
        {
            "ten trades a second": {"window_ns": 1_000_000_000, "fill_count_max": 10},
            "off": {},
        },
    ),
    responses=problem_responses(400, 401, 403, 404, 409, 413, 415, 503, 504),
)
async def put_protection(
    request: Request[Any, Any, Any],
    symbol: FromPath[str],
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
) -> Protection:
    """Have the account's quotes pulled once they have traded this much within a window

    Once they were pulled, quotes are refused with `quote_protection_active` until this is sent again.
    The taker that reaches the limit is done first: it may trade beyond it.
    """
    asked = decode_body(_decode_protection, await read_json_body(request))
    instrument = await catalogue.find(symbol)
    filled_lots_max = 0
    if isinstance(asked.filled_quantity_max, str):
        filled_lots_max = quantity_lots_of(
            instrument, asked.filled_quantity_max, "filled_quantity_max"
        )
    changed = (
        await router.of_shard(instrument.shard_id).request(
            wire.SetQuoteProtection,
            account_id=account_id,
            instrument_id=instrument.instrument_id,
            window_ns=asked.window_ns or 0,
            fill_count_max=asked.fill_count_max or 0,
            filled_lots_max=filled_lots_max,
        )
    )[-1]
    refuse_rejects(changed)
    return Protection(
        state=_STATE_NAMES[changed.state],
        window_ns=changed.window_ns,
        fill_count_max=changed.fill_count_max or None,
        filled_quantity_max=instrument.units.quantity_text(changed.filled_lots_max)
        if changed.filled_lots_max
        else None,
        seq=changed.seq,
    )


async def _quote(
    router: Router,
    account_id: int,
    instrument: Instrument,
    levels: tuple[wire.QuoteLevel, ...],
    flags: int,
    self_trade_prevention: int,
) -> QuotesResult:
    *reports, quoted = await router.of_shard(instrument.shard_id).request(
        wire.MassQuote,
        account_id=account_id,
        instrument_id=instrument.instrument_id,
        flags=flags,
        self_trade_prevention=self_trade_prevention,
        levels=levels,
    )
    refuse_rejects(quoted, instrument)
    return QuotesResult(
        kept_count=quoted.kept_count,
        canceled_count=quoted.canceled_count,
        placed_count=quoted.placed_count,
        orders=[order_of_answer(instrument, each) for each in reports_by_order(reports)],
        seq=quoted.seq,
    )


def _level(level: QuoteLevel, instrument: Instrument, index: int) -> wire.QuoteLevel:
    return wire.QuoteLevel(
        *_side(level.bid, "bid", instrument, index), *_side(level.ask, "ask", instrument, index)
    )


def _side(
    quote: Quote | UnsetType | None, name: str, instrument: Instrument, index: int
) -> tuple[int, int]:
    """Price and lots of one side; both 0 if it is not quoted."""
    if not isinstance(quote, Quote):
        return 0, 0
    try:
        return price_ticks_of(instrument, quote.price), quantity_lots_of(instrument, quote.quantity)
    except Problem as problem:
        raise problem.at(index, name) from None
