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
    OrderFlag,
    Reason,
    ReplaceFlag,
    ReportFlag,
)

from tests.reference_quotes import ReferenceQuotes
from tests.reference_state import (
    HOUSE,
    STOPS,
    Limits,
    Order,
    chain_digest,
)

__all__ = ["Limits", "ReferenceEngine"]


class ReferenceEngine(ReferenceQuotes):
    """`apply(command)` returns the events; `reports` holds the execution reports it caused."""

    # ---- commands ---------------------------------------------------------------------------

    def apply(self, command: Any) -> list[Any]:
        self.seq += 1
        self.command = command
        self.events, self.reports = [], []
        self.met_count = self.linked_count = 0
        self.newest_before = self.limits.shard_id << 48 | self.order_counter
        self.touched = {}
        handlers: dict[type[Any], Callable[[Any], None]] = {
            wire.NewOrder: self.new_order,
            wire.NewOrderList: self.new_order_list,
            wire.CancelOrder: self.cancel_order,
            wire.ReplaceOrder: self.replace_order,
            wire.MassCancel: self.mass_cancel,
            wire.SetAsset: self.set_asset,
            wire.SetInstrument: self.set_instrument,
            wire.SetAccount: self.set_account,
            wire.Credit: self.credit,
            wire.Debit: self.debit,
            wire.SetFeeSchedule: self.set_fee_schedule,
            wire.SetTickTable: self.set_tick_table,
            wire.SetTradingState: self.set_trading_state,
            wire.SetCalendar: self.set_calendar,
            wire.Tick: self.tick,
            wire.SessionEnded: self.session_ended,
            wire.KillSwitch: self.kill_switch,
            wire.CancelAfter: self.cancel_after,
            wire.MassQuote: self.mass_quote,
            wire.SetQuoteProtection: self.set_quote_protection,
            wire.BustTrade: self.bust_trade,
            wire.CorrectTrade: self.correct_trade,
        }
        handlers[type(command)](command)
        self.pull_quotes()
        for instrument_id in self.touched:
            self.follow_best_prices(instrument_id)
        self.digest = chain_digest(self.digest, b"".join(event.encode() for event in self.events))
        if isinstance(command, wire.NewOrder | wire.CancelOrder | wire.ReplaceOrder):
            last = self.last_answer
            self.reports[last] = self.reports[last]._replace(flags=ReportFlag.LAST)
        return self.events

    def new_order(self, command: wire.NewOrder) -> None:
        reason = self.judge_new(command)
        if reason:
            self.refuse_order(command, reason)
            return
        self.place(command)
        self.pull_quotes()
        self.trigger_reached(command.instrument_id)

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
        fees = self.fees_of(order.account_id, order.instrument_id)
        price_ticks = command.price_ticks or order.price_ticks
        quantity_lots = command.quantity_lots or order.quantity_lots
        if order.flags & OrderFlag.POST_ONLY_SLIDE:
            price_ticks = self.slid(order, price_ticks)
        reason = self.judge_replace(order, price_ticks, quantity_lots)
        if reason:
            self.reject_about(command, reason, order)
            return
        keeps_place = (order.is_waiting and order.order_type in STOPS) or (
            price_ticks == order.price_ticks and quantity_lots < order.quantity_lots
        )
        self.release_hold(order)
        if not order.is_waiting:
            self.touched[order.instrument_id] = None
        order.price_ticks = price_ticks
        order.quantity_lots = quantity_lots
        order.maker_fee_ppm = fees.maker_fee_ppm
        order.hold_fee_ppm = max(fees)
        order.taker_fee_ppm = fees.taker_fee_ppm
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
        if order.is_waiting:
            self.waiting.remove(order)
            self.waiting.append(order)
            self.take_hold(order)
            return
        self.resting.remove(order)
        self.trade_and_rest(order)
        self.pull_quotes()
        self.trigger_reached(order.instrument_id)

    # ---- steps that commands share ----------------------------------------------------------

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
