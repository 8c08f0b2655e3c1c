"""What an account has: balances from the matcher, fills and positions from the ledger."""

from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from tradepit.ingress.catalogue import Catalogue, Instrument
from tradepit.ingress.errors import invalid_parameter
from tradepit.ingress.ledger_reads import LedgerReads, Position
from tradepit.ingress.openapi import problem_responses
from tradepit.ingress.order_answers import ID_MAX, SIDE_NAMES, parse_id, refuse_rejects
from tradepit.ingress.order_history import Before, Limit, account_seq, parse_cursor
from tradepit.ingress.router import Router
from tradepit.protocol import wire
from tradepit.protocol.units import format_units


class BalanceView(msgspec.Struct, frozen=True, kw_only=True):
    """One asset. `held` is reserved by open orders; `total` is both."""

    asset: str
    available: str
    held: str
    total: str


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """All assets that the account has had, exact as of `as_of_seq`."""

    balances: list[BalanceView]
    as_of_seq: int


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """What the account's trades in one instrument come to. `quantity` is bought less sold and may
    be negative: deposits are not part of it. Money is in the quote asset.
    """

    symbol: str
    quantity: str
    bought_quantity: str
    sold_quantity: str
    average_bought_price: str | None
    average_sold_price: str | None
    bought_notional: str
    sold_notional: str
    fees: str
    trade_count: int
    seq: int


class Positions(msgspec.Struct, frozen=True, kw_only=True):
    """Positions up to `as_of_seq`; `complete` is false if the account has traded since and the
    ledger did not catch up in time.
    """

    positions: list[PositionView]
    as_of_seq: int
    complete: bool


class FillView(msgspec.Struct, frozen=True, kw_only=True):
    """One of the account's two sides of a trade, as it stands. `fee` is this side's, in the quote
    asset. `state` is made, corrected or busted: an operator may correct a trade, or undo it, and
    then all of it is 0.
    """

    trade_id: str
    order_id: str
    client_order_id: str | None
    symbol: str
    side: str
    price: str
    quantity: str
    notional: str
    fee: str
    liquidity: str
    seq: int
    time_ns: str
    state: str = "made"


class FillPage(msgspec.Struct, frozen=True, kw_only=True):
    """Fills, newest first. `next` goes into `before`; null at the end."""

    fills: list[FillView]
    next: str | None
    as_of_seq: int
    complete: bool


@get("/balances", responses=problem_responses(401, 403, 503, 504))
async def list_balances(
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
) -> Balances:
    """What the account has, from the matcher: it includes every order that was answered"""
    *records, end = await router.all()[0].request(wire.BalancesQuery, account_id)
    refuse_rejects(end)
    balances = []
    for record in records:
        asset = catalogue.assets.get(record.asset_id)
        if asset is None:
            await catalogue.refresh()
            asset = catalogue.assets[record.asset_id]
        available, held = record.available_units, record.held_units
        balances.append(
            BalanceView(
                asset=asset.symbol,
                available=format_units(available, asset.decimals),
                held=format_units(held, asset.decimals),
                total=format_units(available + held, asset.decimals),
            )
        )
    return Balances(balances=balances, as_of_seq=end.seq)


@get("/positions", responses=problem_responses(400, 401, 403, 404, 503, 504))
async def list_positions(
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
    ledger: NamedDependency[LedgerReads],
    symbol: Annotated[str | None, QueryParameter(description="only this instrument's")] = None,
) -> Positions:
    """What the account's trades come to

    From Redis if it is up to date, else from PostgreSQL.
    """
    instrument = None if symbol is None else await catalogue.find(symbol)
    link = router.all()[0] if instrument is None else router.of_shard(instrument.shard_id)
    seq = await account_seq(link, account_id)
    instrument_ids = [instrument.instrument_id] if instrument else sorted(catalogue.by_id)
    found = await ledger.cached_positions(account_id, instrument_ids, link.shard_id, seq)
    applied = seq
    if found is None:
        applied = await ledger.catch_up(link.shard_id, seq)
        found = [
            position
            for position in await ledger.positions(account_id)
            if instrument is None or position.instrument_id == instrument.instrument_id
        ]
    return Positions(
        positions=[
            _position_view(await catalogue.of_id(position.instrument_id), position)
            for position in found
        ],
        as_of_seq=applied,
        complete=applied >= seq,
    )


def _position_view(instrument: Instrument, position: Position) -> PositionView:
    units = instrument.units
    bought, sold = position.bought_lots, position.sold_lots
    bought_units, sold_units = position.bought_notional_units, position.sold_notional_units
    return PositionView(
        symbol=instrument.symbol,
        quantity=units.quantity_text(bought - sold),
        bought_quantity=units.quantity_text(bought),
        sold_quantity=units.quantity_text(sold),
        average_bought_price=units.average_price_text(bought_units, bought) if bought else None,
        average_sold_price=units.average_price_text(sold_units, sold) if sold else None,
        bought_notional=units.money_text(bought_units),
        sold_notional=units.money_text(sold_units),
        fees=units.money_text(position.fee_units),
        trade_count=position.trade_count,
        seq=position.seq,
    )


@get("/fills", responses=problem_responses(400, 401, 403, 404, 503, 504))
async def list_fills(
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
    ledger: NamedDependency[LedgerReads],
    symbol: Annotated[str | None, QueryParameter(description="only this instrument's")] = None,
    order_id: Annotated[str | None, QueryParameter(description="only this order's")] = None,
    limit: Limit = 100,
    before: Before = None,
) -> FillPage:
    """The account's sides of trades, newest first

    A trade of the account with itself is two fills, which a page never parts: it can hold more than
    `limit` then.
    """
    instrument = None if symbol is None else await catalogue.find(symbol)
    order_number = None if order_id is None else parse_id(order_id)
    if order_id is not None and order_number is None:
        raise invalid_parameter("order_id", "must be digits, from 1 to 2^63 - 1")
    link = router.all()[0] if instrument is None else router.of_shard(instrument.shard_id)
    seq = await account_seq(link, account_id)
    applied = await ledger.catch_up(link.shard_id, seq)
    rows = await ledger.fills(
        account_id,
        before=parse_cursor("before", before, ID_MAX),
        limit=limit,
        instrument_id=instrument.instrument_id if instrument else None,
        order_id=order_number,
    )
    fills = []
    for row in rows:
        traded = await catalogue.of_id(row["instrument_id"])
        fills += [
            _fill_view(traded, row, side)
            for side in ("taker", "maker")
            if row[f"{side}_account_id"] == account_id
            and order_number in (None, row[f"{side}_order_id"])
        ]
    return FillPage(
        fills=fills,
        next=str(rows[-1]["trade_id"]) if len(rows) == limit else None,
        as_of_seq=applied,
        complete=applied >= seq,
    )


def _fill_view(instrument: Instrument, row: Any, party: str) -> FillView:
    units = instrument.units
    side = row["taker_side"] if party == "taker" else 3 - row["taker_side"]
    client_order_id = row[f"{party}_client_order_id"]
    return FillView(
        trade_id=str(row["trade_id"]),
        order_id=str(row[f"{party}_order_id"]),
        client_order_id=str(client_order_id) if client_order_id else None,
        symbol=instrument.symbol,
        side=SIDE_NAMES[side],
        price=units.price_text(row["price_ticks"]),
        quantity=units.quantity_text(row["quantity_lots"]),
        notional=units.money_text(row["notional_units"]),
        fee=units.money_text(row[f"{party}_fee_units"]),
        liquidity=party,
        seq=row["seq"],
        time_ns=str(row["time_ns"]),
        state=row["state"],
    )
