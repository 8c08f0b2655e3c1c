"""What a commit batch comes to: the rows and deltas that PostgreSQL will store, and their columns."""

from dataclasses import dataclass, field
from typing import NamedTuple

from tradepit.protocol import wire

GENESIS_DIGEST = 0x5450424F4F4B3031
"""Chain digest of a shard that has done nothing."""


class Position(NamedTuple):
    """How far a shard's stream has been stored. `stream_seq` names the message that carried `seq`."""

    seq: int = 0
    stream_seq: int = 0
    digest: int = GENESIS_DIGEST


class StreamMessage(NamedTuple):
    """One JetStream message: a commit batch, where it stood, and its header of traces."""

    stream_seq: int
    data: bytes
    traces: str = ""


class Instrument(NamedTuple):
    """What postings need to know of an instrument."""

    base_asset_id: int
    quote_asset_id: int


@dataclass(slots=True)
class OrderChange:
    """What a batch did to an order that an earlier batch had stored.

    The fills are deltas; None means unchanged.
    """

    filled_lots: int = 0
    notional_units: int = 0
    fee_units: int = 0
    price_ticks: int | None = None
    quantity_lots: int | None = None
    status: int = 0
    cancel_reason: int = 0
    updated_seq: int = 0
    updated_ns: int = 0
    flags_cleared: int = 0


ORDER_COLUMNS = (
    "order_id", "shard_id", "account_id", "instrument_id", "client_order_id", "side", "order_type",
    "time_in_force", "flags", "price_ticks", "quantity_lots", "filled_lots", "notional_units",
    "fee_units", "status", "cancel_reason", "created_seq", "updated_seq", "created_ns", "updated_ns",
    "self_trade_prevention", "trigger_price_ticks",
)  # fmt: skip

TERMS_COLUMNS = (
    "order_id", "display_quantity_lots", "expire_time_ns", "offset_ticks", "trail_offset_bps",
    "peg_reference",
)  # fmt: skip

TRADE_COLUMNS = (
    "seq", "time_ns", "trade_id", "price_ticks", "quantity_lots", "notional_units", "base_units",
    "maker_order_id", "taker_order_id", "maker_account_id", "taker_account_id",
    "maker_client_order_id", "taker_client_order_id", "maker_fee_units", "taker_fee_units",
    "instrument_id", "taker_side", "shard_id",
)  # fmt: skip

TRADE_CHANGE_COLUMNS = (
    "shard_id", "seq", "time_ns", "trade_id", "instrument_id", "taker_side", "maker_account_id",
    "taker_account_id", "price_ticks", "quantity_lots", "notional_units", "base_units",
    "maker_fee_units", "taker_fee_units", "quantity_delta_lots", "notional_delta_units",
    "base_delta_units", "maker_fee_delta_units", "taker_fee_delta_units",
)  # fmt: skip

TRANSFER_COLUMNS = (
    "shard_id", "seq", "time_ns", "account_id", "asset_id", "delta_units", "transfer_id",
)  # fmt: skip


@dataclass(slots=True)
class Batch:
    """Rows and deltas of every command after `before` up to `after`; nothing of any other."""

    shard_id: int
    before: Position
    after: Position
    entry_count: int = 0
    event_count: int = 0
    first_time_ns: int = 0  # when its first command was sequenced, by the matcher's clock
    repeat_count: int = 0
    """Entries that were stored before."""
    gap_seq: int = 0
    """Not 0: the messages go on at this seq, which is not the next; it and what follows is left."""

    assets: dict[int, wire.AssetChanged] = field(default_factory=dict)
    instruments: dict[int, wire.InstrumentChanged] = field(default_factory=dict)
    trading_states: dict[int, int] = field(default_factory=dict)
    """By instrument_id: the last one, where it changed after the batch's InstrumentChanged."""
    accounts: dict[int, wire.AccountChanged] = field(default_factory=dict)
    new_orders: dict[int, list[int]] = field(default_factory=dict)
    """By order_id; values in the order of ORDER_COLUMNS."""
    order_changes: dict[int, OrderChange] = field(default_factory=dict)
    order_terms: list[tuple[int, ...]] = field(default_factory=list)
    """What only some of the new orders have; values in the order of TERMS_COLUMNS."""
    trades: list[tuple[int, ...]] = field(default_factory=list)
    """Values in the order of TRADE_COLUMNS."""
    trade_changes: list[tuple[int, ...]] = field(default_factory=list)
    """Values in the order of TRADE_CHANGE_COLUMNS."""
    transfers: list[tuple[int, ...]] = field(default_factory=list)
    """Values in the order of TRANSFER_COLUMNS."""
    balances: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    """(account_id, asset_id) -> [delta_units, seq of the last posting]."""
    positions: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    """(account_id, instrument_id) -> deltas [bought_lots, sold_lots, bought_notional_units,
    sold_notional_units, fee_units, trade_count] and the seq of the last trade.
    """
