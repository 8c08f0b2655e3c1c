"""What the ledger must hold, worked out one event at a time: slow and obviously right."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tradepit.ledger.batch import (
    ORDER_COLUMNS,
    TERMS_COLUMNS,
    TRADE_CHANGE_COLUMNS,
    TRADE_COLUMNS,
    Batch,
)
from tradepit.protocol import wire

from tests.ledger_stream import Entry

STANDS = (
    "price_ticks",
    "quantity_lots",
    "notional_units",
    "base_units",
    "maker_fee_units",
    "taker_fee_units",
)
"""What of a trade a correction changes."""


@dataclass
class Tables:
    """The rows that tests compare, keyed by primary key."""

    orders: dict[int, dict[str, int]] = field(default_factory=dict)
    order_terms: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Values in the order of TERMS_COLUMNS."""
    trades: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Values in the order of TRADE_COLUMNS."""
    trade_changes: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    """(trade_id, seq) -> values in the order of TRADE_CHANGE_COLUMNS."""
    transfers: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """transfer_id -> (account_id, asset_id, delta_units)."""
    balances: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """(account_id, asset_id) -> (total_units, seq)."""
    positions: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    """(account_id, instrument_id) -> bought and sold lots, bought and sold notional, fees, trades,
    seq.
    """


def tables_of(shard_id: int, entries: Iterable[Entry]) -> Tables:
    """The oracle."""
    tables = Tables()
    assets: dict[int, tuple[int, int]] = {}
    totals: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    positions: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * 7)

    def post(account_id: int, asset_id: int, delta_units: int, seq: int) -> None:
        totals[account_id, asset_id][0] += delta_units
        totals[account_id, asset_id][1] = seq

    def touch(order_id: int, event: Any, **values: int) -> dict[str, int]:
        order = tables.orders[order_id]
        order.update(values, updated_seq=event.seq, updated_ns=event.time_ns)
        return order

    for entry in entries:
        for event in entry.events:
            match event:
                case wire.InstrumentChanged():
                    assets[event.instrument_id] = (event.base_asset_id, event.quote_asset_id)
                case wire.OrderAccepted():
                    row = dict.fromkeys(ORDER_COLUMNS, 0) | event._asdict()
                    row |= {
                        "shard_id": shard_id,
                        "status": 6 if event.trigger_price_ticks or event.time_in_force == 7 else 1,
                    }
                    row |= {"created_seq": event.seq, "created_ns": event.time_ns}
                    tables.orders[event.order_id] = {name: row[name] for name in ORDER_COLUMNS}
                    touch(event.order_id, event)
                    terms = tuple(getattr(event, name) for name in TERMS_COLUMNS)
                    if any(terms[1:]):
                        tables.order_terms[event.order_id] = terms
                case wire.OrderCanceled():
                    touch(event.order_id, event, status=4, cancel_reason=event.reason)
                case wire.OrderReplaced():
                    touch(
                        event.order_id,
                        event,
                        price_ticks=event.price_ticks,
                        quantity_lots=event.quantity_lots,
                        status=6 if event.flags & 2 else 2 if event.filled_lots else 1,
                    )
                case wire.OrderTriggered():
                    touch(event.order_id, event, status=1)
                case wire.OrderActivated():
                    flags = tables.orders[event.order_id]["flags"] & ~wire.OrderFlag.PENDING
                    status = 6 if event.trigger_price_ticks else 1
                    touch(event.order_id, event, status=status, flags=flags)
                case wire.SelfTradePrevented():
                    for name in ("maker", "taker"):
                        touch(
                            getattr(event, f"{name}_order_id"),
                            event,
                            quantity_lots=getattr(event, f"{name}_quantity_lots"),
                        )
                case wire.BalanceChanged():
                    tables.transfers[event.transfer_id] = (
                        event.account_id,
                        event.asset_id,
                        event.delta_units,
                    )
                    post(event.account_id, event.asset_id, event.delta_units, event.seq)
                case wire.Trade():
                    row = event._asdict() | {"shard_id": shard_id}
                    tables.trades[event.trade_id] = tuple(row[name] for name in TRADE_COLUMNS)
                    base_id, quote_id = assets[event.instrument_id]
                    sides = [
                        (event.taker_side, "taker"),
                        (3 - event.taker_side, "maker"),
                    ]
                    for side, name in sides:
                        fee_units = getattr(event, f"{name}_fee_units")
                        account_id = getattr(event, f"{name}_account_id")
                        sign = 1 if side == 1 else -1
                        post(account_id, base_id, sign * event.base_units, event.seq)
                        post(
                            account_id,
                            quote_id,
                            -sign * event.notional_units - fee_units,
                            event.seq,
                        )
                        if fee_units:
                            post(0, quote_id, fee_units, event.seq)
                        position = positions[account_id, event.instrument_id]
                        position[side - 1] += event.quantity_lots
                        position[side + 1] += event.notional_units
                        position[4] += fee_units
                        position[5] += 1
                        position[6] = event.seq
                        order = touch(getattr(event, f"{name}_order_id"), event)
                        order["filled_lots"] += event.quantity_lots
                        order["notional_units"] += event.notional_units
                        order["fee_units"] += fee_units
                        order["status"] = 2 if getattr(event, f"{name}_remaining_lots") else 3
                case wire.TradeBusted() | wire.TradeCorrected():
                    is_busted = isinstance(event, wire.TradeBusted)
                    row = event._asdict() | {"shard_id": shard_id}
                    new, old = {}, {}
                    for name in STANDS:
                        new[name] = 0 if is_busted else row[name]
                        old[name] = row[name if is_busted else f"previous_{name}"]
                    row |= new | {
                        f"{stem}_delta_{unit}": new[f"{stem}_{unit}"] - old[f"{stem}_{unit}"]
                        for stem, unit in (name.rsplit("_", 1) for name in STANDS[1:])
                    }
                    tables.trade_changes[event.trade_id, event.seq] = tuple(
                        row[name] for name in TRADE_CHANGE_COLUMNS
                    )
                    base_id, quote_id = assets[event.instrument_id]
                    for values, sign in ((old, -1), (new, 1)):
                        for side, name in (
                            (event.taker_side, "taker"),
                            (3 - event.taker_side, "maker"),
                        ):
                            account_id = getattr(event, f"{name}_account_id")
                            fee_units = sign * values[f"{name}_fee_units"]
                            base, notional, lots = (
                                sign * values[column]
                                for column in ("base_units", "notional_units", "quantity_lots")
                            )
                            if side == 2:
                                base, notional = -base, -notional
                            post(account_id, base_id, base, event.seq)
                            post(account_id, quote_id, -notional - fee_units, event.seq)
                            if fee_units:
                                post(0, quote_id, fee_units, event.seq)
                            position = positions[account_id, event.instrument_id]
                            position[side - 1] += lots
                            position[side + 1] += abs(notional) * sign
                            position[4] += fee_units
                            position[5] -= is_busted and sign == -1
                            position[6] = event.seq
                case _:
                    pass
    tables.balances = {key: (total, seq) for key, (total, seq) in totals.items()}
    tables.positions = {key: tuple(values) for key, values in positions.items()}
    return tables


def apply(batch: Batch, tables: Tables) -> None:
    """What the store does with a batch."""
    for order_id, values in batch.new_orders.items():
        assert order_id not in tables.orders
        tables.orders[order_id] = dict(zip(ORDER_COLUMNS, values, strict=True))
    for terms in batch.order_terms:
        assert terms[0] not in tables.order_terms
        tables.order_terms[terms[0]] = terms
    for order_id, change in batch.order_changes.items():
        order = tables.orders[order_id]
        order["filled_lots"] += change.filled_lots
        order["notional_units"] += change.notional_units
        order["fee_units"] += change.fee_units
        order["price_ticks"] = (
            order["price_ticks"] if change.price_ticks is None else change.price_ticks
        )
        order["quantity_lots"] = (
            order["quantity_lots"] if change.quantity_lots is None else change.quantity_lots
        )
        order["status"] = change.status
        order["cancel_reason"] = change.cancel_reason
        order["updated_seq"] = change.updated_seq
        order["updated_ns"] = change.updated_ns
        order["flags"] &= ~change.flags_cleared
    for trade in batch.trades:
        trade_id = trade[TRADE_COLUMNS.index("trade_id")]
        assert trade_id not in tables.trades
        tables.trades[trade_id] = trade
    for trade_change in batch.trade_changes:
        row = dict(zip(TRADE_CHANGE_COLUMNS, trade_change, strict=True))
        assert (row["trade_id"], row["seq"]) not in tables.trade_changes
        tables.trade_changes[row["trade_id"], row["seq"]] = trade_change
    for _, _, _, account_id, asset_id, delta_units, transfer_id in batch.transfers:
        assert transfer_id not in tables.transfers
        tables.transfers[transfer_id] = (account_id, asset_id, delta_units)
    for key, (delta_units, seq) in batch.balances.items():
        total_units, _ = tables.balances.get(key, (0, 0))
        tables.balances[key] = (total_units + delta_units, seq)
    for key, deltas in batch.positions.items():
        before = tables.positions.get(key, (0,) * 7)
        sums = [a + b for a, b in zip(before[:6], deltas[:6], strict=True)]
        tables.positions[key] = (*sums, deltas[6])
