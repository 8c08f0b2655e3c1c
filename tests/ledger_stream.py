"""Makes commit batches for the ledger's tests: a matcher that only pretends to match.

`PretendMatcher` plays random but consistent commands: every batch it makes is one that a real
matcher could have written (layout, CRC, digest chain, order life cycles, exact sums), apart from
funds, which it does not check.
"""

import itertools
import random
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tradepit.engine import crc32c
from tradepit.protocol import wire

from tests.reference_state import chain_digest

GENESIS_DIGEST = 0x5450424F4F4B3031
USD, BTC, ETH = 1, 2, 3
BTC_USD, ETH_USD = 1, 2
TIME_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Entry:
    """One journal entry, encoded."""

    seq: int
    digest: int
    data: bytes
    events: tuple[Any, ...]


@dataclass
class _Order:
    order_id: int
    account_id: int
    client_order_id: int
    instrument_id: int
    side: int
    price_ticks: int
    quantity_lots: int
    filled_lots: int = 0

    @property
    def open_lots(self) -> int:
        return self.quantity_lots - self.filled_lots


def encode_entry(seq: int, digest_before: int, command: bytes, events: Sequence[Any]) -> Entry:
    event_bytes = b"".join(event.encode() for event in events)
    digest = chain_digest(digest_before, event_bytes)
    length = wire.JOURNAL_ENTRY_LAYOUT.size + len(command) + len(event_bytes)
    tail = (
        wire.JournalEntry(length, 0, seq, seq, digest, len(events)).encode()[8:]
        + command
        + event_bytes
    )
    return Entry(seq, digest, struct.pack("<II", length, crc32c(tail)) + tail, tuple(events))


def encode_batch(shard_id: int, entries: Sequence[Entry]) -> bytes:
    header = wire.CommitBatchHeader(
        magic=b"TPCB",
        version=wire.VERSION,
        shard_id=shard_id,
        entry_count=len(entries),
        first_seq=entries[0].seq,
        last_seq=entries[-1].seq,
        last_digest=entries[-1].digest,
    )
    return header.encode() + b"".join(entry.data for entry in entries)


def split(entries: Sequence[Entry], cuts: Iterable[int]) -> list[list[Entry]]:
    """The entries in runs that end at the cuts."""
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(entries)}), len(entries)]
    return [list(entries[a:b]) for a, b in itertools.pairwise(edges) if a < b]


class PretendMatcher:
    """One shard. `entries` is its journal so far."""

    def __init__(self, shard_id: int, seed: int = 0, accounts: int = 5) -> None:
        self.shard_id = shard_id
        self.entries: list[Entry] = []
        self.random = random.Random(seed)
        self.account_ids = list(range(1, accounts + 1))
        self.open: dict[int, _Order] = {}
        self.trades: list[wire.Trade] = []  # as they stand; busted ones are gone
        self._digest = GENESIS_DIGEST
        self._counter = 0

    @property
    def seq(self) -> int:
        return len(self.entries)

    def append(self, command: Any, *events: Any) -> Entry:
        """Sequence a command with events whose seq and time are filled in here."""
        seq, time_ns = self.seq + 1, TIME_NS + self.seq * 1_000
        entry = encode_entry(
            seq,
            self._digest,
            command._replace(time_ns=time_ns).encode(),
            [event._replace(seq=seq, time_ns=time_ns) for event in events],
        )
        self._digest = entry.digest
        self.entries.append(entry)
        return entry

    def list_everything(self) -> None:
        """Assets, instruments, accounts, and money for everybody."""
        for asset_id, symbol, decimals in ((USD, "USD", 6), (BTC, "BTC", 8), (ETH, "ETH", 8)):
            self.append(
                wire.SetAsset(symbol=symbol, asset_id=asset_id, decimals=decimals),
                wire.AssetChanged(symbol=symbol, asset_id=asset_id, decimals=decimals),
            )
        for instrument_id, symbol, base_asset_id, lot_size_units, tick_lot_units in (
            (BTC_USD, "BTC-USD", BTC, 10_000, 1),
            (ETH_USD, "ETH-USD", ETH, 100_000, 10),
        ):
            self.list_instrument(
                instrument_id, symbol, base_asset_id, lot_size_units, tick_lot_units
            )
        for account_id in self.account_ids:
            self.append(
                wire.SetAccount(account_id=account_id, state=1),
                wire.AccountChanged(account_id=account_id, state=1),
            )
            for asset_id in (USD, BTC, ETH):
                self.transfer(account_id, asset_id, 10**15)

    def list_instrument(
        self,
        instrument_id: int,
        symbol: str,
        base_asset_id: int,
        lot_size_units: int,
        tick_lot_units: int,
    ) -> None:
        terms: dict[str, Any] = {
            "symbol": symbol,
            "tick_size": 1,
            "lot_size_units": lot_size_units,
            "price_ticks_min": 1,
            "price_ticks_max": 10**9,
            "quantity_lots_min": 1,
            "quantity_lots_max": 10**9,
            "instrument_id": instrument_id,
            "base_asset_id": base_asset_id,
            "quote_asset_id": USD,
            "maker_fee_ppm": 100,
            "taker_fee_ppm": 500,
            "price_decimals": 2,
            "trading_state": 1,
        }
        self.append(
            wire.SetInstrument(**terms),
            wire.InstrumentChanged(**terms, tick_lot_units=tick_lot_units),
        )

    def transfer(self, account_id: int, asset_id: int, delta_units: int) -> None:
        transfer_id = self._next_id()
        kind = wire.Credit if delta_units > 0 else wire.Debit
        self.append(
            kind(
                account_id=account_id,
                transfer_id=transfer_id,
                amount_units=abs(delta_units),
                asset_id=asset_id,
            ),
            wire.BalanceChanged(
                account_id=account_id,
                transfer_id=transfer_id,
                delta_units=delta_units,
                asset_id=asset_id,
            ),
        )

    def play(self, count: int) -> None:
        """So many commands of every kind; what rests, trades, is replaced and is canceled."""
        for _ in range(count):
            pick = self.random.random()
            if pick < 0.55 or not self.open:
                self.new_order(crosses=self.random.random() < 0.45)
            elif pick < 0.75:
                self.cancel(self.random.choice(list(self.open)))
            elif pick < 0.85:
                self.replace(self.random.choice(list(self.open)))
            elif pick < 0.90:
                self.mass_cancel(self.random.choice(self.account_ids))
            elif pick < 0.92 and self.trades:
                self.change_trade()
            elif pick < 0.93:
                amount_units = self.random.randint(1, 10**6) * self.random.choice((1, -1))
                self.transfer(self.random.choice(self.account_ids), USD, amount_units)
            elif pick < 0.97:
                account_id = self.random.choice(self.account_ids)
                self.append(
                    wire.NewOrder(account_id=account_id, instrument_id=BTC_USD, side=1),
                    wire.OrderRejected(
                        account_id=account_id,
                        instrument_id=BTC_USD,
                        reason=wire.Reason.INVALID_QUANTITY,
                        command_type=wire.MessageType.NEW_ORDER,
                    ),
                )
            else:
                self.append(
                    wire.SetAsset(asset_id=0),
                    wire.CommandRejected(
                        reason=wire.Reason.INVALID_ASSET, command_type=wire.MessageType.SET_ASSET
                    ),
                )

    def new_order(self, *, crosses: bool) -> None:
        side = self.random.choice((1, 2))
        order = _Order(
            order_id=self._next_id(),
            account_id=self.random.choice(self.account_ids),
            client_order_id=self.random.choice((0, self.random.randint(1, 2**63 - 1))),
            instrument_id=self.random.choice((BTC_USD, ETH_USD)),
            side=side,
            price_ticks=self.random.randint(1_000, 2_000),
            quantity_lots=self.random.randint(1, 100),
        )
        time_in_force = self.random.choice((1, 1, 2))
        terms = {
            "account_id": order.account_id,
            "client_order_id": order.client_order_id,
            "price_ticks": order.price_ticks,
            "quantity_lots": order.quantity_lots,
            "instrument_id": order.instrument_id,
            "side": side,
            "order_type": 1,
            "time_in_force": time_in_force,
        }
        events: list[Any] = [wire.OrderAccepted(order_id=order.order_id, **terms)]
        if crosses:
            events += self._fills(order)
        if order.open_lots and time_in_force == 2:
            events.append(self._canceled(order, wire.CancelReason.IOC_REMAINDER))
        elif order.open_lots:
            self.open[order.order_id] = order
        self.append(wire.NewOrder(**terms), *events)

    def cancel(self, order_id: int) -> None:
        order = self.open.pop(order_id)
        self.append(
            wire.CancelOrder(account_id=order.account_id, order_id=order_id),
            self._canceled(order, wire.CancelReason.REQUESTED),
        )

    def replace(self, order_id: int) -> None:
        order = self.open[order_id]
        filled_lots = order.filled_lots
        order.price_ticks = self.random.randint(1_000, 2_000)
        order.quantity_lots = filled_lots + self.random.randint(1, 100)
        events: list[Any] = [
            wire.OrderReplaced(
                order_id=order_id,
                account_id=order.account_id,
                client_order_id=order.client_order_id,
                price_ticks=order.price_ticks,
                quantity_lots=order.quantity_lots,
                filled_lots=filled_lots,
                instrument_id=order.instrument_id,
                side=order.side,
            )
        ]
        if self.random.random() < 0.5:
            events += self._fills(order)
        if not order.open_lots:
            del self.open[order_id]
        self.append(
            wire.ReplaceOrder(
                account_id=order.account_id,
                order_id=order_id,
                price_ticks=order.price_ticks,
                quantity_lots=order.quantity_lots,
            ),
            *events,
        )

    def mass_cancel(self, account_id: int) -> None:
        orders = [order for order in self.open.values() if order.account_id == account_id]
        for order in orders:
            del self.open[order.order_id]
        self.append(
            wire.MassCancel(account_id=account_id),
            *(self._canceled(order, wire.CancelReason.MASS_CANCEL) for order in orders),
            wire.MassCanceled(account_id=account_id, canceled_count=len(orders)),
        )

    def change_trade(self) -> None:
        """Bust a trade, or correct its price and perhaps its quantity."""
        index = self.random.randrange(len(self.trades))
        trade = self.trades[index]
        shown = {
            name: value
            for name, value in trade._asdict().items()
            if name in wire.TradeBusted._fields and name not in ("request_id", "seq", "time_ns")
        }
        if self.random.random() < 0.5:
            del self.trades[index]
            self.append(
                wire.BustTrade(trade_id=trade.trade_id),
                wire.TradeBusted(trade_seq=trade.seq, **shown),
            )
            return
        tick_lot_units = trade.notional_units // (trade.price_ticks * trade.quantity_lots)
        lot_size_units = trade.base_units // trade.quantity_lots
        price_ticks = trade.price_ticks + self.random.randint(1, 9)
        quantity_lots = self.random.randint(1, trade.quantity_lots)
        notional_units = price_ticks * quantity_lots * tick_lot_units
        new = {
            "price_ticks": price_ticks,
            "quantity_lots": quantity_lots,
            "notional_units": notional_units,
            "base_units": quantity_lots * lot_size_units,
            "maker_fee_units": notional_units * 100 // 1_000_000,
            "taker_fee_units": notional_units * 500 // 1_000_000,
        }
        self.trades[index] = trade._replace(**new)
        self.append(
            wire.CorrectTrade(
                trade_id=trade.trade_id, price_ticks=price_ticks, quantity_lots=quantity_lots
            ),
            wire.TradeCorrected(
                trade_seq=trade.seq,
                **(shown | new),
                **{f"previous_{name}": shown[name] for name in new},
            ),
        )

    def messages(self, size: int, after_seq: int = 0) -> list[bytes]:
        """The journal after `after_seq` as commit batches of so many entries."""
        entries = self.entries[after_seq:]
        return [
            encode_batch(self.shard_id, entries[start : start + size])
            for start in range(0, len(entries), size)
        ]

    def _next_id(self) -> int:
        self._counter += 1
        return (self.shard_id << 48) + self._counter

    def _canceled(self, order: _Order, reason: int) -> wire.OrderCanceled:
        return wire.OrderCanceled(
            order_id=order.order_id,
            account_id=order.account_id,
            client_order_id=order.client_order_id,
            canceled_lots=order.open_lots,
            filled_lots=order.filled_lots,
            price_ticks=order.price_ticks,
            instrument_id=order.instrument_id,
            side=order.side,
            reason=reason,
        )

    def _fills(self, taker: _Order) -> list[wire.Trade]:
        """Trade with up to three orders of the other side, whatever their price."""
        makers = [
            order
            for order in self.open.values()
            if order.instrument_id == taker.instrument_id and order.side != taker.side
        ][:3]
        tick_lot_units = {BTC_USD: 1, ETH_USD: 10}[taker.instrument_id]
        lot_size_units = {BTC_USD: 10_000, ETH_USD: 100_000}[taker.instrument_id]
        trades = []
        for maker in makers:
            lots = min(maker.open_lots, taker.open_lots)
            if not lots:
                break
            maker.filled_lots += lots
            taker.filled_lots += lots
            if not maker.open_lots:
                del self.open[maker.order_id]
            notional_units = maker.price_ticks * lots * tick_lot_units
            trades.append(
                wire.Trade(
                    trade_id=self._next_id(),
                    price_ticks=maker.price_ticks,
                    quantity_lots=lots,
                    notional_units=notional_units,
                    base_units=lots * lot_size_units,
                    maker_order_id=maker.order_id,
                    taker_order_id=taker.order_id,
                    maker_account_id=maker.account_id,
                    taker_account_id=taker.account_id,
                    maker_client_order_id=maker.client_order_id,
                    taker_client_order_id=taker.client_order_id,
                    maker_fee_units=notional_units * 100 // 1_000_000,
                    taker_fee_units=notional_units * 500 // 1_000_000,
                    maker_remaining_lots=maker.open_lots,
                    taker_remaining_lots=taker.open_lots,
                    instrument_id=taker.instrument_id,
                    taker_side=taker.side,
                )
            )
        self.trades += (trade._replace(seq=self.seq + 1) for trade in trades)
        return trades
