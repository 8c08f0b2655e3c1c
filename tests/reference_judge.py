"""The reference model's checks: whether an order may be placed or replaced."""

from dataclasses import replace

from tradepit.protocol import wire
from tradepit.protocol.wire import (
    AccountState,
    OrderFlag,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)

from tests.reference_auction import ReferenceAuction
from tests.reference_state import (
    HOUSE,
    NEVER_NS,
    RESTING,
    STOPS,
    UNTIL_DONE,
    Order,
    fee,
)

TIMES = {
    OrderType.LIMIT: (*RESTING, TimeInForce.IOC, TimeInForce.FOK),
    OrderType.MARKET: (TimeInForce.IOC, TimeInForce.FOK),
    OrderType.STOP: (TimeInForce.IOC,),
    OrderType.STOP_LIMIT: (*UNTIL_DONE, TimeInForce.IOC),
    OrderType.TRAILING_STOP: (TimeInForce.IOC,),
    OrderType.PEGGED: UNTIL_DONE,
    OrderType.MARKET_TO_LIMIT: UNTIL_DONE,
}


def has_price(order_type: int, side: int) -> bool:
    if order_type in (OrderType.STOP, OrderType.TRAILING_STOP):
        return side == Side.BUY
    return order_type != OrderType.MARKET


class ReferenceJudge(ReferenceAuction):
    """Checks run in the order of the reasons' numbers (see reference.py)."""

    def judge_new(self, command: wire.NewOrder) -> Reason:
        terms = self.instruments.get(command.instrument_id)
        if terms is None:
            return Reason.UNKNOWN_INSTRUMENT
        reason = self.judge_placing(command)
        if reason:
            return reason
        if command.account_id == HOUSE or command.account_id not in self.accounts:
            return Reason.UNKNOWN_ACCOUNT
        if self.accounts[command.account_id] != AccountState.ACTIVE:
            return Reason.ACCOUNT_SUSPENDED
        gone = self.replaced_by(command)
        if command.replaces_order_id and gone is None:
            return Reason.UNKNOWN_ORDER
        if self.killed & {HOUSE, command.account_id}:
            return Reason.KILL_SWITCH_ENGAGED
        if gone is not None and gone.is_linked:
            return Reason.CONTINGENT_ORDER
        reason = self.judge_fields(command)
        if reason:
            return reason
        if command.client_order_id and self.is_used(command.account_id, command.client_order_id):
            return Reason.DUPLICATE_CLIENT_ORDER_ID

        may_rest = command.time_in_force in RESTING or command.order_type in STOPS
        if gone is None:
            return self.judge_trading(command, None, may_rest=may_rest)
        # The order that is replaced has gone before anything else happens.
        queue = self.waiting if gone.is_waiting else self.resting
        place = queue.index(gone)
        self.release_hold(gone)
        queue.remove(gone)
        reason = self.judge_trading(command, gone, may_rest=may_rest)
        queue.insert(place, gone)
        self.take_hold(gone)
        return reason

    def judge_fields(self, command: wire.NewOrder) -> Reason:
        """The checks that look at nothing but the command, its time and the instrument's terms."""
        terms = self.instruments[command.instrument_id]
        if command.side not in (Side.BUY, Side.SELL):
            return Reason.INVALID_SIDE
        if command.order_type not in TIMES:
            return Reason.INVALID_ORDER_TYPE
        if command.time_in_force not in TIMES[OrderType(command.order_type)]:
            return Reason.INVALID_TIME_IN_FORCE
        is_resting = command.time_in_force in RESTING
        is_stop = command.order_type in STOPS
        is_pro_rata = self.is_pro_rata(command.instrument_id)
        post_only = command.flags & ~(0 if is_pro_rata else OrderFlag.REDUCE_ONLY)
        if post_only not in (0, OrderFlag.POST_ONLY, OrderFlag.POST_ONLY_SLIDE):
            return Reason.INVALID_FLAGS
        if post_only and (
            command.time_in_force not in UNTIL_DONE or command.order_type != OrderType.LIMIT
        ):
            return Reason.INVALID_FLAGS
        if command.order_type == OrderType.MARKET_TO_LIMIT:
            if command.price_ticks:
                return Reason.INVALID_PRICE
        elif not self.is_price_allowed(command, command.price_ticks):
            return Reason.INVALID_PRICE
        has_budget = (
            (command.order_type, command.side) == (OrderType.MARKET, Side.BUY)
            and command.quantity_lots == 0
            and command.quote_budget_units > 0
            and not is_pro_rata
        )
        if (
            not has_budget
            and not terms.quantity_lots_min <= command.quantity_lots <= terms.quantity_lots_max
        ):
            return Reason.INVALID_QUANTITY
        if command.client_order_id >= 2**63:
            return Reason.INVALID_CLIENT_ORDER_ID
        if command.self_trade_prevention > SelfTradePrevention.DECREMENT_AND_CANCEL:
            return Reason.INVALID_SELF_TRADE_PREVENTION
        trigger_ticks = command.trigger_price_ticks
        if (
            trigger_ticks
            if command.order_type not in (OrderType.STOP, OrderType.STOP_LIMIT)
            else not self.is_price(command.instrument_id, trigger_ticks)
        ):
            return Reason.INVALID_TRIGGER_PRICE
        may_be_iceberg = command.order_type == OrderType.LIMIT and is_resting and not is_pro_rata
        lowest, highest = terms.quantity_lots_min, command.quantity_lots
        if command.display_quantity_lots and not (
            may_be_iceberg and lowest <= command.display_quantity_lots <= highest
        ):
            return Reason.INVALID_DISPLAY_QUANTITY
        has_minimum = command.time_in_force == TimeInForce.IOC and not is_stop
        if not 0 <= command.minimum_quantity_lots <= (command.quantity_lots if has_minimum else 0):
            return Reason.INVALID_MINIMUM_QUANTITY
        if command.quote_budget_units and not has_budget:
            return Reason.INVALID_QUOTE_BUDGET
        if command.time_in_force == TimeInForce.GTD:
            if not max(command.time_ns, 0) < command.expire_time_ns < NEVER_NS:
                return Reason.INVALID_EXPIRE_TIME
        elif command.expire_time_ns:
            return Reason.INVALID_EXPIRE_TIME
        if not self.is_offset_possible(command):
            return Reason.INVALID_OFFSET
        return Reason.NONE

    @staticmethod
    def is_offset_possible(command: wire.NewOrder) -> bool:
        offset, bps, peg = command.offset_ticks, command.trail_offset_bps, command.peg_reference
        if command.order_type == OrderType.PEGGED:
            return abs(offset) <= wire.PRICE_TICKS_MAX and not bps and 1 <= peg <= 3
        if command.order_type != OrderType.TRAILING_STOP:
            return not offset and not bps and not peg
        if bps:
            return bps < 10_000 and not offset and not peg
        return 1 <= offset <= wire.PRICE_TICKS_MAX and not peg

    def judge_trading(
        self, command: wire.NewOrder, gone: Order | None, *, may_rest: bool
    ) -> Reason:
        """The checks that look at funds and at what the order would meet."""
        terms = self.instruments[command.instrument_id]
        if command.quote_budget_units:
            funds = self.funds_of(command.account_id, terms.quote_asset_id)
            if command.quote_budget_units > funds.available:
                return Reason.INSUFFICIENT_FUNDS
        command = self.as_priced(command)
        if command.quote_budget_units and command.quantity_lots < terms.quantity_lots_min:
            return Reason.BUDGET_TOO_SMALL
        if command.flags & OrderFlag.REDUCE_ONLY and not self.reducible(
            command.instrument_id, command.account_id, command.side
        ):
            return Reason.WOULD_NOT_REDUCE
        command = self.as_reduced(command)
        limit_ticks = self.limit_ticks(command.instrument_id, command.side, command.price_ticks)
        fills = self.would_trade(command)
        fees = self.fees_of(command.account_id, command.instrument_id)
        if command.side == Side.SELL:
            need = command.quantity_lots * terms.lot_size_units
            have = self.funds_of(command.account_id, terms.base_asset_id).available
        else:
            have = self.funds_of(command.account_id, terms.quote_asset_id).available
            if command.price_ticks:
                notional = command.price_ticks * command.quantity_lots * terms.tick_lot_units
                need = notional + fee(notional, max(fees))
            else:
                need = 0
                for price_ticks, lots in fills:
                    notional = price_ticks * lots * terms.tick_lot_units
                    need += notional + fee(notional, fees.taker_fee_ppm)
        if need > have:
            return Reason.INSUFFICIENT_FUNDS
        if not self.is_notional(command.instrument_id, command.price_ticks, command.quantity_lots):
            return Reason.INVALID_NOTIONAL
        is_to_wait = command.order_type in STOPS or (
            command.time_in_force == TimeInForce.AT_THE_CLOSE
            and terms.trading_state != TradingState.CLOSING_AUCTION
        )
        if self.is_outside_collar(command, command.price_ticks, is_to_wait):
            return Reason.OUTSIDE_COLLAR
        if command.flags & ~OrderFlag.REDUCE_ONLY and self.is_crossing(
            command.instrument_id, command.side, limit_ticks
        ):
            return Reason.POST_ONLY_WOULD_TRADE
        fillable = sum(lots for _, lots in fills)
        if command.time_in_force == TimeInForce.FOK and fillable < command.quantity_lots:
            return Reason.FOK_NOT_FILLABLE
        if may_rest and len(self.open_orders) >= self.limits.max_orders:
            return Reason.TOO_MANY_ORDERS
        if fillable < command.minimum_quantity_lots:
            return Reason.MINIMUM_NOT_FILLABLE
        if command.order_type == OrderType.MARKET_TO_LIMIT and not command.price_ticks:
            return Reason.NO_LIQUIDITY
        return self.judge_following(command, gone)

    def is_outside_collar(
        self, order: wire.NewOrder | Order, price_ticks: int, is_to_wait: bool
    ) -> bool:
        low, high = self.bounds(order.instrument_id, "static_collar_ppm")
        if not price_ticks or not low <= price_ticks <= high:
            return price_ticks != 0
        ppm = self.instruments[order.instrument_id].dynamic_collar_ppm
        last_price = self.last_prices.get(order.instrument_id)
        if not ppm or not last_price or is_to_wait:
            return False
        share = last_price * ppm // 1_000_000
        if order.side == Side.BUY:
            return price_ticks > last_price + share
        return price_ticks < last_price - share

    def as_placed(self, command: wire.NewOrder) -> wire.NewOrder:
        """The command with all that it leaves to the book, the trades and the position."""
        command = self.as_reduced(self.as_priced(command))
        if command.order_type == OrderType.TRAILING_STOP:
            last_price = self.last_prices[command.instrument_id]
            trigger_ticks = self.trigger_ticks(command, last_price)
            command = command._replace(trigger_price_ticks=trigger_ticks)
        return command

    def as_reduced(self, command: wire.NewOrder) -> wire.NewOrder:
        if not command.flags & OrderFlag.REDUCE_ONLY:
            return command
        lots = self.reducible(command.instrument_id, command.account_id, command.side)
        return command._replace(quantity_lots=min(command.quantity_lots, lots))

    def as_priced(self, command: wire.NewOrder) -> wire.NewOrder:
        """The command with the price and the quantity that it leaves to the book."""
        makers = self.queue(command.instrument_id, 3 - command.side)
        best = makers[0].book_ticks if makers else 0
        if command.order_type == OrderType.MARKET_TO_LIMIT and best:
            is_price = self.is_price(command.instrument_id, best)
            return command._replace(price_ticks=best if is_price else 0)
        if command.flags & OrderFlag.POST_ONLY_SLIDE:
            return command._replace(price_ticks=self.slid(command, command.price_ticks))
        if not command.quote_budget_units:
            return command
        terms = self.instruments[command.instrument_id]
        ppm = self.fees_of(command.account_id, command.instrument_id).taker_fee_ppm
        most_lots = most_quantity = 0
        most = min(terms.quantity_lots_max, sum(maker.open_lots for maker in makers))
        for quantity_lots in range(1, most + 1):  # with more, no more would trade
            fills = self.would_trade(command._replace(quantity_lots=quantity_lots))
            notionals = [price * lots * terms.tick_lot_units for price, lots in fills]
            cost = sum(notional + fee(notional, ppm) for notional in notionals)
            traded_lots = sum(lots for _, lots in fills)
            if cost <= command.quote_budget_units and traded_lots > most_lots:
                most_lots, most_quantity = traded_lots, quantity_lots
        return command._replace(quantity_lots=most_quantity)

    def slid(self, order: wire.NewOrder | Order, price_ticks: int) -> int:
        """The nearest price that does not cross, if there is one."""
        side = Side(order.side)
        is_price = self.is_price(order.instrument_id, price_ticks)
        if not is_price or not self.is_crossing(order.instrument_id, side, price_ticks):
            return price_ticks
        step = -1 if side == Side.BUY else 1
        terms = self.instruments[order.instrument_id]
        slid_ticks = price_ticks
        while terms.price_ticks_min <= slid_ticks <= terms.price_ticks_max:
            if self.is_price(order.instrument_id, slid_ticks) and not self.is_crossing(
                order.instrument_id, side, slid_ticks
            ):
                return slid_ticks
            slid_ticks += step
        return price_ticks

    def replaced_by(self, command: wire.NewOrder) -> Order | None:
        for order in self.open_orders:
            if (order.order_id, order.account_id, order.instrument_id) == (
                command.replaces_order_id,
                command.account_id,
                command.instrument_id,
            ):
                return order
        return None

    def is_price_allowed(self, order: wire.NewOrder | Order, price_ticks: int) -> bool:
        if not has_price(order.order_type, order.side):
            return price_ticks == 0
        return self.is_price(order.instrument_id, price_ticks)

    def judge_replace(self, order: Order, price_ticks: int, quantity_lots: int) -> Reason:
        terms = self.instruments[order.instrument_id]
        reason = self.judge_state(order.instrument_id)
        if reason:
            return reason
        if self.accounts[order.account_id] != AccountState.ACTIVE:
            return Reason.ACCOUNT_SUSPENDED
        if self.killed & {HOUSE, order.account_id}:
            return Reason.KILL_SWITCH_ENGAGED
        if order.is_linked:
            return Reason.CONTINGENT_ORDER
        if not self.is_price_allowed(order, price_ticks):
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
            need = notional + fee(
                notional, max(self.fees_of(order.account_id, order.instrument_id))
            )
        if need - held > self.funds_of(order.account_id, asset_id).available:
            return Reason.INSUFFICIENT_FUNDS
        if not self.is_notional(order.instrument_id, price_ticks, quantity_lots):
            return Reason.INVALID_NOTIONAL
        if self.is_outside_collar(order, price_ticks, order.is_waiting):
            return Reason.OUTSIDE_COLLAR
        is_post_only = order.flags & (OrderFlag.POST_ONLY | OrderFlag.POST_ONLY_SLIDE)
        if is_post_only and self.is_crossing(order.instrument_id, order.side, price_ticks):
            return Reason.POST_ONLY_WOULD_TRADE
        if order.order_type == OrderType.PEGGED:
            changed = replace(order, price_ticks=price_ticks)
            return Reason.NO_REFERENCE_PRICE if self.pegged_ticks(changed) is None else Reason.NONE
        return Reason.NONE

    def is_used(self, account_id: int, client_order_id: int) -> bool:
        return self.order_id_of(account_id, client_order_id) != 0

    def order_id_of(self, account_id: int, client_order_id: int) -> int:
        """The order that has the name: a recent one, or one that is open; 0 if it is free."""
        name = (account_id, client_order_id)
        for number in range(self.order_counter, 0, -1)[: self.limits.client_order_ids]:
            if self.recent_names[number - 1] == name:
                return self.limits.shard_id << 48 | number
        for order in self.open_orders:
            if (order.account_id, order.client_order_id) == name:
                return order.order_id
        return 0
