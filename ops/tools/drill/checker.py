"""Holds what clients were told against what the exchange has."""

import asyncio
from dataclasses import dataclass, field

import asyncpg
from tradepit.tools import running
from tradepit.tools.drill.arena import REST_ACCOUNT_ID, TRADER_ACCOUNT_IDS, Arena
from tradepit.tools.drill.history import History
from tradepit.tools.reconcile.command import reconcile

CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0
WAIT_S = 60.0
FAULTS_SHOWN_MAX = 10


@dataclass
class Findings:
    """What was looked at, and what is wrong. Nothing lost and nothing doubled: no faults."""

    acknowledged_count: int = 0
    refused_count: int = 0
    retry_count: int = 0
    trade_count: int = 0
    lost_count: int = 0  # acknowledged, and not there
    doubled_count: int = 0  # there more than once, or though they were refused
    faults: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        if len(self.faults) < FAULTS_SHOWN_MAX:
            self.faults.append(text)


def check(arena: Arena) -> Findings:
    """Every acknowledged order and fill once, no refused one, and all parts agree. The traders must
    have stopped.
    """
    findings = asyncio.run(_check(arena))
    assert arena.load is not None
    findings.faults += arena.load.failures
    findings.faults += arena.history.contradictions[:FAULTS_SHOWN_MAX]
    if not arena.load.is_settled:
        findings.add(f"{len(arena.history.in_doubt)} orders never got an answer")
    return findings


async def _check(arena: Arena) -> Findings:
    place = running.find(arena.data_dir)
    report = await reconcile(place, WAIT_S)  # which waits for the ledger
    findings = Findings()
    for each in report.checks:
        for difference in each.differences:
            findings.add(f"{each.name}: {difference}")
    connection = await asyncpg.connect(
        place.postgres_url, timeout=CONNECT_TIMEOUT_S, command_timeout=COMMAND_TIMEOUT_S
    )
    try:
        accounts = [*TRADER_ACCOUNT_IDS, REST_ACCOUNT_ID]
        orders = await connection.fetch(
            "SELECT order_id, account_id, client_order_id, filled_lots FROM orders "
            "WHERE account_id = ANY ($1::bigint[])",
            accounts,
        )
        trades = await connection.fetch("SELECT trade_id FROM trades")
    finally:
        connection.terminate()
    compare(
        arena.history,
        [tuple(order) for order in orders],
        {trade["trade_id"] for trade in trades},
        findings,
    )
    return findings


def compare(
    history: History,
    orders: list[tuple[int, int, int, int]],
    trade_ids: set[int],
    findings: Findings,
) -> None:
    """`orders`: (order_id, account_id, client_order_id, filled_lots) of the ledger."""
    by_name: dict[tuple[int, int], tuple[int, int]] = {}
    for order_id, account_id, client_order_id, filled_lots in orders:
        name = (account_id, client_order_id)
        if name in by_name:
            findings.doubled_count += 1
            findings.add(f"{name} is there twice: {order_id} and {by_name[name][0]}")
        by_name[name] = (order_id, filled_lots)
    for name, told in history.acknowledged.items():
        found = by_name.get(name)
        if found is None:
            findings.lost_count += 1
            findings.add(f"{name} was acknowledged as {told} and is not there")
        elif told.order_id and (found[0] != told.order_id or found[1] < told.filled_lots):
            findings.lost_count += 1
            findings.add(f"{name} was acknowledged as {told}, and the ledger has {found}")
        missing = [trade_id for trade_id in told.trade_ids if trade_id not in trade_ids]
        if missing:
            findings.lost_count += len(missing)
            findings.add(f"{name}: its trades {missing} are not there")
    for name in history.refused:
        if name in by_name:
            findings.doubled_count += 1
            findings.add(f"{name} was refused, and is there as {by_name[name][0]}")
    known = history.acknowledged.keys() | history.refused.keys() | history.in_doubt
    for name in by_name.keys() - known:
        findings.doubled_count += 1
        findings.add(f"{name} is there, and nobody sent it")
    findings.acknowledged_count = len(history.acknowledged)
    findings.refused_count = len(history.refused)
    findings.retry_count = history.retry_count
    findings.trade_count = len(trade_ids)
