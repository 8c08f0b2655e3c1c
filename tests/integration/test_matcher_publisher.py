"""The way from the journal to the stream, with another writer or a late message in between."""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
from tradepit.engine import Engine, JournalReader
from tradepit.matcher.async_publish import AsyncPublish
from tradepit.matcher.publisher import BATCH_BYTES_MAX, Publisher
from tradepit.protocol import names, wire

from tests.matcher_process import (
    MatcherProcess,
    list_market,
    running_matcher,
    trade_once,
)
from tests.matcher_stream import delete_stream, wait_for_stream


def replay(entries: list[tuple[wire.JournalEntry, bytes]], shard_id: int) -> int:
    """The chain digest after the entries; each must give the events that it holds."""
    engine = Engine(shard_id=shard_id)
    for entry, body in entries:
        command_length = int.from_bytes(body[2:4], "little")
        assert engine.apply(body[:command_length]) == body[command_length:], entry.seq
        assert engine.digest == entry.digest
    return engine.digest


def test_of_two_matchers_that_write_one_stream_the_loser_stops(
    tmp_path: Path, nats_url: str, shard_id: int
) -> None:
    both = []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir(mode=0o700)
        both.append(MatcherProcess(folder, nats_url, shard_id))
    try:
        for matcher in both:
            matcher.start()
        list_market(both[0])
        wait_for_stream(both[0], nats_url)
        # Ahead of the stream, so that the seqs alone show nothing wrong.
        try:
            list_market(both[1])
            for _ in range(20):
                trade_once(both[1])
        except Exception:  # noqa: BLE001, S110 - it may stop at any point of this
            pass
        assert both[1].wait() == 1
        assert "another matcher has published" in both[1].log.splitlines()[-1]
        trade_once(both[0])
        entries = wait_for_stream(both[0], nats_url)
        assert replay(entries, shard_id) == both[0].status().digest
        both[1].start_unready()
        assert both[1].wait() == 1
        assert " ready " not in both[1].log[both[1]._log_offset :]
    finally:
        for matcher in both:
            if matcher.is_running:
                matcher.kill()


@pytest.fixture
def reader(data_dir: Path, nats_url: str, shard_id: int) -> Iterator[JournalReader]:
    """Of a journal with a dozen entries, none of them in the stream."""
    with running_matcher(data_dir, nats_url, shard_id) as matcher:
        trade_once(matcher)
        matcher.stop()
        delete_stream(nats_url, shard_id)
        reader = JournalReader(str(matcher.journal_dir), shard_id)
        reader.seek(1)
        yield reader


def test_a_batch_never_follows_a_message_that_took_the_place_of_the_one_before(
    reader: JournalReader, nats_url: str, shard_id: int
) -> None:
    """As when a message of an earlier connection arrives late, or a second matcher publishes."""

    async def run() -> int:
        client = await nats.connect(nats_url, connect_timeout=2)
        try:
            jetstream = client.jetstream()
            publisher = Publisher(nats_url, shard_id, lambda: reader, lambda: 1000)
            await publisher._synchronize(jetstream)
            await jetstream.publish(names.events_subject(shard_id), b"of somebody else")
            committed = itertools.count(1)
            publisher._committed_seq = lambda: next(committed)  # a batch for each seq
            sender = AsyncPublish(client)
            await sender.open()
            await publisher._send_committed(sender, reader, BATCH_BYTES_MAX)
            outcomes = await asyncio.wait_for(
                asyncio.gather(*[b.ack for b in publisher._in_flight], return_exceptions=True), 5
            )
            assert len(outcomes) > 1
            assert all(isinstance(outcome, Exception) for outcome in outcomes)
            info = await jetstream.stream_info(names.events_stream(shard_id))
            return info.state.messages
        finally:
            await client.close()

    assert asyncio.run(run()) == 1
