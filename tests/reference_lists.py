"""The reference model's lists of orders, and orders that depend on others (see reference.py)."""

from tradepit.protocol import wire
from tradepit.protocol.wire import (
    AccountState,
    CancelReason,
    ExecutionKind,
    ListKind,
    OrderFlag,
    OrderType,
    Reason,
    Side,
)

from tests.reference_placing import ReferencePlacing
from tests.reference_state import FOR_AUCTION, HOUSE, RESTING, STOPS, UNTIL_DONE, Order


def is_plain_limit(order: wire.NewOrder) -> bool:
    return (
        order.order_type == OrderType.LIMIT
        and order.time_in_force in UNTIL_DONE
        and not order.display_quantity_lots
        and order.flags in (0, OrderFlag.POST_ONLY)
    )


def is_plain_stop(order: wire.NewOrder) -> bool:
    return order.order_type in STOPS and not order.flags


def is_pair(limit: wire.NewOrder, stop: wire.NewOrder) -> bool:
    same = (limit.side, limit.quantity_lots) == (stop.side, stop.quantity_lots)
    return is_plain_limit(limit) and is_plain_stop(stop) and same


def is_first(order: wire.NewOrder) -> bool:
    kinds = (OrderType.LIMIT, OrderType.MARKET, OrderType.MARKET_TO_LIMIT)
    return (
        order.order_type in kinds
        and order.time_in_force not in FOR_AUCTION
        and not order.quote_budget_units
        and not order.flags & OrderFlag.REDUCE_ONLY
    )


def is_shape_possible(kind: int, orders: list[wire.NewOrder]) -> bool:
    match kind, orders:
        case ListKind.EACH, [_, *_]:
            return True
        case ListKind.ALL_OR_NONE, [_, *_]:
            return all(
                order.order_type == OrderType.LIMIT
                and order.time_in_force in RESTING
                and order.flags in (0, OrderFlag.POST_ONLY)
                for order in orders
            )
        case ListKind.OCO, [limit, stop]:
            return is_pair(limit, stop)
        case ListKind.OTO, [first, second]:
            return is_first(first) and (is_plain_limit(second) or is_plain_stop(second))
        case ListKind.BRACKET, [first, limit, stop]:
            return (
                is_first(first)
                and is_pair(limit, stop)
                and limit.side != first.side
                and limit.quantity_lots == first.quantity_lots
            )
    return False


class ReferenceLists(ReferencePlacing):
    """A list is judged as a whole, or each of its orders as it is placed."""

    # ---- the command ------------------------------------------------------------------------

    def new_order_list(self, command: wire.NewOrderList) -> None:
        orders = [
            wire.NewOrder(
                time_ns=command.time_ns,
                request_id=command.request_id,
                account_id=command.account_id,
                instrument_id=command.instrument_id,
                session_id=command.session_id,
                **item._asdict(),
            )
            for item in command.orders
        ]
        reason, index = self.judge_list(command, orders)
        if reason:
            self.emit(
                wire.OrderListRejected,
                account_id=command.account_id,
                client_order_id=orders[index].client_order_id if orders else 0,
                instrument_id=command.instrument_id,
                reason=reason,
                index=index,
                kind=command.kind,
            )
            return
        counter_before, rejected_count = self.order_counter, 0
        if command.kind == ListKind.EACH:
            for order in orders:
                reason = self.judge_new(order)
                if reason:
                    self.refuse_order(order, reason)
                    rejected_count += 1
                else:
                    self.place(order)
        elif command.kind == ListKind.ALL_OR_NONE:
            for order in orders:
                self.place(order)
        else:
            self.place_linked(command.kind, orders)
        accepted_count = self.order_counter - counter_before
        first_id = self.limits.shard_id << 48 | counter_before + 1
        self.emit(
            wire.OrderListPlaced,
            account_id=command.account_id,
            first_order_id=first_id if accepted_count else 0,
            instrument_id=command.instrument_id,
            accepted_count=accepted_count,
            rejected_count=rejected_count,
            kind=command.kind,
        )
        self.pull_quotes()
        self.trigger_reached(command.instrument_id)

    def judge_list(
        self, command: wire.NewOrderList, orders: list[wire.NewOrder]
    ) -> tuple[Reason, int]:
        """Why the list is refused, and which order is the cause."""
        if command.instrument_id not in self.instruments:
            return Reason.UNKNOWN_INSTRUMENT, 0
        if command.account_id == HOUSE or command.account_id not in self.accounts:
            return Reason.UNKNOWN_ACCOUNT, 0
        if not is_shape_possible(command.kind, orders):
            return Reason.INVALID_LIST, 0
        if command.kind == ListKind.EACH:
            return Reason.NONE, 0
        for index, order in enumerate(orders):
            is_pending = index > 0 and command.kind in (ListKind.OTO, ListKind.BRACKET)
            if not is_pending:
                reason = self.judge_new(order)
            else:
                reason = self.judge_fields(order)
                if not reason and self.is_used(order.account_id, order.client_order_id):
                    reason = Reason.DUPLICATE_CLIENT_ORDER_ID if order.client_order_id else reason
            if reason:
                return reason, index
        ids = [order.client_order_id for order in orders]
        for index, client_order_id in enumerate(ids):
            if client_order_id and client_order_id in ids[:index]:
                return Reason.DUPLICATE_CLIENT_ORDER_ID, index
        if len(self.open_orders) + len(orders) > self.limits.max_orders:
            return Reason.TOO_MANY_ORDERS, 0
        if command.kind == ListKind.ALL_OR_NONE:
            return self.judge_together(orders)
        return Reason.NONE, 0

    def judge_together(self, orders: list[wire.NewOrder]) -> tuple[Reason, int]:
        need: dict[int, int] = {}
        for index, order in enumerate(orders):
            asset_id, units = self.hold(self.order_of(order))
            need[asset_id] = need.get(asset_id, 0) + units
            if need[asset_id] > self.funds_of(order.account_id, asset_id).available:
                return Reason.INSUFFICIENT_FUNDS, index
            others = [other for other in orders[:index] if other.side != order.side]
            meets_other = any(
                other.price_ticks <= order.price_ticks
                if order.side == Side.BUY
                else other.price_ticks >= order.price_ticks
                for other in others
            )
            if order.flags and meets_other:
                return Reason.POST_ONLY_WOULD_TRADE, index
        return Reason.NONE, 0

    def place_linked(self, kind: int, orders: list[wire.NewOrder]) -> None:
        if kind == ListKind.OCO:
            placed = self.as_placed(orders[1])  # by what stands before the first has traded
            first = self.place(orders[0])
            stop = self.accept(placed, is_pending=True)
            self.place_stop_leg(stop, first, orders[0].quantity_lots)
            return
        first = self.place(orders[0])
        others = [self.accept(order, is_pending=True, shows=True) for order in orders[1:]]
        for other in others:
            other.is_dependent = True
            other.mates = [mate for mate in others if mate is not other]
        if any(order is first for order in self.open_orders):
            first.triggers = others
            for other in others:
                other.first = first
        elif not first.open_lots:
            self.activating.setdefault(first.instrument_id, []).append(others)
        else:
            self.cancel(others[0], CancelReason.CONTINGENCY, is_answer=False)

    # ---- one cancels the other --------------------------------------------------------------

    def place_stop_leg(self, stop: Order, limit: Order, quantity_lots: int) -> None:
        is_open = any(order is limit for order in self.open_orders)
        if not is_open or limit.open_lots != quantity_lots:
            self.cancel(stop, CancelReason.CONTINGENCY, is_answer=False)
            return
        limit.sibling, stop.sibling = stop, limit
        stop.is_backed = False
        if self.hold(stop)[1] > self.hold(limit)[1]:
            self.release_hold(limit)
            limit.is_backed = True
        else:
            stop.is_backed = True
        self.wait_or_trigger(stop)

    def wait_or_trigger(self, stop: Order) -> None:
        stop.is_pending = False
        self.pending.remove(stop)
        self.waiting.append(stop)
        self.take_hold(stop)
        last_price = self.last_prices.get(stop.instrument_id)
        if last_price is None or not self.is_reached(stop, last_price):
            return
        if self.is_continuous(stop.instrument_id):
            self.trigger_one(stop, last_price)
        else:
            self.reached.setdefault(stop.instrument_id, []).append(last_price)

    def leave_sibling(self, order: Order) -> None:
        sibling = order.sibling
        if sibling is None:
            return
        order.sibling = sibling.sibling = None
        self.cancel(sibling, CancelReason.CONTINGENCY, is_answer=False)
        if order.is_backed:
            order.is_backed = False
            self.take_hold(order)

    def part(self, order: Order) -> None:
        """A closed order: what it was linked with ends, or gets its turn."""
        ending: list[Order] = []
        if order.sibling is not None:
            ending = [order.sibling]
            order.sibling.sibling = None
        elif order.is_dependent:
            if order.first is not None:
                order.first.triggers = []
            else:
                for group in self.activating.get(order.instrument_id, []):
                    if any(each is order for each in group):
                        self.activating[order.instrument_id].remove(group)
                        break
            ending = order.mates
        elif order.triggers and not order.open_lots:
            for other in order.triggers:
                other.first = None
            self.activating.setdefault(order.instrument_id, []).append(order.triggers)
        else:
            ending = order.triggers
        for other in ending:
            other.is_dependent, other.mates = False, []
            self.linked_count += 1
            self.cancel(other, CancelReason.CONTINGENCY, is_answer=False)
        order.sibling, order.triggers, order.mates, order.is_dependent = None, [], [], False

    # ---- one triggers the other -------------------------------------------------------------

    def activate_next(self, instrument_id: int) -> None:
        group = self.activating[instrument_id].pop(0)
        for order in group:
            order.is_dependent, order.mates = False, []
        if self.accounts[group[0].account_id] != AccountState.ACTIVE:
            reason = CancelReason.ACCOUNT_SUSPENDED
        elif not all(self.is_placeable(order) for order in group):
            reason = CancelReason.NOT_PLACEABLE
        else:
            self.place_activated(group)
            return
        for order in group:
            self.cancel(order, reason, is_answer=False)

    def is_placeable(self, order: Order) -> bool:
        asset_id, units = self.hold(order)
        followers = [o for o in self.waiting if o.order_type == OrderType.TRAILING_STOP]
        is_post_only = order.flags & OrderFlag.POST_ONLY
        return not (
            units > self.funds_of(order.account_id, asset_id).available
            or not self.is_notional(order.instrument_id, order.price_ticks, order.quantity_lots)
            or self.is_outside_collar(order, order.price_ticks, order.order_type in STOPS)
            or (
                order.order_type == OrderType.TRAILING_STOP
                and len(followers) >= wire.TRAILING_STOPS_MAX
            )
            or (
                is_post_only
                and self.is_crossing(order.instrument_id, order.side, order.price_ticks)
            )
        )

    def place_activated(self, group: list[Order]) -> None:
        first, *others = group
        self.begin_activated(first)
        if first.order_type in STOPS:
            first.is_backed = False
            self.wait_or_trigger(first)
            return
        self.pending.remove(first)
        first.is_pending = first.is_waiting = first.is_backed = False
        self.trade_and_rest(first)
        for stop in others:
            self.begin_activated(stop)
            self.place_stop_leg(stop, first, first.quantity_at_acceptance)

    def begin_activated(self, order: Order) -> None:
        if order.order_type == OrderType.TRAILING_STOP:
            last_price = self.last_prices[order.instrument_id]
            order.trigger_price_ticks = self.trigger_ticks(order, last_price)
        order.shows_pending = False
        self.emit(
            wire.OrderActivated,
            order_id=order.order_id,
            account_id=order.account_id,
            client_order_id=order.client_order_id,
            trigger_price_ticks=order.trigger_price_ticks,
            instrument_id=order.instrument_id,
            side=order.side,
            order_type=order.order_type,
        )
        was_waiting = order.is_waiting
        order.is_waiting = order.order_type in STOPS
        self.report(order, ExecutionKind.ACTIVATED)
        order.is_waiting = was_waiting
