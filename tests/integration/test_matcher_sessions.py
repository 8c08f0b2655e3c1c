"""What sessions may send a matcher, what they receive, and what garbage gets."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest
import zmq
from tradepit.client import FeedSubscriber
from tradepit.protocol import wire
from tradepit.protocol.errors import Refused

from tests.figures import figures
from tests.matcher_process import (
    DEADLINE_S,
    INSTRUMENT,
    MAKER,
    TAKER,
    MatcherProcess,
    free_port,
    running_matcher,
    trade_once,
    wait_until,
)

ABUSES_MAX = 16
SUBSCRIBERS_PER_ACCOUNT_MAX = 16
UNREAD_PEERS = 4
UNREAD_MESSAGES = 3000


class RawPeer:
    """A DEALER that sends whatever bytes it is given."""

    def __init__(self, endpoint: str, routing_id: bytes = b"") -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        if routing_id:
            self._socket.setsockopt(zmq.ROUTING_ID, routing_id)
        self._socket.connect(endpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        self._context.term()

    def ask(self, *frames: bytes, timeout_s: float = DEADLINE_S) -> list[object]:
        """Send one message; the records of the answer, or nothing if none comes."""
        self._socket.send_multipart(frames)
        return self.receive(timeout_s)

    def receive(self, timeout_s: float = DEADLINE_S) -> list[object]:
        """The records of the next message, or nothing if none comes."""
        if not self._socket.poll(int(timeout_s * 1000)):
            return []
        return wire.decode_all(self._socket.recv())

    def send(self, data: bytes) -> None:
        self._socket.send(data)

    def tell(self, data: bytes) -> None:
        """Send one message and look at no answer."""
        self._socket.send(data)

    def log_on(self, account_id: int, key: str, flags: int = 0) -> object:
        logon = wire.Logon(request_id=1, account_id=account_id, key=bytes.fromhex(key), flags=flags)
        (answer,) = self.ask(logon.encode())
        return answer


def test_a_makers_fill_reaches_its_session_and_names_no_counterparty(
    matcher: MatcherProcess,
) -> None:
    with matcher.trader(MAKER) as maker:
        resting = maker.submit(
            instrument_id=INSTRUMENT, side=wire.Side.SELL, price_ticks=1000, quantity_lots=10
        )
        with matcher.trader(TAKER) as taker:
            taker.submit(
                instrument_id=INSTRUMENT, side=wire.Side.BUY, price_ticks=1000, quantity_lots=4
            )
        (report,) = maker.reports(DEADLINE_S)
    assert report.order_id == resting.order_id
    assert report.account_id == MAKER
    assert report.kind == wire.ExecutionKind.TRADE
    assert report.liquidity == wire.Liquidity.MAKER
    assert (report.trade_quantity_lots, report.remaining_lots) == (4, 6)
    assert report.request_id == 0


def test_the_feed_shows_trades_and_the_top_of_the_book(matcher: MatcherProcess) -> None:
    with FeedSubscriber(matcher.feed_endpoint) as feed:
        records: list[object] = []

        def has_trade() -> bool:
            # A subscription takes a moment to reach the matcher: trade until it has.
            trade_once(matcher, price_ticks=1234)
            records.extend(feed.receive(0.1))
            return any(isinstance(record, wire.MarketTrade) for record in records)

        wait_until(has_trade, "a trade on the feed")
    trade = next(record for record in records if isinstance(record, wire.MarketTrade))
    assert (trade.price_ticks, trade.quantity_lots) == (1234, 10)
    assert trade.taker_side == wire.Side.BUY


LOGON_FIRST = {
    "status": wire.StatusQuery(request_id=7).encode(),
    "order": wire.NewOrder(request_id=7, account_id=MAKER).encode(),
}
STATUS = wire.StatusQuery(request_id=7).encode()
MALFORMED = {
    "empty": (b"", wire.Reason.MALFORMED),
    "one byte": (b"\x01", wire.Reason.MALFORMED),
    "header cut short": (STATUS[:7], wire.Reason.MALFORMED),
    "record cut short": (wire.NewOrder(request_id=7).encode()[:-1], wire.Reason.MALFORMED),
    "wrong length": (STATUS[:2] + b"\x10\x00" + STATUS[4:], wire.Reason.MALFORMED),
    "wrong version": (b"\x02" + STATUS[1:], wire.Reason.UNSUPPORTED_VERSION),
    "unknown type": (b"\x01\xff" + STATUS[2:], wire.Reason.UNKNOWN_TYPE),
    "an event": (wire.MassCanceled(request_id=7).encode(), wire.Reason.UNKNOWN_TYPE),
    "a reply": (wire.QueryEnd(request_id=7).encode(), wire.Reason.UNKNOWN_TYPE),
    "no request_id": (wire.StatusQuery().encode(), wire.Reason.MALFORMED),
    "reserved not zero": (
        wire.MassCancel(request_id=7, account_id=MAKER).encode()[:-1] + b"\x01",
        wire.Reason.MALFORMED,
    ),
    "too large": (
        STATUS * (wire.MESSAGE_BYTES_MAX // len(STATUS) + 1),
        wire.Reason.MESSAGE_TOO_LARGE,
    ),
    "random": (bytes(range(255, 155, -1)), wire.Reason.UNSUPPORTED_VERSION),
}


def test_bad_messages_get_a_reject_and_change_nothing(matcher: MatcherProcess) -> None:
    before = matcher.status()
    for name, (data, reason) in MALFORMED.items():
        with RawPeer(matcher.order_endpoint) as peer:
            (reject,) = peer.ask(data)
            assert isinstance(reject, wire.Reject), name
            assert reject.reason == reason, name
    with RawPeer(matcher.order_endpoint) as peer:
        (reject,) = peer.ask(STATUS, STATUS)
        assert isinstance(reject, wire.Reject)
        assert reject.reason == wire.Reason.MESSAGE_TOO_LARGE
    for data in LOGON_FIRST.values():
        with RawPeer(matcher.order_endpoint) as peer:
            (reject,) = peer.ask(data)
            assert isinstance(reject, wire.Reject)
            assert (reject.reason, reject.request_id) == (wire.Reason.NOT_LOGGED_ON, 7)
    after = matcher.status()
    assert (after.seq, after.digest) == (before.seq, before.digest)


def test_what_stands_before_a_bad_record_is_done(matcher: MatcherProcess) -> None:
    with RawPeer(matcher.order_endpoint) as peer:
        peer.log_on(MAKER, matcher.trader_keys[MAKER])
        status, reject = peer.ask(STATUS + b"\x01\xff\x08\x00\x09\x00\x00\x00" + STATUS)
        assert isinstance(status, wire.ShardStatus)
        assert isinstance(reject, wire.Reject)
        assert (reject.reason, reject.offset_bytes) == (wire.Reason.UNKNOWN_TYPE, len(STATUS))
        assert reject.request_id == 9


def test_a_peer_that_keeps_sending_garbage_is_dropped_and_others_are_not(
    matcher: MatcherProcess,
) -> None:
    with RawPeer(matcher.order_endpoint) as peer, matcher.trader(MAKER) as bystander:
        for _ in range(ABUSES_MAX):
            assert peer.ask(b"garbage!")
        assert peer.ask(b"garbage!", timeout_s=0.3) == []
        assert bystander.status().seq > 0


def test_nobody_acts_for_another_account(matcher: MatcherProcess) -> None:
    with RawPeer(matcher.order_endpoint) as peer:
        wrong = peer.log_on(MAKER, matcher.trader_keys[TAKER])
        assert isinstance(wrong, wire.Reject)
        assert wrong.reason == wire.Reason.WRONG_KEY
        operator = peer.log_on(0, matcher.trader_keys[MAKER])
        assert isinstance(operator, wire.Reject)
        assert operator.reason == wire.Reason.WRONG_KEY
        assert isinstance(peer.log_on(MAKER, matcher.trader_keys[MAKER]), wire.LoggedOn)
        before = matcher.status()
        for request in (
            wire.NewOrder(request_id=5, account_id=TAKER),
            wire.CancelOrder(request_id=5, account_id=TAKER, order_id=1),
            wire.ReplaceOrder(request_id=5, account_id=TAKER, order_id=1),
            wire.MassCancel(request_id=5, account_id=TAKER),
            wire.OrderQuery(request_id=5, account_id=TAKER, order_id=1),
            wire.OpenOrdersQuery(request_id=5, account_id=TAKER, count_max=1),
            wire.BalancesQuery(request_id=5, account_id=TAKER),
            wire.Credit(request_id=5, account_id=MAKER, amount_units=1, asset_id=1, transfer_id=9),
            wire.Debit(request_id=5, account_id=MAKER, amount_units=1, asset_id=1, transfer_id=9),
            wire.SetAccount(request_id=5, account_id=MAKER, state=1),
            wire.SetAsset(request_id=5, asset_id=9),
            wire.SetInstrument(request_id=5, instrument_id=9),
        ):
            (reject,) = peer.ask(request.encode())
            assert isinstance(reject, wire.Reject), request
            assert (reject.reason, reject.request_id) == (wire.Reason.NOT_AUTHORIZED, 5), request
        assert matcher.status().seq == before.seq


@pytest.mark.parametrize("routing_id", [b"desk", b"d" * 255, b"\0" * 4, b"\0" * 6])
def test_nobody_inherits_a_session_through_a_routing_id(
    matcher: MatcherProcess, routing_id: bytes
) -> None:
    """A peer may choose its id, and so may the next one: such a session must carry no rights."""
    with RawPeer(matcher.order_endpoint, routing_id) as peer:
        peer.log_on(MAKER, matcher.trader_keys[MAKER])
    with ExitStack() as stack:
        # Until the server has seen the first connection end, it lets nobody else have the id.
        answers: list[object] = []
        deadline = time.monotonic() + DEADLINE_S
        while not answers:
            assert time.monotonic() < deadline
            stack.close()
            peer = stack.enter_context(RawPeer(matcher.order_endpoint, routing_id))
            answers = peer.ask(STATUS, timeout_s=0.5)
        (reject,) = answers
        assert isinstance(reject, wire.Reject)
        assert reject.reason == wire.Reason.NOT_LOGGED_ON
        refused = peer.log_on(MAKER, matcher.trader_keys[MAKER])
        assert isinstance(refused, wire.Reject)
        assert refused.reason == wire.Reason.NOT_AUTHORIZED


def test_an_account_has_so_many_subscribers_and_the_oldest_gives_way(
    matcher: MatcherProcess,
) -> None:
    with ExitStack() as stack:
        peers = [
            stack.enter_context(RawPeer(matcher.order_endpoint))
            for _ in range(SUBSCRIBERS_PER_ACCOUNT_MAX + 1)
        ]
        for peer in peers:
            answer = peer.log_on(MAKER, matcher.trader_keys[MAKER], wire.LogonFlag.RECEIVE_REPORTS)
            assert isinstance(answer, wire.LoggedOn)
        oldest, *others = peers
        (reject,) = oldest.ask(STATUS)
        assert isinstance(reject, wire.Reject)
        assert reject.reason == wire.Reason.NOT_LOGGED_ON
        for peer in others:
            (status,) = peer.ask(STATUS)
            assert isinstance(status, wire.ShardStatus)


def test_peers_that_do_not_read_cost_bounded_memory(
    data_dir: Path, nats_url: str, shard_id: int
) -> None:
    """Nobody needs a key to be answered: what is not read must not pile up."""
    requests = STATUS * (wire.MESSAGE_BYTES_MAX // len(STATUS))
    message_count = UNREAD_PEERS * UNREAD_MESSAGES
    port = free_port()
    with (
        running_matcher(data_dir, nats_url, shard_id, TRADEPIT_METRICS_PORT=str(port)) as matcher,
        ExitStack() as stack,
    ):
        before = matcher.memory_bytes
        peers = [stack.enter_context(RawPeer(matcher.order_endpoint)) for _ in range(UNREAD_PEERS)]
        for _ in range(UNREAD_MESSAGES):
            for peer in peers:
                peer.send(requests)

        def are_handled() -> bool:
            return figures(port)["tradepit_messages_received_total"] > message_count

        # 98 million requests: seconds on an idle machine, minutes on a busy one.
        wait_until(are_handled, "all is handled", 4 * DEADLINE_S)
        # A reply is three times as long as its request.
        assert matcher.memory_bytes - before < message_count * len(requests)


def test_a_peer_that_asks_for_more_than_it_reads_is_told_so(matcher: MatcherProcess) -> None:
    order = wire.NewOrder(
        account_id=MAKER,
        instrument_id=INSTRUMENT,
        side=wire.Side.SELL,
        order_type=wire.OrderType.LIMIT,
        time_in_force=wire.TimeInForce.GTC,
        price_ticks=1000,
        quantity_lots=1,
    )
    with matcher.trader(MAKER) as maker:
        maker.submit_many([order] * 400)
    query = wire.OpenOrdersQuery(request_id=7, account_id=MAKER, count_max=400).encode()
    queries = query * (wire.MESSAGE_BYTES_MAX // len(query))
    with RawPeer(matcher.order_endpoint) as peer:
        peer.log_on(MAKER, matcher.trader_keys[MAKER])
        matcher.send_signal(signal.SIGSTOP)  # all of them are there before the first is answered
        for _ in range(20):
            peer.send(queries)
        matcher.send_signal(signal.SIGCONT)
        answer_count = busy_count = 0
        while answer_count + busy_count < 20 * len(queries) // len(query):
            records = peer.receive()
            assert records, (answer_count, busy_count)
            for record in records:
                if isinstance(record, wire.Reject):
                    assert record.reason == wire.Reason.BUSY
                    busy_count += 1
                answer_count += isinstance(record, wire.QueryEnd)
        assert answer_count
        assert busy_count
        (status,) = peer.ask(STATUS)
        assert isinstance(status, wire.ShardStatus)


def test_another_accounts_order_is_unknown(matcher: MatcherProcess) -> None:
    with matcher.trader(MAKER) as maker, matcher.trader(TAKER) as taker:
        order = maker.submit(
            instrument_id=INSTRUMENT, side=wire.Side.SELL, price_ticks=900, quantity_lots=1
        )
        with pytest.raises(Refused) as refused:
            taker.cancel(order_id=order.order_id)
        assert refused.value.reason == wire.Reason.UNKNOWN_ORDER
        assert len(maker.open_orders()) == 1


def test_mass_cancel_takes_the_orders_of_one_session_of_an_account(
    matcher: MatcherProcess,
) -> None:
    with matcher.trader(MAKER) as first, matcher.trader(MAKER) as second:
        assert 0 < first.session_id < second.session_id < wire.TIED_SESSION_BIT
        for each in (first, second):
            each.submit(
                instrument_id=INSTRUMENT, side=wire.Side.BUY, price_ticks=10, quantity_lots=1
            )
        assert first.mass_cancel(session_id=second.session_id) == 1
        assert first.mass_cancel(session_id=second.session_id) == 0
        assert first.mass_cancel(session_id=first.session_id) == 1


def test_a_session_id_is_not_used_again_after_a_restart(matcher: MatcherProcess) -> None:
    with matcher.trader(MAKER) as before:
        order = before.submit(
            instrument_id=INSTRUMENT, side=wire.Side.BUY, price_ticks=10, quantity_lots=1
        )
    matcher.kill()
    matcher.start()
    with matcher.operator() as after:
        assert after.session_id > before.session_id
        assert after.mass_cancel(session_id=after.session_id) == 0
        assert after.mass_cancel(session_id=before.session_id) == 1
    with matcher.trader(MAKER) as trader, pytest.raises(Refused):
        trader.order(order_id=order.order_id)


def tied_peer(matcher: MatcherProcess, stack: ExitStack) -> RawPeer:
    """A session with an open order that ends with it."""
    peer = stack.enter_context(RawPeer(matcher.order_endpoint))
    flags = wire.LogonFlag.CANCEL_ON_DISCONNECT
    logged_on = peer.log_on(MAKER, matcher.trader_keys[MAKER], flags)
    assert isinstance(logged_on, wire.LoggedOn)
    assert logged_on.session_id > wire.TIED_SESSION_BIT
    (report,) = peer.ask(RESTING.encode())
    assert isinstance(report, wire.ExecutionReport)
    assert report.status == wire.OrderStatus.OPEN
    return peer


@pytest.mark.parametrize("end", ["closes", "falls silent", "logs on again"])
def test_the_orders_of_a_session_end_with_it_and_others_stay(
    matcher: MatcherProcess, end: str
) -> None:
    with ExitStack() as stack:
        peers = stack.enter_context(ExitStack())
        other = stack.enter_context(matcher.trader(MAKER, cancel_on_disconnect=True))
        kept = other.submit(
            instrument_id=INSTRUMENT, side=wire.Side.BUY, price_ticks=11, quantity_lots=1
        )
        peer = tied_peer(matcher, peers)
        assert len(other.open_orders()) == 2
        if end == "closes":
            peers.close()
        elif end == "logs on again":
            key = bytes.fromhex(matcher.trader_keys[MAKER])
            peer.tell(wire.Logon(request_id=6, account_id=MAKER, key=key).encode())
        reports: list[wire.ExecutionReport] = []

        def is_canceled() -> bool:
            reports.extend(other.reports(0.1))
            return any(each.kind == wire.ExecutionKind.CANCELED for each in reports)

        wait_until(is_canceled, "the orders of the session are canceled")
        assert reports[-1].cancel_reason == wire.CancelReason.DISCONNECTED
        assert [order.order_id for order in other.open_orders()] == [kept.order_id]
        assert other.logon_count == 1


def test_what_is_tied_to_a_session_does_not_outlive_a_kill_of_the_matcher(
    matcher: MatcherProcess,
) -> None:
    with ExitStack() as stack:
        free = stack.enter_context(matcher.trader(TAKER))
        kept = free.submit(
            instrument_id=INSTRUMENT, side=wire.Side.BUY, price_ticks=11, quantity_lots=1
        )
        tied_peer(matcher, stack)
        matcher.kill()
        matcher.start()
        with matcher.trader(MAKER) as maker:
            assert maker.open_orders() == []
        assert [order.order_id for order in free.open_orders()] == [kept.order_id]


RESTING = wire.NewOrder(
    request_id=5,
    account_id=MAKER,
    instrument_id=INSTRUMENT,
    side=wire.Side.BUY,
    order_type=wire.OrderType.LIMIT,
    time_in_force=wire.TimeInForce.GTC,
    price_ticks=10,
    quantity_lots=1,
)


def test_a_client_may_not_name_its_session_in_an_order(matcher: MatcherProcess) -> None:
    with RawPeer(matcher.order_endpoint) as peer:
        logged_on = peer.log_on(MAKER, matcher.trader_keys[MAKER])
        assert isinstance(logged_on, wire.LoggedOn)
        before = matcher.status()
        for session_id in (logged_on.session_id, logged_on.session_id + 1):
            (reject,) = peer.ask(RESTING._replace(session_id=session_id).encode())
            assert isinstance(reject, wire.Reject)
            assert reject.reason == wire.Reason.INVALID_SESSION
        assert matcher.status().seq == before.seq


def test_a_peer_that_leaves_with_much_unread_takes_nobody_along(matcher: MatcherProcess) -> None:
    """Its place in the table is the next peer's, who must get his own answers and only those."""
    order = wire.NewOrder(
        account_id=MAKER,
        instrument_id=INSTRUMENT,
        side=wire.Side.SELL,
        order_type=wire.OrderType.LIMIT,
        time_in_force=wire.TimeInForce.GTC,
        price_ticks=2000,
        quantity_lots=1,
    )
    orders = b"".join(order._replace(request_id=number).encode() for number in range(1, 501))
    for _ in range(5):
        with RawPeer(matcher.order_endpoint) as leaver:
            assert isinstance(leaver.log_on(MAKER, matcher.trader_keys[MAKER]), wire.LoggedOn)
            for _ in range(10):
                leaver.tell(orders)
            assert leaver.ask(orders)
        with RawPeer(matcher.order_endpoint) as other:
            answer = other.log_on(TAKER, matcher.trader_keys[TAKER])
            assert isinstance(answer, wire.LoggedOn)
            assert answer.account_id == TAKER
