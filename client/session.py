"""The transport under both clients: one DEALER socket to one shard, and its settings.

`Session` is the blocking transport for callers that encode their own records (a load generator, a
replay). It moves bytes and logs on; it pairs nothing.
"""

import time
from types import TracebackType
from typing import Any, Self

import zmq
from tradepit.client.requests import LOGON_REQUEST_ID
from tradepit.client.results import refusal
from tradepit.protocol import wire
from tradepit.protocol.errors import MalformedRecord, OutcomeUnknown, Unreachable

MESSAGES_QUEUED_MAX = 1_000  # a socket's queue each way: at most 64 MiB out
REPLY_BYTES_MAX = 16 * 1024 * 1024  # a taker's 10,000 fills are 1.3 MB
HEARTBEAT_INTERVAL_MS = 1_000
HEARTBEAT_TIMEOUT_MS = 3_000
HEARTBEAT_TTL_MS = 5_000
HANDSHAKE_TIMEOUT_MS = 5_000
RECONNECT_INTERVAL_MS = 20
RECONNECT_INTERVAL_MAX_MS = 500
TIMEOUT_S = 5.0  # an answer takes under a millisecond: this long means trouble


def key_bytes(key: str) -> bytes:
    """The 32 bytes of an API key of 64 hexadecimal digits. Raises ValueError."""
    try:
        data = bytes.fromhex(key)
    except ValueError:
        data = b""
    if len(data) != 32 or len(key) != 64:
        raise ValueError("an API key is 64 hexadecimal digits")
    return data


def logon_flags(*, receive_reports: bool, cancel_on_disconnect: bool) -> wire.LogonFlag:
    """The flags of a Logon."""
    flags = wire.LogonFlag(0)
    if receive_reports:
        flags |= wire.LogonFlag.RECEIVE_REPORTS
    if cancel_on_disconnect:
        flags |= wire.LogonFlag.CANCEL_ON_DISCONNECT
    return flags


def open_socket(kind: int, endpoint: str) -> "zmq.Socket[bytes]":
    """A connected socket that never blocks a shutdown, bounds its queues, and notices a dead peer.

    The connection is made in the background. With IMMEDIATE, a DEALER queues nothing for a peer that
    is not there, so that a send that fails has sent nothing.
    """
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
    try:
        socket.linger = 0
        socket.sndhwm = MESSAGES_QUEUED_MAX
        socket.rcvhwm = MESSAGES_QUEUED_MAX
        socket.immediate = kind == zmq.DEALER  # a SUB's subscriptions wait for the connection
        socket.maxmsgsize = REPLY_BYTES_MAX
        socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_TIMEOUT_MS)
        socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_INTERVAL_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TTL, HEARTBEAT_TTL_MS)
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_INTERVAL_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_INTERVAL_MAX_MS)
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        socket.close()
        raise Unreachable(f"{endpoint} is not an endpoint to connect to: {error}") from error
    return socket


class Session:
    """One logged-on connection of one thread. `with Session(...)` logs on and closes.

    After the shard restarts, its next reply is a Reject `not_logged_on` for what it was sent; call
    `log_on` then. What was refused so took no effect; what is unanswered may have.
    """

    def __init__(
        self,
        endpoint: str,
        account_id: int,
        key: str,
        *,
        receive_reports: bool = False,
        cancel_on_disconnect: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.endpoint = endpoint
        self.account_id = account_id
        self.timeout_s = timeout_s
        self.session_id = 0  # of the last logon
        flags = logon_flags(
            receive_reports=receive_reports, cancel_on_disconnect=cancel_on_disconnect
        )
        self._logon = wire.Logon(LOGON_REQUEST_ID, account_id, key_bytes(key), flags)
        self._socket: zmq.Socket[bytes] | None = None

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
        """Connect (again, on a fresh socket, if there was one) and log on.

        Raises Unreachable, or Refused if the key is wrong.
        """
        self.close()
        self._socket = open_socket(zmq.DEALER, self.endpoint)
        self._socket.sndtimeo = self._socket.rcvtimeo = int(self.timeout_s * 1000)
        try:
            return self.log_on()[0]
        except BaseException:  # a refusal, no answer, Ctrl-C: no socket stays behind
            self.close()
            raise

    def close(self) -> None:
        """Close at once; what is unsent is dropped. Safe to call twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def socket(self) -> "zmq.Socket[bytes]":
        """The socket. Raises Unreachable before `connect`."""
        if self._socket is None:
            raise Unreachable(f"not connected to {self.endpoint}: call connect first")
        return self._socket

    def log_on(self) -> tuple[wire.LoggedOn, list[Any]]:
        """Log on over the connection that stands; also the records that came before the answer.

        Raises Unreachable if no answer comes, Refused if the key is wrong.
        """
        deadline_s = time.monotonic() + self.timeout_s
        self.send(self._logon.encode())
        others: list[Any] = []
        while True:
            data = self.receive(deadline_s - time.monotonic())
            if data is None:
                raise Unreachable(f"no answer to a logon at {self.endpoint} in {self.timeout_s} s")
            logged_on = None
            for record in wire.decode_all(data):
                if type(record) is wire.LoggedOn:
                    logged_on = record
                    self.session_id = record.session_id
                elif type(record) is wire.Reject and record.request_id == LOGON_REQUEST_ID:
                    raise refusal(record.reason)
                else:
                    others.append(record)
            if logged_on is not None:
                return logged_on, others

    def send(self, data: bytes) -> None:
        """Queue one message of whole records, `message_bytes_max` at most.

        Raises Unreachable if there is no connection, or its queue stays full, for `timeout_s`:
        nothing of `data` was sent then.
        """
        try:
            self.socket.send(data)
        except zmq.Again as error:
            raise Unreachable(f"{self.endpoint} does not take messages") from error

    def try_send(self, data: bytes) -> bool:
        """Like `send`, without waiting: false if nothing was sent."""
        try:
            self.socket.send(data, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self, timeout_s: float) -> bytes | None:
        """One message of replies, or None when none came in time (0 = only look)."""
        socket = self.socket
        try:
            data = socket.recv(zmq.NOBLOCK)
        except zmq.Again:
            if timeout_s <= 0 or not socket.poll(max(1, int(timeout_s * 1000))):
                return None
            data = socket.recv()
        if socket.rcvmore:
            raise MalformedRecord(f"{self.endpoint} sent a message of several frames")
        return data

    def receive_answer(self) -> bytes:
        """One message of replies to what was sent. Raises OutcomeUnknown after `timeout_s`."""
        try:
            return self.socket.recv()
        except zmq.Again as error:
            raise OutcomeUnknown(
                f"no answer from {self.endpoint} in {self.timeout_s} s: it may have taken effect"
            ) from error
