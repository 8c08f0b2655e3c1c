"""The reference model's placing of orders that have passed their checks (see reference.py)."""

from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, ExecutionKind, Reason, TimeInForce, TradingState

from tests.reference_control import ReferenceControl
from tests.reference_state import STOPS, Order


class ReferencePlacing(ReferenceControl):
    """What a new order becomes."""

    def refuse_order(self, command: wire.NewOrder, reason: Reason) -> None:
        self.emit(
            wire.OrderRejected,
            account_id=command.account_id,
            client_order_id=command.client_order_id,
            instrument_id=command.instrument_id,
            reason=reason,
            order_id=self.order_id_of(command.account_id, command.client_order_id)
            if command.client_order_id
            else 0,
            command_type=wire.type_of_record[type(self.command)],
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

    def order_of(
        self, command: wire.NewOrder, *, is_pending: bool = False, shows: bool = False
    ) -> Order:
        fees = self.fees_of(command.account_id, command.instrument_id)
        return Order(
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
            maker_fee_ppm=fees.maker_fee_ppm,
            hold_fee_ppm=max(fees),
            taker_fee_ppm=fees.taker_fee_ppm,
            trigger_price_ticks=command.trigger_price_ticks,
            display_quantity_lots=command.display_quantity_lots,
            expire_time_ns=command.expire_time_ns,
            offset_ticks=command.offset_ticks,
            trail_offset_bps=command.trail_offset_bps,
            peg_reference=command.peg_reference,
            session_id=command.session_id,
            is_waiting=is_pending
            or command.order_type in STOPS
            or command.time_in_force == TimeInForce.AT_THE_CLOSE,
            is_pending=is_pending,
            is_backed=is_pending,
            shows_pending=shows,
            quantity_at_acceptance=command.quantity_lots,
        )

    def accept(
        self, command: wire.NewOrder, *, is_pending: bool = False, shows: bool = False
    ) -> Order:
        """The next order. A pending one is in no book yet; whether it is so for others to see."""
        self.order_counter += 1
        session_number = command.session_id % wire.TIED_SESSION_BIT
        self.session_counter = max(self.session_counter, session_number)
        order = self.order_of(command, is_pending=is_pending, shows=shows)
        self.recent_names.append((order.account_id, order.client_order_id))
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
            flags=order.shown_flags,
            self_trade_prevention=order.self_trade_prevention,
        )
        self.report(order, ExecutionKind.ACCEPTED)
        if is_pending:
            self.pending.append(order)
        return order

    def place(self, command: wire.NewOrder) -> Order:
        gone = self.replaced_by(command)
        if gone is not None:
            self.cancel(gone, CancelReason.REPLACED)
        order = self.accept(self.as_placed(command))
        is_stop = order.order_type in STOPS
        last_price = self.last_prices.get(order.instrument_id)
        is_reached = is_stop and last_price is not None and self.is_reached(order, last_price)
        if last_price and is_reached and not self.is_continuous(order.instrument_id):
            self.reached.setdefault(order.instrument_id, []).append(last_price)
            is_reached = False
        state = self.instruments[order.instrument_id].trading_state
        if order.is_waiting and not is_stop:
            is_reached = state == TradingState.CLOSING_AUCTION
        if order.is_waiting and not is_reached:
            self.waiting.append(order)
            self.take_hold(order)
        else:
            if order.is_waiting:
                self.end_waiting(order, last_price)
            self.trade_and_rest(order)
        return order
