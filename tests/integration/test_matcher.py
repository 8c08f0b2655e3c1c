"""The matcher as a process: real sockets, a real journal, a real stream, and faults in each."""

import itertools
import os
import time
from pathlib import Path

import nats
import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.errors import Refused

from tests.matcher_process import (
    FUNDS_UNITS,
    INSTRUMENT,
    MAKER,
    TAKER,
    MatcherProcess,
    list_market,
    running_matcher,
    trade_once,
    wait_until,
)
from tests.matcher_stream import delete_stream, stream_entries, wait_for_stream
from tests.servers import Servers

ENTRY_LAYOUT = wire.JOURNAL_ENTRY_LAYOUT


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
    assert "are missing" in matcher.log.splitlines()[-1]
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
    matcher: MatcherProcess, servers: Servers, nats_url: str
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


def test_a_stream_that_is_ahead_of_the_journal_stops_the_shard(
    matcher: MatcherProcess, nats_url: str
) -> None:
    trade_once(matcher)
    wait_for_stream(matcher, nats_url)
    matcher.kill()  # one that is stopped says where its journal ends
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


def test_an_order_expires_on_an_idle_matcher_and_idling_writes_nothing(
    matcher: MatcherProcess,
) -> None:
    before = matcher.status().seq
    with matcher.trader(MAKER) as maker:
        maker.submit(
            instrument_id=INSTRUMENT,
            side=wire.Side.SELL,
            price_ticks=1500,
            quantity_lots=7,
            time_in_force=wire.TimeInForce.GTD,
            expire_time_ns=time.time_ns() + 300_000_000,
        )
        wait_until(lambda: not maker.open_orders(), "the order expires")
        assert maker.status().seq == before + 2  # the order and one Tick
    matcher.kill()
    matcher.start()
    assert matcher.status().seq == before + 2
