"""Turns a recording into the commands that reproduce it, and what the book must show after each.

A message file of L levels is silent about orders while they are deeper than that. When a level
comes (back) into sight, the book row says how much is there, and looking ahead in the file says
part of who: an order that is executed or deleted later, was never entered in sight, and whose id is
older than the newest id seen, must have been there. Ids grow with time, so they also give its place
in the queue. So at each row the plan

1. applies the message: new -> limit order, partial cancel -> replace by a smaller total, delete ->
   cancel, visible execution -> the immediate-or-cancel order that caused it;
2. for levels that have just come into sight: cancels what must have gone unseen, places the orders
   that must have come unseen, and seeds what then still lacks with one anonymous order;
3. if a level that was in sight all along disagrees with the row, repairs it the same way, and
   counts that apart: the messages contradict the book there.

Without a book file, orders that the file executes or deletes but never entered are placed just
before, and what stands in the way of a message is canceled.
"""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from tradepit.protocol import wire
from tradepit.protocol.wire import Side
from tradepit.tools.replay import lobster
from tradepit.tools.replay.lobster import BookRow, Message, Recording
from tradepit.tools.replay.mirror import Mirror, Resting

_MAKER_KINDS = (lobster.PARTIAL_CANCEL, lobster.DELETE, lobster.VISIBLE_EXECUTION)


class Terms(NamedTuple):
    """What the plan needs to know of the exchange."""

    instrument_id: int
    maker_account_id: int
    taker_account_id: int
    client_order_id_base: int
    price_per_tick: int  # in the file's unit, a ten-thousandth
    lots_per_share: int


class Best(NamedTuple):
    """The top of the book in ticks and lots; an empty side is 0, 0."""

    bid_price_ticks: int
    bid_quantity_lots: int
    ask_price_ticks: int
    ask_quantity_lots: int


@dataclass
class Plan:
    """The encoded records in order, and what the plan had to assume.

    Record i has request_id i + 1. With a book file, a BookQuery for the best level follows the
    commands of each message, and its answer must be `recorded[i]`.
    """

    records: list[bytes] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)  # for each message: one past its last record
    times_ns: list[int] = field(default_factory=list)  # for each message: since midnight
    recorded: dict[int, Best] = field(default_factory=dict)  # by index of the BookQuery
    hidden_execution_count: int = 0
    halt_count: int = 0
    placed_from_ahead_count: int = 0  # orders placed because the file names them later
    seeded_count: int = 0  # anonymous orders, from the book row alone
    canceled_unseen_count: int = 0  # orders that went away out of sight
    requeued_count: int = 0  # orders moved back so that the executed one was first
    revealed_row_count: int = 0  # rows at which a level came into sight with a difference
    repaired_row_count: int = 0  # rows at which messages and book contradict each other
    buy_units_max: int = 0  # quote asset, in ticks times lots, that all buy orders could spend
    sell_lots_max: int = 0  # that all sell orders could deliver


class Planner:
    """Makes one plan. `plan()` once."""

    def __init__(self, recording: Recording, terms: Terms) -> None:
        self._messages = recording.messages
        self._books = recording.books
        self._level_count = recording.level_count
        self._terms = terms
        self._mirror = Mirror()
        self._result = Plan()
        self._records = self._result.records
        self._client_order_id = terms.client_order_id_base
        self._refs: dict[int, list[int]] = defaultdict(list)  # order id -> rows that name it
        self._next_ref: dict[int, int] = {}  # order id -> index into its refs
        self._due: dict[int, list[int]] = {}  # row -> unseen orders that are there after it

    def plan(self) -> Plan:
        """Go through the whole recording."""
        self._look_ahead()
        result = self._result
        for row, message in enumerate(self._messages):
            if row == 0:
                self._place_due(self._due.pop(0, []))
            self._apply(message)
            if self._books:
                self._reconcile(row)
                result.recorded[len(self._records)] = self._best(self._books[row])
                query = wire.BookQuery(len(self._records) + 1, self._terms.instrument_id, 1)
                self._records.append(query.encode())
            result.ends.append(len(self._records))
            result.times_ns.append(message.time_ns)
        return result

    # Looking ahead.

    def _look_ahead(self) -> None:
        """Find which orders the file names without having entered them, and since when they rest."""
        entered: set[int] = set()
        newest_ids: list[int] = []  # newest id entered up to each row
        unseen: list[int] = []
        newest_id = 0
        for row, message in enumerate(self._messages):
            if message.kind == lobster.NEW:
                entered.add(message.order_id)
                newest_id = max(newest_id, message.order_id)
            elif message.kind in _MAKER_KINDS:
                if message.order_id not in entered and message.order_id not in self._refs:
                    unseen.append(message.order_id)
                self._refs[message.order_id].append(row)
            newest_ids.append(newest_id)
        if not self._books:
            return
        due: dict[int, list[int]] = defaultdict(list)
        for order_id in sorted(unseen):
            first = self._refs[order_id][0]
            message = self._messages[first]
            born = bisect_right(newest_ids, order_id)  # a newer order was there by then
            row = self._first_in_sight(born, first, message, self._needed_shares(order_id))
            if row < first:
                due[row].append(order_id)
        self._due = dict(due)

    def _first_in_sight(self, born: int, first: int, message: Message, shares: int) -> int:
        """The first row that shows an order which was never entered in sight; `first` if none does.

        It rests since `born` at the latest, and names itself at `first`. It can be in a row only if
        the row shows so many shares there; and a stretch of rows in sight of its price has it from
        the start or not at all.
        """
        found = row = first
        while row > 0:
            row -= 1
            if self._is_in_sight(message.side, message.price, row):
                book = self._books[row]
                levels = book.bids if message.side == Side.BUY else book.asks
                if not any(price == message.price and shown >= shares for price, shown in levels):
                    break
                found = row
            elif row < born:
                break
        return found

    def _is_in_sight(self, side: int, price: int, row: int) -> bool:
        """Whether the book row would show an order at this price."""
        if row < 0:
            return False
        book = self._books[row]
        levels = book.bids if side == Side.BUY else book.asks
        if len(levels) < self._level_count:
            return True
        worst = levels[-1][0]
        return price >= worst if side == Side.BUY else price <= worst

    def _needed_shares(self, order_id: int) -> int:
        """What the file will still take from this order."""
        rows = self._refs.get(order_id, [])
        start = self._next_ref.get(order_id, 0)
        return sum(self._messages[row].shares for row in rows[start:])

    # The message itself.

    def _apply(self, message: Message) -> None:
        if message.kind == lobster.NEW:
            self._place(message.order_id, message.side, message.price, message.shares)
        elif message.kind in _MAKER_KINDS:
            order = self._mirror.orders.get(message.order_id)
            if order is None or order.open_shares < message.shares:
                order = self._make_present(message)
            if message.kind == lobster.VISIBLE_EXECUTION:
                self._execute(order, message)
            elif message.shares >= order.open_shares or message.kind == lobster.DELETE:
                self._cancel(order)
            else:
                self._reduce(order, order.open_shares - message.shares)
            self._next_ref[message.order_id] = self._next_ref.get(message.order_id, 0) + 1
        elif message.kind == lobster.HALT:
            self._result.halt_count += 1
        else:
            self._result.hidden_execution_count += 1

    def _make_present(self, message: Message) -> Resting:
        """The order that the message names, placed now, as it must have been there."""
        order = self._mirror.orders.get(message.order_id)
        if order is not None:
            self._cancel(order)
        self._result.placed_from_ahead_count += 1
        shares = self._needed_shares(message.order_id)
        return self._place(message.order_id, message.side, message.price, shares)

    def _execute(self, order: Resting, message: Message) -> None:
        """Send the order that executed `order`, after making sure that it is the first in line."""
        for better in self._mirror.better_levels(message.side, message.price):
            for other in list(better):
                self._cancel(other)
                self._result.canceled_unseen_count += 1
        for ahead in self._mirror.ahead_of(order):
            # Whose it is was a guess if the file never names it again, but with a book row there
            # are so many shares behind.
            named = self._needed_shares(ahead.order_id) > 0
            self._cancel(ahead)
            if named or self._books:
                order_id = ahead.order_id if named else 0
                self._place(order_id, ahead.side, ahead.price, ahead.open_shares)
                self._result.requeued_count += 1
            else:
                self._result.canceled_unseen_count += 1
        taker_side = Side.SELL if message.side == Side.BUY else Side.BUY
        self._send_new(
            self._terms.taker_account_id,
            taker_side,
            message.price,
            message.shares,
            wire.TimeInForce.IOC,
        )
        self._mirror.reduce(order, order.open_shares - message.shares)

    # Agreement with the book row.

    def _reconcile(self, row: int) -> None:
        due = self._due.pop(row, [])
        due_prices: dict[tuple[int, int], list[int]] = defaultdict(list)
        for order_id in due:
            message = self._messages[self._refs[order_id][0]]
            due_prices[message.side, message.price].append(order_id)
        book = self._books[row]
        revealed = repaired = False
        for side, levels in ((Side.BUY, book.bids), (Side.SELL, book.asks)):
            mine = self._mirror.shares[side]
            wanted = dict(levels)
            gone = [
                price
                for price in self._mirror.prices_in_sight(side, levels, self._level_count)
                if price not in wanted
            ]
            for price in gone:
                wanted[price] = 0
            for price, shares in wanted.items():
                names = due_prices.get((side, price), [])
                if mine.get(price, 0) == shares and not names:
                    continue
                if self._is_in_sight(side, price, row - 1):
                    repaired = True
                else:
                    revealed = True
                self._make_level(side, price, shares, names)
        self._result.revealed_row_count += revealed and not repaired
        self._result.repaired_row_count += repaired

    def _make_level(self, side: int, price: int, shares: int, names: list[int]) -> None:
        """Make the level hold so many shares: `names` placed, the rest adjusted."""
        needed = sum(self._needed_shares(order_id) for order_id in names)
        surplus = self._mirror.shares[side].get(price, 0) + needed - shares
        if surplus > 0:
            # First those that the file never names again, then what it does not name of others.
            for keeps_named in (True, False):
                for order in reversed(self._mirror.queue(side, price)):
                    if surplus <= 0:
                        break
                    keep = self._needed_shares(order.order_id) if keeps_named else 0
                    cut = min(surplus, order.open_shares - keep)
                    if cut <= 0:
                        continue
                    surplus -= cut
                    self._result.canceled_unseen_count += 1
                    if cut == order.open_shares:
                        self._cancel(order)
                    else:
                        self._reduce(order, order.open_shares - cut)
        self._place_due(names)
        lacking = shares - self._mirror.shares[side].get(price, 0)
        if lacking > 0:
            self._result.seeded_count += 1
            self._place(0, side, price, lacking)

    def _place_due(self, order_ids: list[int]) -> None:
        for order_id in order_ids:
            message = self._messages[self._refs[order_id][0]]
            self._result.placed_from_ahead_count += 1
            self._place(order_id, message.side, message.price, self._needed_shares(order_id))

    def _best(self, book: BookRow) -> Best:
        bid, bid_shares = book.bids[0] if book.bids else (0, 0)
        ask, ask_shares = book.asks[0] if book.asks else (0, 0)
        terms = self._terms
        return Best(
            bid // terms.price_per_tick,
            bid_shares * terms.lots_per_share,
            ask // terms.price_per_tick,
            ask_shares * terms.lots_per_share,
        )

    # Commands, each with its effect on the mirror.

    def _place(self, order_id: int, side: int, price: int, shares: int) -> Resting:
        """A limit order. What it would trade with cannot be there any more, and is canceled."""
        other_side = Side.SELL if side == Side.BUY else Side.BUY
        for crossed in self._mirror.crossed_levels(other_side, price):
            for other in list(crossed):
                self._cancel(other)
                self._result.canceled_unseen_count += 1
        client_order_id = self._send_new(
            self._terms.maker_account_id, side, price, shares, wire.TimeInForce.GTC
        )
        return self._mirror.add(order_id, client_order_id, side, price, shares)

    def _send_new(
        self, account_id: int, side: int, price: int, shares: int, time_in_force: int
    ) -> int:
        terms, result = self._terms, self._result
        self._client_order_id += 1
        price_ticks = price // terms.price_per_tick
        quantity_lots = shares * terms.lots_per_share
        if side == Side.BUY:
            result.buy_units_max += price_ticks * quantity_lots
        else:
            result.sell_lots_max += quantity_lots
        self._records.append(
            wire.NewOrder(
                request_id=len(self._records) + 1,
                account_id=account_id,
                client_order_id=self._client_order_id,
                price_ticks=price_ticks,
                quantity_lots=quantity_lots,
                instrument_id=terms.instrument_id,
                side=side,
                order_type=wire.OrderType.LIMIT,
                time_in_force=time_in_force,
            ).encode()
        )
        return self._client_order_id

    def _cancel(self, order: Resting) -> None:
        self._records.append(
            wire.CancelOrder(
                len(self._records) + 1,
                0,
                self._terms.maker_account_id,
                0,
                order.client_order_id,
            ).encode()
        )
        self._mirror.remove(order)

    def _reduce(self, order: Resting, open_shares: int) -> None:
        total_shares = order.total_shares - (order.open_shares - open_shares)
        self._records.append(
            wire.ReplaceOrder(
                len(self._records) + 1,
                0,
                self._terms.maker_account_id,
                0,
                order.client_order_id,
                0,
                total_shares * self._terms.lots_per_share,
            ).encode()
        )
        order.total_shares = total_shares
        self._mirror.reduce(order, open_shares)
