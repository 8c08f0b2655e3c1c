"""The way from the journal to the stream, with another writer or a late message in between."""

import asyncio
import itertools
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nats
import pytest
from nats.js.errors import NotFoundError
from tradepit.engine import Engine, JournalReader
from tradepit.matcher.async_publish import AsyncPublish
from tradepit.matcher.publisher import BATCH_BYTES_MAX, Publisher
from tradepit.protocol import names, wire
from tradepit.protocol.errors import TradepitError

from tests.matcher_process import (
    MatcherProcess,
    list_market,
    running_matcher,
    trade_once,
    wait_until,
)
from tests.matcher_stream import delete_stream, stream_entries, wait_for_stream

NO_NATS = "nats://127.0.0.1:1"


def replay(entries: list[tuple[wire.JournalEntry, bytes]], shard_id: int) -> int:
    """The chain digest after the entries; each must give the events that it holds."""
    engine = Engine(shard_id=shard_id)
    for entry, body in entries:
        command_length = int.from_bytes(body[2:4], "little")
        assert engine.apply(body[:command_length]) == body[command_length:], entry.seq
        assert engine.digest == entry.digest
    return engine.digest


@contextmanager
def two_matchers(folder: Path, *nats_urls: str, shard_id: int) -> Iterator[list[MatcherProcess]]:
    both: list[MatcherProcess] = []
    for nats_url in nats_urls:
        data_dir = folder / str(len(both))
        data_dir.mkdir(mode=0o700)
        both.append(MatcherProcess(data_dir, nats_url, shard_id))
    try:
        for matcher in both:
            matcher.start()
        yield both
    finally:
        for matcher in both:
            if matcher.is_running:
                matcher.kill()


def test_of_two_matchers_that_write_one_stream_the_second_stops(
    tmp_path: Path, nats_url: str, shard_id: int
) -> None:
    with two_matchers(tmp_path, nats_url, nats_url, shard_id=shard_id) as (first, second):
        list_market(first)
        wait_for_stream(first, nats_url)
        with suppress(TradepitError):  # it may stop at any point of this
            list_market(second)
        assert second.wait() == 1
        assert re.search("holds another history|holds seq", second.log.splitlines()[-1])
        trade_once(first)
        entries = wait_for_stream(first, nats_url)
        assert replay(entries, shard_id) == first.status().digest


def test_a_journal_longer_than_the_stream_does_not_continue_another_history(
    tmp_path: Path, nats_url: str, shard_id: int
) -> None:
    """The seqs alone would let it: the stream ends within them."""
    with two_matchers(tmp_path, nats_url, NO_NATS, shard_id=shard_id) as (first, second):
        list_market(first)
        wait_for_stream(first, nats_url)
        list_market(second)
        trade_once(second)
        assert second.stop() == 0
        second.environment["TRADEPIT_NATS_URL"] = nats_url
        second.start_unready()
        assert second.wait() == 1
        assert "holds another history than the journal" in second.log.splitlines()[-1]
        assert " ready " not in second.log[second._log_offset :]
        entries = wait_for_stream(first, nats_url)
        assert replay(entries, shard_id) == first.status().digest


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


def test_a_stream_that_is_wiped_is_made_anew_without_a_further_command(
    matcher: MatcherProcess, nats_url: str
) -> None:
    trade_once(matcher)
    before = wait_for_stream(matcher, nats_url)
    delete_stream(nats_url, matcher.shard_id)

    def is_back() -> bool:
        with suppress(NotFoundError):
            return stream_entries(nats_url, matcher.shard_id) == before
        return False

    wait_until(is_back, "the stream is as it was")


def test_a_foreign_message_costs_the_stream_and_not_the_shard(
    matcher: MatcherProcess, nats_url: str
) -> None:
    trade_once(matcher)
    before = wait_for_stream(matcher, nats_url)

    async def intrude() -> None:
        client = await nats.connect(nats_url, connect_timeout=2)
        try:
            subject = names.events_subject(matcher.shard_id)
            await client.jetstream().publish(subject, b"hello", timeout=5)
        finally:
            await client.close()

    asyncio.run(intrude())
    trade_once(matcher, price_ticks=1100)  # its batch is refused: the stream has gone on without it

    def is_back() -> bool:
        with suppress(NotFoundError, struct.error, AssertionError):
            return stream_entries(nats_url, matcher.shard_id)[: len(before)] == before
        return False

    wait_until(is_back, "the stream is as it was")
    assert "stream_damaged" in matcher.log
    asyncio.run(intrude())
    matcher.kill()
    matcher.start()
    wait_until(is_back, "the stream is as it was, after a restart")
    assert len(wait_for_stream(matcher, nats_url)) == matcher.status().seq
