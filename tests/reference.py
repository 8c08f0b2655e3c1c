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
    Liquidity,
    MessageType,
    OrderFlag,
    OrderStatus,
    OrderType,
    Reason,
    ReplaceFlag,
    ReportFlag,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)

from tests.reference_administration import ReferenceAdministration
from tests.reference_state import (
    HOUSE,
    INFINITE_TICKS,
    Limits,
    Order,
    fee,
)

__all__ = ["Limits", "ReferenceEngine"]


class ReferenceEngine(ReferenceAdministration):
    """`apply(command)` returns the events; `reports` holds the execution reports it caused."""

    # ---- commands ---------------------------------------------------------------------------

    def apply(self, command: Any) -> list[Any]:
        self.seq += 1
        self.command = command
        self.events, self.reports = [], []
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
            instrument_id=order.instrument_id,
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            flags=order.flags,
            self_trade_prevention=order.self_trade_prevention,
        )
        self.report(order, ExecutionKind.ACCEPTED)
        self.trade_and_rest(order)

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
        if command.order_type not in (OrderType.LIMIT, OrderType.MARKET):
            return Reason.INVALID_ORDER_TYPE
        is_limit = command.order_type == OrderType.LIMIT
        allowed = [TimeInForce.IOC, TimeInForce.FOK]
        if is_limit:
            allowed.append(TimeInForce.GTC)
        if command.time_in_force not in allowed:
            return Reason.INVALID_TIME_IN_FORCE
        is_gtc = command.time_in_force == TimeInForce.GTC
        if command.flags not in (0, OrderFlag.POST_ONLY) or (command.flags and not is_gtc):
            return Reason.INVALID_FLAGS
        if is_limit and not terms.price_ticks_min <= command.price_ticks <= terms.price_ticks_max:
            return Reason.INVALID_PRICE
        if not is_limit and command.price_ticks != 0:
            return Reason.INVALID_PRICE
        if not terms.quantity_lots_min <= command.quantity_lots <= terms.quantity_lots_max:
            return Reason.INVALID_QUANTITY
        if command.client_order_id >= 2**63:
            return Reason.INVALID_CLIENT_ORDER_ID
        if command.self_trade_prevention > SelfTradePrevention.DECREMENT_AND_CANCEL:
            return Reason.INVALID_SELF_TRADE_PREVENTION
        if command.client_order_id and self.is_used(command.account_id, command.client_order_id):
            return Reason.DUPLICATE_CLIENT_ORDER_ID

        limit_ticks = command.price_ticks
        if not is_limit:
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
            if is_limit:
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
        if is_gtc and len(self.resting) >= self.limits.max_orders:
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
        keeps_place = price_ticks == order.price_ticks and quantity_lots < order.quantity_lots
        self.release_hold(order)
        order.price_ticks = price_ticks
        order.quantity_lots = quantity_lots
        order.maker_fee_ppm = terms.maker_fee_ppm
        order.hold_fee_ppm = max(terms.maker_fee_ppm, terms.taker_fee_ppm)
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
            flags=ReplaceFlag.KEPT_PRIORITY if keeps_place else 0,
        )
        self.report(order, ExecutionKind.REPLACED)
        if keeps_place:
            self.take_hold(order)
            return
        self.resting.remove(order)
        self.trade_and_rest(order)

    def judge_replace(self, order: Order, price_ticks: int, quantity_lots: int) -> Reason:
        terms = self.instruments[order.instrument_id]
        if terms.trading_state != TradingState.CONTINUOUS:
            return Reason.INSTRUMENT_HALTED
        if self.accounts[order.account_id] != AccountState.ACTIVE:
            return Reason.ACCOUNT_SUSPENDED
        if not terms.price_ticks_min <= price_ticks <= terms.price_ticks_max:
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
                for order in sorted(self.resting, key=lambda order: order.order_id)
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
            (order.account_id, order.client_order_id) for order in self.resting
        ]

    def find(self, command: wire.CancelOrder | wire.ReplaceOrder) -> Order | None:
        for order in self.resting:
            if order.account_id != command.account_id:
                continue
            if command.order_id:
                if order.order_id == command.order_id:
                    return order
            elif command.client_order_id and order.client_order_id == command.client_order_id:
                return order
        return None

    def is_same_trader(self, left: int, right: int) -> bool:
        group = self.trade_groups.get(left, 0)
        return left == right or (group != 0 and group == self.trade_groups.get(right, 0))

    def meetings(
        self, instrument_id: int, side: int, limit_ticks: int, open_lots: int
    ) -> list[tuple[Order, int]]:
        """(maker, lots) for each trade that a taker without self-trade prevention would have now,
        fill limit included.
        """
        found: list[tuple[Order, int]] = []
        for maker in self.queue(instrument_id, Side.SELL if side == Side.BUY else Side.BUY):
            is_beyond = (
                maker.price_ticks > limit_ticks
                if side == Side.BUY
                else maker.price_ticks < limit_ticks
            )
            if is_beyond or not open_lots or len(found) == wire.FILLS_PER_COMMAND_MAX:
                break
            lots = min(open_lots, maker.open_lots)
            found.append((maker, lots))
            open_lots -= lots
        return found

    def would_trade(
        self, command: wire.NewOrder, meetings: list[tuple[Order, int]]
    ) -> list[tuple[Order, int]]:
        """The trades that self-trade prevention leaves of `meetings`."""
        mode = command.self_trade_prevention
        if not mode:
            return meetings
        left = []
        open_lots = command.quantity_lots
        limit_ticks = command.price_ticks
        if command.order_type == OrderType.MARKET:
            limit_ticks = INFINITE_TICKS if command.side == Side.BUY else 0
        everyone = self.meetings(command.instrument_id, command.side, limit_ticks, INFINITE_TICKS)
        for maker, _ in everyone:
            if not open_lots:
                break
            lots = min(open_lots, maker.open_lots)
            if not self.is_same_trader(command.account_id, maker.account_id):
                left.append((maker, lots))
                open_lots -= lots
            elif mode == SelfTradePrevention.DECREMENT_AND_CANCEL:
                open_lots -= lots
            elif mode != SelfTradePrevention.CANCEL_OLDEST:
                break
        return left

    def trade_and_rest(self, taker: Order) -> None:
        """Trade an order that is not in the book; what stays open rests or is canceled."""
        met_count = 0
        while taker.open_lots and met_count < wire.FILLS_PER_COMMAND_MAX:
            meetings = self.meetings(
                taker.instrument_id, taker.side, taker.limit_ticks, taker.open_lots
            )
            if not meetings:
                break
            met_count += 1
            maker, lots = meetings[0]
            if not taker.self_trade_prevention or not self.is_same_trader(
                taker.account_id, maker.account_id
            ):
                self.trade(taker, maker, lots)
            elif not self.prevent(taker, maker, lots):
                self.end(taker, CancelReason.SELF_TRADE)
                return
        if not taker.open_lots:
            return
        if self.meetings(taker.instrument_id, taker.side, taker.limit_ticks, 1):
            self.end(taker, CancelReason.FILL_LIMIT)
        elif taker.time_in_force == TimeInForce.GTC:
            self.resting.append(taker)
            self.take_hold(taker)
        else:
            self.end(taker, CancelReason.IOC_REMAINDER)

    def prevent(self, taker: Order, maker: Order, lots: int) -> bool:
        """Self-trade prevention; false if it ends the taker."""
        mode = taker.self_trade_prevention
        ended: list[Order] = []
        reduced: list[Order] = []
        if mode == SelfTradePrevention.DECREMENT_AND_CANCEL:
            for order in (taker, maker):
                (ended if order.open_lots == lots else reduced).append(order)
        if mode in (SelfTradePrevention.CANCEL_NEWEST, SelfTradePrevention.CANCEL_BOTH):
            ended.append(taker)
        if mode in (SelfTradePrevention.CANCEL_OLDEST, SelfTradePrevention.CANCEL_BOTH):
            ended.append(maker)
        self.release_hold(maker)
        for order in reduced:
            order.quantity_lots -= lots
        self.take_hold(maker)
        self.emit(
            wire.SelfTradePrevented,
            price_ticks=maker.price_ticks,
            prevented_lots=lots,
            maker_order_id=maker.order_id,
            taker_order_id=taker.order_id,
            maker_account_id=maker.account_id,
            taker_account_id=taker.account_id,
            maker_client_order_id=maker.client_order_id,
            taker_client_order_id=taker.client_order_id,
            maker_quantity_lots=maker.quantity_lots,
            taker_quantity_lots=taker.quantity_lots,
            maker_remaining_lots=maker.open_lots,
            taker_remaining_lots=taker.open_lots,
            instrument_id=taker.instrument_id,
            taker_side=taker.side,
            mode=mode,
        )
        for order in reduced:
            self.report(order, ExecutionKind.REDUCED, is_answer=order is taker)
        if maker in ended:
            self.cancel(maker, CancelReason.SELF_TRADE, is_answer=False)
        return taker not in ended

    def trade(self, taker: Order, maker: Order, lots: int) -> None:
        terms = self.instruments[taker.instrument_id]
        notional = maker.price_ticks * lots * terms.tick_lot_units
        base_units = lots * terms.lot_size_units
        maker_fee = fee(notional, maker.maker_fee_ppm)
        taker_fee = fee(notional, terms.taker_fee_ppm)
        # The maker's hold goes back, the exact amounts move, and what is open is held again.
        self.release_hold(maker)
        for order, order_fee in ((taker, taker_fee), (maker, maker_fee)):
            quote = self.funds_of(order.account_id, terms.quote_asset_id)
            base = self.funds_of(order.account_id, terms.base_asset_id)
            sign = 1 if order.side == Side.BUY else -1
            quote.available -= sign * notional + order_fee
            base.available += sign * base_units
            order.filled_lots += lots
        self.funds_of(HOUSE, terms.quote_asset_id).available += maker_fee + taker_fee
        self.take_hold(maker)
        if not maker.open_lots:
            self.resting.remove(maker)
        self.trade_counter += 1
        trade = self.emit(
            wire.Trade,
            trade_id=self.limits.shard_id << 48 | self.trade_counter,
            price_ticks=maker.price_ticks,
            quantity_lots=lots,
            notional_units=notional,
            base_units=base_units,
            maker_order_id=maker.order_id,
            taker_order_id=taker.order_id,
            maker_account_id=maker.account_id,
            taker_account_id=taker.account_id,
            maker_client_order_id=maker.client_order_id,
            taker_client_order_id=taker.client_order_id,
            maker_fee_units=maker_fee,
            taker_fee_units=taker_fee,
            maker_remaining_lots=maker.open_lots,
            taker_remaining_lots=taker.open_lots,
            instrument_id=taker.instrument_id,
            taker_side=taker.side,
        )
        for order, order_fee, liquidity in (
            (taker, taker_fee, Liquidity.TAKER),
            (maker, maker_fee, Liquidity.MAKER),
        ):
            self.report(
                order,
                ExecutionKind.TRADE,
                trade_id=trade.trade_id,
                trade_price_ticks=trade.price_ticks,
                trade_quantity_lots=lots,
                fee_units=order_fee,
                liquidity=liquidity,
                is_answer=order is taker,
            )

    def cancel(self, order: Order, reason: CancelReason, *, is_answer: bool = True) -> None:
        self.release_hold(order)
        self.resting.remove(order)
        self.end(order, reason, is_answer=is_answer)

    def end(self, order: Order, reason: CancelReason, *, is_answer: bool = True) -> None:
        self.emit(
            wire.OrderCanceled,
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
        self.report(
            order,
            ExecutionKind.CANCELED,
            remaining_lots=0,
            status=OrderStatus.CANCELED,
            cancel_reason=reason,
            is_answer=is_answer,
        )
