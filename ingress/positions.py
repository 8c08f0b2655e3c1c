"""What an account has: balances from the matcher, fills and positions from the ledger."""

import asyncio
from collections import defaultdict
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from tradepit.ingress.catalogue import Catalogue, Instrument
from tradepit.ingress.errors import invalid_parameter
from tradepit.ingress.ledger_reads import LedgerReads, Position
from tradepit.ingress.openapi import problem_responses
from tradepit.ingress.order_answers import ID_MAX, SIDE_NAMES, parse_id
from tradepit.ingress.order_history import Before, Limit, parse_cursor
from tradepit.ingress.router import MatcherLink, Router
from tradepit.ingress.shards import account_seqs, ask, bring_up_to_date
from tradepit.protocol import wire
from tradepit.protocol.units import format_units


class BalanceView(msgspec.Struct, frozen=True, kw_only=True):
    """One asset. `held` is reserved by open orders; `total` is both."""

    asset: str
    available: str
    held: str
    total: str


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """All assets that the account has had, on all shards together, exact as of the seq of each shard."""

    balances: list[BalanceView]
    as_of_seqs: dict[str, int]


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
    """Positions up to the seq of each shard in `as_of_seqs`; `complete` is false if the account has
    traded since and the ledger did not catch up in time.
    """

    positions: list[PositionView]
    as_of_seqs: dict[str, int]
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
    """Fills, newest first, shard by shard. `next` goes into `before`; null at the end."""

    fills: list[FillView]
    next: str | None
    as_of_seqs: dict[str, int]
    complete: bool


@get("/balances", responses=problem_responses(401, 403, 503, 504))
async def list_balances(
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
) -> Balances:
    """What the account has, from the matcher: it includes every order that was answered"""
    answers = await ask(router.all(), wire.BalancesQuery, account_id)
    sums: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for _, (*records, _) in answers:
        for record in records:
            sums[record.asset_id][0] += record.available_units
            sums[record.asset_id][1] += record.held_units
    if not sums.keys() <= catalogue.assets.keys():
        await catalogue.refresh()
    balances = []
    for asset_id, (available, held) in sorted(sums.items()):
        asset = catalogue.assets[asset_id]
        balances.append(
            BalanceView(
                asset=asset.symbol,
                available=format_units(available, asset.decimals),
                held=format_units(held, asset.decimals),
                total=format_units(available + held, asset.decimals),
            )
        )
    return Balances(
        balances=balances,
        as_of_seqs={str(link.shard_id): answer[-1].seq for link, answer in answers},
    )


@get("/positions", responses=problem_responses(400, 401, 403, 404, 503, 504))
async def list_positions(
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
    ledger: NamedDependency[LedgerReads],
    symbol: Annotated[str | None, QueryParameter(description="only this instrument's")] = None,
) -> Positions:
    """What the account's trades come to

    From Redis if it is up to date and has a position in each instrument that is asked for, else from
    PostgreSQL: what is missing in Redis need not be nothing.
    """
    instrument = None if symbol is None else await catalogue.find(symbol)
    links = router.all_or(None if instrument is None else instrument.shard_id)
    listed = [instrument] if instrument else sorted(catalogue.by_id.values())

    async def of_shard(link: MatcherLink, seq: int) -> tuple[list[Position], int]:
        """The shard's positions, and the seq that they are good for."""
        instrument_ids = [each.instrument_id for each in listed if each.shard_id == link.shard_id]
        found = await ledger.cached_positions(account_id, instrument_ids, link.shard_id, seq)
        if found is not None:
            return found, seq
        reached = await ledger.catch_up(link.shard_id, seq)
        return await ledger.positions(link.shard_id, account_id), reached

    seqs = await account_seqs(links, account_id)
    answers = await asyncio.gather(*(of_shard(link, seq) for link, seq in seqs))
    positions = [
        _position_view(await catalogue.of_id(position.instrument_id), position)
        for found, _ in answers
        for position in found
        if instrument is None or position.instrument_id == instrument.instrument_id
    ]
    return Positions(
        positions=positions,
        as_of_seqs={
            str(link.shard_id): reached
            for (link, _), (_, reached) in zip(seqs, answers, strict=True)
        },
        complete=all(reached >= seq for (_, seq), (_, reached) in zip(seqs, answers, strict=True)),
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
    links = router.all_or(None if instrument is None else instrument.shard_id)
    as_of = await bring_up_to_date(links, account_id, ledger)
    rows = await ledger.fills(
        [link.shard_id for link in links],
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
        as_of_seqs=as_of.seqs,
        complete=as_of.complete,
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
