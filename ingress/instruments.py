"""Instruments, their books and trades, and the stream that the page shows. Public: no key."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream
from tradepit.ingress.catalogue import Catalogue, Instrument
from tradepit.ingress.feed import BOOK_LEVELS, TRADES_KEPT, Book, Feed, PublicTrade
from tradepit.ingress.openapi import problem_responses
from tradepit.protocol import wire
from tradepit.protocol.units import format_units

BOOK_LEVELS_MAX = wire.BOOK_LEVELS_MAX
_FEE_DECIMALS = 6  # millionths


class FeeTierView(msgspec.Struct, frozen=True, kw_only=True):
    """What an account of this tier pays; negative: it is paid."""

    tier: int
    maker_fee: str
    taker_fee: str


class PriceBandView(msgspec.Struct, frozen=True, kw_only=True):
    """From this price on, up to the next band, prices are multiples of `step`."""

    price_from: str
    step: str


class InstrumentView(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument's terms. Prices are in the quote asset, quantities in the base asset; fees are
    fractions of the notional, negative where the trader is paid. `market_protection` is the fraction of
    the best price that orders without a price may trade away from it, the collars and the breaker are
    fractions of the reference price, the dynamic collar of the last trade price. Null: no such bound.
    """

    symbol: str
    instrument_id: str
    base_asset: str
    quote_asset: str
    tick_size: str
    lot_size: str
    price_min: str
    price_max: str
    quantity_min: str
    quantity_max: str
    maker_fee: str
    taker_fee: str
    trading_state: str
    allocation: str
    market_protection: str | None
    reference_price: str | None
    static_collar: str | None
    dynamic_collar: str | None
    breaker: str | None
    notional_min: str | None
    notional_max: str | None
    fee_tiers: list[FeeTierView]
    price_bands: list[PriceBandView]


class Instruments(msgspec.Struct, frozen=True):
    """All that are listed, by id."""

    instruments: list[InstrumentView]


class PublicTrades(msgspec.Struct, frozen=True):
    """Newest first."""

    trades: list[PublicTrade]


def _view(instrument: Instrument) -> InstrumentView:
    terms, units = instrument.terms, instrument.units
    return InstrumentView(
        symbol=instrument.symbol,
        instrument_id=str(instrument.instrument_id),
        base_asset=instrument.base.symbol,
        quote_asset=instrument.quote.symbol,
        tick_size=units.price_text(1),
        lot_size=units.quantity_text(1),
        price_min=units.price_text(terms.price_ticks_min),
        price_max=units.price_text(terms.price_ticks_max),
        quantity_min=units.quantity_text(terms.quantity_lots_min),
        quantity_max=units.quantity_text(terms.quantity_lots_max),
        maker_fee=format_units(terms.maker_fee_ppm, _FEE_DECIMALS),
        taker_fee=format_units(terms.taker_fee_ppm, _FEE_DECIMALS),
        trading_state=wire.TradingState(terms.trading_state).name.lower(),
        allocation=wire.Allocation(terms.allocation).name.lower(),
        market_protection=_share_text(terms.market_protection_ppm),
        reference_price=units.price_text(terms.reference_price_ticks)
        if terms.reference_price_ticks
        else None,
        static_collar=_share_text(terms.static_collar_ppm),
        dynamic_collar=_share_text(terms.dynamic_collar_ppm),
        breaker=_share_text(terms.breaker_ppm),
        notional_min=units.money_text(terms.notional_units_min)
        if terms.notional_units_min
        else None,
        notional_max=units.money_text(terms.notional_units_max)
        if terms.notional_units_max
        else None,
        fee_tiers=[
            FeeTierView(
                tier=number,
                maker_fee=format_units(fees.maker_fee_ppm, _FEE_DECIMALS),
                taker_fee=format_units(fees.taker_fee_ppm, _FEE_DECIMALS),
            )
            for number, fees in enumerate(instrument.fee_tiers, 1)
        ],
        price_bands=[
            PriceBandView(
                price_from=units.price_text(band.from_price_ticks),
                step=units.price_text(band.step_ticks),
            )
            for band in instrument.price_bands
        ],
    )


def _share_text(ppm: int) -> str | None:
    return format_units(ppm, _FEE_DECIMALS) if ppm else None


@get("/instruments", responses=problem_responses(503, 504))
async def list_instruments(catalogue: NamedDependency[Catalogue]) -> Instruments:
    """What can be traded

    Instruments of a shard that does not answer are shown as they were when it last did.
    """
    await catalogue.refresh_if_possible()
    return Instruments([_view(instrument) for instrument in sorted(catalogue.by_id.values())])


@get("/instruments/{symbol:str}", responses=problem_responses(404, 503, 504))
async def get_instrument(
    symbol: FromPath[str], catalogue: NamedDependency[Catalogue]
) -> InstrumentView:
    """One instrument's terms

    Those of a shard that does not answer are shown as they were when it last did.
    """
    await catalogue.refresh_if_possible()
    return _view(await catalogue.find(symbol))


@get("/instruments/{symbol:str}/book", responses=problem_responses(400, 404, 503, 504))
async def get_book(
    symbol: FromPath[str],
    catalogue: NamedDependency[Catalogue],
    feed: NamedDependency[Feed],
    levels: Annotated[
        int, QueryParameter(ge=1, le=BOOK_LEVELS_MAX, description="prices a side, at most")
    ] = 20,
) -> Book:
    """The order book, from the matcher: it includes every order that was answered"""
    return await feed.book(await catalogue.find(symbol), levels)


@get("/instruments/{symbol:str}/trades", responses=problem_responses(400, 404, 503, 504))
async def list_trades(
    symbol: FromPath[str],
    catalogue: NamedDependency[Catalogue],
    feed: NamedDependency[Feed],
    limit: Annotated[
        int, QueryParameter(ge=1, le=TRADES_KEPT, description="how many at most")
    ] = 50,
) -> PublicTrades:
    """Recent trades, newest first"""
    return PublicTrades(await feed.trades(await catalogue.find(symbol), limit))


@get(
    "/instruments/{symbol:str}/stream",
    media_type="text/event-stream",
    responses=problem_responses(404, 503, 504),
)
async def stream_instrument(
    symbol: FromPath[str], catalogue: NamedDependency[Catalogue], feed: NamedDependency[Feed]
) -> Stream:
    """Server-Sent Events: `status`, `tickers` (all instruments), and this one's `book` and `trades`

    It begins with everything as it stands and goes on with what changes. Several changes may come
    as one; it is for people's eyes, not a record.
    """
    instrument = await catalogue.find(symbol)
    trades = await feed.trades(instrument, TRADES_KEPT)
    book = await feed.book(instrument, BOOK_LEVELS)
    watcher = feed.watch(instrument)  # if never read, it falls behind and is let go

    async def events() -> AsyncIterator[bytes]:
        try:
            yield b"retry: 1000\n\n"
            async for event in watcher.events():
                yield event
        finally:
            feed.unwatch(watcher)

    watcher.tell("status", feed.status())
    watcher.tell("tickers", feed.tickers())
    watcher.tell("book", book)
    watcher.tell("history", list(reversed(trades)))
    return Stream(events(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})
