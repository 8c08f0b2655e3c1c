"""The matcher as a process: real sockets, a real journal, a real stream, and faults in each."""

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import nats
import pytest
import zmq
from tradepit.cli.embedded import EmbeddedServers
from tradepit.client import FeedSubscriber
from tradepit.engine import Engine
from tradepit.protocol import names, wire
from tradepit.protocol.errors import Refused

from tests.matcher_process import (
    FUNDS_UNITS,
    INSTRUMENT,
    MAKER,
    TAKER,
    MatcherProcess,
    list_market,
    running_matcher,
)

DEADLINE_S = 20.0
POLL_S = 0.02
ABUSES_MAX = 16
ENTRY_LAYOUT = wire.JOURNAL_ENTRY_LAYOUT


@pytest.fixture
def matcher(data_dir: Path, nats_url: str, shard_id: int) -> Iterator[MatcherProcess]:
    with running_matcher(data_dir, nats_url, shard_id) as process:
        yield process


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(POLL_S)


def stream_entries(nats_url: str, shard_id: int) -> list[tuple[wire.JournalEntry, bytes]]:
    """Every entry of the shard's stream with the bytes after its header, checked for continuity."""

    async def fetch() -> list[bytes]:
        client = await nats.connect(nats_url, connect_timeout=2)
        try:
            jetstream = client.jetstream()
            stream = names.events_stream(shard_id)
            state = (await jetstream.stream_info(stream)).state
            messages = [
                await jetstream.get_msg(stream, seq)
                for seq in range(max(state.first_seq, 1), state.last_seq + 1)
            ]
            return [message.data or b"" for message in messages]
        finally:
            await client.close()

    entries = []
    for batch in asyncio.run(fetch()):
        offset = wire.COMMIT_BATCH_HEADER_LAYOUT.size
        header = wire.CommitBatchHeader(*wire.COMMIT_BATCH_HEADER_LAYOUT.unpack_from(batch))
        assert header.shard_id == shard_id
        assert header.first_seq == len(entries) + 1
        for seq in range(header.first_seq, header.last_seq + 1):
            entry = wire.JournalEntry(*ENTRY_LAYOUT.unpack_from(batch, offset))
            assert entry.seq == seq
            entries.append((entry, batch[offset + ENTRY_LAYOUT.size : offset + entry.length]))
            offset += entry.length
        assert offset == len(batch)
        assert header.last_digest == entries[-1][0].digest
    return entries


def wait_for_stream(
    matcher: MatcherProcess, nats_url: str
) -> list[tuple[wire.JournalEntry, bytes]]:
    """The stream, once it holds everything that the matcher has committed."""
    seq = matcher.status().committed_seq
    deadline = time.monotonic() + DEADLINE_S
    while True:
        entries = stream_entries(nats_url, matcher.shard_id)
        if len(entries) >= seq:
            return entries
        assert time.monotonic() < deadline, f"the stream stays at {len(entries)} of {seq}"
        time.sleep(POLL_S)


def trade_once(matcher: MatcherProcess, price_ticks: int = 1000, quantity_lots: int = 10) -> None:
    with matcher.trader(MAKER) as maker, matcher.trader(TAKER) as taker:
        maker.submit(
            instrument_id=INSTRUMENT,
            side=wire.Side.SELL,
            price_ticks=price_ticks,
            quantity_lots=quantity_lots,
        )
        order = taker.submit(
            instrument_id=INSTRUMENT,
            side=wire.Side.BUY,
            price_ticks=price_ticks,
            quantity_lots=quantity_lots,
        )
        assert order.status == wire.OrderStatus.FILLED


class RawPeer:
    """A DEALER that sends whatever bytes it is given."""

    def __init__(self, endpoint: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(endpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        self._context.term()

    def ask(self, *frames: bytes, timeout_s: float = DEADLINE_S) -> list[object]:
        """Send one message; the records of the answer, or nothing if none comes."""
        self._socket.send_multipart(frames)
        if not self._socket.poll(int(timeout_s * 1000)):
            return []
        return wire.decode_all(self._socket.recv())

    def log_on(self, account_id: int, key: str, flags: int = 0) -> object:
        logon = wire.Logon(request_id=1, account_id=account_id, key=bytes.fromhex(key), flags=flags)
        (answer,) = self.ask(logon.encode())
        return answer


def test_commands_are_answered_journaled_and_published(
    matcher: MatcherProcess, nats_url: str
) -> None:
    trade_once(matcher)
    status = matcher.status()
    assert status.seq == status.committed_seq
    entries = wait_for_stream(matcher, nats_url)
    assert entries[-1][0].digest == status.digest

    engine = Engine(shard_id=matcher.shard_id)
    for entry, body in entries:
        command_length = int.from_bytes(body[2:4], "little")
        events = engine.apply(body[:command_length])
        assert events == body[command_length:]
        assert engine.digest == entry.digest
        assert len(wire.decode_all(events)) == entry.event_count


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_loses_nothing(matcher: MatcherProcess, nats_url: str, end: str) -> None:
    trade_once(matcher)
    with matcher.trader(MAKER) as maker:
        resting = maker.submit(
            instrument_id=INSTRUMENT, side=wire.Side.SELL, price_ticks=1500, quantity_lots=7
        )
    before = matcher.status()
    if end == "stop":
        assert matcher.stop() == 0
    else:
        matcher.kill()
    matcher.start()
    after = matcher.status()
    assert (after.seq, after.digest) == (before.seq, before.digest)
    with matcher.trader(MAKER) as maker:
        (order,) = maker.open_orders()
        assert (order.order_id, order.remaining_lots) == (resting.order_id, 7)
    assert len(wait_for_stream(matcher, nats_url)) == before.seq


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


def test_another_accounts_order_is_unknown(matcher: MatcherProcess) -> None:
    with matcher.trader(MAKER) as maker, matcher.trader(TAKER) as taker:
        order = maker.submit(
            instrument_id=INSTRUMENT, side=wire.Side.SELL, price_ticks=900, quantity_lots=1
        )
        with pytest.raises(Refused) as refused:
            taker.cancel(order_id=order.order_id)
        assert refused.value.reason == wire.Reason.UNKNOWN_ORDER
        assert len(maker.open_orders()) == 1


def test_a_torn_tail_is_cut_off_and_what_follows_survives(matcher: MatcherProcess) -> None:
    trade_once(matcher)
    before = matcher.status()
    matcher.kill()
    (segment,) = matcher.segments
    end = end_of_entries(segment)
    with segment.open("r+b") as file:
        file.seek(end)
        file.write(ENTRY_LAYOUT.pack(200, 12345, before.seq + 1, before.seq + 1, 0, 1) + b"half")
    matcher.start()
    assert "torn_tail_cut" in matcher.log
    assert matcher.status().digest == before.digest
    # A tail that is left in place would swallow what is written now at the next start.
    trade_once(matcher, price_ticks=1100)
    again = matcher.status()
    assert again.seq > before.seq
    matcher.kill()
    matcher.start()
    assert matcher.status().digest == again.digest


def end_of_entries(segment: Path) -> int:
    data = segment.read_bytes()
    offset = wire.SEGMENT_HEADER_LAYOUT.size
    while length := int.from_bytes(data[offset : offset + 4], "little"):
        offset += length
    return offset


def test_damage_before_the_tail_refuses_to_start_and_touches_nothing(
    matcher: MatcherProcess,
) -> None:
    trade_once(matcher)
    matcher.stop()
    (segment,) = matcher.segments
    sound = segment.read_bytes()
    offset = wire.SEGMENT_HEADER_LAYOUT.size
    for position in (offset + 60, 20):  # in the first entry, and in the segment's header
        damaged = bytearray(sound)
        damaged[position] ^= 1
        segment.write_bytes(damaged)
        matcher.start_unready()
        assert matcher.wait() == 1
        last_line = matcher.log.splitlines()[-1]
        assert "damaged journal" in last_line
        assert segment.name in last_line
        assert segment.read_bytes() == damaged
    segment.write_bytes(sound)
    matcher.start()


def test_a_missing_segment_refuses_to_start(matcher: MatcherProcess) -> None:
    fill_segments(matcher, 2)
    matcher.stop()
    first, second = matcher.segments[:2]
    aside = first.with_suffix(".aside")
    first.rename(aside)
    matcher.start_unready()
    assert matcher.wait() == 1
    assert "missing before this segment" in matcher.log.splitlines()[-1]
    aside.rename(first)
    assert second.exists()
    matcher.start()


def fill_segments(matcher: MatcherProcess, count: int) -> None:
    orders = [
        wire.NewOrder(
            account_id=MAKER,
            instrument_id=INSTRUMENT,
            side=side,
            order_type=wire.OrderType.LIMIT,
            time_in_force=wire.TimeInForce.GTC,
            price_ticks=1000,
            quantity_lots=1,
        )
        for side in itertools.islice(itertools.cycle((wire.Side.SELL, wire.Side.BUY)), 5000)
    ]
    with matcher.trader(MAKER) as maker:
        while len(matcher.segments) < count:
            maker.submit_many(orders)


def test_segments_follow_one_another(matcher: MatcherProcess, nats_url: str) -> None:
    fill_segments(matcher, 3)
    before = matcher.status()
    matcher.kill()
    matcher.start()
    after = matcher.status()
    assert (after.seq, after.digest) == (before.seq, before.digest)
    assert wait_for_stream(matcher, nats_url)[-1][0].digest == before.digest


def test_trading_goes_on_without_nats_and_the_stream_catches_up(
    matcher: MatcherProcess, servers: EmbeddedServers, nats_url: str
) -> None:
    trade_once(matcher)
    servers.kill("nats")
    try:
        trade_once(matcher, price_ticks=1001)
        matcher.kill()
        matcher.start()  # opens for orders although the broker is away
        trade_once(matcher, price_ticks=1002)
    finally:
        servers.restart("nats")
    status = matcher.status()
    assert wait_for_stream(matcher, nats_url)[-1][0].digest == status.digest


def test_a_stream_that_was_wiped_is_rebuilt_from_the_journal(
    matcher: MatcherProcess, nats_url: str
) -> None:
    trade_once(matcher)
    wait_for_stream(matcher, nats_url)
    delete_stream(nats_url, matcher.shard_id)
    trade_once(matcher, price_ticks=1001)

    def is_rebuilt() -> bool:
        try:
            entries = stream_entries(nats_url, matcher.shard_id)
        except nats.js.errors.NotFoundError:
            return False
        return len(entries) == matcher.status().seq

    wait_until(is_rebuilt, "the stream holds every seq again")


def delete_stream(nats_url: str, shard_id: int) -> None:
    async def delete() -> None:
        client = await nats.connect(nats_url, connect_timeout=2)
        try:
            await client.jetstream().delete_stream(names.events_stream(shard_id))
        finally:
            await client.close()

    asyncio.run(delete())


def test_a_stream_that_is_ahead_of_the_journal_stops_the_shard(
    matcher: MatcherProcess, nats_url: str
) -> None:
    trade_once(matcher)
    wait_for_stream(matcher, nats_url)
    matcher.stop()
    for segment in matcher.segments:
        segment.rename(segment.with_suffix(".aside"))
    matcher.start_unready()
    assert matcher.wait() == 1
    assert "holds seq" in matcher.log.splitlines()[-1]


def test_a_second_matcher_on_the_same_journal_is_refused(matcher: MatcherProcess) -> None:
    second = MatcherProcess(matcher.data_dir, "nats://127.0.0.1:1", matcher.shard_id)
    second.start_unready()
    assert second.wait() == 2
    assert "another matcher runs on" in second.log


def test_a_port_in_use_is_one_sentence(
    matcher: MatcherProcess, tmp_path: Path, nats_url: str
) -> None:
    folder = tmp_path / "other"
    folder.mkdir(mode=0o700)
    second = MatcherProcess(
        folder, nats_url, matcher.shard_id + 1000, TRADEPIT_ORDER_ENDPOINT=matcher.order_endpoint
    )
    second.start_unready()
    assert second.wait() == 2
    assert f"cannot listen on {matcher.order_endpoint}" in second.log.splitlines()[-1]
    assert "Traceback" not in second.log


def test_a_data_folder_that_cannot_be_written_is_one_sentence(
    data_dir: Path, nats_url: str, shard_id: int
) -> None:
    process = MatcherProcess(data_dir, nats_url, shard_id)
    (data_dir / "journal").write_text("a file where the folder should be")
    process.start_unready()
    assert process.wait() == 2
    assert "cannot write to" in process.log.splitlines()[-1]
    assert "Traceback" not in process.log


def test_a_full_disk_at_start_is_one_sentence(data_dir: Path, nats_url: str, shard_id: int) -> None:
    # A limit on the size of files stands in for the disk's end: the same call fails.
    process = MatcherProcess(data_dir, nats_url, shard_id)
    process.limit_file_bytes = 1 << 20
    process.start_unready()
    assert process.wait() == 1
    assert "reserve space for" in process.log.splitlines()[-1]
    assert process.segments == []


def test_memory_durability_answers_and_publishes_too(
    data_dir: Path, nats_url: str, shard_id: int
) -> None:
    with running_matcher(data_dir, nats_url, shard_id, TRADEPIT_DURABILITY="memory") as matcher:
        trade_once(matcher)
        assert matcher.stop() == 0
        assert len(stream_entries(nats_url, shard_id)) > 0
        matcher.start()
        assert matcher.status().seq > 0


def test_sigterm_answers_what_was_sequenced(matcher: MatcherProcess) -> None:
    with matcher.trader(MAKER) as maker:
        maker.send(
            [
                wire.NewOrder(
                    account_id=MAKER,
                    client_order_id=number,
                    instrument_id=INSTRUMENT,
                    side=wire.Side.SELL,
                    order_type=wire.OrderType.LIMIT,
                    time_in_force=wire.TimeInForce.GTC,
                    price_ticks=2000,
                    quantity_lots=1,
                )
                for number in range(1, 501)
            ]
        )
        acknowledged = [order.client_order_id for _, order in maker.receive()]
        assert matcher.stop() == 0
        acknowledged += [order.client_order_id for _, order in maker.receive()]
    matcher.start()
    with matcher.trader(MAKER) as maker:
        open_ids = {order.client_order_id for order in maker.open_orders()}
    assert acknowledged
    assert open_ids.issuperset(acknowledged)


def test_acknowledged_orders_survive_kill_9_under_load(matcher: MatcherProcess) -> None:
    acknowledged: set[int] = set()
    numbers = itertools.count(1)
    for _ in range(3):
        with matcher.trader(MAKER) as maker:
            for round_number in range(20):
                maker.send(
                    [
                        wire.NewOrder(
                            account_id=MAKER,
                            client_order_id=next(numbers),
                            instrument_id=INSTRUMENT,
                            side=wire.Side.SELL,
                            order_type=wire.OrderType.LIMIT,
                            time_in_force=wire.TimeInForce.GTC,
                            price_ticks=2000,
                            quantity_lots=1,
                        )
                        for _ in range(50)
                    ]
                )
                if round_number == 15:
                    matcher.kill()
                    break
                acknowledged.update(order.client_order_id for _, order in maker.receive())
        matcher.start()
    with matcher.trader(MAKER) as maker:
        open_ids = [order.client_order_id for order in maker.open_orders()]
    assert len(open_ids) == len(set(open_ids))
    assert acknowledged
    assert acknowledged <= set(open_ids)


def test_funds_are_conserved_over_restarts(matcher: MatcherProcess) -> None:
    trade_once(matcher)
    matcher.kill()
    matcher.start()
    list_totals: dict[int, int] = {}
    with matcher.operator() as operator:
        for account_id in (0, MAKER, TAKER):
            for balance in operator.balances(account_id=account_id):
                total = balance.available_units + balance.held_units
                list_totals[balance.asset_id] = list_totals.get(balance.asset_id, 0) + total
    assert list_totals == {1: 2 * FUNDS_UNITS, 2: 2 * FUNDS_UNITS}


def test_listing_twice_changes_nothing_that_matters(matcher: MatcherProcess) -> None:
    with pytest.raises(Refused) as refused:
        list_market(matcher)
    assert refused.value.reason == wire.Reason.DUPLICATE_TRANSFER


def test_idle_costs_no_processor_time(matcher: MatcherProcess) -> None:
    assert matcher._process is not None
    stat = Path(f"/proc/{matcher._process.pid}/stat")

    def ticks() -> int:
        fields = stat.read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    wait_until(lambda: matcher.status().seq > 0, "the matcher answers")
    before = ticks()
    time.sleep(1.0)  # what is measured is a second in which nothing happens
    assert (ticks() - before) / os.sysconf("SC_CLK_TCK") < 0.2
