"""The reference model's positions, and orders that follow other prices (see reference.py)."""

from tradepit.protocol import wire
from tradepit.protocol.wire import (
    ExecutionKind,
    OrderFlag,
    OrderType,
    PegReference,
    Reason,
    ReplaceFlag,
    Side,
)

from tests.reference_administration import ReferenceAdministration
from tests.reference_state import Order


class ReferenceFollowing(ReferenceAdministration):
    """Reduce-only, trailing stop and pegged orders."""

    # ---- positions --------------------------------------------------------------------------

    def reducible(self, instrument_id: int, account_id: int, side: int) -> int:
        """How many lots of this side make the account's position smaller."""
        lots = self.positions.get((account_id, instrument_id), 0)
        return max(lots if side == Side.SELL else -lots, 0)

    def tradable(self, order: Order) -> int:
        """How many lots of an order may trade now."""
        if not order.flags & OrderFlag.REDUCE_ONLY:
            return order.open_lots
        reducible = self.reducible(order.instrument_id, order.account_id, order.side)
        return min(order.open_lots, reducible)

    def is_spent(self, order: Order) -> bool:
        return order.open_lots > 0 and self.tradable(order) == 0

    # ---- trailing stop orders ---------------------------------------------------------------

    @staticmethod
    def trigger_ticks(order: wire.NewOrder | Order, price_ticks: int) -> int:
        """Where a trailing stop order triggers after a trade at this price."""
        distance = order.offset_ticks or price_ticks * order.trail_offset_bps // 10_000
        distance = max(distance, 1)
        if order.side == Side.BUY:
            return min(price_ticks + distance, wire.PRICE_TICKS_MAX)
        return max(price_ticks - distance, 1)

    def follow_trades(self, instrument_id: int) -> bool:
        """Let trailing stop orders follow the trades; whether the last one reaches any of them."""
        prices = self.reached.pop(instrument_id, [])
        if not prices:
            return False
        last_price = self.last_prices[instrument_id]
        is_any_reached = False
        for order in sorted(self.waiting, key=lambda order: order.order_id):
            if (order.instrument_id, order.order_type) != (instrument_id, OrderType.TRAILING_STOP):
                continue
            is_buy = order.side == Side.BUY
            trigger_ticks = self.trigger_ticks(order, min(prices) if is_buy else max(prices))
            nearer = min if is_buy else max
            if nearer(trigger_ticks, order.trigger_price_ticks) != order.trigger_price_ticks:
                order.trigger_price_ticks = trigger_ticks
                self.waiting.remove(order)
                self.waiting.append(order)  # behind the others of its trigger price
            is_any_reached |= (
                last_price >= order.trigger_price_ticks
                if is_buy
                else last_price <= order.trigger_price_ticks
            )
        if is_any_reached:
            self.reached[instrument_id] = [last_price]
        return is_any_reached

    # ---- pegged orders ----------------------------------------------------------------------

    def judge_following(self, command: wire.NewOrder, gone: Order | None) -> Reason:
        limits = {
            OrderType.TRAILING_STOP: wire.TRAILING_STOPS_MAX,
            OrderType.PEGGED: wire.PEGGED_ORDERS_MAX,
        }
        if command.order_type not in limits:
            return Reason.NONE
        kind = OrderType(command.order_type)
        others = [
            order
            for order in (self.waiting if kind == OrderType.TRAILING_STOP else self.resting)
            if (order.instrument_id, order.order_type) == (command.instrument_id, kind)
        ]
        if len(others) >= limits[kind] and (gone is None or gone.order_type != kind):
            return Reason.TOO_MANY_ORDERS
        if kind == OrderType.TRAILING_STOP:
            has_price = command.instrument_id in self.last_prices
        else:
            has_price = self.pegged_ticks(command) is not None
        return Reason.NONE if has_price else Reason.NO_REFERENCE_PRICE

    def pegged_ticks(self, order: wire.NewOrder | Order) -> int | None:
        """Where a pegged order should rest now; None if there is no such price."""
        best = {}
        for side in (Side.BUY, Side.SELL):
            queue = self.queue(order.instrument_id, side)
            best[side] = [o for o in queue if o.order_type != OrderType.PEGGED][:1]
        needed = {
            PegReference.BEST_BID: [Side.BUY],
            PegReference.BEST_ASK: [Side.SELL],
            PegReference.MIDDLE: [Side.BUY, Side.SELL],
        }[PegReference(order.peg_reference)]
        if not all(best[side] for side in needed):
            return None
        prices = [best[side][0].book_ticks for side in needed]
        is_buy = order.side == Side.BUY
        middle = sum(prices) // len(prices) if is_buy else -(-sum(prices) // len(prices))
        price = middle + order.offset_ticks
        others = self.queue(order.instrument_id, 3 - order.side)
        terms = self.instruments[order.instrument_id]
        if is_buy:
            ceilings = [other.book_ticks - 1 for other in others]
            price = min(price, order.price_ticks, terms.price_ticks_max, *ceilings)
        else:
            floors = [other.book_ticks + 1 for other in others]
            price = max(price, order.price_ticks, terms.price_ticks_min, *floors)
        while terms.price_ticks_min <= price <= terms.price_ticks_max:
            if self.is_price(order.instrument_id, price):
                return price
            price += -1 if is_buy else 1
        return None

    def rest_pegged(self, order: Order, price_ticks: int) -> None:
        """Its funds are held already."""
        order.resting_ticks = price_ticks
        self.resting.append(order)
        self.emit(
            wire.OrderReplaced,
            order_id=order.order_id,
            account_id=order.account_id,
            client_order_id=order.client_order_id,
            price_ticks=price_ticks,
            quantity_lots=order.quantity_lots,
            filled_lots=order.filled_lots,
            instrument_id=order.instrument_id,
            side=order.side,
            flags=ReplaceFlag.PEGGED,
        )
        self.report(order, ExecutionKind.REPLACED)

    def follow_best_prices(self, instrument_id: int) -> None:
        if not self.is_continuous(instrument_id):
            return
        self.is_cascade = True
        for order in self.open_orders:
            if (order.instrument_id, order.order_type) != (instrument_id, OrderType.PEGGED):
                continue
            price_ticks = self.pegged_ticks(order)
            if price_ticks is not None and price_ticks != order.resting_ticks:
                self.resting.remove(order)
                self.rest_pegged(order, price_ticks)
        self.is_cascade = False
