"""Reading orders back: open ones from the matcher, closed ones from the ledger.

Before the ledger is read it is given up to a second to reach the last command that changed the
account. A list that could not be brought up to date says `"complete": false` and how far it goes; a
single order that is not found then is 503 `ledger_behind`, not 404.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from tradepit.ingress.catalogue import Catalogue
from tradepit.ingress.errors import Problem, invalid_parameter, problem_of_reason
from tradepit.ingress.ledger_reads import LedgerReads
from tradepit.ingress.openapi import problem_responses
from tradepit.ingress.order_answers import (
    ID_MAX,
    Order,
    order_of_report,
    parse_id,
)
from tradepit.ingress.orders import link_of_order
from tradepit.ingress.router import MatcherLink, Router
from tradepit.ingress.shards import AsOf, ask, bring_up_to_date
from tradepit.protocol import wire

LIMIT_MAX = 400  # what one OpenOrdersQuery may ask for
_OPEN = (
    wire.OrderStatus.OPEN,
    wire.OrderStatus.PARTIALLY_FILLED,
    wire.OrderStatus.WAITING,
)
_CLOSED = (wire.OrderStatus.FILLED, wire.OrderStatus.CANCELED)
_STATUSES = {"open": _OPEN, "closed": _CLOSED, "all": _OPEN + _CLOSED}

Limit = Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="how many at most")]
Before = Annotated[
    str | None, QueryParameter(description="only older ones: `next` of the page before this one")
]


class OrderPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some orders. `next` goes into `before` (`after` for open orders) to ask for more; null at the
    end. The page holds everything up to the seq of each shard in `as_of_seqs`; `complete` is false if
    the account has changed since and the ledger did not catch up in time.
    """

    orders: list[Order]
    next: str | None
    as_of_seqs: dict[str, int]
    complete: bool


async def order_of_row(row: Any, catalogue: Catalogue) -> Order:
    """A row of the ledger's orders."""
    instrument = await catalogue.of_id(row["instrument_id"])
    closed = row["status"] in _CLOSED
    report = wire.ExecutionReport(
        seq=row["updated_seq"],
        time_ns=row["updated_ns"],
        order_id=row["order_id"],
        client_order_id=row["client_order_id"],
        price_ticks=row["price_ticks"],
        quantity_lots=row["quantity_lots"],
        filled_lots=row["filled_lots"],
        remaining_lots=0 if closed else row["quantity_lots"] - row["filled_lots"],
        status=row["status"],
        side=row["side"],
        order_type=row["order_type"],
        time_in_force=row["time_in_force"],
        order_flags=row["flags"],
        cancel_reason=row["cancel_reason"],
        trigger_price_ticks=row["trigger_price_ticks"],
        self_trade_prevention=row["self_trade_prevention"],
        display_quantity_lots=row["display_quantity_lots"] or 0,
        expire_time_ns=row["expire_time_ns"] or 0,
        offset_ticks=row["offset_ticks"] or 0,
        trail_offset_bps=row["trail_offset_bps"] or 0,
        peg_reference=row["peg_reference"] or 0,
    )
    return order_of_report(
        instrument,
        report,
        notional_units=row["notional_units"],
        fee_units=row["fee_units"],
        fills=[],
    )


async def _open_order(report: wire.ExecutionReport, catalogue: Catalogue) -> Order:
    """An open order as the matcher reports it, which does not say what its fills cost."""
    return order_of_report(
        await catalogue.of_id(report.instrument_id),
        report,
        notional_units=None if report.filled_lots else 0,
        fee_units=0,
        fills=[],
    )


@get("/orders/{order_id:str}", responses=problem_responses(401, 403, 404, 503, 504))
async def get_order(
    order_id: FromPath[str],
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
    ledger: NamedDependency[LedgerReads],
) -> Order:
    """One order, open or closed

    Another account's order and one that does not exist are the same 404.
    """
    link, number = link_of_order(router, order_id)
    report = (await link.request(wire.OrderQuery, account_id, number, 0))[-1]
    if isinstance(report, wire.ExecutionReport):
        return await _open_order(report, catalogue)
    if report.reason != wire.Reason.UNKNOWN_ORDER:
        raise problem_of_reason(report.reason)
    as_of = await bring_up_to_date([link], account_id, ledger)
    row = await ledger.order(link.shard_id, account_id, number)
    if row is not None and (as_of.complete or row["status"] in _CLOSED):
        return await order_of_row(row, catalogue)
    if not as_of.complete:
        raise Problem("ledger_behind")
    raise Problem("unknown_order", "no order of this account has that id")


@get("/orders", responses=problem_responses(400, 401, 403, 404, 503, 504))
async def list_orders(
    account_id: NamedDependency[int],
    catalogue: NamedDependency[Catalogue],
    router: NamedDependency[Router],
    ledger: NamedDependency[LedgerReads],
    status: Annotated[str, QueryParameter(description="`open`, `closed` or `all`")] = "open",
    symbol: Annotated[str | None, QueryParameter(description="only this instrument's")] = None,
    client_order_id: Annotated[
        str | None, QueryParameter(description="only the order of this id, open or closed")
    ] = None,
    limit: Limit = 100,
    before: Before = None,
    after: Annotated[
        str | None,
        QueryParameter(description="open orders only: `next` of the page before this one"),
    ] = None,
) -> OrderPage:
    """The account's orders

    Open orders come from the matcher, oldest first, paged with `after`. Closed ones and `all` come
    from the ledger, newest first, paged with `before`. Those of several shards come shard by shard.
    With `client_order_id` the status does not
    matter, and there are no pages: an empty, complete list means that no order with that id was ever
    accepted (in that instrument, with a `symbol`).
    """
    if status not in _STATUSES:
        raise invalid_parameter("status", "must be open, closed or all")
    instrument = None if symbol is None else await catalogue.find(symbol)
    instrument_id = None if instrument is None else instrument.instrument_id
    links = router.all_or(None if instrument is None else instrument.shard_id)
    if client_order_id is not None:
        number = parse_id(client_order_id)
        if number is None:
            raise invalid_parameter("client_order_id", "must be digits, from 1 to 2^63 - 1")
        for name, cursor in (("before", before), ("after", after)):
            if cursor is not None:
                raise invalid_parameter(name, "must be left out beside client_order_id")
        return await _by_client_order_id(
            links, account_id, number, instrument_id, catalogue, ledger
        )
    if status == "open":
        if before is not None:
            raise invalid_parameter("before", "does not go with status=open: use after")
        return await _open_page(
            links, account_id, parse_cursor("after", after, 0), instrument_id or 0, limit, catalogue
        )
    if after is not None:
        raise invalid_parameter("after", "goes with status=open only: use before")
    as_of = await bring_up_to_date(links, account_id, ledger)
    rows = await ledger.orders(
        [link.shard_id for link in links],
        account_id,
        before=parse_cursor("before", before, ID_MAX),
        statuses=_STATUSES[status],
        instrument_id=instrument_id,
        limit=limit,
    )
    return OrderPage(
        orders=[await order_of_row(row, catalogue) for row in rows],
        next=str(rows[-1]["order_id"]) if len(rows) == limit else None,
        as_of_seqs=as_of.seqs,
        complete=as_of.complete,
    )


async def _open_page(
    links: Sequence[MatcherLink],
    account_id: int,
    after: int,
    instrument_id: int,
    limit: int,
    catalogue: Catalogue,
) -> OrderPage:
    answers = await ask(links, wire.OpenOrdersQuery, account_id, after, instrument_id, limit)
    reports = [report for _, answer in answers for report in answer[:-1]][:limit]
    return OrderPage(
        orders=[await _open_order(report, catalogue) for report in reports],
        next=str(reports[-1].order_id) if len(reports) == limit else None,
        as_of_seqs={str(link.shard_id): answer[-1].seq for link, answer in answers},
        complete=True,
    )


async def _by_client_order_id(
    links: Sequence[MatcherLink],
    account_id: int,
    client_order_id: int,
    instrument_id: int | None,
    catalogue: Catalogue,
    ledger: LedgerReads,
) -> OrderPage:
    answers = await ask(
        links,
        wire.OrderQuery,
        account_id,
        0,
        client_order_id,
        ignored=wire.Reason.UNKNOWN_ORDER,
    )
    if instrument_id is not None:
        answers = [
            (link, answer) for link, answer in answers if answer[-1].instrument_id == instrument_id
        ]
    orders = [await _open_order(answer[-1], catalogue) for _, answer in answers]
    as_of = AsOf({str(link.shard_id): link.last_seq for link, _ in answers}, True)
    others = [link for link in links if link not in {link for link, _ in answers}]
    if others:
        applied = await bring_up_to_date(others, account_id, ledger)
        rows = await ledger.orders_of_client(
            [link.shard_id for link in others],
            account_id,
            client_order_id,
            statuses=_STATUSES["all"],  # it may have been accepted since the matchers were asked
            limit=LIMIT_MAX,
        )
        orders += [
            await order_of_row(row, catalogue)
            for row in rows
            if instrument_id is None or row["instrument_id"] == instrument_id
        ]
        as_of = AsOf(as_of.seqs | applied.seqs, applied.complete)
    return OrderPage(orders=orders, next=None, as_of_seqs=as_of.seqs, complete=as_of.complete)


def parse_cursor(name: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    number = parse_id(text)
    if number is None:
        raise invalid_parameter(name, "must be the `next` of an earlier page")
    return number
