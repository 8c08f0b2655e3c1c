"""The reference model's trading states and auctions (see reference.py)."""

from tradepit.protocol import wire
from tradepit.protocol.wire import (
    CancelReason,
    OrderFlag,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)

from tests.reference_matching import ReferenceMatching
from tests.reference_state import NEVER_NS, RESTING, STOPS, Order

BEFORE_OPEN = (TradingState.PRE_OPEN, TradingState.OPENING_AUCTION)
AUCTIONS = (
    TradingState.OPENING_AUCTION,
    TradingState.VOLATILITY_AUCTION,
    TradingState.CLOSING_AUCTION,
)


class ReferenceAuction(ReferenceMatching):
    """How an instrument moves from state to state, and what trades in between."""

    # ---- what a state allows ----------------------------------------------------------------

    def judge_state(self, instrument_id: int) -> Reason:
        state = self.instruments[instrument_id].trading_state
        if state == TradingState.HALTED:
            return Reason.INSTRUMENT_HALTED
        if state == TradingState.CLOSED:
            return Reason.NOT_IN_THIS_STATE
        return Reason.AUCTION_ENDING if instrument_id in self.uncrossing else Reason.NONE

    def judge_placing(self, command: wire.NewOrder) -> Reason:
        reason = self.judge_state(command.instrument_id)
        if reason:
            return reason
        state = self.instruments[command.instrument_id].trading_state
        if command.time_in_force == TimeInForce.AT_THE_OPEN and state not in BEFORE_OPEN:
            return Reason.NOT_IN_THIS_STATE
        if self.is_continuous(command.instrument_id) or command.order_type in STOPS:
            return Reason.NONE
        is_allowed = (
            command.order_type == OrderType.LIMIT
            and command.time_in_force in RESTING
            and not command.flags & (OrderFlag.POST_ONLY | OrderFlag.POST_ONLY_SLIDE)
        )
        return Reason.NONE if is_allowed else Reason.NOT_IN_THIS_STATE

    # ---- changing the state -----------------------------------------------------------------

    def set_instrument(self, command: wire.SetInstrument) -> None:
        before = self.instruments.get(command.instrument_id)
        super().set_instrument(command)
        is_refused = isinstance(self.events[-1], wire.CommandRejected)
        if before and not is_refused and before.trading_state != command.trading_state:
            self.change_state(command.instrument_id, command.trading_state)

    def set_trading_state(self, command: wire.SetTradingState) -> None:
        known = tuple(TradingState)
        if command.instrument_id not in self.instruments:
            self.reject_command(Reason.UNKNOWN_INSTRUMENT)
        elif command.instrument_id in self.uncrossing:
            self.reject_command(Reason.AUCTION_ENDING)
        elif command.state not in known or (
            command.next_state not in known
            or command.next_state == command.state
            or not command.time_ns < command.end_time_ns < 2**63 - 1
            if command.end_time_ns
            else command.next_state
        ):
            self.reject_command(Reason.INVALID_TRADING_STATE)
        else:
            self.change_state(
                command.instrument_id, command.state, command.end_time_ns, command.next_state
            )

    def change_state(
        self, instrument_id: int, state: int, end_time_ns: int = 0, next_state: int = 0
    ) -> None:
        self.changes[instrument_id] = (state, end_time_ns, next_state)
        self.state_deadlines.pop(instrument_id, None)
        if state in (TradingState.CONTINUOUS, TradingState.CLOSED):
            self.begin_uncross(instrument_id)
        self.go_on_changing(instrument_id)

    def go_on_changing(self, instrument_id: int) -> None:
        if not self.go_on_uncrossing(instrument_id):
            self.state_deadlines[instrument_id] = self.due_now
            return
        state, end_time_ns, next_state = self.changes[instrument_id]
        terms = self.instruments[instrument_id]
        self.emit(
            wire.TradingStateChanged,
            end_time_ns=end_time_ns,
            instrument_id=instrument_id,
            state=state,
            previous_state=terms.trading_state,
            next_state=next_state,
        )
        self.instruments[instrument_id] = terms._replace(trading_state=state)
        has_day_orders = any(
            (order.instrument_id, order.time_in_force) == (instrument_id, TimeInForce.DAY)
            for order in self.open_orders
        )
        if state == TradingState.CLOSED and has_day_orders:
            self.day_ends[instrument_id] = self.due_now
        self.touched[instrument_id] = None
        self.change_auction(instrument_id, state)
        self.state_deadlines.pop(instrument_id, None)
        if next_state:
            self.state_deadlines[instrument_id] = end_time_ns
        if state == TradingState.CONTINUOUS and instrument_id not in self.auctions_over:
            self.trigger_reached(instrument_id)

    # ---- orders for one auction alone -------------------------------------------------------

    def at_the_close(self, instrument_id: int, *, waiting: bool) -> list[Order]:
        return [
            order
            for order in (self.waiting if waiting else self.resting)
            if (order.instrument_id, order.time_in_force)
            == (instrument_id, TimeInForce.AT_THE_CLOSE)
        ]

    def over(self, instrument_id: int, state: int) -> list[Order]:
        """The orders for an auction that is over in this state, the oldest first of each kind."""
        opening = [
            order
            for order in self.open_orders
            if (order.instrument_id, order.time_in_force)
            == (instrument_id, TimeInForce.AT_THE_OPEN)
        ]
        resting = self.at_the_close(instrument_id, waiting=False)
        waiting = self.at_the_close(instrument_id, waiting=True)
        closing = [] if state == TradingState.CLOSING_AUCTION else resting
        if state == TradingState.CLOSED:
            closing = resting + waiting
        closing.sort(key=lambda order: order.order_id)
        return ([] if state in BEFORE_OPEN else opening) + closing

    def change_auction(self, instrument_id: int, state: int) -> None:
        self.closings.pop(instrument_id, None)
        self.auctions_over.pop(instrument_id, None)
        if state == TradingState.HALTED:
            return
        if state == TradingState.CLOSING_AUCTION and self.at_the_close(instrument_id, waiting=True):
            self.closings[instrument_id] = self.due_now
        if self.over(instrument_id, state):
            self.auctions_over[instrument_id] = self.due_now

    def begin_closing(self, instrument_id: int) -> None:
        self.is_cascade = True
        orders = sorted(
            self.at_the_close(instrument_id, waiting=True),
            key=lambda order: (
                order.side,
                order.price_ticks * (1 if order.side == Side.SELL else -1),
            ),
        )
        for order in orders[: wire.CANCELS_PER_COMMAND_MAX]:
            self.release_hold(order)
            self.waiting.remove(order)
            self.end_waiting(order, 0)
            self.rest(order)
        self.is_cascade = False
        if len(orders) <= wire.CANCELS_PER_COMMAND_MAX:
            del self.closings[instrument_id]

    def end_auction(self, instrument_id: int, canceled_count: int) -> int:
        for order in self.over(instrument_id, self.instruments[instrument_id].trading_state):
            if canceled_count + self.linked_count >= wire.CANCELS_PER_COMMAND_MAX:
                return canceled_count
            self.cancel(order, CancelReason.AUCTION_OVER, is_answer=False)
            canceled_count += 1
        self.trigger_reached(instrument_id)
        self.auctions_over.pop(instrument_id, None)  # a breaker has cleared it perhaps
        return canceled_count

    def trip_breaker(self, instrument_id: int) -> None:
        """A trade would be too far from the reference price: an auction takes over."""
        end_ns = self.command.time_ns + self.instruments[instrument_id].breaker_auction_ns
        self.change_state(
            instrument_id,
            TradingState.VOLATILITY_AUCTION,
            min(end_ns, 2**63 - 2),
            TradingState.CONTINUOUS,
        )

    def advance(self, instrument_id: int) -> None:
        """What is due for an instrument: the rest of its auction's trades, or its next state."""
        if instrument_id in self.uncrossing:
            self.go_on_changing(instrument_id)
        else:
            self.change_state(instrument_id, self.changes[instrument_id][2])

    # ---- calendars --------------------------------------------------------------------------

    def set_calendar(self, command: wire.SetCalendar) -> None:
        minutes = [entry.minute_of_week for entry in command.entries]
        if command.instrument_id not in self.instruments:
            self.reject_command(Reason.UNKNOWN_INSTRUMENT)
        elif (
            minutes != sorted(set(minutes))
            or any(minute >= 7 * 24 * 60 for minute in minutes)
            or any(entry.trading_state not in tuple(TradingState) for entry in command.entries)
        ):
            self.reject_command(Reason.INVALID_CALENDAR)
        else:
            self.calendars[command.instrument_id] = command.entries
            self.expect_entry(command.instrument_id)
            self.emit(
                wire.CalendarChanged,
                instrument_id=command.instrument_id,
                entries=command.entries,
            )

    def entries_around(self, instrument_id: int) -> list[tuple[int, int]]:
        """(time, state) of the entries of three weeks around now."""
        minute_ns = 60 * 10**9
        week_ns = 7 * 24 * 60 * minute_ns
        monday = (self.command.time_ns + 3 * 24 * 60 * minute_ns) // week_ns * week_ns
        monday -= 3 * 24 * 60 * minute_ns  # the epoch was a Thursday
        return [
            (monday + week * week_ns + entry.minute_of_week * minute_ns, entry.trading_state)
            for week in (-1, 0, 1)
            for entry in self.calendars.get(instrument_id, ())
        ]

    def expect_entry(self, instrument_id: int) -> None:
        self.entry_deadlines.pop(instrument_id, None)
        for time_ns, _ in self.entries_around(instrument_id):
            if self.command.time_ns < time_ns < NEVER_NS:
                self.entry_deadlines[instrument_id] = time_ns
                break

    def follow_calendar(self, instrument_id: int) -> None:
        if instrument_id in self.uncrossing:
            self.advance(instrument_id)
            return
        self.expect_entry(instrument_id)
        passed = [e for e in self.entries_around(instrument_id) if e[0] <= self.command.time_ns]
        self.change_state(instrument_id, passed[-1][1])

    # ---- auctions ---------------------------------------------------------------------------

    def auction(self, instrument_id: int) -> tuple[int, int, int]:
        """(price, volume, lots that more are bought than sold) if an auction ended now."""
        buys = self.queue(instrument_id, Side.BUY)
        sells = self.queue(instrument_id, Side.SELL)
        if not buys or not sells or buys[0].book_ticks < sells[0].book_ticks:
            return 0, 0, 0
        reference = self.last_prices.get(
            instrument_id, self.instruments[instrument_id].reference_price_ticks
        )
        ranked = []
        for price in {order.book_ticks for order in buys + sells}:
            if not sells[0].book_ticks <= price <= buys[0].book_ticks:
                continue  # not of an order that crosses
            bought = sum(order.open_lots for order in buys if order.book_ticks >= price)
            sold = sum(order.open_lots for order in sells if order.book_ticks <= price)
            distance = abs(price - reference) if reference else 0
            ranked.append((-min(bought, sold), abs(bought - sold), distance, -price, bought - sold))
        volume, _, _, price, surplus = min(ranked)
        return -price, -volume, surplus

    def indicative(self, instrument_id: int) -> tuple[int, int, int, int]:
        if self.instruments[instrument_id].trading_state not in AUCTIONS:
            return 0, 0, 0, 0
        price, volume, surplus = self.auction(instrument_id)
        return price, volume, abs(surplus), self.surplus_side(surplus)

    @staticmethod
    def surplus_side(surplus: int) -> int:
        return 0 if not surplus else Side.BUY if surplus > 0 else Side.SELL

    def begin_uncross(self, instrument_id: int) -> None:
        price, volume, surplus = self.auction(instrument_id)
        if not price:
            return
        self.uncrossing[instrument_id] = price
        terms = self.instruments[instrument_id]
        self.instruments[instrument_id] = terms._replace(reference_price_ticks=price)
        self.emit(
            wire.AuctionUncrossed,
            price_ticks=price,
            volume_lots=volume,
            imbalance_lots=abs(surplus),
            instrument_id=instrument_id,
            imbalance_side=self.surplus_side(surplus),
        )

    def go_on_uncrossing(self, instrument_id: int) -> bool:
        """False if the command has met its most makers and more is left."""
        while instrument_id in self.uncrossing:
            price = self.uncrossing[instrument_id]
            buys = self.queue(instrument_id, Side.BUY)
            sells = self.queue(instrument_id, Side.SELL)
            if buys and sells and buys[0].book_ticks >= price >= sells[0].book_ticks:
                if self.met_count >= wire.FILLS_PER_COMMAND_MAX:
                    return False
                self.met_count += 1
                self.is_cascade = True
                maker, taker = sorted((buys[0], sells[0]), key=lambda order: order.order_id)
                self.uncross_pair(taker, maker, price)
                self.is_cascade = False
            else:
                del self.uncrossing[instrument_id]
                self.begin_uncross(instrument_id)  # what self-trade prevention left crossed
        return True

    def uncross_pair(self, taker: Order, maker: Order, price: int) -> None:
        self.touched[taker.instrument_id] = None
        is_self_trade = taker.self_trade_prevention and self.is_same_trader(
            taker.account_id, maker.account_id
        )
        for order in (maker, taker):
            if not is_self_trade and self.is_spent(order):
                self.cancel(order, CancelReason.REDUCE_ONLY, is_answer=False)
                return
        mode = taker.self_trade_prevention
        if not is_self_trade or mode == SelfTradePrevention.DECREMENT_AND_CANCEL:
            self.leave_sibling(maker)
            self.leave_sibling(taker)
        self.release_hold(taker)
        if is_self_trade:
            goes_on = self.prevent(taker, maker, min(taker.open_lots, maker.open_lots))
        else:
            lots = min(self.tradable(taker), self.tradable(maker))
            self.trade(taker, maker, lots, price)
            goes_on = True
        if goes_on and taker.open_lots:
            self.take_hold(taker)
        else:
            self.resting.remove(taker)
            if not goes_on:
                self.end(taker, CancelReason.SELF_TRADE, is_answer=False)
            self.part(taker)
        for order in (maker, taker):
            if not is_self_trade and self.is_spent(order):
                self.cancel(order, CancelReason.REDUCE_ONLY, is_answer=False)
