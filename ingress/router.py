"""Requests to the matcher over ZeroMQ, paired with their answers.

One DEALER per shard and worker. It is a plain socket driven by the event loop, not zmq.asyncio: a
message costs tens of microseconds of Python and a record inside it almost nothing, so all requests
of one turn of the loop travel in one message.

The socket's file descriptor signals edges, not levels: after every send and every read the socket is
asked again whether something can be read, reading goes on until nothing is left, and a timer looks
once more in case an edge was missed after all.
"""

import asyncio
from collections import deque
from types import TracebackType
from typing import Any, Self, cast

import zmq
from tradepit.ingress.request_context import ANSWERED, TRACE
from tradepit.protocol import wire
from tradepit.protocol.errors import MalformedRecord, OutcomeUnknown, Refused, Unreachable
from tradepit.protocol.log import get_logger
from tradepit.protocol.names import shard_of_id

log = get_logger(__name__)

REQUEST_TIMEOUT_S = 3.0
LOGON_TIMEOUT_S = 1.0  # then another try: the connection that the Logon went into may be gone
OUTSTANDING_MAX = 8_192  # requests of one worker without an answer; beyond it, `busy`
WATCHDOG_S = 0.05  # how long a missed edge or a passed deadline can go unnoticed
HEARTBEAT_S = 1.0
SILENCE_S = 3.0  # without any answer for so long, the matcher counts as down
READ_MESSAGES_MAX = 64  # read in one turn of the loop, before others get theirs
RESENDS_MAX = 3  # of one request that was refused because the session was new
QUEUED_MESSAGES_MAX = 1_000
SHUTDOWN_TIMEOUT_S = 2.0

Answer = list[Any]  # the records that answer one request, in order, the last one closing it


class NoAnswer(OutcomeUnknown):
    """A request of this kind was sent and no answer came in time. A query has changed nothing."""

    def __init__(self, endpoint: str, kind: type[Any]) -> None:
        super().__init__(endpoint)
        self.kind = kind


class _Pending:
    """A request that was handed to the socket, or waits for the session to log on."""

    __slots__ = (
        "answer",
        "closed_by",
        "deadline_s",
        "future",
        "kind",
        "payload",
        "resends",
        "sent",
    )

    def __init__(
        self,
        kind: type[Any],
        payload: bytes,
        future: asyncio.Future[Answer],
        deadline_s: float,
    ) -> None:
        self.kind = kind
        self.payload = payload
        self.closed_by = _CLOSED_BY[kind]
        self.future = future
        self.deadline_s = deadline_s
        self.answer: Answer = []
        self.resends = 0
        self.sent = False


# Which record ends the answer. What refuses the request as a whole ends any.
_CLOSED_BY: dict[type[Any], type[Any]] = {
    wire.NewOrder: wire.ExecutionReport,
    wire.CancelOrder: wire.ExecutionReport,
    wire.ReplaceOrder: wire.ExecutionReport,
    wire.OrderQuery: wire.ExecutionReport,
    wire.NewOrderList: wire.OrderListPlaced,
    wire.MassCancel: wire.MassCanceled,
    wire.MassQuote: wire.MassQuoted,
    wire.SetQuoteProtection: wire.QuoteProtectionChanged,
    wire.KillSwitch: wire.KillSwitchChanged,
    wire.CancelAfter: wire.CancelAfterChanged,
    wire.StatusQuery: wire.ShardStatus,
    wire.Logon: wire.LoggedOn,
    wire.InstrumentsQuery: wire.QueryEnd,
    wire.BookQuery: wire.QueryEnd,
    wire.OpenOrdersQuery: wire.QueryEnd,
    wire.BalancesQuery: wire.QueryEnd,
}


class MatcherLink:
    """One worker's connection to one shard. Use as an async context manager.

    `up` says whether the matcher answers and has logged this session on; `epoch` counts the logons,
    so that whoever cached what the matcher said knows when to ask again.
    """

    def __init__(self, endpoint: str, key: bytes, shard_id: int) -> None:
        self.shard_id = shard_id
        self.up = False
        self.epoch = 0
        self.last_seq = 0  # newest seq that any answer named
        self._is_full = False  # the last command was refused for want of space
        self._is_probing = False
        self._endpoint = endpoint
        self._key = key
        self._pending: dict[int, _Pending] = {}
        self._by_age: deque[int] = deque()  # request ids; all have one timeout, so oldest first
        self._outbox: list[int] = []
        self._flush_scheduled = False
        self._next_request_id = 0
        self._logging_on = False
        self._logon_id = 0
        self._logon_s = 0.0
        self._heard_s = 0.0
        self._heartbeat_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = self._context.socket(zmq.DEALER)
        socket.linger = 0
        socket.setsockopt(zmq.IMMEDIATE, 1)  # queue nothing for a matcher that is not there
        socket.setsockopt(zmq.SNDHWM, QUEUED_MESSAGES_MAX)
        socket.setsockopt(zmq.RCVHWM, QUEUED_MESSAGES_MAX)
        socket.setsockopt(zmq.RECONNECT_IVL, 50)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1_000)
        socket.setsockopt(zmq.HEARTBEAT_IVL, 1_000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3_000)
        socket.connect(self._endpoint)
        self._socket = socket
        self._loop.add_reader(socket.FD, self._read)
        self._tick()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.up = False
        if self._timer is not None:
            self._timer.cancel()
        for pending in self._pending.values():
            self._fail(pending)
        self._pending.clear()
        self._loop.remove_reader(self._socket.FD)
        self._socket.close(linger=0)
        self._context.term()  # returns at once: the only socket is closed and lingers not

    @property
    def outstanding(self) -> int:
        return len(self._pending)

    @property
    def trouble(self) -> str:
        """Why an order would not be taken and made durable now; empty if it would. An answer leaves
        the matcher once everything before it is durable, so one that answers commits.
        """
        if not self.up:
            return "the matcher does not answer"
        return "the matcher refuses orders: storage_full" if self._is_full else ""

    async def request(self, kind: type[Any], /, *fields: Any, **named: Any) -> Answer:
        """Send one request, `kind` with its fields after request_id, and return what answers it.

        The answer is never empty; its last record closes it. Refusals come back as records, except
        `busy` from this side. Raises Unreachable (nothing was sent), NoAnswer (no answer in
        time), Refused(busy).
        """
        if not self.up:
            raise Unreachable(self._endpoint)
        if len(self._pending) >= OUTSTANDING_MAX:
            raise Refused(wire.Reason.BUSY, "too many requests of this worker are outstanding")
        answer = await self._enqueue(kind, *fields, **named).future
        if (answered := ANSWERED.get()) is not None:
            answered.append((self.shard_id, getattr(answer[-1], "seq", 0)))
        return answer

    def _enqueue(self, kind: type[Any], /, *fields: Any, **named: Any) -> _Pending:
        request_id = (
            self._next_request_id % 0xFFFF_FFFF + 1
        )  # never 0: that marks what nobody asked
        while request_id in self._pending:
            request_id = request_id % 0xFFFF_FFFF + 1
        self._next_request_id = request_id
        payload = kind(request_id, *fields, **named).encode()
        if (trace := TRACE.get()) is not None and kind in _COMMANDS:
            payload = wire.TraceContext(request_id, *trace).encode() + payload
        pending = _Pending(
            kind,
            payload,
            self._loop.create_future(),
            self._loop.time() + REQUEST_TIMEOUT_S,
        )
        self._pending[request_id] = pending
        self._by_age.append(request_id)
        self._outbox.append(request_id)
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)
        return pending

    # -- sending -------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Everything that was asked since the last turn, in as few messages as the wire allows."""
        self._flush_scheduled = False
        if self._logging_on:
            return  # the outbox goes out when the session is known
        outbox, self._outbox = self._outbox, []
        first = 0
        while first < len(outbox):
            last, size_bytes, records = first, 0, []
            while last < len(outbox):
                pending = self._pending.get(outbox[last])
                if pending is not None and not pending.future.done():
                    if size_bytes + len(pending.payload) > wire.MESSAGE_BYTES_MAX:
                        break
                    size_bytes += len(pending.payload)
                    records.append(pending)
                elif pending is not None:  # given up before it was sent
                    del self._pending[outbox[last]]
                last += 1
            if records and not self._send(b"".join([pending.payload for pending in records])):
                for request_id in outbox[first:]:
                    unsent = self._pending.pop(request_id, None)
                    if unsent is not None:
                        self._fail(unsent)
                self._mark_down()
                break
            for pending in records:
                pending.sent = True
            first = last
        self._read_soon()

    def _send(self, message: bytes) -> bool:
        try:
            self._socket.send(message, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def _log_on(self) -> None:
        self._logging_on = True
        pending = self._enqueue(wire.Logon, 0, self._key, 0)
        self._outbox.pop()
        self._logon_id, self._logon_s = self._next_request_id, self._loop.time()
        pending.sent = True
        pending.future.add_done_callback(self._logged_on)
        if self._send(pending.payload):
            self._read_soon()
        else:  # not connected: nothing was sent, so the next tick may try again
            self._give_up_logon()

    def _give_up_logon(self) -> None:
        """The next tick tries again, unless somebody has."""
        self._heartbeat_s = 0.0
        if (pending := self._pending.pop(self._logon_id, None)) is not None:
            pending.future.cancel()

    def _logged_on(self, future: asyncio.Future[Answer]) -> None:
        self._logging_on = False
        if future.cancelled() or future.exception() is not None:
            self._mark_down()
        elif isinstance(future.result()[-1], wire.LoggedOn):
            self.up = True
            self.epoch += 1
            log.info("matcher_logged_on", shard_id=self.shard_id, epoch=self.epoch)
        else:
            reason = wire.Reason(future.result()[-1].reason).name.lower()
            log.error("matcher_refused_logon", shard_id=self.shard_id, reason=reason)
            self._mark_down()
        self._flush()

    def _mark_down(self) -> None:
        if self.up:
            log.warning("matcher_unreachable", shard_id=self.shard_id, endpoint=self._endpoint)
        self.up = False

    def _fail(self, pending: _Pending) -> None:
        if pending.future.done():
            return
        pending.future.set_exception(
            NoAnswer(self._endpoint, pending.kind) if pending.sent else Unreachable(self._endpoint)
        )

    # -- reading -------------------------------------------------------------------------------

    def _read_soon(self) -> None:
        if self._readable():
            self._loop.call_soon(self._read)

    def _readable(self) -> bool:
        return bool(cast(int, self._socket.get(zmq.EVENTS)) & zmq.POLLIN)

    def _read(self) -> None:
        """Read until nothing is left, or until others must have their turn."""
        if self._socket.closed:
            return
        for _ in range(READ_MESSAGES_MAX):
            # Asking first is cheaper than recv's exception when nothing is left.
            if not self._readable():
                return
            message = self._socket.recv(zmq.NOBLOCK)
            self._heard_s = self._loop.time()
            try:
                self._take(message)
            except MalformedRecord as error:
                log.error("matcher_sent_malformed_record", error=error)
        self._loop.call_soon(self._read)

    def _take(self, message: bytes) -> None:
        offset, end = 0, len(message)
        while offset < end:
            record, offset = wire.decode(message, offset)
            request_id = record.request_id
            pending = self._pending.get(request_id)
            if pending is None:  # its deadline has passed, or nobody asked
                continue
            kind = type(record)
            if kind is wire.ExecutionReport:
                pending.answer.append(record)
                self.last_seq = max(self.last_seq, record.seq)
                closed = pending.closed_by is kind and (
                    record.flags & 1 or record.kind == wire.ExecutionKind.STATUS
                )
            elif kind is wire.Reject and record.reason == wire.Reason.NOT_LOGGED_ON:
                self._refused_as_new_session(request_id, pending)
                continue
            else:
                if kind is wire.Reject and record.reason == wire.Reason.STORAGE_FULL:
                    self._is_full = True
                pending.answer.append(record)
                if kind in _NAMES_SEQ:
                    self.last_seq = max(self.last_seq, record.seq)
                closed = kind is pending.closed_by or kind in _ENDS_ANY
            if closed:
                del self._pending[request_id]
                if not pending.future.done():  # its waiter may have been cancelled
                    pending.future.set_result(pending.answer)

    def _refused_as_new_session(self, request_id: int, pending: _Pending) -> None:
        """The connection is new to the matcher: log on, then send again. Nothing was sequenced.

        A command and the TraceContext before it are refused one by one, under one id: the first
        refusal has both sent again.
        """
        if not pending.sent:
            return
        pending.resends += 1
        pending.sent = False
        if pending.closed_by is wire.LoggedOn or pending.resends > RESENDS_MAX:
            del self._pending[request_id]
            self._fail(pending)
            return
        self._outbox.append(request_id)
        if not self._logging_on:
            log.info("matcher_session_is_new", shard_id=self.shard_id)
            self._log_on()

    def _probe(self) -> None:
        """Ask whether commands are taken again, with one that changes nothing: a cancel of no order."""
        self._is_probing = True
        self._enqueue(wire.CancelOrder).future.add_done_callback(self._probed)

    def _probed(self, future: asyncio.Future[Answer]) -> None:
        self._is_probing = False
        if not future.cancelled() and future.exception() is None:
            self._is_full = not isinstance(future.result()[-1], wire.ExecutionReport)

    # -- time ----------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Deadlines, heartbeat, and the edge that was missed."""
        now_s = self._loop.time()
        self._read()
        while self._by_age:
            request_id = self._by_age[0]
            pending = self._pending.get(request_id)
            if pending is not None and pending.deadline_s > now_s:
                break
            self._by_age.popleft()
            if pending is not None:
                del self._pending[request_id]
                self._fail(pending)
        if self.up and now_s - self._heard_s > SILENCE_S:
            self._mark_down()
        if now_s - self._heartbeat_s >= HEARTBEAT_S:
            self._heartbeat_s = now_s
            if not self.up and not self._logging_on:
                self._log_on()
            elif self.up and now_s - self._heard_s >= HEARTBEAT_S:
                self._enqueue(wire.StatusQuery).future.add_done_callback(_ignore)
            if self.up and self._is_full and not self._is_probing:
                self._probe()
        if self._logging_on and now_s - self._logon_s > LOGON_TIMEOUT_S:
            self._give_up_logon()
        self._timer = self._loop.call_later(WATCHDOG_S, self._tick)


def _ignore(future: asyncio.Future[Answer]) -> None:
    """A heartbeat's answer matters by having come; its failure shows as silence."""
    if not future.cancelled():
        future.exception()


_COMMANDS = frozenset(wire.COMMANDS)
_ENDS_ANY = frozenset({wire.Reject, wire.CommandRejected, wire.OrderListRejected})
_NAMES_SEQ = frozenset(
    {
        wire.QueryEnd,
        wire.ShardStatus,
        wire.OrderListPlaced,
        wire.MassCanceled,
        wire.MassQuoted,
        wire.LoggedOn,
    }
)


class Router:
    """The one place that knows which shard owns what."""

    def __init__(self, links: dict[int, MatcherLink]) -> None:
        self.links = links

    def of_shard(self, shard_id: int) -> MatcherLink:
        return self.links[shard_id]

    def of_order(self, order_id: int) -> MatcherLink | None:
        """The link to the shard that gave out `order_id`, or None if there is no such shard."""
        return self.links.get(shard_of_id(order_id))

    def all_or(self, shard_id: int | None) -> list[MatcherLink]:
        """The link to that shard; to every one for None."""
        return self.all() if shard_id is None else [self.links[shard_id]]

    def all(self) -> list[MatcherLink]:
        """By shard id, which is the order of their order ids, too."""
        return list(self.links.values())
