"""The blocking client: one thread, one connection, one shard."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

from tradepit.client import results
from tradepit.client.administration import Administration
from tradepit.client.requests import (
    OPEN_ORDERS_PAGE,
    NewOrderTerms,
    Pipelined,
    messages,
    new_order,
    new_order_list,
    no_answer,
    request_ids,
)
from tradepit.client.results import Answer, Book, Listing, Order, OrderList, Quotes
from tradepit.client.session import TIMEOUT_S, Session
from tradepit.protocol import wire
from tradepit.protocol.errors import OutcomeUnknown, Unreachable

OUTSTANDING_MAX = 65_536  # requests without an answer
WINDOW_REQUESTS = 4_096  # what submit_many keeps in flight
REPORTS_QUEUED_MAX = 65_536
HEARTBEAT_S = 1.0

_NOT_LOGGED_ON = int(wire.Reason.NOT_LOGGED_ON)


class Client(Administration):
    """Orders in, answers out, over ZeroMQ. Belongs to one thread at a time.

    Every call ends within about `timeout_s`. It returns what the server answered once that is
    durable, or raises

    - `Refused` with the reason: nothing changed. (Pipelined calls return refused orders instead.)
    - `OutcomeUnknown`: sent, not answered; ask `order(client_order_id=...)` or send it again under
      the same client_order_id, which counts once. A late answer arrives as an unasked report.
    - `Unreachable`: not connected; nothing took effect.

    After a restart of the shard the client logs on again by itself and sends again what was refused
    for want of a logon. `logon_count` goes up then: reports may have been missed, so ask
    `open_orders`.

    Unasked reports (fills of resting orders, and late answers) go to `on_report` if given,
    otherwise to a queue that `reports` empties. The queue drops its oldest at REPORTS_QUEUED_MAX and
    counts them in `reports_dropped`.

    With `cancel_on_disconnect` the shard cancels the open orders of this session once it has ended:
    the connection is gone, or it has sent nothing for 10 s. A `Client` sends only when it is called:
    call `reports` or `status` more often than that. After that, and after a restart of the shard, it
    logs on again as above, and its orders are canceled.
    """

    def __init__(
        self,
        endpoint: str,
        account_id: int,
        key: str,
        *,
        cancel_on_disconnect: bool = False,
        timeout_s: float = TIMEOUT_S,
        on_report: Callable[[wire.ExecutionReport], None] | None = None,
    ) -> None:
        self._session = Session(
            endpoint,
            account_id,
            key,
            receive_reports=account_id != 0,
            cancel_on_disconnect=cancel_on_disconnect,
            timeout_s=timeout_s,
        )
        self._account_id = account_id
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._on_report = on_report
        self._heartbeat_id = 0
        self._heartbeat_due_s = 0.0
        self._ids = request_ids()
        self._pending: dict[int, Answer] = {}  # in the order of sending
        self._unsent: list[Answer] = []  # pending, and to be sent (again)
        self._is_logged_on = False
        self._done: deque[Answer] = deque()  # pipelined answers nobody took; <= OUTSTANDING_MAX
        self._reports: deque[wire.ExecutionReport] = deque()
        self.reports_dropped = 0
        self.logon_count = 0

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def connect(self) -> wire.LoggedOn:
        """Connect and log on. Raises Unreachable, or Refused if the key is wrong."""
        self._pending.clear()
        self._unsent.clear()
        self._done.clear()
        logged_on = self._session.connect()
        self._is_logged_on = True
        self.logon_count += 1
        return logged_on

    def close(self) -> None:
        """Close at once. Orders stay as they are, without `cancel_on_disconnect`."""
        self._session.close()
        self._is_logged_on = False

    @property
    def session_id(self) -> int:
        """What the orders of this session carry; 0 before the first logon, another after each."""
        return self._session.session_id

    # One request, one answer.

    def submit(self, **terms: Unpack[NewOrderTerms]) -> Order:
        """Place an order: see `new_order`. Returns it with what it traded at once.

        Sent again with the same client_order_id and terms, it is placed once: the first answer comes
        again (`Order.is_replayed`).
        """
        return results.accepted_order(self._ask(new_order(**terms)))

    def submit_list(
        self, kind: int, orders: Iterable[NewOrderTerms], *, account_id: int = 0
    ) -> OrderList:
        """Place orders of one instrument in one command, linked as `kind`, a `wire.ListKind`, says:
        see `new_order_list`. Raises Refused, with the `index` of the order that is the cause, if all of
        it was refused; of kind `each`, the orders that were refused stand among the others.
        """
        request = new_order_list(kind, orders, account_id=account_id)
        return results.list_of_answer(self._ask(request))

    def cancel(self, *, order_id: int = 0, client_order_id: int = 0, account_id: int = 0) -> Order:
        """Cancel an open order, named by one of its ids."""
        request = wire.CancelOrder(
            account_id=account_id, order_id=order_id, client_order_id=client_order_id
        )
        return results.accepted_order(self._ask(request))

    def replace(
        self,
        *,
        order_id: int = 0,
        client_order_id: int = 0,
        price_ticks: int = 0,
        quantity_lots: int = 0,
        account_id: int = 0,
    ) -> Order:
        """Change an open order; `quantity_lots` is the new total, filled included; 0 = as it is."""
        request = wire.ReplaceOrder(
            account_id=account_id,
            order_id=order_id,
            client_order_id=client_order_id,
            price_ticks=price_ticks,
            quantity_lots=quantity_lots,
        )
        return results.accepted_order(self._ask(request))

    def mass_cancel(
        self, *, instrument_id: int = 0, side: int = 0, session_id: int = 0, account_id: int = 0
    ) -> int:
        """Cancel all open orders (of an instrument, a side, a session); how many there were.

        An operator who names no account cancels those of all.
        """
        canceled_count = 0
        while True:
            request = wire.MassCancel(
                account_id=account_id,
                instrument_id=instrument_id,
                side=side,
                session_id=session_id,
            )
            record: wire.MassCanceled = results.single_record(self._ask(request))
            canceled_count += record.canceled_count
            if not record.remaining_count:
                return canceled_count

    def mass_quote(self, quote: wire.MassQuote) -> Quotes:
        """Put these quotes in the place of all that the account has in the instrument."""
        return results.quotes_of_answer(self._ask(quote))

    def set_quote_protection(
        self, protection: wire.SetQuoteProtection
    ) -> wire.QuoteProtectionChanged:
        """Pull the account's quotes once they have traded this much within a window. The call also
        lets it quote again after that.
        """
        changed: wire.QuoteProtectionChanged = results.single_record(self._ask(protection))
        return changed

    def cancel_after(self, timeout_ns: int, *, account_id: int = 0) -> wire.CancelAfterChanged:
        """Set the account's dead-man timer anew: unless it is set again within `timeout_ns`, all open
        orders of the account are canceled. 0 switches it off.
        """
        request = wire.CancelAfter(account_id=account_id, timeout_ns=timeout_ns)
        changed: wire.CancelAfterChanged = results.single_record(self._ask(request))
        return changed

    def engage_kill_switch(self, *, account_id: int = 0) -> wire.KillSwitchChanged:
        """Cancel all open orders of the account and refuse new ones until an operator releases it.

        An operator who names no account stops the whole shard.
        """
        request = wire.KillSwitch(account_id=account_id, state=wire.KillSwitchState.ENGAGED)
        changed: wire.KillSwitchChanged = results.single_record(self._ask(request))
        return changed

    def release_kill_switch(self, *, account_id: int = 0) -> wire.KillSwitchChanged:
        """Let the account (0 = the whole shard) trade again. Operators only."""
        request = wire.KillSwitch(account_id=account_id, state=wire.KillSwitchState.RELEASED)
        changed: wire.KillSwitchChanged = results.single_record(self._ask(request))
        return changed

    def order(self, *, order_id: int = 0, client_order_id: int = 0, account_id: int = 0) -> Order:
        """An open order. One that is filled, canceled or unknown raises Refused(unknown_order)."""
        request = wire.OrderQuery(
            account_id=account_id, order_id=order_id, client_order_id=client_order_id
        )
        return results.accepted_order(self._ask(request))

    def open_orders(self, *, instrument_id: int = 0, account_id: int = 0) -> list[Order]:
        """Open orders, oldest first. Pages: orders that change meanwhile may be seen as they were."""
        orders: list[Order] = []
        while True:
            request = wire.OpenOrdersQuery(
                account_id=account_id,
                after_order_id=orders[-1].order_id if orders else 0,
                instrument_id=instrument_id,
                count_max=OPEN_ORDERS_PAGE,
            )
            page = results.open_orders_page(self._ask(request))
            orders += page
            if len(page) < OPEN_ORDERS_PAGE:
                return orders

    def balances(self, *, account_id: int = 0) -> list[wire.Balance]:
        """Available and held, by asset_id."""
        return results.balances_of_answer(self._ask(wire.BalancesQuery(account_id=account_id)))

    def book(self, instrument_id: int, levels: int = 10) -> Book:
        """The best `levels` of each side."""
        request = wire.BookQuery(instrument_id=instrument_id, levels_max=levels)
        return results.book_of_answer(self._ask(request))

    def instruments(self) -> Listing:
        """Assets and instruments of the shard."""
        return results.listing_of_answer(self._ask(wire.InstrumentsQuery()))

    def status(self) -> wire.ShardStatus:
        """Where the shard stands."""
        status: wire.ShardStatus = results.single_record(self._ask(wire.StatusQuery()))
        return status

    # Many requests in few messages.

    @property
    def outstanding_count(self) -> int:
        """Requests without an answer."""
        return len(self._pending)

    def send(self, requests: Iterable[Pipelined]) -> list[int]:
        """Send orders, cancels, replaces, as many to a message as fit; their request_ids.

        Does not wait for answers: `receive` gives them. Raises Refused(busy) when more than
        OUTSTANDING_MAX would be unanswered, and Unreachable: nothing of `requests` was sent then.
        """
        deadline_s = time.monotonic() + self._timeout_s
        answers = [
            Answer(self._identified(request), deadline_s, is_pipelined=True) for request in requests
        ]
        if len(self._pending) + len(self._done) + len(answers) > OUTSTANDING_MAX:
            raise results.refusal(wire.Reason.BUSY)
        self._pending.update((answer.request.request_id, answer) for answer in answers)
        self._unsent += answers
        try:
            self._send_unsent()
        except Unreachable:
            if answers and self._unsent and self._unsent[-len(answers) :] == answers:
                del self._unsent[-len(answers) :]
                for answer in answers:
                    del self._pending[answer.request.request_id]
                raise
            # Some went out: the rest follows with the next call.
        return [answer.request.request_id for answer in answers]

    def receive(self) -> list[tuple[int, Order]]:
        """Answers to what `send` sent: (request_id, order), refused orders included.

        Waits for at least one, unless nothing is outstanding. Raises OutcomeUnknown when the
        oldest is overdue, and forgets those that are.
        """
        self._pending.pop(self._heartbeat_id, None)
        while not self._done and self._pending:
            oldest = next(iter(self._pending.values()))
            if self._unsent:
                self._send_unsent()
            data = self._session.receive(oldest.deadline_s - time.monotonic())
            if data is None:
                self._forget_overdue()
            else:
                self._take(data)
        done = [(each.request.request_id, results.order_of_answer(each)) for each in self._done]
        self._done.clear()
        return done

    def submit_many(self, requests: Sequence[Pipelined]) -> list[Order]:
        """Send all, WINDOW_REQUESTS in flight, and return the orders in the same order.

        Refused ones are values: see `Order.reason`. Raises OutcomeUnknown or Unreachable; what had
        been sent by then may have taken effect.
        """
        orders: dict[int, Order] = {}
        ids: list[int] = []
        while len(orders) < len(requests):
            if len(ids) < len(requests) and len(ids) - len(orders) <= WINDOW_REQUESTS // 2:
                room = WINDOW_REQUESTS - (len(ids) - len(orders))
                ids += self.send(requests[len(ids) : len(ids) + room])
            orders.update(self.receive())
        return [orders[request_id] for request_id in ids]

    def reports(self, timeout_s: float) -> list[wire.ExecutionReport]:
        """Unasked reports, oldest first: those queued, else the first to come within `timeout_s`.

        Sends a heartbeat each second, however often it is called, and so notices a restart of the
        shard and keeps the session alive.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            now_s = time.monotonic()
            if now_s >= self._heartbeat_due_s:
                self._send_heartbeat()
                self._heartbeat_due_s = now_s + HEARTBEAT_S
            if self._reports:
                break
            data = self._session.receive(min(deadline_s, self._heartbeat_due_s) - now_s)
            if data is not None:
                self._take(data)
            elif now_s >= deadline_s:
                break
        reports = list(self._reports)
        self._reports.clear()
        return reports

    # Inside.

    def _identified(self, request: Any) -> Any:
        """The request with an id of its own and, where it names none, this client's account."""
        request_id = next(self._ids)
        while request_id in self._pending:
            request_id = next(self._ids)
        if self._account_id and getattr(request, "account_id", 1) == 0:
            return request._replace(request_id=request_id, account_id=self._account_id)
        return request._replace(request_id=request_id)

    def _ask(self, request: Any) -> Answer:
        """Send one request and wait for its whole answer."""
        answer = Answer(self._identified(request), time.monotonic() + self._timeout_s)
        request_id = answer.request.request_id
        pending = self._pending
        if self._unsent or not self._is_logged_on:
            self._send_unsent()
        self._session.send(answer.data)
        pending[request_id] = answer
        try:
            self._take(self._session.receive_answer())
            while request_id in pending:
                left_s = answer.deadline_s - time.monotonic()
                data = self._session.receive(left_s) if left_s > 0 else None
                if data is None:
                    raise OutcomeUnknown
                self._take(data)
        except OutcomeUnknown:
            raise no_answer(request, self._endpoint, self._timeout_s) from None
        finally:
            pending.pop(request_id, None)
        return answer

    def _take(self, data: bytes) -> None:
        """Take one message of replies; log on again if the shard asks for it."""
        for record in wire.decode_all(data):
            self._take_record(record)
        if not self._is_logged_on:
            self._send_unsent()

    def _take_record(self, record: Any) -> None:
        answer = self._pending.get(record.request_id)
        if type(record) is wire.Reject and record.reason == _NOT_LOGGED_ON:
            self._is_logged_on = False
            if answer is not None:
                self._unsent.append(answer)
        elif answer is None:
            self._take_unasked(record)
        elif answer.add(record):
            del self._pending[record.request_id]
            if answer.is_pipelined:
                self._done.append(answer)

    def _take_unasked(self, record: Any) -> None:
        if type(record) is not wire.ExecutionReport:
            return  # a late answer to a query: nobody waits for it any more
        if self._on_report is not None:
            self._on_report(record)
            return
        if len(self._reports) == REPORTS_QUEUED_MAX:
            self._reports.popleft()
            self.reports_dropped += 1
        self._reports.append(record)

    def _send_unsent(self) -> None:
        """Log on if need be, then send what was refused or held back, in its order.

        Replies to what the old session sent arrive before the answer to the logon.
        """
        if not self._is_logged_on:
            _, others = self._session.log_on()
            for record in others:
                self._take_record(record)
            self._is_logged_on = True
            self.logon_count += 1
        unsent = [each for each in self._unsent if each.request.request_id in self._pending]
        sent_count = 0
        try:
            for count, message in messages(unsent):
                self._session.send(message)
                sent_count += count
        finally:
            self._unsent = unsent[sent_count:]

    def _send_heartbeat(self) -> None:
        """A StatusQuery that nobody waits for: a new session refuses it, and then we log on."""
        self._pending.pop(self._heartbeat_id, None)
        answer = Answer(self._identified(wire.StatusQuery()), time.monotonic() + HEARTBEAT_S)
        if self._session.try_send(answer.data):
            self._heartbeat_id = answer.request.request_id
            self._pending[self._heartbeat_id] = answer

    def _forget_overdue(self) -> None:
        now_s = time.monotonic()
        overdue = [each for each in self._pending.values() if each.deadline_s <= now_s]
        for answer in overdue:
            del self._pending[answer.request.request_id]
        if overdue:
            raise OutcomeUnknown(
                f"{len(overdue)} requests to {self._endpoint} have no answer after "
                f"{self._timeout_s} s: they may have taken effect"
            )
