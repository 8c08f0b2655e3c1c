"""The reference model's mass quotes, and the protection that pulls them."""

from typing import NamedTuple

from tradepit.protocol import wire
from tradepit.protocol.wire import (
    AccountState,
    CancelReason,
    ExecutionKind,
    OrderFlag,
    OrderType,
    QuoteProtectionState,
    Reason,
    ReplaceFlag,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

from tests.reference_busts import ReferenceBusts
from tests.reference_state import HOUSE, Order, QuoteProtection, fee


class Quote(NamedTuple):
    side: int
    price_ticks: int
    lots: int


class ReferenceQuotes(ReferenceBusts):
    """See reference.py."""

    def quotes_of(self, account_id: int, instrument_id: int) -> list[Order]:
        return [
            order
            for order in self.open_orders
            if order.flags & OrderFlag.QUOTE
            and (order.account_id, order.instrument_id) == (account_id, instrument_id)
        ]

    @staticmethod
    def quotes_in(command: wire.MassQuote) -> list[Quote]:
        both = [
            quote
            for level in command.levels
            for quote in (
                Quote(Side.BUY, level.bid_price_ticks, level.bid_lots),
                Quote(Side.SELL, level.ask_price_ticks, level.ask_lots),
            )
        ]
        return [quote for quote in both if quote.lots]

    def kept(self, command: wire.MassQuote, quotes: list[Quote]) -> dict[int, Quote]:
        """By order_id the quotes that keep their place, and what for."""
        kept: dict[int, Quote] = {}
        for order in self.quotes_of(command.account_id, command.instrument_id):
            for quote in quotes:
                if (
                    quote not in kept.values()
                    and (quote.side, quote.price_ticks) == (order.side, order.price_ticks)
                    and quote.lots <= order.open_lots
                    and order.flags == command.flags | OrderFlag.QUOTE
                    and order.self_trade_prevention == command.self_trade_prevention
                    and order.session_id == command.session_id
                ):
                    kept[order.order_id] = quote
                    break
        return kept

    def judge_quotes(self, command: wire.MassQuote, quotes: list[Quote]) -> Reason:
        terms = self.instruments.get(command.instrument_id)
        if terms is None:
            return Reason.UNKNOWN_INSTRUMENT
        orders = [
            wire.NewOrder(
                account_id=command.account_id,
                instrument_id=command.instrument_id,
                price_ticks=quote.price_ticks,
                quantity_lots=quote.lots,
                side=quote.side,
                order_type=OrderType.LIMIT,
                time_in_force=TimeInForce.GTC,
                flags=command.flags,
            )
            for quote in (*quotes, Quote(Side.BUY, 1, 1))
        ]
        reason = self.judge_placing(orders.pop())
        if reason:
            return reason
        if command.account_id == HOUSE or command.account_id not in self.accounts:
            return Reason.UNKNOWN_ACCOUNT
        if self.accounts[command.account_id] != AccountState.ACTIVE:
            return Reason.ACCOUNT_SUSPENDED
        if self.killed & {HOUSE, command.account_id}:
            return Reason.KILL_SWITCH_ENGAGED
        if command.flags not in (0, OrderFlag.POST_ONLY):
            return Reason.INVALID_FLAGS
        if not all(self.is_price(command.instrument_id, quote.price_ticks) for quote in quotes):
            return Reason.INVALID_PRICE
        lowest, highest = terms.quantity_lots_min, terms.quantity_lots_max
        if not all(lowest <= quote.lots <= highest for quote in quotes):
            return Reason.INVALID_QUANTITY
        if command.self_trade_prevention > SelfTradePrevention.DECREMENT_AND_CANCEL:
            return Reason.INVALID_SELF_TRADE_PREVENTION
        return self.judge_quoting(command, quotes, orders)

    def judge_quoting(
        self, command: wire.MassQuote, quotes: list[Quote], orders: list[wire.NewOrder]
    ) -> Reason:
        """The checks that look at what is open."""
        terms = self.instruments[command.instrument_id]
        fee_ppm = max(self.fees_of(command.account_id, command.instrument_id))
        kept = self.kept(command, quotes)
        needs = {terms.quote_asset_id: 0, terms.base_asset_id: 0}
        old = self.quotes_of(command.account_id, command.instrument_id)
        for order in old:
            asset_id, units = self.hold(order)
            needs[asset_id] -= units
        for order in old:
            if order.order_id in kept:
                lots = kept[order.order_id].lots
                notional = order.price_ticks * lots * terms.tick_lot_units
                if order.side == Side.BUY:
                    needs[terms.quote_asset_id] += notional + fee(notional, order.hold_fee_ppm)
                else:
                    needs[terms.base_asset_id] += lots * terms.lot_size_units
        new = [quote for quote in quotes if quote not in kept.values()]
        for quote in new:
            notional = quote.price_ticks * quote.lots * terms.tick_lot_units
            if quote.side == Side.BUY:
                needs[terms.quote_asset_id] += notional + fee(notional, fee_ppm)
            else:
                needs[terms.base_asset_id] += quote.lots * terms.lot_size_units
        for asset_id, units in needs.items():
            if units > self.funds_of(command.account_id, asset_id).available:
                return Reason.INSUFFICIENT_FUNDS
        if not all(
            self.is_notional(command.instrument_id, quote.price_ticks, quote.lots)
            for quote in quotes
        ):
            return Reason.INVALID_NOTIONAL
        if any(self.is_outside_collar(order, order.price_ticks, False) for order in orders):
            return Reason.OUTSIDE_COLLAR
        if command.flags:
            for quote in quotes:
                for other in self.queue(command.instrument_id, 3 - quote.side):
                    apart = (
                        other.book_ticks > quote.price_ticks
                        if quote.side == Side.BUY
                        else other.book_ticks < quote.price_ticks
                    )
                    if other not in old and not apart:
                        return Reason.POST_ONLY_WOULD_TRADE
        if len(self.open_orders) - len(old) + len(quotes) > self.limits.max_orders:
            return Reason.TOO_MANY_ORDERS
        bids = [quote.price_ticks for quote in quotes if quote.side == Side.BUY]
        asks = [quote.price_ticks for quote in quotes if quote.side == Side.SELL]
        if (
            bids != sorted(set(bids), reverse=True)
            or asks != sorted(set(asks))
            or (bids and asks and bids[0] >= asks[0])
            or any(not level.bid_lots and level.bid_price_ticks for level in command.levels)
            or any(not level.ask_lots and level.ask_price_ticks for level in command.levels)
        ):
            return Reason.INVALID_QUOTE
        protection = self.protections.get(command.instrument_id, {}).get(command.account_id)
        if protection is not None and protection.is_pulled:
            return Reason.QUOTE_PROTECTION_ACTIVE
        return Reason.NONE

    def mass_quote(self, command: wire.MassQuote) -> None:
        quotes = self.quotes_in(command)
        reason = self.judge_quotes(command, quotes)
        if reason:
            self.reject_command(reason, command.account_id)
            return
        kept = self.kept(command, quotes)
        canceled_count = 0
        for order in self.quotes_of(command.account_id, command.instrument_id):
            if order.order_id in kept:
                self.shrink(order, kept[order.order_id].lots)
            else:
                self.cancel(order, CancelReason.QUOTE_REPLACED)
                canceled_count += 1
        new = [quote for quote in quotes if quote not in kept.values()]
        for quote in new:
            self.place(
                wire.NewOrder(
                    account_id=command.account_id,
                    price_ticks=quote.price_ticks,
                    quantity_lots=quote.lots,
                    instrument_id=command.instrument_id,
                    session_id=command.session_id,
                    side=quote.side,
                    order_type=OrderType.LIMIT,
                    time_in_force=TimeInForce.GTC,
                    flags=command.flags | OrderFlag.QUOTE,
                    self_trade_prevention=command.self_trade_prevention,
                )
            )
        self.emit(
            wire.MassQuoted,
            account_id=command.account_id,
            instrument_id=command.instrument_id,
            kept_count=len(kept),
            canceled_count=canceled_count,
            placed_count=len(new),
        )
        self.pull_quotes()
        self.trigger_reached(command.instrument_id)

    def shrink(self, order: Order, lots: int) -> None:
        if order.open_lots == lots:
            return
        self.release_hold(order)
        order.quantity_lots = order.filled_lots + lots
        self.take_hold(order)
        self.touched[order.instrument_id] = None
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
            flags=ReplaceFlag.KEPT_PRIORITY,
        )
        self.report(order, ExecutionKind.REPLACED)

    # ---- protection -------------------------------------------------------------------------

    def set_quote_protection(self, command: wire.SetQuoteProtection) -> None:
        limits = (command.window_ns, command.filled_lots_max, command.fill_count_max)
        if command.instrument_id not in self.instruments:
            self.reject_command(Reason.UNKNOWN_INSTRUMENT, command.account_id)
            return
        protections = self.protections.setdefault(command.instrument_id, {})
        if command.account_id == HOUSE or command.account_id not in self.accounts:
            self.reject_command(Reason.UNKNOWN_ACCOUNT, command.account_id)
        elif any(limits) and (
            not 1 <= command.window_ns <= wire.QUOTE_WINDOW_NS_MAX
            or command.filled_lots_max < 0
            or not any(limits[1:])
        ):
            self.reject_command(Reason.INVALID_QUOTE_PROTECTION, command.account_id)
        elif (
            any(limits)
            and command.account_id not in protections
            and len(protections) == wire.QUOTE_PROTECTIONS_MAX
        ):
            self.reject_command(Reason.TOO_MANY_QUOTE_PROTECTIONS, command.account_id)
        elif any(limits):
            protections[command.account_id] = QuoteProtection(command)
            self.emit_protection(command, QuoteProtectionState.ARMED, 0)
        else:
            protections.pop(command.account_id, None)
            self.emit_protection(command, QuoteProtectionState.OFF, 0)

    def emit_protection(
        self, command: wire.SetQuoteProtection, state: QuoteProtectionState, canceled_count: int
    ) -> None:
        self.emit(
            wire.QuoteProtectionChanged,
            account_id=command.account_id,
            window_ns=command.window_ns,
            filled_lots_max=command.filled_lots_max,
            fill_count_max=command.fill_count_max,
            instrument_id=command.instrument_id,
            canceled_count=canceled_count,
            state=state,
        )

    def count_quote_fill(self, order: Order, lots: int) -> None:
        protection = self.protections.get(order.instrument_id, {}).get(order.account_id)
        if protection is None or protection.is_pulled:
            return
        now_ns, fills = self.command.time_ns, protection.fills
        if fills and not 0 <= now_ns - fills[0][0] < protection.command.window_ns:
            fills.clear()
        fills.append((now_ns, lots))
        command = protection.command
        if 0 < command.fill_count_max <= len(fills) or 0 < command.filled_lots_max <= sum(
            filled for _, filled in fills
        ):
            protection.is_pulled = protection.is_due = True

    def pull_quotes(self) -> None:
        for instrument_id, protections in self.protections.items():
            for account_id, protection in protections.items():
                if not protection.is_due:
                    continue
                protection.is_due = False
                quotes = self.quotes_of(account_id, instrument_id)
                for order in quotes:
                    self.cancel(order, CancelReason.QUOTE_PROTECTION, is_answer=False)
                self.emit_protection(protection.command, QuoteProtectionState.PULLED, len(quotes))
