"""The reference model's commands that end many orders: by time, by request, by a switch or a timer."""

from collections.abc import Callable

from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, KillSwitchState, Reason, Side, TimeInForce

from tests.reference_judge import ReferenceJudge
from tests.reference_state import HOUSE, NEVER_NS, Order


class ReferenceControl(ReferenceJudge):
    """See reference.py."""

    def sweep(
        self, account_id: int, is_meant: Callable[[Order], bool], reason: CancelReason
    ) -> None:
        orders = [
            order
            for account in self.accounts  # in the order in which they were opened
            for order in self.open_orders
            if order.account_id == account and account_id in (0, account) and is_meant(order)
        ]
        canceled_count = remaining_count = 0
        for order in orders:
            if order not in self.open_orders:
                continue  # it has ended with another
            if not self.may_cancel(canceled_count):
                remaining_count += 1
                continue
            self.cancel(order, reason, is_answer=reason == CancelReason.MASS_CANCEL)
            canceled_count += 1
        self.emit(
            wire.MassCanceled,
            account_id=account_id,
            canceled_count=canceled_count,
            remaining_count=remaining_count,
        )

    def may_cancel(self, canceled_count: int) -> bool:
        return canceled_count + self.linked_count < wire.CANCELS_PER_COMMAND_MAX

    def mass_cancel(self, command: wire.MassCancel) -> None:
        if command.instrument_id and command.instrument_id not in self.instruments:
            self.reject_command(Reason.UNKNOWN_INSTRUMENT, command.account_id)
        elif command.account_id not in self.accounts:
            self.reject_command(Reason.UNKNOWN_ACCOUNT, command.account_id)
        elif command.side not in (0, Side.BUY, Side.SELL):
            self.reject_command(Reason.INVALID_SIDE, command.account_id)
        else:
            self.sweep(
                command.account_id,
                lambda order: (
                    command.instrument_id in (0, order.instrument_id)
                    and command.session_id in (0, order.session_id)
                    and command.side in (0, order.side)
                ),
                CancelReason.MASS_CANCEL,
            )

    def session_ended(self, command: wire.SessionEnded) -> None:
        if command.account_id not in self.accounts:
            self.reject_command(Reason.UNKNOWN_ACCOUNT, command.account_id)
            return
        self.sweep(
            command.account_id,
            lambda order: (
                order.session_id == command.session_id
                if command.session_id
                else order.session_id >= wire.TIED_SESSION_BIT
            ),
            CancelReason.DISCONNECTED,
        )

    def kill_switch(self, command: wire.KillSwitch) -> None:
        if command.account_id not in self.accounts:
            self.reject_command(Reason.UNKNOWN_ACCOUNT, command.account_id)
        elif command.state not in (KillSwitchState.ENGAGED, KillSwitchState.RELEASED):
            self.reject_command(Reason.INVALID_KILL_SWITCH, command.account_id)
        else:
            self.killed.discard(command.account_id)
            self.timers.pop(("kill", command.account_id), None)
            canceled_count = 0
            if command.state == KillSwitchState.ENGAGED:
                self.killed.add(command.account_id)
                canceled_count, is_done = self.kill(command.account_id, 0)
                if not is_done:
                    self.timers["kill", command.account_id] = self.due_now
            self.emit(
                wire.KillSwitchChanged,
                account_id=command.account_id,
                canceled_count=canceled_count,
                state=command.state,
            )

    def kill(self, account_id: int, canceled_count: int) -> tuple[int, bool]:
        for account in self.accounts:
            if account_id in (0, account):
                canceled_count, is_done = self.cancel_all(
                    account, CancelReason.KILL_SWITCH, canceled_count
                )
                if not is_done:
                    return canceled_count, False
        return canceled_count, True

    def cancel_all(
        self, account_id: int, reason: CancelReason, canceled_count: int
    ) -> tuple[int, bool]:
        """Cancel as many orders of an account as a command may; the count so far, and if all."""
        while True:
            orders = [order for order in self.open_orders if order.account_id == account_id]
            if not orders or not self.may_cancel(canceled_count):
                return canceled_count, not orders
            self.cancel(orders[0], reason, is_answer=False)
            canceled_count += 1

    def cancel_after(self, command: wire.CancelAfter) -> None:
        now_ns = max(command.time_ns, 0)
        deadline_ns = now_ns + command.timeout_ns if command.timeout_ns else 0
        if command.account_id == HOUSE or command.account_id not in self.accounts:
            self.reject_command(Reason.UNKNOWN_ACCOUNT, command.account_id)
        elif (
            not 0 <= command.timeout_ns <= wire.CANCEL_AFTER_NS_MAX
            or now_ns + command.timeout_ns >= NEVER_NS
        ):
            self.reject_command(Reason.INVALID_TIMEOUT, command.account_id)
        else:
            self.timers.pop(("dead_man", command.account_id), None)
            if deadline_ns:
                self.timers["dead_man", command.account_id] = deadline_ns
            self.emit(
                wire.CancelAfterChanged, account_id=command.account_id, deadline_ns=deadline_ns
            )

    # ---- time -------------------------------------------------------------------------------

    def tick(self, command: wire.Tick) -> None:
        canceled_count = 0
        for met_count in range(wire.CANCELS_PER_COMMAND_MAX):
            due = min(self.deadlines(), default=None)
            if due is None or due[0] > command.time_ns or not self.may_cancel(canceled_count):
                break
            if due[1] == 6:
                if not met_count:
                    self.begin_closing(due[2])
                break
            if due[1] == 5:
                if not met_count:
                    self.follow_calendar(due[2])
                break
            if due[1] == 1:
                if not met_count:
                    self.advance(due[2])
                break
            canceled_count = self.meet(due, canceled_count)
        self.emit(
            wire.Ticked, next_deadline_ns=self.next_deadline_ns or 0, canceled_count=canceled_count
        )

    def meet(self, due: tuple[int, int, int], canceled_count: int) -> int:
        _, kind, number = due
        if kind == 0:
            (order,) = (order for order in self.open_orders if order.order_id == number)
            self.cancel(order, CancelReason.EXPIRED, is_answer=False)
            return canceled_count + 1
        if kind == 7:
            return self.end_auction(number, canceled_count)
        if kind == 2:
            for order in self.open_orders:
                if (order.instrument_id, order.time_in_force) != (number, TimeInForce.DAY):
                    continue
                if order not in self.open_orders:
                    continue  # it has ended with another
                if not self.may_cancel(canceled_count):
                    return canceled_count
                self.cancel(order, CancelReason.EXPIRED, is_answer=False)
                canceled_count += 1
            del self.day_ends[number]
            return canceled_count
        account_id = list(self.accounts)[number]
        if kind == 3:
            canceled_count, is_done = self.cancel_all(
                account_id, CancelReason.DEAD_MAN, canceled_count
            )
            if is_done:
                del self.timers["dead_man", account_id]
                self.emit(wire.CancelAfterChanged, account_id=account_id)
            return canceled_count
        canceled_count, is_done = self.kill(account_id, canceled_count)
        if is_done:
            del self.timers["kill", account_id]
        return canceled_count
