"""The reference model's matching: what meets, trades, is prevented, is triggered and ends."""

from tradepit.protocol import wire
from tradepit.protocol.wire import (
    AccountState,
    Allocation,
    CancelReason,
    ExecutionKind,
    Liquidity,
    OrderFlag,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
)

from tests.reference_following import ReferenceFollowing
from tests.reference_pro_rata import allocate
from tests.reference_state import (
    HOUSE,
    INFINITE_TICKS,
    RESTING,
    STOPS,
    Order,
    RememberedTrade,
    fee,
)


class ReferenceMatching(ReferenceFollowing):
    """What happens when an order meets the book (see reference.py)."""

    def is_same_trader(self, left: int, right: int) -> bool:
        group = self.trade_groups.get(left, 0)
        return left == right or (group != 0 and group == self.trade_groups.get(right, 0))

    def makers(self, instrument_id: int, side: int, limit_ticks: int) -> list[Order]:
        """The orders that a taker could trade with now, the first one first: up to its limit and to
        the circuit breaker.
        """
        low, high = self.bounds(instrument_id, "breaker_ppm")
        limit_ticks = min(limit_ticks, high) if side == Side.BUY else max(limit_ticks, low)
        return [
            maker
            for maker in self.queue(instrument_id, 3 - side)
            if (
                maker.book_ticks <= limit_ticks
                if side == Side.BUY
                else maker.book_ticks >= limit_ticks
            )
        ]

    def bounds(self, instrument_id: int, name: str) -> tuple[int, int]:
        """The lowest and highest price within this share of the reference price."""
        terms = self.instruments[instrument_id]
        ppm = getattr(terms, name)
        if not ppm or not terms.reference_price_ticks:
            return 0, INFINITE_TICKS
        share = terms.reference_price_ticks * ppm // 1_000_000
        return terms.reference_price_ticks - share, terms.reference_price_ticks + share

    def is_crossing(self, instrument_id: int, side: int, limit_ticks: int) -> bool:
        """Whether the best price of the other side is within the limit."""
        others = self.queue(instrument_id, Side.SELL if side == Side.BUY else Side.BUY)
        if not others:
            return False
        best = others[0].book_ticks
        return best <= limit_ticks if side == Side.BUY else best >= limit_ticks

    def trip_breaker(self, instrument_id: int) -> None:
        raise NotImplementedError

    def pull_quotes(self) -> None:
        raise NotImplementedError

    def count_quote_fill(self, order: Order, lots: int) -> None:
        raise NotImplementedError

    def rest(self, order: Order) -> None:
        self.touched[order.instrument_id] = None
        self.take_hold(order)
        order.slice_lots = order.display_quantity_lots
        if order.order_type != OrderType.PEGGED:
            self.resting.append(order)
            return
        price_ticks = self.pegged_ticks(order)
        assert price_ticks is not None
        self.rest_pegged(order, price_ticks)

    def would_trade(self, command: wire.NewOrder) -> list[tuple[int, int]]:
        """(price, lots) of each trade that the order would have now."""
        mode = command.self_trade_prevention
        limit_ticks = self.limit_ticks(command.instrument_id, command.side, command.price_ticks)
        open_lots = command.quantity_lots
        if self.is_pro_rata(command.instrument_id):
            return self.would_trade_pro_rata(command, limit_ticks)
        sign = 1 if command.side == Side.BUY else -1
        positions = dict(self.positions)
        trades = []

        def tradable(maker: Order) -> int:
            if not maker.flags & OrderFlag.REDUCE_ONLY:
                return wire.QUANTITY_LOTS_MAX
            return max(0, sign * positions.get((maker.account_id, maker.instrument_id), 0))

        left = [
            (maker, maker.shown_lots, maker.open_lots)
            for maker in self.makers(command.instrument_id, command.side, limit_ticks)
        ]
        for _ in range(self.met_count_max()):
            if not left or not open_lots:
                break
            maker, shown_lots, whole_lots = left.pop(0)
            if mode and self.is_same_trader(command.account_id, maker.account_id):
                if mode == SelfTradePrevention.DECREMENT_AND_CANCEL:
                    open_lots -= min(open_lots, whole_lots)
                elif mode != SelfTradePrevention.CANCEL_OLDEST:
                    break
                continue
            lots = min(open_lots, shown_lots, tradable(maker))
            if not lots:
                continue
            trades.append((maker.book_ticks, lots))
            for account_id, bought_lots in (
                (command.account_id, sign * lots),
                (maker.account_id, -sign * lots),
            ):
                key = (account_id, command.instrument_id)
                positions[key] = positions.get(key, 0) + bought_lots
            open_lots -= lots
            whole_lots -= lots
            if whole_lots and lots == shown_lots and tradable(maker):
                behind = sum(other.book_ticks == maker.book_ticks for other, _, _ in left)
                part_lots = min(maker.display_quantity_lots, whole_lots)
                left.insert(behind, (maker, part_lots, whole_lots))
        return trades

    def met_count_max(self) -> int:
        """How many makers a taker may meet: all of a command together."""
        return wire.FILLS_PER_COMMAND_MAX - self.met_count

    def trade_and_rest(self, taker: Order) -> None:
        """Trade an order that is not in the book; what stays open rests or is canceled."""
        if not self.is_continuous(taker.instrument_id) or taker.order_type == OrderType.PEGGED:
            self.rest(taker)
            return
        if self.is_spent(taker):
            self.end(taker, CancelReason.REDUCE_ONLY)
            return
        limit_ticks = self.limit_ticks(taker.instrument_id, taker.side, taker.price_ticks)
        if self.is_pro_rata(taker.instrument_id) and not self.trade_pro_rata(taker, limit_ticks):
            self.end(taker, CancelReason.SELF_TRADE)
            return
        met_count = 0
        met_count_max = self.met_count_max()
        while taker.open_lots and met_count < met_count_max:
            makers = self.makers(taker.instrument_id, taker.side, limit_ticks)
            if not makers or self.is_pro_rata(taker.instrument_id):
                break
            met_count += 1
            self.met_count += 1
            maker = makers[0]
            if taker.self_trade_prevention and self.is_same_trader(
                taker.account_id, maker.account_id
            ):
                if not self.prevent(taker, maker, min(taker.open_lots, maker.open_lots)):
                    self.end(taker, CancelReason.SELF_TRADE)
                    return
                continue
            if not self.is_spent(maker):
                lots = min(self.tradable(taker), self.tradable(maker), maker.shown_lots)
                self.trade(taker, maker, lots)
            if self.is_spent(maker):
                self.cancel(maker, CancelReason.REDUCE_ONLY, is_answer=False)
            if self.is_spent(taker):
                self.end(taker, CancelReason.REDUCE_ONLY)
                return
        if not taker.open_lots:
            return
        if self.makers(taker.instrument_id, taker.side, limit_ticks):
            self.end(taker, CancelReason.FILL_LIMIT)
        elif self.is_crossing(taker.instrument_id, taker.side, limit_ticks):
            self.trip_breaker(taker.instrument_id)
            if taker.price_ticks and taker.time_in_force in RESTING:
                self.rest(taker)
            else:
                self.end(taker, CancelReason.CIRCUIT_BREAKER)
        elif (
            0 < limit_ticks < INFINITE_TICKS
            and not taker.price_ticks
            and self.queue(taker.instrument_id, Side.SELL if taker.side == Side.BUY else Side.BUY)
        ):
            self.end(taker, CancelReason.PROTECTION_BAND)
        elif taker.time_in_force in RESTING:
            self.rest(taker)
        else:
            self.end(taker, CancelReason.IOC_REMAINDER)

    # ---- pro rata ---------------------------------------------------------------------------

    def is_pro_rata(self, instrument_id: int) -> bool:
        return self.instruments[instrument_id].allocation == Allocation.PRO_RATA

    def would_trade_pro_rata(
        self, command: wire.NewOrder, limit_ticks: int
    ) -> list[tuple[int, int]]:
        mode = command.self_trade_prevention
        open_lots = command.quantity_lots
        left_count = self.met_count_max()
        makers = self.makers(command.instrument_id, command.side, limit_ticks)
        trades: list[tuple[int, int]] = []
        for price in dict.fromkeys(maker.book_ticks for maker in makers):
            level = [maker for maker in makers if maker.book_ticks == price][:left_count]
            others = []
            for maker in level:
                if not mode or not self.is_same_trader(command.account_id, maker.account_id):
                    others.append(maker)
                    continue
                if mode in (SelfTradePrevention.CANCEL_NEWEST, SelfTradePrevention.CANCEL_BOTH):
                    return trades
                left_count -= 1
                if mode == SelfTradePrevention.DECREMENT_AND_CANCEL:
                    open_lots -= min(open_lots, maker.open_lots)
                if not open_lots:
                    return trades
            if others:
                shares = allocate([maker.open_lots for maker in others], open_lots)
                trades += [(price, lots) for lots in shares if lots]
                left_count -= sum(lots > 0 for lots in shares)
                open_lots -= sum(shares)
            if not open_lots or not left_count:
                break
        return trades

    def trade_pro_rata(self, taker: Order, limit_ticks: int) -> bool:
        """False if self-trade prevention ends the taker."""
        left_count = self.met_count_max()
        while taker.open_lots and left_count > 0:
            makers = self.makers(taker.instrument_id, taker.side, limit_ticks)
            level = [maker for maker in makers if maker.book_ticks == makers[0].book_ticks]
            if not level:
                break
            others = []
            for maker in level[:left_count]:
                if not taker.self_trade_prevention or not self.is_same_trader(
                    taker.account_id, maker.account_id
                ):
                    others.append(maker)
                    continue
                left_count -= 1
                self.met_count += 1
                if not self.prevent(taker, maker, min(taker.open_lots, maker.open_lots)):
                    return False
            shares = allocate([m.open_lots for m in others], taker.open_lots) if others else []
            for maker, lots in zip(others, shares, strict=True):
                if lots:
                    left_count -= 1
                    self.met_count += 1
                    self.trade(taker, maker, lots)
        return True

    # ---- stop orders ------------------------------------------------------------------------

    @staticmethod
    def is_reached(order: Order, price_ticks: int) -> bool:
        if order.side == Side.BUY:
            return price_ticks >= order.trigger_price_ticks
        return price_ticks <= order.trigger_price_ticks

    def end_waiting(self, order: Order, reached_price: int | None) -> None:
        order.is_waiting = False
        has_trigger = order.order_type in STOPS
        self.emit(
            wire.OrderTriggered,
            order_id=order.order_id,
            account_id=order.account_id,
            client_order_id=order.client_order_id,
            trigger_price_ticks=order.trigger_price_ticks,
            reached_price_ticks=reached_price if has_trigger else 0,
            instrument_id=order.instrument_id,
            side=order.side,
            order_type=order.order_type,
        )
        self.report(order, ExecutionKind.TRIGGERED)

    def trigger_reached(self, instrument_id: int) -> None:
        """Trigger what trades have reached: buys by rising trigger price, then sells by falling,
        the oldest first; each trades before the next is chosen. Then trailing ones follow.
        """
        if not self.is_continuous(instrument_id):
            return
        self.is_cascade = True
        count = 0
        while True:
            prices = self.reached.setdefault(instrument_id, [])
            reached = [
                order
                for order in self.waiting
                if order.instrument_id == instrument_id
                and order.order_type in STOPS
                and any(self.is_reached(order, price) for price in prices)
            ]
            activating = self.activating.get(instrument_id, [])
            if not reached and not activating:
                if self.follow_trades(instrument_id):
                    continue
                break
            if (
                count == wire.TRIGGERS_PER_COMMAND_MAX
                or self.met_count >= wire.FILLS_PER_COMMAND_MAX
                or not self.is_continuous(instrument_id)
            ):
                break
            if activating:
                count += 1
                self.activate_next(instrument_id)
                self.pull_quotes()
                continue
            order = min(
                reached,
                key=lambda order: (
                    order.side,
                    order.trigger_price_ticks * (1 if order.side == Side.BUY else -1),
                ),
            )
            count += 1
            self.trigger_one(order, max(prices) if order.side == Side.BUY else min(prices))
            self.pull_quotes()
        self.is_cascade = False

    def trigger_one(self, order: Order, reached_price: int) -> None:
        self.leave_sibling(order)
        self.release_hold(order)
        self.waiting.remove(order)
        self.end_waiting(order, reached_price)
        if self.accounts[order.account_id] == AccountState.ACTIVE:
            self.trade_and_rest(order)
        else:
            self.end(order, CancelReason.ACCOUNT_SUSPENDED)

    def leave_sibling(self, order: Order) -> None:
        raise NotImplementedError

    def part(self, order: Order) -> None:
        raise NotImplementedError

    def activate_next(self, instrument_id: int) -> None:
        raise NotImplementedError

    # ---- what ends an order, and what trades ------------------------------------------------

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
        if maker in reduced:
            self.leave_sibling(maker)
        self.release_hold(maker)
        for order in reduced:
            order.quantity_lots -= lots
            if order is maker:
                self.touched[order.instrument_id] = None
        self.take_hold(maker)
        self.emit(
            wire.SelfTradePrevented,
            price_ticks=maker.book_ticks,
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

    def trade(self, taker: Order, maker: Order, lots: int, price: int = 0) -> None:
        """At the maker's price, unless another is named."""
        self.leave_sibling(maker)
        terms = self.instruments[taker.instrument_id]
        in_turns = not price  # in an auction an iceberg trades with all of it
        price = price or maker.book_ticks
        self.touched[taker.instrument_id] = None
        notional = price * lots * terms.tick_lot_units
        base_units = lots * terms.lot_size_units
        taker_fee = fee(notional, taker.taker_fee_ppm)
        maker_fee = max(fee(notional, maker.maker_fee_ppm), -taker_fee)
        self.last_prices[taker.instrument_id] = price
        self.reached.setdefault(taker.instrument_id, []).append(price)
        # The maker's hold goes back, the exact amounts move, and what is open is held again.
        self.release_hold(maker)
        for order, order_fee in ((taker, taker_fee), (maker, maker_fee)):
            quote = self.funds_of(order.account_id, terms.quote_asset_id)
            base = self.funds_of(order.account_id, terms.base_asset_id)
            sign = 1 if order.side == Side.BUY else -1
            quote.available -= sign * notional + order_fee
            base.available += sign * base_units
            order.filled_lots += lots
            key = (order.account_id, order.instrument_id)
            self.positions[key] = self.positions.get(key, 0) + sign * lots
        self.funds_of(HOUSE, terms.quote_asset_id).available += maker_fee + taker_fee
        self.take_hold(maker)
        if in_turns:
            maker.slice_lots -= lots
        if not maker.shown_lots:
            self.resting.remove(maker)
        if not maker.shown_lots and maker.open_lots:
            self.resting.append(maker)  # behind the others of its price
            maker.slice_lots = maker.display_quantity_lots
        self.trade_counter += 1
        trade = self.emit(
            wire.Trade,
            trade_id=self.limits.shard_id << 48 | self.trade_counter,
            price_ticks=price,
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
        for order in (taker, maker):
            if order.flags & OrderFlag.QUOTE:
                self.count_quote_fill(order, lots)
        self.trades.append(RememberedTrade(trade, maker.maker_fee_ppm, taker.taker_fee_ppm))
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
        if not maker.open_lots:
            self.part(maker)

    def cancel(self, order: Order, reason: CancelReason, *, is_answer: bool = True) -> None:
        self.release_hold(order)
        queue = self.waiting if order.is_waiting else self.resting
        (self.pending if order.is_pending else queue).remove(order)
        if not order.is_waiting:
            self.touched[order.instrument_id] = None
        self.end(order, reason, is_answer=is_answer)
        self.part(order)

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
