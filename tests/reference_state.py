"""The parts of the reference model: its state, holds, events and reports (see reference.py)."""

import struct
from dataclasses import dataclass, field
from typing import Any

from tradepit.protocol import wire
from tradepit.protocol.wire import (
    AccountState,
    ExecutionKind,
    ExecutionReport,
    OrderFlag,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    TradingState,
)

HOUSE = 0
INFINITE_TICKS = 1 << 80
NEVER_NS = 2**63 - 1
UNTIL_DONE = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)
FOR_AUCTION = (TimeInForce.AT_THE_OPEN, TimeInForce.AT_THE_CLOSE)
RESTING = (*UNTIL_DONE, *FOR_AUCTION)  # what does not trade at once may rest
STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


def splitmix64(number: int) -> int:
    """The `number`th output of splitmix64, from 1."""
    word = number * 0x9E3779B97F4A7C15 % 2**64
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    return word ^ (word >> 31)


DIGEST_KEYS = [splitmix64(number) for number in range(1, 17)]


def chain_digest(digest: int, data: bytes) -> int:
    """The digest after `data`, the events of one command (docs/protocol.md)."""
    words = struct.unpack(f"<{len(data) // 8}Q", data)
    for begin in range(0, len(words), 16):
        block = (*words[begin : begin + 16], 0)  # the partner of a last word that has none
        total = 8 * (len(words) - begin)
        for index in range(0, len(block) - 1, 2):
            total += (block[index] ^ DIGEST_KEYS[index]) * (
                block[index + 1] ^ DIGEST_KEYS[index + 1]
            )
        digest = (digest ^ total ^ total >> 64) * 0x9E3779B97F4A7C15 % 2**64
        digest ^= digest >> 32
    return digest


def fee(notional_units: int, ppm: int) -> int:
    """Rounded down; a rebate (negative) towards zero."""
    size = notional_units * abs(ppm) // 1_000_000
    return size if ppm >= 0 else -size


def is_symbol(symbol: str) -> bool:
    return 1 <= len(symbol) <= 16 and all("!" <= character <= "~" for character in symbol)


def tick_lot_units(
    tick_size: int,
    lot_size_units: int,
    price_decimals: int,
    base_decimals: int,
    quote_decimals: int,
) -> int | None:
    """One tick times one lot in the quote asset's smallest unit; None if it is not whole."""
    numerator: int = tick_size * lot_size_units * 10**quote_decimals
    denominator: int = 10 ** (price_decimals + base_decimals)
    if numerator % denominator or numerator // denominator < 1:
        return None
    return numerator // denominator


@dataclass(eq=False)
class Order:
    order_id: int
    account_id: int
    client_order_id: int
    instrument_id: int
    side: int
    order_type: int
    time_in_force: int
    flags: int
    price_ticks: int
    quantity_lots: int
    maker_fee_ppm: int
    hold_fee_ppm: int
    taker_fee_ppm: int
    trigger_price_ticks: int = 0
    display_quantity_lots: int = 0
    expire_time_ns: int = 0
    offset_ticks: int = 0
    trail_offset_bps: int = 0
    peg_reference: int = 0
    session_id: int = 0
    is_waiting: bool = False
    self_trade_prevention: int = 0
    filled_lots: int = 0

    slice_lots: int = 0  # iceberg orders: what is left of the part that the book shows
    resting_ticks: int = 0  # pegged orders: where it rests

    # What it depends on, or what depends on it (reference_lists.py).
    is_pending: bool = False  # in no book until it is placed
    shows_pending: bool = False
    is_backed: bool = False  # holds nothing: its sibling does, or it is pending
    sibling: "Order | None" = field(default=None, repr=False)
    triggers: "list[Order]" = field(default_factory=list, repr=False)
    first: "Order | None" = field(default=None, repr=False)
    mates: "list[Order]" = field(default_factory=list, repr=False)
    is_dependent: bool = False  # of a first, filled or not
    quantity_at_acceptance: int = 0

    @property
    def is_linked(self) -> bool:
        return self.sibling is not None or bool(self.triggers) or self.is_dependent

    @property
    def shown_flags(self) -> int:
        return self.flags | (OrderFlag.PENDING if self.shows_pending else 0)

    @property
    def book_ticks(self) -> int:
        """The price at which it rests."""
        return self.resting_ticks or self.price_ticks

    @property
    def open_lots(self) -> int:
        return self.quantity_lots - self.filled_lots

    @property
    def shown_lots(self) -> int:
        return (
            min(self.slice_lots, self.open_lots) if self.display_quantity_lots else self.open_lots
        )


@dataclass
class Funds:
    available: int = 0
    held: int = 0


@dataclass
class QuoteProtection:
    """An account's protection in an instrument, and the fills (time, lots) of its window."""

    command: wire.SetQuoteProtection
    fills: list[tuple[int, int]] = field(default_factory=list)
    is_pulled: bool = False
    is_due: bool = False


@dataclass
class RememberedTrade:
    """A trade as it stands after corrections, and the fees it was made with."""

    event: wire.Trade
    maker_fee_ppm: int
    taker_fee_ppm: int
    is_busted: bool = False


@dataclass
class Limits:
    shard_id: int = 0
    max_orders: int = 1 << 20
    client_order_ids: int = 1 << 20
    transfer_ids: int = 1 << 20
    max_accounts: int = 1 << 16
    max_instruments: int = 1 << 10
    max_assets: int = 1 << 6
    remembered_trades: int = wire.TRADES_REMEMBERED


@dataclass
class ReferenceState:
    """What the reference model knows, and how it writes down what happens."""

    limits: Limits = field(default_factory=Limits)
    seq: int = 0
    digest: int = 0x5450424F4F4B3031
    order_counter: int = 0
    trade_counter: int = 0
    session_counter: int = 0  # the highest session_id, without TIED_SESSION_BIT, of accepted orders
    assets: dict[int, wire.AssetChanged] = field(default_factory=dict)
    instruments: dict[int, wire.InstrumentChanged] = field(default_factory=dict)
    accounts: dict[int, int] = field(default_factory=lambda: {HOUSE: AccountState.ACTIVE})
    trade_groups: dict[int, int] = field(default_factory=dict)
    fee_tiers: dict[int, int] = field(default_factory=dict)
    fee_schedules: dict[int, tuple[wire.FeeTerms, ...]] = field(default_factory=dict)
    changes: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """The last change of each instrument's state: to which, until when, what then."""
    state_deadlines: dict[int, int] = field(default_factory=dict)
    calendars: dict[int, tuple[wire.CalendarEntry, ...]] = field(default_factory=dict)
    entry_deadlines: dict[int, int] = field(default_factory=dict)
    """When the next entry of each calendar begins."""
    uncrossing: dict[int, int] = field(default_factory=dict)
    """Prices of auctions whose trades are not all made."""
    tick_tables: dict[int, tuple[wire.PriceBand, ...]] = field(default_factory=dict)
    funds: dict[tuple[int, int], Funds] = field(default_factory=dict)
    resting: list[Order] = field(default_factory=list)  # in order of priority at one price
    waiting: list[Order] = field(default_factory=list)  # in order of priority at one price
    pending: list[Order] = field(default_factory=list)
    activating: dict[int, list[list[Order]]] = field(default_factory=dict)
    """By instrument: pending orders whose first is filled, the first to be placed first."""
    positions: dict[tuple[int, int], int] = field(default_factory=dict)
    """(account, instrument) -> lots bought less lots sold."""
    touched: dict[int, None] = field(default_factory=dict)
    """Instruments whose book the command has changed, in that order."""
    closings: dict[int, int] = field(default_factory=dict)
    """By instrument: when the orders at the close come to the book."""
    auctions_over: dict[int, int] = field(default_factory=dict)
    """By instrument: when the orders for an auction that is over end."""
    last_prices: dict[int, int] = field(default_factory=dict)  # of the last trade, by instrument
    reached: dict[int, list[int]] = field(default_factory=dict)  # prices of this command's trades
    linked_count: int = 0  # orders that ended with others, by this command
    met_count: int = 0  # makers that takers of this command met
    is_cascade: bool = False  # what happens now was triggered, and answers nobody
    recent_names: list[tuple[int, int]] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)  # accounts, and HOUSE for the whole shard
    day_ends: dict[int, int] = field(default_factory=dict)  # by instrument: its day orders end
    timers: dict[tuple[str, int], int] = field(default_factory=dict)  # (kind, account) -> time
    protections: dict[int, dict[int, "QuoteProtection"]] = field(default_factory=dict)
    """By instrument and account, in the order in which they were first set."""
    trades: list["RememberedTrade"] = field(default_factory=list)  # all of them
    recent_transfers: list[int] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    reports: list[ExecutionReport] = field(default_factory=list)
    last_answer: int = 0  # index in reports
    newest_before: int = 0  # the last order id given out before the command
    command: Any = None

    # ---- what anyone may ask ----------------------------------------------------------------

    @property
    def open_orders(self) -> list[Order]:
        orders = self.resting + self.waiting + self.pending
        return sorted(orders, key=lambda order: order.order_id)

    def deadlines(self) -> list[tuple[int, int, int]]:
        """(time, kind, number) of all that is due at a time; at one time the lower kind first."""
        accounts = list(self.accounts)
        expiring = [order for order in self.open_orders if order.expire_time_ns]
        return [
            *((order.expire_time_ns, 0, order.order_id) for order in expiring),
            *((time_ns, 1, number) for number, time_ns in self.state_deadlines.items()),
            *((time_ns, 2, number) for number, time_ns in self.day_ends.items()),
            *(
                (time_ns, 3 if kind == "dead_man" else 4, accounts.index(account_id))
                for (kind, account_id), time_ns in self.timers.items()
            ),
            *((time_ns, 5, number) for number, time_ns in self.entry_deadlines.items()),
            *((time_ns, 6, number) for number, time_ns in self.closings.items()),
            *((time_ns, 7, number) for number, time_ns in self.auctions_over.items()),
        ]

    @property
    def due_now(self) -> int:
        """A deadline for what the next Tick goes on with."""
        now_ns: int = self.command.time_ns
        return max(1, min(now_ns, NEVER_NS - 1))

    def is_continuous(self, instrument_id: int) -> bool:
        return self.instruments[instrument_id].trading_state == TradingState.CONTINUOUS

    @property
    def next_deadline_ns(self) -> int | None:
        return min((time_ns for time_ns, *_ in self.deadlines()), default=None)

    def fees_of(self, account_id: int, instrument_id: int) -> wire.FeeTerms:
        """What the account pays for an order that it places now."""
        schedule = self.fee_schedules.get(instrument_id, ())
        tier = self.fee_tiers.get(account_id, 0)
        if 1 <= tier <= len(schedule):
            return schedule[tier - 1]
        terms = self.instruments[instrument_id]
        return wire.FeeTerms(terms.maker_fee_ppm, terms.taker_fee_ppm)

    def funds_of(self, account_id: int, asset_id: int) -> Funds:
        return self.funds.setdefault((account_id, asset_id), Funds())

    def supply(self, asset_id: int) -> int:
        return sum(
            funds.available + funds.held
            for (_, other_id), funds in self.funds.items()
            if other_id == asset_id
        )

    def queue(self, instrument_id: int, side: int) -> list[Order]:
        """The side's orders, best price first, oldest first at one price."""
        orders = [o for o in self.resting if (o.instrument_id, o.side) == (instrument_id, side)]
        return sorted(orders, key=lambda o: o.book_ticks if side == Side.SELL else -o.book_ticks)

    def limit_ticks(self, instrument_id: int, side: int, price_ticks: int) -> int:
        """The worst price that a taker accepts which begins to trade now."""
        if price_ticks:
            return price_ticks
        makers = self.queue(instrument_id, Side.SELL if side == Side.BUY else Side.BUY)
        ppm = self.instruments[instrument_id].market_protection_ppm
        if not makers or not ppm:
            return INFINITE_TICKS if side == Side.BUY else 0
        best = makers[0].book_ticks
        if side == Side.BUY:
            return best * (1_000_000 + ppm) // 1_000_000
        return -(-best * (1_000_000 - ppm) // 1_000_000)

    def book(
        self, instrument_id: int
    ) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """Bids and asks as (price, lots, orders), best first."""
        sides = []
        for side in (Side.BUY, Side.SELL):
            levels: dict[int, tuple[int, int]] = {}
            for order in self.queue(instrument_id, side):
                lots, count = levels.get(order.book_ticks, (0, 0))
                levels[order.book_ticks] = (lots + order.shown_lots, count + 1)
            sides.append([(price, lots, count) for price, (lots, count) in levels.items()])
        return sides[0], sides[1]

    def hold(self, order: Order) -> tuple[int, int]:
        """(asset, units) that the open part of an order reserves."""
        terms = self.instruments[order.instrument_id]
        if order.side == Side.SELL:
            return terms.base_asset_id, order.open_lots * terms.lot_size_units
        notional = order.price_ticks * order.open_lots * terms.tick_lot_units
        return terms.quote_asset_id, notional + fee(notional, order.hold_fee_ppm)

    def take_hold(self, order: Order) -> None:
        if order.is_backed:
            return
        asset_id, units = self.hold(order)
        funds = self.funds_of(order.account_id, asset_id)
        funds.available -= units
        funds.held += units
        assert funds.available >= 0

    def release_hold(self, order: Order) -> None:
        if order.is_backed:
            return
        asset_id, units = self.hold(order)
        funds = self.funds_of(order.account_id, asset_id)
        funds.available += units
        funds.held -= units
        assert funds.held >= 0

    # ---- events and reports -----------------------------------------------------------------

    def emit(self, record: Any, /, **fields: Any) -> Any:
        event = record(seq=self.seq, time_ns=self.command.time_ns, **fields)
        self.events.append(event)
        return event

    def reject_command(self, reason: Reason, account_id: int = 0) -> None:
        self.emit(
            wire.CommandRejected,
            account_id=account_id,
            reason=reason,
            command_type=wire.type_of_record[type(self.command)],
        )

    def reject_about(
        self, command: wire.CancelOrder | wire.ReplaceOrder, reason: Reason, order: Order | None
    ) -> None:
        self.emit(
            wire.OrderRejected,
            order_id=command.order_id,
            account_id=command.account_id,
            client_order_id=command.client_order_id,
            reason=reason,
            command_type=wire.type_of_record[type(command)],
        )
        if order is None:
            self.report_rejected(
                reason, order_id=command.order_id, client_order_id=command.client_order_id
            )
        else:
            self.report(order, ExecutionKind.REJECTED, reason=reason)

    def report_rejected(self, reason: Reason, **fields: Any) -> None:
        self.last_answer = len(self.reports)
        self.reports.append(
            ExecutionReport(
                request_id=self.command.request_id,
                seq=self.seq,
                time_ns=self.command.time_ns,
                account_id=self.command.account_id,
                reason=reason,
                kind=ExecutionKind.REJECTED,
                status=OrderStatus.REJECTED,
                command_type=wire.type_of_record[type(self.command)],
                **fields,
            )
        )

    def report(
        self, order: Order, kind: ExecutionKind, *, is_answer: bool = True, **fields: Any
    ) -> None:
        is_own = order.order_id > self.newest_before  # the command placed it
        is_answer = (is_answer or is_own) and not self.is_cascade
        if is_answer:
            self.last_answer = len(self.reports)
        status = OrderStatus.OPEN
        if order.filled_lots:
            status = OrderStatus.PARTIALLY_FILLED if order.open_lots else OrderStatus.FILLED
        if order.is_waiting:
            status = OrderStatus.WAITING
        report = ExecutionReport(
            request_id=self.command.request_id if is_answer else 0,
            seq=self.seq,
            time_ns=self.command.time_ns,
            order_id=order.order_id,
            account_id=order.account_id,
            client_order_id=order.client_order_id,
            price_ticks=order.book_ticks,
            quantity_lots=order.quantity_lots,
            filled_lots=order.filled_lots,
            remaining_lots=order.open_lots,
            trigger_price_ticks=order.trigger_price_ticks,
            display_quantity_lots=order.display_quantity_lots,
            expire_time_ns=order.expire_time_ns,
            offset_ticks=order.offset_ticks,
            trail_offset_bps=order.trail_offset_bps,
            peg_reference=order.peg_reference,
            instrument_id=order.instrument_id,
            kind=kind,
            status=status,
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            order_flags=order.shown_flags,
            self_trade_prevention=order.self_trade_prevention,
            command_type=wire.type_of_record[type(self.command)],
        )._replace(**fields)
        self.reports.append(report)
