"""The asyncio client: many requests in flight on one connection to one shard.

A plain ZeroMQ socket with `loop.add_reader`: the socket's file descriptor is edge-triggered, and any
call on the socket may use the edge up, so that every wake-up and every send is followed by reading
until nothing is left. A watchdog reads as well, in case an edge was missed all the same.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

import zmq
from tradepit.client import results
from tradepit.client.administration import AsyncAdministration
from tradepit.client.requests import (
    LOGON_REQUEST_ID,
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
from tradepit.client.session import TIMEOUT_S, key_bytes, logon_flags, open_socket
from tradepit.protocol import wire
from tradepit.protocol.errors import Refused, TradepitError, Unreachable

OUTSTANDING_MAX = 65_536
REPORTS_QUEUED_MAX = 65_536
MESSAGES_PER_TURN_MAX = 64  # then the loop's other work has its turn
WATCH_S = 0.1  # how late a missed edge or a lost connection is noticed, at worst
HEARTBEAT_S = 1.0

_NOT_LOGGED_ON = int(wire.Reason.NOT_LOGGED_ON)


class _Waiting(Answer):
    """An answer that a coroutine waits for."""

    __slots__ = ("future", "is_sent")

    def __init__(self, request: Any, deadline_s: float, future: asyncio.Future[Answer]) -> None:
        super().__init__(request, deadline_s)
        self.future = future
        self.is_sent = False


class AsyncClient(AsyncAdministration):
    """Orders in, answers out, over ZeroMQ, from one event loop.

    All requests of one turn of the loop travel in one message. Results, exceptions, logging on
    again and reports are those of `Client`. A cancelled call gives up its answer, not the order.

    With `cancel_on_disconnect` the shard cancels the open orders of this session once it has ended: the
    connection is gone, or nothing came for 10 s. A heartbeat a second is sent as long as the event loop
    runs: one that is held up for longer than that loses its orders.
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
        flags = logon_flags(
            receive_reports=account_id != 0, cancel_on_disconnect=cancel_on_disconnect
        )
        self._logon = wire.Logon(LOGON_REQUEST_ID, account_id, key_bytes(key), flags).encode()
        self._endpoint = endpoint
        self._account_id = account_id
        self._timeout_s = timeout_s
        self._on_report = on_report
        self._ids = request_ids()
        self._pending: dict[int, _Waiting] = {}  # in the order of asking, so of the deadlines
        self._unsent: deque[_Waiting] = deque()  # pending, and to be sent (again)
        self._socket: zmq.Socket[bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._logged_on: asyncio.Future[wire.LoggedOn] | None = None
        self._is_logged_on = False
        self._logon_sent_s = 0.0  # when the logon that is under way was sent; 0 = none is
        self._heard_s = 0.0
        self._sent_s = 0.0
        self._heartbeat_id = 0
        self._is_flush_due = False
        self._watch: asyncio.TimerHandle | None = None
        self._reports: deque[wire.ExecutionReport] = deque()
        self._report_came = asyncio.Event()
        self.reports_dropped = 0
        self.logon_count = 0
        self.session_id = 0  # what the orders of this session carry; another after each logon

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def connect(self) -> wire.LoggedOn:
        """Connect and log on. Raises Unreachable, or Refused if the key is wrong."""
        self.close()
        self._loop = asyncio.get_running_loop()
        self._logged_on = self._loop.create_future()
        self._socket = open_socket(zmq.DEALER, self._endpoint)
        self._loop.add_reader(int(self._socket.fd), self._read)
        self._watch = self._loop.call_later(0, self._watch_over)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._logged_on
        except TimeoutError:
            self.close()
            raise Unreachable(f"{self._endpoint} does not answer a logon") from None
        except BaseException:  # a refusal or a cancellation: no socket stays behind
            self.close()
            raise

    def close(self) -> None:
        """Close at once; calls that wait end with OutcomeUnknown or Unreachable."""
        if self._socket is None or self._loop is None:
            return
        self._loop.remove_reader(int(self._socket.fd))
        self._socket.close()
        self._socket = None
        if self._watch is not None:
            self._watch.cancel()
        self._is_logged_on = False
        self._logon_sent_s = 0.0
        for answer in list(self._pending.values()):
            self._fail(answer)
        self._unsent.clear()
        self._report_came.set()

    async def submit(self, **terms: Unpack[NewOrderTerms]) -> Order:
        """Place an order: see `new_order`. Returns it with what it traded at once.

        Sent again with the same client_order_id and terms, it is placed once: the first answer comes
        again (`Order.is_replayed`).
        """
        return results.accepted_order(await self._ask(new_order(**terms)))

    async def submit_list(
        self, kind: int, orders: Iterable[NewOrderTerms], *, account_id: int = 0
    ) -> OrderList:
        """Place orders of one instrument in one command, linked as `kind`, a `wire.ListKind`, says:
        see `new_order_list`. Raises Refused, with the `index` of the order that is the cause, if all of
        it was refused; of kind `each`, the orders that were refused stand among the others.
        """
        request = new_order_list(kind, orders, account_id=account_id)
        return results.list_of_answer(await self._ask(request))

    async def cancel(
        self, *, order_id: int = 0, client_order_id: int = 0, account_id: int = 0
    ) -> Order:
        """Cancel an open order, named by one of its ids."""
        request = wire.CancelOrder(
            account_id=account_id, order_id=order_id, client_order_id=client_order_id
        )
        return results.accepted_order(await self._ask(request))

    async def replace(
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
        return results.accepted_order(await self._ask(request))

    async def mass_cancel(
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
            record: wire.MassCanceled = results.single_record(await self._ask(request))
            canceled_count += record.canceled_count
            if not record.remaining_count:
                return canceled_count

    async def mass_quote(self, quote: wire.MassQuote) -> Quotes:
        """Put these quotes in the place of all that the account has in the instrument."""
        return results.quotes_of_answer(await self._ask(quote))

    async def set_quote_protection(
        self, protection: wire.SetQuoteProtection
    ) -> wire.QuoteProtectionChanged:
        """Pull the account's quotes once they have traded this much within a window. The call also
        lets it quote again after that.
        """
        changed: wire.QuoteProtectionChanged = results.single_record(await self._ask(protection))
        return changed

    async def cancel_after(
        self, timeout_ns: int, *, account_id: int = 0
    ) -> wire.CancelAfterChanged:
        """Set the account's dead-man timer anew: unless it is set again within `timeout_ns`, all open
        orders of the account are canceled. 0 switches it off.
        """
        request = wire.CancelAfter(account_id=account_id, timeout_ns=timeout_ns)
        changed: wire.CancelAfterChanged = results.single_record(await self._ask(request))
        return changed

    async def engage_kill_switch(self, *, account_id: int = 0) -> wire.KillSwitchChanged:
        """Cancel all open orders of the account and refuse new ones until an operator releases it.

        An operator who names no account stops the whole shard.
        """
        request = wire.KillSwitch(account_id=account_id, state=wire.KillSwitchState.ENGAGED)
        changed: wire.KillSwitchChanged = results.single_record(await self._ask(request))
        return changed

    async def release_kill_switch(self, *, account_id: int = 0) -> wire.KillSwitchChanged:
        """Let the account (0 = the whole shard) trade again. Operators only."""
        request = wire.KillSwitch(account_id=account_id, state=wire.KillSwitchState.RELEASED)
        changed: wire.KillSwitchChanged = results.single_record(await self._ask(request))
        return changed

    async def order(
        self, *, order_id: int = 0, client_order_id: int = 0, account_id: int = 0
    ) -> Order:
        """An open order. One that is filled, canceled or unknown raises Refused(unknown_order)."""
        request = wire.OrderQuery(
            account_id=account_id, order_id=order_id, client_order_id=client_order_id
        )
        return results.accepted_order(await self._ask(request))

    async def open_orders(self, *, instrument_id: int = 0, account_id: int = 0) -> list[Order]:
        """Open orders, oldest first. Pages: orders that change meanwhile may be seen as they were."""
        orders: list[Order] = []
        while True:
            request = wire.OpenOrdersQuery(
                account_id=account_id,
                after_order_id=orders[-1].order_id if orders else 0,
                instrument_id=instrument_id,
                count_max=OPEN_ORDERS_PAGE,
            )
            page = results.open_orders_page(await self._ask(request))
            orders += page
            if len(page) < OPEN_ORDERS_PAGE:
                return orders

    async def balances(self, *, account_id: int = 0) -> list[wire.Balance]:
        """Available and held, by asset_id."""
        request = wire.BalancesQuery(account_id=account_id)
        return results.balances_of_answer(await self._ask(request))

    async def book(self, instrument_id: int, levels: int = 10) -> Book:
        """The best `levels` of each side."""
        request = wire.BookQuery(instrument_id=instrument_id, levels_max=levels)
        return results.book_of_answer(await self._ask(request))

    async def instruments(self) -> Listing:
        """Assets and instruments of the shard."""
        return results.listing_of_answer(await self._ask(wire.InstrumentsQuery()))

    async def status(self) -> wire.ShardStatus:
        """Where the shard stands."""
        status: wire.ShardStatus = results.single_record(await self._ask(wire.StatusQuery()))
        return status

    async def submit_many(self, requests: Sequence[Pipelined]) -> list[Order]:
        """Send orders, cancels and replaces together; the orders, in the same order.

        Refused ones are values: see `Order.reason`. Raises Refused(busy) before anything is sent if
        there are too many, OutcomeUnknown or Unreachable if one has no answer.
        """
        if len(self._pending) + len(requests) > OUTSTANDING_MAX:
            raise results.refusal(wire.Reason.BUSY)
        answers = [self._enqueue(request) for request in requests]
        try:
            await asyncio.gather(*(answer.future for answer in answers))
        finally:
            for answer in answers:
                self._pending.pop(answer.request.request_id, None)
        return [results.order_of_answer(answer) for answer in answers]

    async def reports(self) -> AsyncIterator[wire.ExecutionReport]:
        """Unasked reports, oldest first, until the client is closed."""
        while True:
            while self._reports:
                yield self._reports.popleft()
            if self._socket is None:
                return
            self._report_came.clear()
            await self._report_came.wait()

    # Inside. Everything below runs on the loop's thread and never waits.

    async def _ask(self, request: Any) -> Answer:
        answer = self._enqueue(request)
        try:
            return await answer.future  # _watch_over ends it at its deadline
        finally:
            self._pending.pop(answer.request.request_id, None)

    def _enqueue(self, request: Any) -> _Waiting:
        """Have the request sent at the end of this turn. Raises Unreachable, Refused(busy)."""
        loop = self._loop
        if loop is None or self._socket is None:
            raise Unreachable(f"not connected to {self._endpoint}: call connect first")
        if len(self._pending) >= OUTSTANDING_MAX:
            raise results.refusal(wire.Reason.BUSY)
        request_id = next(self._ids)
        while request_id in self._pending:
            request_id = next(self._ids)
        if self._account_id and getattr(request, "account_id", 1) == 0:
            request = request._replace(request_id=request_id, account_id=self._account_id)
        else:
            request = request._replace(request_id=request_id)
        answer = _Waiting(request, loop.time() + self._timeout_s, loop.create_future())
        self._pending[request_id] = answer
        self._unsent.append(answer)
        if not self._is_flush_due:
            self._is_flush_due = True
            loop.call_soon(self._flush)
        return answer

    def _flush(self) -> None:
        """Send what waits, in as few messages as it fits; what finds no room waits on."""
        self._is_flush_due = False
        if self._socket is None or not self._unsent or not self._is_logged_on:
            return
        unsent = [each for each in self._unsent if not each.future.done()]
        self._unsent.clear()
        sent_count = 0
        loop_s = self._loop.time() if self._loop is not None else 0.0
        for count, message in messages(unsent):
            try:
                self._socket.send(message, zmq.NOBLOCK)
            except zmq.Again:
                break
            for answer in unsent[sent_count : sent_count + count]:
                answer.is_sent = True
            sent_count += count
            self._sent_s = loop_s
        self._unsent.extend(unsent[sent_count:])
        self._read()

    def _read(self) -> None:
        """Take what has come, and go on in another turn if there is much."""
        for _ in range(MESSAGES_PER_TURN_MAX):
            if self._socket is None or self._loop is None:
                return
            try:
                data = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._heard_s = self._loop.time()
            for record in wire.decode_all(data):
                self._take(record)
        if self._loop is not None:
            self._loop.call_soon(self._read)

    def _take(self, record: Any) -> None:
        kind = type(record)
        answer = self._pending.get(record.request_id)
        if kind is wire.Reject and record.reason == _NOT_LOGGED_ON:
            if answer is not None and answer.is_sent:
                answer.is_sent = False
                self._unsent.append(answer)
            self._is_logged_on = False
            self._send_logon()
        elif kind is wire.LoggedOn:
            self._take_logged_on(record)
        elif answer is not None:
            if answer.add(record):
                del self._pending[record.request_id]
                if not answer.future.done():
                    answer.future.set_result(answer)
        elif kind is wire.ExecutionReport:
            self._take_report(record)
        elif kind is wire.Reject and record.request_id == LOGON_REQUEST_ID:
            self._take_logon_refused(results.refusal(record.reason))

    def _take_report(self, report: wire.ExecutionReport) -> None:
        if self._on_report is not None:
            self._on_report(report)
            return
        if len(self._reports) == REPORTS_QUEUED_MAX:
            self._reports.popleft()
            self.reports_dropped += 1
        self._reports.append(report)
        self._report_came.set()

    def _take_logged_on(self, logged_on: wire.LoggedOn) -> None:
        self._is_logged_on = True
        self._logon_sent_s = 0.0
        self.logon_count += 1
        self.session_id = logged_on.session_id
        if self._logged_on is not None and not self._logged_on.done():
            self._logged_on.set_result(logged_on)
        # What the old session refused goes before what was asked since.
        self._unsent = deque(sorted(self._unsent, key=lambda answer: answer.deadline_s))
        if self._loop is not None and not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _take_logon_refused(self, refused: Refused) -> None:
        """The key is no good (any more): nothing unsent can be sent."""
        self._logon_sent_s = 0.0
        if self._logged_on is not None and not self._logged_on.done():
            self._logged_on.set_exception(refused)
        for answer in self._unsent:
            if not answer.future.done():
                answer.future.set_exception(refused)
        self._unsent.clear()

    def _send_logon(self) -> None:
        """Log on unless that is under way; without a connection `_watch_over` tries again."""
        if self._socket is None or self._loop is None or self._logon_sent_s:
            return
        try:
            self._socket.send(self._logon, zmq.NOBLOCK)
        except zmq.Again:
            return
        self._logon_sent_s = self._loop.time()

    def _watch_over(self) -> None:
        """Ends what is overdue, repeats a logon that got lost, and hears that the shard is there."""
        if self._loop is None or self._socket is None:
            return
        now_s = self._loop.time()
        self._watch = self._loop.call_later(WATCH_S, self._watch_over)
        while self._pending:
            answer = next(iter(self._pending.values()))
            if answer.deadline_s > now_s:
                break
            self._fail(answer)
        if self._logon_sent_s and now_s - self._logon_sent_s > HEARTBEAT_S:
            self._logon_sent_s = 0.0
        if not self._is_logged_on:
            # What gave up waiting must not pile up.
            self._unsent = deque(each for each in self._unsent if not each.future.done())
            self._send_logon()
        elif (
            now_s - min(self._heard_s, self._sent_s) > HEARTBEAT_S
            and self._heartbeat_id not in self._pending
        ):
            self._send_heartbeat(now_s)
        self._flush()
        self._read()

    def _send_heartbeat(self, now_s: float) -> None:
        """A StatusQuery that nobody waits for: a new session refuses it, and then we log on."""
        if self._loop is None:
            return
        self._heartbeat_id = next(self._ids)
        request = wire.StatusQuery(request_id=self._heartbeat_id)
        answer = _Waiting(request, now_s + self._timeout_s, self._loop.create_future())
        self._pending[self._heartbeat_id] = answer
        self._unsent.append(answer)

    def _fail(self, answer: _Waiting) -> None:
        """End a call whose answer did not come."""
        del self._pending[answer.request.request_id]
        if answer.future.done() or answer.request.request_id == self._heartbeat_id:
            answer.future.cancel()
            return
        error: TradepitError
        if answer.is_sent:
            error = no_answer(answer.request, self._endpoint, self._timeout_s)
        else:
            error = Unreachable(f"no connection to {self._endpoint}: nothing was sent")
        answer.future.set_exception(error)
