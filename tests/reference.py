"""The slow, obviously right engine: what the C++ engine must equal, event for event.

Plain dicts and lists, whole-book scans, Python's unlimited integers. Every rule of trading is
written out once, in the order in which it is checked.
"""

from collections.abc import Callable
from typing import Any

from tradepit.protocol import wire
from tradepit.protocol.wire import (
    AccountState,
    CancelReason,
    ExecutionKind,
    MessageType,
    OrderFlag,
    OrderType,
    Reason,
    ReplaceFlag,
    ReportFlag,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)

from tests.reference_matching import ReferenceMatching
from tests.reference_state import (
    HOUSE,
    INFINITE_TICKS,
    Limits,
    Order,
    chain_digest,
    fee,
)

__all__ = ["Limits", "ReferenceEngine"]


STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)
TIMES = {
    OrderType.LIMIT: (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK),
    OrderType.MARKET: (TimeInForce.IOC, TimeInForce.FOK),
    OrderType.STOP: (TimeInForce.IOC,),
    OrderType.STOP_LIMIT: (TimeInForce.GTC, TimeInForce.IOC),
}


def has_price(order_type: int, side: int) -> bool:
    if order_type == OrderType.STOP:
        return side == Side.BUY
    return order_type != OrderType.MARKET


class ReferenceEngine(ReferenceMatching):
    """`apply(command)` returns the events; `reports` holds the execution reports it caused."""

    # ---- commands ---------------------------------------------------------------------------

    def apply(self, command: Any) -> list[Any]:
        self.seq += 1
        self.command = command
        self.events, self.reports = [], []
        self.met_count = 0
        handlers: dict[type[Any], Callable[[Any], None]] = {
            wire.NewOrder: self.new_order,
            wire.CancelOrder: self.cancel_order,
            wire.ReplaceOrder: self.replace_order,
            wire.MassCancel: self.mass_cancel,
            wire.SetAsset: self.set_asset,
            wire.SetInstrument: self.set_instrument,
            wire.SetAccount: self.set_account,
            wire.Credit: self.credit,
            wire.Debit: self.debit,
        }
        handlers[type(command)](command)
        self.digest = chain_digest(self.digest, b"".join(event.encode() for event in self.events))
        if isinstance(command, wire.NewOrder | wire.CancelOrder | wire.ReplaceOrder):
            last = self.last_answer
            self.reports[last] = self.reports[last]._replace(flags=ReportFlag.LAST)
        return self.events

    def new_order(self, command: wire.NewOrder) -> None:
        reason = self.judge_new(command)
        if reason:
            self.emit(
                wire.OrderRejected,
                account_id=command.account_id,
                client_order_id=command.client_order_id,
                instrument_id=command.instrument_id,
                reason=reason,
                command_type=MessageType.NEW_ORDER,
            )
            self.report_rejected(
                reason,
                client_order_id=command.client_order_id,
                price_ticks=command.price_ticks,
                quantity_lots=command.quantity_lots,
                trigger_price_ticks=command.trigger_price_ticks,
                display_quantity_lots=command.display_quantity_lots,
                expire_time_ns=command.expire_time_ns,
                offset_ticks=command.offset_ticks,
                trail_offset_bps=command.trail_offset_bps,
                peg_reference=command.peg_reference,
                instrument_id=command.instrument_id,
                side=command.side,
                order_type=command.order_type,
                time_in_force=command.time_in_force,
                order_flags=command.flags,
                self_trade_prevention=command.self_trade_prevention,
            )
            return
        self.order_counter += 1
        terms = self.instruments[command.instrument_id]
        order = Order(
            order_id=self.limits.shard_id << 48 | self.order_counter,
            account_id=command.account_id,
            client_order_id=command.client_order_id,
            instrument_id=command.instrument_id,
            side=command.side,
            order_type=command.order_type,
            time_in_force=command.time_in_force,
            flags=command.flags,
            self_trade_prevention=command.self_trade_prevention,
            price_ticks=command.price_ticks,
            quantity_lots=command.quantity_lots,
            maker_fee_ppm=terms.maker_fee_ppm,
            hold_fee_ppm=max(terms.maker_fee_ppm, terms.taker_fee_ppm),
            taker_fee_ppm=terms.taker_fee_ppm,
            trigger_price_ticks=command.trigger_price_ticks,
            display_quantity_lots=command.display_quantity_lots,
            expire_time_ns=command.expire_time_ns,
            offset_ticks=command.offset_ticks,
            trail_offset_bps=command.trail_offset_bps,
            peg_reference=command.peg_reference,
            session_id=command.session_id,
            is_waiting=command.order_type in STOPS,
        )
        if order.client_order_id:
            self.recent_client_ids.append((order.account_id, order.client_order_id))
        self.emit(
            wire.OrderAccepted,
            order_id=order.order_id,
            account_id=order.account_id,
            client_order_id=order.client_order_id,
            price_ticks=order.price_ticks,
            quantity_lots=order.quantity_lots,
            trigger_price_ticks=order.trigger_price_ticks,
            display_quantity_lots=order.display_quantity_lots,
            expire_time_ns=order.expire_time_ns,
            offset_ticks=order.offset_ticks,
            trail_offset_bps=order.trail_offset_bps,
            peg_reference=order.peg_reference,
            session_id=order.session_id,
            instrument_id=order.instrument_id,
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            flags=order.flags,
            self_trade_prevention=order.self_trade_prevention,
        )
        self.report(order, ExecutionKind.ACCEPTED)
        last_price = self.last_prices.get(order.instrument_id)
        if order.is_waiting and (last_price is None or not self.is_reached(order, last_price)):
            self.waiting.append(order)
            self.take_hold(order)
        else:
            if order.is_waiting:
                self.end_waiting(order, last_price)
            self.trade_and_rest(order)
        self.trigger_reached(order.instrument_id)

    def judge_new(self, command: wire.NewOrder) -> Reason:
        terms = self.instruments.get(command.instrument_id)
        if terms is None:
            return Reason.UNKNOWN_INSTRUMENT
        if terms.trading_state != TradingState.CONTINUOUS:
            return Reason.INSTRUMENT_HALTED
        if command.account_id == HOUSE or command.account_id not in self.accounts:
            return Reason.UNKNOWN_ACCOUNT
        if self.accounts[command.account_id] != AccountState.ACTIVE:
            return Reason.ACCOUNT_SUSPENDED
        if command.side not in (Side.BUY, Side.SELL):
            return Reason.INVALID_SIDE
        if command.order_type not in TIMES:
            return Reason.INVALID_ORDER_TYPE
        if command.time_in_force not in TIMES[OrderType(command.order_type)]:
            return Reason.INVALID_TIME_IN_FORCE
        is_gtc = command.time_in_force == TimeInForce.GTC
        is_stop = command.order_type in STOPS
        if command.flags not in (0, OrderFlag.POST_ONLY):
            return Reason.INVALID_FLAGS
        if command.flags and (not is_gtc or is_stop):
            return Reason.INVALID_FLAGS
        if not self.is_price_allowed(terms, command.order_type, command.side, command.price_ticks):
            return Reason.INVALID_PRICE
        if not terms.quantity_lots_min <= command.quantity_lots <= terms.quantity_lots_max:
            return Reason.INVALID_QUANTITY
        if command.client_order_id >= 2**63:
            return Reason.INVALID_CLIENT_ORDER_ID
        if command.self_trade_prevention > SelfTradePrevention.DECREMENT_AND_CANCEL:
            return Reason.INVALID_SELF_TRADE_PREVENTION
        lowest = terms.price_ticks_min if is_stop else 0
        highest = terms.price_ticks_max if is_stop else 0
        if not lowest <= command.trigger_price_ticks <= highest:
            return Reason.INVALID_TRIGGER_PRICE
        if command.display_quantity_lots:
            return Reason.INVALID_DISPLAY_QUANTITY
        if command.minimum_quantity_lots:
            return Reason.INVALID_MINIMUM_QUANTITY
        if command.quote_budget_units:
            return Reason.INVALID_QUOTE_BUDGET
        if command.expire_time_ns:
            return Reason.INVALID_EXPIRE_TIME
        if command.offset_ticks or command.trail_offset_bps or command.peg_reference:
            return Reason.INVALID_OFFSET
        if command.replaces_order_id:
            return Reason.UNKNOWN_ORDER
        if command.client_order_id and self.is_used(command.account_id, command.client_order_id):
            return Reason.DUPLICATE_CLIENT_ORDER_ID

        limit_ticks = command.price_ticks
        if not limit_ticks:
            limit_ticks = INFINITE_TICKS if command.side == Side.BUY else 0
        meetings = self.meetings(
            command.instrument_id, command.side, limit_ticks, command.quantity_lots
        )
        fills = self.would_trade(command, meetings)
        if command.side == Side.SELL:
            need = command.quantity_lots * terms.lot_size_units
            have = self.funds_of(command.account_id, terms.base_asset_id).available
        else:
            have = self.funds_of(command.account_id, terms.quote_asset_id).available
            if command.price_ticks:
                notional = command.price_ticks * command.quantity_lots * terms.tick_lot_units
                need = notional + fee(notional, max(terms.maker_fee_ppm, terms.taker_fee_ppm))
            else:
                need = 0
                for maker, lots in fills:
                    notional = maker.price_ticks * lots * terms.tick_lot_units
                    need += notional + fee(notional, terms.taker_fee_ppm)
        if need > have:
            return Reason.INSUFFICIENT_FUNDS
        if command.flags & OrderFlag.POST_ONLY and meetings:
            return Reason.POST_ONLY_WOULD_TRADE
        fillable = sum(lots for _, lots in fills)
        if command.time_in_force == TimeInForce.FOK and fillable < command.quantity_lots:
            return Reason.FOK_NOT_FILLABLE
        if (is_gtc or is_stop) and len(self.open_orders) >= self.limits.max_orders:
            return Reason.TOO_MANY_ORDERS
        return Reason.NONE

    def cancel_order(self, command: wire.CancelOrder) -> None:
        order = self.find(command)
        if order is not None:
            self.cancel(order, CancelReason.REQUESTED)
            return
        known = command.account_id != HOUSE and command.account_id in self.accounts
        self.reject_about(command, Reason.UNKNOWN_ORDER if known else Reason.UNKNOWN_ACCOUNT, None)

    def replace_order(self, command: wire.ReplaceOrder) -> None:
        order = self.find(command)
        if order is None:
            if command.account_id == HOUSE or command.account_id not in self.accounts:
                reason = Reason.UNKNOWN_ACCOUNT
            elif self.accounts[command.account_id] != AccountState.ACTIVE:
                reason = Reason.ACCOUNT_SUSPENDED
            else:
                reason = Reason.UNKNOWN_ORDER
            self.reject_about(command, reason, None)
            return
        terms = self.instruments[order.instrument_id]
        price_ticks = command.price_ticks or order.price_ticks
        quantity_lots = command.quantity_lots or order.quantity_lots
        reason = self.judge_replace(order, price_ticks, quantity_lots)
        if reason:
            self.reject_about(command, reason, order)
            return
        keeps_place = order.is_waiting or (
            price_ticks == order.price_ticks and quantity_lots < order.quantity_lots
        )
        self.release_hold(order)
        order.price_ticks = price_ticks
        order.quantity_lots = quantity_lots
        order.maker_fee_ppm = terms.maker_fee_ppm
        order.hold_fee_ppm = max(terms.maker_fee_ppm, terms.taker_fee_ppm)
        order.taker_fee_ppm = terms.taker_fee_ppm
        self.emit(
            wire.OrderReplaced,
            order_id=order.order_id,
            account_id=order.account_id,
            client_order_id=order.client_order_id,
            price_ticks=order.price_ticks,
            quantity_lots=order.quantity_lots,
            filled_lots=order.filled_lots,
            instrument_id=order.instrument_id,
            side=order.side,
            flags=(ReplaceFlag.KEPT_PRIORITY if keeps_place else 0)
            | (ReplaceFlag.WAITING if order.is_waiting else 0),
        )
        self.report(order, ExecutionKind.REPLACED)
        if keeps_place:
            self.take_hold(order)
            return
        self.resting.remove(order)
        self.trade_and_rest(order)
        self.trigger_reached(order.instrument_id)

    @staticmethod
    def is_price_allowed(
        terms: wire.InstrumentChanged, order_type: int, side: int, price_ticks: int
    ) -> bool:
        if not has_price(order_type, side):
            return price_ticks == 0
        return terms.price_ticks_min <= price_ticks <= terms.price_ticks_max

    def judge_replace(self, order: Order, price_ticks: int, quantity_lots: int) -> Reason:
        terms = self.instruments[order.instrument_id]
        if terms.trading_state != TradingState.CONTINUOUS:
            return Reason.INSTRUMENT_HALTED
        if self.accounts[order.account_id] != AccountState.ACTIVE:
            return Reason.ACCOUNT_SUSPENDED
        if not self.is_price_allowed(terms, order.order_type, order.side, price_ticks):
            return Reason.INVALID_PRICE
        if not terms.quantity_lots_min <= quantity_lots <= terms.quantity_lots_max:
            return Reason.INVALID_QUANTITY
        if quantity_lots <= order.filled_lots:
            return Reason.QUANTITY_BELOW_FILLED
        asset_id, held = self.hold(order)
        open_lots = quantity_lots - order.filled_lots
        if order.side == Side.SELL:
            need = open_lots * terms.lot_size_units
        else:
            notional = price_ticks * open_lots * terms.tick_lot_units
            need = notional + fee(notional, max(terms.maker_fee_ppm, terms.taker_fee_ppm))
        if need - held > self.funds_of(order.account_id, asset_id).available:
            return Reason.INSUFFICIENT_FUNDS
        if order.flags & OrderFlag.POST_ONLY and self.meetings(
            order.instrument_id, order.side, price_ticks, 1
        ):
            return Reason.POST_ONLY_WOULD_TRADE
        return Reason.NONE

    def mass_cancel(self, command: wire.MassCancel) -> None:
        if command.instrument_id and command.instrument_id not in self.instruments:
            self.reject_command(Reason.UNKNOWN_INSTRUMENT, command.account_id)
        elif command.account_id == HOUSE or command.account_id not in self.accounts:
            self.reject_command(Reason.UNKNOWN_ACCOUNT, command.account_id)
        elif command.side not in (0, Side.BUY, Side.SELL):
            self.reject_command(Reason.INVALID_SIDE, command.account_id)
        else:
            orders = [
                order
                for order in self.open_orders
                if order.account_id == command.account_id
                and command.instrument_id in (0, order.instrument_id)
                and command.side in (0, order.side)
            ]
            taken = orders[: wire.CANCELS_PER_COMMAND_MAX]
            for order in taken:
                self.cancel(order, CancelReason.MASS_CANCEL)
            self.emit(
                wire.MassCanceled,
                account_id=command.account_id,
                canceled_count=len(taken),
                remaining_count=len(orders) - len(taken),
            )

    # ---- steps that commands share ----------------------------------------------------------

    def is_used(self, account_id: int, client_order_id: int) -> bool:
        name = (account_id, client_order_id)
        return name in self.recent_client_ids[-self.limits.client_order_ids :] or name in [
            (order.account_id, order.client_order_id) for order in self.open_orders
        ]

    def find(self, command: wire.CancelOrder | wire.ReplaceOrder) -> Order | None:
        for order in self.open_orders:
            if order.account_id != command.account_id:
                continue
            if command.order_id:
                if order.order_id == command.order_id:
                    return order
            elif command.client_order_id and order.client_order_id == command.client_order_id:
                return order
        return None
