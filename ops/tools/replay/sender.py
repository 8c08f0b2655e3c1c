"""Sends a plan to the exchange and reads every answer: how fast, how late, and how equal.

Records go out in order on one connection, at most a window of them unanswered, and the shard
answers in that order once each is durable. When the shard restarts, what it had made durable is a
prefix of what was sent: the rest was lost or is refused (`not_logged_on`), never taken out of order.
So the sender logs on again, finds the end of that prefix, and goes on from there.
"""

import time
from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tradepit.client import Session
from tradepit.protocol import wire
from tradepit.protocol.errors import Unreachable
from tradepit.protocol.wire import MessageType, Reason, Side
from tradepit.tools.replay.lobster import ReplayError
from tradepit.tools.replay.plan import Best, Plan

MESSAGE_RECORDS_MAX = 128  # in one ZeroMQ message: a few KiB
HEARTBEAT_S = 1.0  # silence after which we ask whether the shard is there
SILENCE_MAX_S = 60.0  # and after which we give up
PROGRESS_S = 0.1
HEARTBEAT_REQUEST_ID = 2**32 - 2

_REPORT = wire.layout_of(MessageType.EXECUTION_REPORT)
_LEVEL = wire.layout_of(MessageType.BOOK_LEVEL)
_REJECT = wire.layout_of(MessageType.REJECT)
_HEADER_ID = 4  # offset of request_id in a record
_R_SEQ, _R_KIND, _R_REASON, _R_FLAGS = (
    wire.ExecutionReport._fields.index(name) for name in ("seq", "kind", "reason", "flags")
)
_APPLIED_BEFORE = {
    MessageType.NEW_ORDER: Reason.DUPLICATE_CLIENT_ORDER_ID,
    MessageType.CANCEL_ORDER: Reason.UNKNOWN_ORDER,
}


@dataclass
class Outcome:
    """What came of a plan. Latencies are from handing a message to ZeroMQ to its durable answer."""

    command_count: int = 0
    trade_count: int = 0
    rejects: Counter[int] = field(default_factory=Counter)
    latencies_ns: "array[int]" = field(default_factory=lambda: array("q"))
    elapsed_s: float = 0.0
    last_seq: int = 0
    equal_count: int = 0
    compared_count: int = 0
    first_difference: tuple[int, Best, Best] | None = None  # record, recorded, ours
    restart_count: int = 0
    lost_answer_count: int = 0  # commands that a shard took before it went away unheard
    lost_comparison_count: int = 0


class Sender:
    """Sends one plan over one session. `run()` once."""

    def __init__(
        self,
        session: Session,
        plan: Plan,
        *,
        window: int,
        speed: float | None,
        on_progress: Callable[[int, Outcome], None],
    ) -> None:
        """`speed` is times real time, None as fast as it goes; `on_progress(messages, outcome)`."""
        self._session = session
        self._plan = plan
        self._records = plan.records
        self._window = window
        self._speed = speed
        self._on_progress = on_progress
        self._outcome = Outcome()
        self._answered = 0  # records whose whole answer came; they come in order
        self._sent = 0
        self._in_flight: deque[tuple[int, int]] = deque()  # (one past its last record, sent at ns)
        self._levels: dict[int, tuple[int, int]] = {}  # of the BookQuery being answered, by side
        self._is_refused = False
        self._message = 0  # that the next record belongs to
        self._start_ns = 0
        self._heard_s = 0.0
        self._is_unreachable = False

    def run(self) -> Outcome:
        """Send all and wait for the last answer. Raises ReplayError, or Unreachable."""
        self._start_ns = time.monotonic_ns()
        self._heard_s = progress_s = time.monotonic()
        while self._answered < len(self._records):
            wait_s = self._send_due()
            now_s = time.monotonic()
            if now_s - progress_s >= PROGRESS_S:
                progress_s = now_s
                self._on_progress(self._messages_answered(), self._outcome)
            data = self._session.receive(min(wait_s, HEARTBEAT_S))
            if data is not None:
                self._heard_s = time.monotonic()
                self._take(data)
                if self._is_refused:
                    self._resume()
            else:
                self._mind_silence()
        self._outcome.elapsed_s = (time.monotonic_ns() - self._start_ns) / 1e9
        self._on_progress(len(self._plan.ends), self._outcome)
        return self._outcome

    def _mind_silence(self) -> None:
        """Nothing came: ask whether the shard is there, and after a while give up."""
        now_s = time.monotonic()
        if self._sent == self._answered and not self._is_unreachable:
            self._heard_s = now_s  # nothing is due
        elif now_s - self._heard_s > SILENCE_MAX_S:
            raise ReplayError(
                f"no answer from {self._session.endpoint} for {SILENCE_MAX_S:.0f} s, with "
                f"{self._sent - self._answered} requests unanswered"
            )
        elif now_s - self._heard_s > HEARTBEAT_S:
            # A restarted shard refuses it, and then we know.
            self._session.try_send(wire.StatusQuery(HEARTBEAT_REQUEST_ID).encode())

    # Sending.

    def _send_due(self) -> float:
        """Send what is due and has room; how long there is nothing to send, in seconds."""
        records, plan = self._records, self._plan
        while self._sent < len(records):
            room = self._window - (self._sent - self._answered)
            # Refill in large steps: a message costs more than the records in it.
            if room < min(MESSAGE_RECORDS_MAX, max(1, self._window // 4)):
                return HEARTBEAT_S
            end = min(self._sent + min(room, MESSAGE_RECORDS_MAX), len(records))
            if self._speed is not None:
                passed_ns = int((time.monotonic_ns() - self._start_ns) * self._speed)
                due_ns = plan.times_ns[0] + passed_ns
                while self._message < len(plan.ends) and plan.times_ns[self._message] <= due_ns:
                    self._message += 1
                end = min(end, plan.ends[self._message - 1] if self._message else 0)
                if end <= self._sent:
                    return (plan.times_ns[self._message] - due_ns) / 1e9 / self._speed
            message = b"".join(records[self._sent : end])
            sent_ns = time.monotonic_ns()
            try:
                self._session.send(message)
            except Unreachable:
                self._is_unreachable = True
                return 0.0
            self._is_unreachable = False
            self._in_flight.append((end, sent_ns))
            self._sent = end
        return HEARTBEAT_S

    # Answers.

    def _take(self, data: bytes) -> None:
        """Go through one message of answers."""
        now_ns = time.monotonic_ns()
        outcome = self._outcome
        size, offset = len(data), 0
        while offset < size:
            kind = data[offset + 1]
            length = data[offset + 2] | data[offset + 3] << 8
            if kind == MessageType.EXECUTION_REPORT:
                report = _REPORT.unpack_from(data, offset)
                if report[_R_KIND] == wire.ExecutionKind.TRADE:
                    outcome.trade_count += 1
                if report[_R_FLAGS] & wire.ReportFlag.LAST:
                    if report[_R_REASON]:
                        outcome.rejects[report[_R_REASON]] += 1
                    outcome.last_seq = report[_R_SEQ]
                    self._count_command(report[0], now_ns)
            elif kind == MessageType.BOOK_LEVEL:
                level = wire.BookLevel._make(_LEVEL.unpack_from(data, offset))
                self._levels[level.side] = (level.price_ticks, level.quantity_lots)
            elif kind == MessageType.QUERY_END:
                request_id = int.from_bytes(data[offset + _HEADER_ID : offset + 8], "little")
                self._compare(request_id)
                self._count_answer(request_id, now_ns)
            elif kind == MessageType.REJECT:
                self._take_reject(wire.Reject._make(_REJECT.unpack_from(data, offset)), now_ns)
            elif kind != MessageType.SHARD_STATUS:
                raise ReplayError(f"the shard sent a record of type {kind}, which nobody asked for")
            offset += length

    def _take_reject(self, reject: wire.Reject, now_ns: int) -> None:
        if reject.reason == Reason.NOT_LOGGED_ON:
            self._is_refused = True
            return
        self._outcome.rejects[reject.reason] += 1
        if reject.record_type == MessageType.BOOK_QUERY:
            self._count_answer(reject.request_id, now_ns)
        else:
            self._count_command(reject.request_id, now_ns)

    def _count_command(self, request_id: int, now_ns: int) -> None:
        self._outcome.command_count += 1
        if self._in_flight:
            self._outcome.latencies_ns.append(now_ns - self._in_flight[0][1])
        self._count_answer(request_id, now_ns)

    def _count_answer(self, request_id: int, now_ns: int) -> None:
        if request_id != self._answered + 1:
            raise ReplayError(
                f"the answer to request {request_id} came where that to {self._answered + 1} was due"
            )
        self._answered = request_id
        if self._in_flight and self._in_flight[0][0] <= request_id:
            self._in_flight.popleft()

    def _compare(self, request_id: int) -> None:
        recorded = self._plan.recorded[request_id - 1]
        ours = Best(*self._levels.get(Side.BUY, (0, 0)), *self._levels.get(Side.SELL, (0, 0)))
        self._levels = {}
        self._outcome.compared_count += 1
        if ours == recorded:
            self._outcome.equal_count += 1
        elif self._outcome.first_difference is None:
            self._outcome.first_difference = (request_id - 1, recorded, ours)

    def _messages_answered(self) -> int:
        ends = self._plan.ends
        low, high = 0, len(ends)
        while low < high:
            middle = (low + high) // 2
            if ends[middle] <= self._answered:
                low = middle + 1
            else:
                high = middle
        return low

    # After a restart of the shard.

    def _resume(self) -> None:
        """Log on, and find the first record that the shard did not take."""
        _, others = self._session.log_on()
        for record in others:  # answers of before; refusals need none
            if type(record) is not wire.Reject:
                self._take(record.encode())
        self._is_refused = False
        self._in_flight.clear()
        self._levels = {}
        self._outcome.restart_count += 1
        sent = self._sent
        outcome = self._outcome
        while self._answered < sent and self._was_applied(self._records[self._answered]):
            if self._answered in self._plan.recorded:
                outcome.lost_comparison_count += 1
            else:
                outcome.command_count += 1
                outcome.lost_answer_count += 1
            self._answered += 1
        self._sent = self._answered

    def _was_applied(self, data: bytes) -> bool:
        """Whether the shard took this record before; a command that it did not take is sent now."""
        record, _ = wire.decode(data)
        kind = MessageType(data[1])
        if kind == MessageType.BOOK_QUERY:
            return True  # nothing to take; the book has moved on, so there is nothing to compare
        if kind == MessageType.REPLACE_ORDER:
            query = wire.OrderQuery(
                record.request_id, record.account_id, record.order_id, record.client_order_id
            )
            answer = self._ask(query.encode())
            return not (
                type(answer) is wire.ExecutionReport
                and answer.quantity_lots != record.quantity_lots
            )
        answer = self._ask(data)
        if answer.reason == _APPLIED_BEFORE[kind] or answer.flags & wire.ReportFlag.REPLAYED:
            return True
        self._count_command(record.request_id, time.monotonic_ns())
        if answer.reason:
            self._outcome.rejects[answer.reason] += 1
        return False

    def _ask(self, data: bytes) -> Any:
        """The last record of the answer to one record, with nothing else outstanding."""
        self._session.send(data)
        while True:
            for record in wire.decode_all(self._session.receive_answer()):
                if type(record) is wire.ExecutionReport:
                    self._outcome.trade_count += record.kind == wire.ExecutionKind.TRADE
                    if record.flags & wire.ReportFlag.LAST:
                        self._outcome.last_seq = max(self._outcome.last_seq, record.seq)
                        return record
                elif type(record) is wire.Reject:
                    if record.reason != Reason.NOT_LOGGED_ON:
                        return record
                    self._session.log_on()
                    self._session.send(data)
