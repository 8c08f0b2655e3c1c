"""The snapshotter beside a live matcher: kills, a divergence, removed segments, a wiped stream."""

import asyncio
import itertools
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import nats
import pytest
from tradepit.cli.child import is_gone
from tradepit.cli.running import RunningExchange
from tradepit.engine import MatcherCore, crc32c
from tradepit.protocol import names, wire
from tradepit.protocol.errors import TradepitError

from tests.figures import figures
from tests.integration.test_matcher import fill_segments
from tests.integration.test_matcher_faults import small_disk
from tests.matcher_process import (
    MatcherProcess,
    free_port,
    running_matcher,
    trade_once,
    wait_until,
)
from tests.matcher_stream import delete_stream

ENTRY = wire.JOURNAL_ENTRY_LAYOUT
SOME = {"TRADEPIT_SNAPSHOT_COMMANDS": "50"}
MANY = {"TRADEPIT_SNAPSHOT_COMMANDS": "20000", "TRADEPIT_JOURNAL_RETENTION_HOURS": "0"}


def snapshotters(journal_dir: Path) -> list[int]:
    """The processes that follow this journal."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            if (
                b"tradepit.matcher.snapshotter" in arguments
                and os.fsencode(journal_dir) in arguments
            ):
                found.append(int(folder.name))
    return [pid for pid in found if not is_gone(pid)]


def snapshotter_of(matcher: MatcherProcess) -> int:
    wait_until(lambda: len(snapshotters(matcher.journal_dir)) == 1, "a snapshotter")
    (pid,) = snapshotters(matcher.journal_dir)
    return pid


def snapshots(matcher: MatcherProcess) -> list[int]:
    return sorted(int(path.stem) for path in matcher.journal_dir.glob("*.snapshot"))


def has_snapshot(matcher: MatcherProcess, above_seq: int) -> bool:
    return max(snapshots(matcher), default=0) > above_seq


def trade_until_snapshot(matcher: MatcherProcess, above_seq: int = 0) -> None:
    def has_one() -> bool:
        trade_once(matcher)
        return has_snapshot(matcher, above_seq)

    wait_until(has_one, "a snapshot")


def replayed_from_the_beginning(matcher: MatcherProcess, folder: Path) -> tuple[int, int]:
    """Seq and digest of the journal as it stands, without any snapshot."""
    folder.mkdir()
    for segment in matcher.segments:
        shutil.copy(segment, folder)
    core = MatcherCore(str(folder), matcher.shard_id, wire.Durability.DISK, 16 << 20)
    assert core.recover().snapshot_seq == 0
    return core.committed_seq, core.digest


@contextmanager
def until_killed(matcher: MatcherProcess) -> Iterator[None]:
    """Orders from a thread, for as long as they are answered."""

    def trade() -> None:
        with suppress(TradepitError):
            while True:
                trade_once(matcher)

    thread = threading.Thread(target=trade)
    thread.start()
    try:
        yield
    finally:
        matcher.kill()
        thread.join()


def test_killed_under_load_it_recovers_from_its_last_snapshot(
    data_dir: Path, tmp_path: Path, nats_url: str, shard_id: int
) -> None:
    with running_matcher(data_dir, nats_url, shard_id, **SOME) as matcher:
        for attempt in range(4):
            child = snapshotter_of(matcher)
            before_seq = matcher.status().seq
            with until_killed(matcher):
                wait_until(partial(has_snapshot, matcher, before_seq), "a snapshot")
            wait_until(partial(is_gone, child), "the snapshotter ends with the matcher")
            whole = replayed_from_the_beginning(matcher, tmp_path / str(attempt))
            matcher.start()
            after = matcher.status()
            assert (after.seq, after.digest) == whole
            recovered = [line for line in matcher.log.splitlines() if " recovered " in line][-1]
            fields = dict(word.split("=") for word in recovered.split() if "=" in word)
            assert int(fields["snapshot_seq"]) > 0
            assert int(fields["entries"]) == after.seq - int(fields["snapshot_seq"])
        assert "snapshot_refused" not in matcher.log
        assert "diverged" not in matcher.log


def test_a_stop_in_order_leaves_no_process_behind(
    data_dir: Path, nats_url: str, shard_id: int
) -> None:
    with running_matcher(data_dir, nats_url, shard_id, **SOME) as matcher:
        wait_until(lambda: "snapshotter following" in matcher.log, "it follows")
        child = snapshotter_of(matcher)
        # As a signal to the whole group would reach it; the matcher decides.
        os.kill(child, signal.SIGTERM)
        os.kill(child, signal.SIGINT)
        trade_until_snapshot(matcher)
        assert snapshotters(matcher.journal_dir) == [child]
        assert matcher.stop() == 0
        assert is_gone(child)
        assert "snapshotter_ended" not in matcher.log
        matcher.start()
        child_that_stands_still = snapshotter_of(matcher)
        os.kill(child_that_stands_still, signal.SIGSTOP)
        trade_once(matcher)
        assert matcher.stop() == 0
        assert is_gone(child_that_stands_still)


def test_a_snapshotter_that_dies_is_started_again_and_orders_never_wait(
    data_dir: Path, nats_url: str, shard_id: int
) -> None:
    port = free_port()
    settings = SOME | {"TRADEPIT_METRICS_PORT": str(port)}

    with running_matcher(data_dir, nats_url, shard_id, **settings) as matcher:
        trade_until_snapshot(matcher)
        wait_until(
            lambda: figures(port)["tradepit_snapshot_seq"] == snapshots(matcher)[-1],
            "the snapshot is shown",
        )
        wait_until(
            lambda: figures(port)["tradepit_verified_seq"] == matcher.status().seq,
            "all is compared",
        )
        shown = figures(port)
        assert shown["tradepit_snapshotter_restarts_total"] == shown["tradepit_halted"] == 0
        assert shown["tradepit_journal_segments"] == 1
        assert shown["tradepit_journal_size_bytes"] == matcher.segments[0].stat().st_size
        assert shown["tradepit_snapshot_age_seconds"] >= 0
        first = snapshotter_of(matcher)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: is_gone(first), "its end")
        trade_once(matcher)
        wait_until(lambda: snapshotter_of(matcher) != first, "another one")
        assert "snapshotter_ended exit_code=-9" in matcher.log
        assert figures(port)["tradepit_snapshotter_restarts_total"] == 1
        trade_until_snapshot(matcher, matcher.status().seq)
        assert matcher.stop() == 0


def change_last_entry(matcher: MatcherProcess) -> tuple[bytes, Path, int]:
    """Other events in the journal's last entry, its checksum right: what was there, and where."""
    (segment,) = matcher.segments
    data = segment.read_bytes()
    offset = at = wire.SEGMENT_HEADER_LAYOUT.size
    while length := int.from_bytes(data[at : at + 4], "little"):
        offset, at = at, at + length
    entry = bytearray(data[offset:at])
    entry[-8] ^= 1
    entry[4:8] = crc32c(bytes(entry[8:])).to_bytes(4, "little")
    with segment.open("r+b") as file:
        file.seek(offset)
        file.write(entry)
    return data[offset:at], segment, offset


def test_a_divergence_halts_the_shard_until_somebody_has_looked(
    data_dir: Path, nats_url: str, shard_id: int
) -> None:
    with running_matcher(data_dir, nats_url, shard_id, **SOME) as matcher:
        trade_until_snapshot(matcher)
        child = snapshotter_of(matcher)
        os.kill(child, signal.SIGSTOP)
        trade_once(matcher)
        before = matcher.status()
        sound, segment, offset = change_last_entry(matcher)
        os.kill(child, signal.SIGCONT)
        assert matcher.wait() == 1
        assert snapshotters(matcher.journal_dir) == []
        halted = matcher.journal_dir / "halted"
        reason = f"{segment} offset {offset} seq {before.seq}: replaying the command gives other"
        assert reason in halted.read_text()
        assert f"committed_seq: {before.seq}\ntime: " in halted.read_text()
        assert reason in matcher.log.splitlines()[-1]
        assert ' fatal error="the shard is halted' in matcher.log.splitlines()[-1]
        with segment.open("r+b") as file:
            file.seek(offset)
            file.write(sound)
        matcher.start_unready()
        assert matcher.wait() == 1
        assert f"delete {halted} to let it start" in matcher.log.splitlines()[-1]
        halted.unlink()
        matcher.start()
        assert matcher.status().digest == before.digest


def test_a_disk_without_space_for_snapshots_costs_snapshots_only(
    tmp_path: Path, nats_url: str, shard_id: int
) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    with (
        small_disk(data_dir, 60),  # two segments, but not two more
        running_matcher(data_dir, nats_url, shard_id, **SOME) as matcher,
    ):

        def is_refused() -> bool:
            trade_once(matcher)
            return "snapshot_not_written" in matcher.log

        wait_until(is_refused, "a snapshot that does not fit")
        assert not list(matcher.journal_dir.glob("*.snapshot*"))
        trade_once(matcher)
        assert matcher.stop() == 0


def batches(nats_url: str, shard_id: int) -> list[wire.CommitBatchHeader]:
    """The header of each message of the shard's stream."""

    async def fetch() -> list[bytes]:
        client = await nats.connect(nats_url, connect_timeout=2)
        try:
            jetstream = client.jetstream()
            stream = names.events_stream(shard_id)
            state = (await jetstream.stream_info(stream)).state
            seqs = range(max(state.first_seq, 1), state.last_seq + 1)
            return [(await jetstream.get_msg(stream, seq)).data or b"" for seq in seqs]
        finally:
            await client.close()

    layout = wire.COMMIT_BATCH_HEADER_LAYOUT
    return [wire.CommitBatchHeader(*layout.unpack_from(data)) for data in asyncio.run(fetch())]


def test_covered_segments_go_and_a_wiped_stream_is_made_from_the_oldest_that_is_left(
    data_dir: Path, nats_url: str, shard_id: int
) -> None:
    with running_matcher(data_dir, nats_url, shard_id, **MANY) as matcher:
        first = matcher.segments[0]
        fill_segments(matcher, 3)
        wait_until(lambda: not first.exists(), "the first segment is removed")
        assert len(snapshots(matcher)) == 2
        oldest_seq = int(matcher.segments[0].stem)
        assert 1 < oldest_seq <= snapshots(matcher)[0]
        before = matcher.status()
        matcher.kill()
        delete_stream(nats_url, shard_id)
        matcher.start()
        assert "stream_lacks_the_past" in matcher.log
        assert matcher.status().digest == before.digest
        oldest_seq = int(matcher.segments[0].stem)

        def is_published() -> bool:
            found = batches(nats_url, shard_id)
            return bool(found) and found[-1].last_seq >= before.seq

        wait_until(is_published, "the stream is made again")
        found = batches(nats_url, shard_id)
        assert 1 < found[0].first_seq <= oldest_seq
        for one, next_one in itertools.pairwise(found):
            assert next_one.first_seq == one.last_seq + 1
        assert matcher.stop() == 0


def test_without_snapshots_there_is_no_snapshotter(
    data_dir: Path, nats_url: str, shard_id: int
) -> None:
    with running_matcher(data_dir, nats_url, shard_id, TRADEPIT_SNAPSHOT_COMMANDS="0") as matcher:
        trade_once(matcher)
        assert snapshotters(matcher.journal_dir) == []
        assert matcher.stop() == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_whole_exchange_leaves_no_snapshotter_behind(
    start_exchange: Callable[..., RunningExchange], signum: signal.Signals
) -> None:
    exchange = start_exchange()
    journal_dir = exchange.data_dir / "journal" / "shard-0"
    wait_until(lambda: len(snapshotters(journal_dir)) == 1, "a snapshotter")
    (pid,) = snapshotters(journal_dir)
    code = exchange.stop(signum)
    assert code == (0 if signum == signal.SIGTERM else -signum)
    wait_until(lambda: is_gone(pid), "its end")
