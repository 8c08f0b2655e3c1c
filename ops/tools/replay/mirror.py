"""The book as the exchange must have it: what the plan decides by. Prices as in the file."""

from bisect import bisect_left, insort
from dataclasses import dataclass

from tradepit.protocol.wire import Side


@dataclass(slots=True, eq=False)
class Resting:
    """One order in the mirror; `order_id` is the file's, 0 for an anonymous seed."""

    order_id: int
    client_order_id: int
    side: int
    price: int
    open_shares: int
    total_shares: int  # as last ordered, executed shares included


class Mirror:
    """Both sides as queues by price, and the orders by the file's id."""

    def __init__(self) -> None:
        self.orders: dict[int, Resting] = {}
        self.shares: dict[int, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}  # side, price
        self._queues: dict[tuple[int, int], dict[int, Resting]] = {}  # by client order id
        self._prices: dict[int, list[int]] = {Side.BUY: [], Side.SELL: []}  # ascending

    def add(
        self, order_id: int, client_order_id: int, side: int, price: int, shares: int
    ) -> Resting:
        """Put an order at the end of its level."""
        order = Resting(order_id, client_order_id, side, price, shares, shares)
        if order_id:
            self.orders[order_id] = order
        queue = self._queues.get((side, price))
        if queue is None:
            queue = self._queues[side, price] = {}
            insort(self._prices[side], price)
            self.shares[side][price] = 0
        queue[client_order_id] = order
        self.shares[side][price] += shares
        return order

    def remove(self, order: Resting) -> None:
        """Take an order out."""
        self.orders.pop(order.order_id, None)
        key = order.side, order.price
        queue = self._queues[key]
        del queue[order.client_order_id]
        self.shares[order.side][order.price] -= order.open_shares
        if not queue:
            del self._queues[key]
            del self.shares[order.side][order.price]
            prices = self._prices[order.side]
            del prices[bisect_left(prices, order.price)]

    def reduce(self, order: Resting, open_shares: int) -> None:
        """Leave so many shares open; 0 takes the order out."""
        if open_shares == 0:
            self.remove(order)
            return
        self.shares[order.side][order.price] -= order.open_shares - open_shares
        order.open_shares = open_shares

    def queue(self, side: int, price: int) -> list[Resting]:
        """The level's orders, first in line first."""
        return list(self._queues.get((side, price), {}).values())

    def ahead_of(self, order: Resting) -> list[Resting]:
        """The orders that trade before this one at its price."""
        queue = self._queues[order.side, order.price]
        if next(iter(queue)) == order.client_order_id:
            return []
        ahead = list(queue.values())
        return ahead[: ahead.index(order)]

    def better_levels(self, side: int, price: int) -> list[list[Resting]]:
        """The queues that trade before this price, on its own side."""
        prices = self._prices[side]
        if side == Side.BUY:
            better = prices[bisect_left(prices, price + 1) :]
        else:
            better = prices[: bisect_left(prices, price)]
        return [self.queue(side, each) for each in better]

    def crossed_levels(self, side: int, price: int) -> list[list[Resting]]:
        """The queues of `side` that an order of the other side at `price` would trade with."""
        beyond = price - 1 if side == Side.BUY else price + 1
        return self.better_levels(side, beyond)

    def prices_in_sight(
        self, side: int, recorded: tuple[tuple[int, int], ...], level_count: int
    ) -> list[int]:
        """Our prices that a book row with these levels would show."""
        prices = self._prices[side]
        if len(recorded) < level_count:
            return list(prices)
        worst = recorded[-1][0]
        return (
            prices[bisect_left(prices, worst) :]
            if side == Side.BUY
            else prices[: bisect_left(prices, worst + 1)]
        )
