"""The writer's loop against small fakes: what it does with repeats, gaps and unknown outcomes."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
from tradepit.ledger import writer as writer_module
from tradepit.ledger.batch import Batch, Instrument, Position, StreamMessage
from tradepit.ledger.errors import (
    BatchRefused,
    Fenced,
    GapFound,
    StoreInterrupted,
    StreamInterrupted,
    StreamMissing,
)
from tradepit.ledger.metrics import Metrics
from tradepit.ledger.ports import AccountPosition, StoreState
from tradepit.ledger.writer import Writer, backoff_s

from tests.ledger_model import Tables, apply, tables_of
from tests.ledger_stream import PretendMatcher

SHARD = 0


@dataclass
class FakeStream:
    """Delivers what `deliveries` says, one fetch each, then stops the writer."""

    deliveries: list[list[StreamMessage] | StreamInterrupted]
    stop: asyncio.Event
    reread: Callable[[Position], list[list[StreamMessage] | StreamInterrupted]] | None = None
    opened: list[int] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)

    async def open(self, position: Position) -> None:
        self.opened.append(position.seq)
        if self.reread is not None and len(self.opened) > 1:
            self.deliveries = self.reread(position)

    async def fetch(self, timeout_s: float) -> list[StreamMessage]:
        await asyncio.sleep(0)
        if not self.deliveries:
            self.stop.set()
            return []
        delivery = self.deliveries.pop(0)
        if isinstance(delivery, StreamInterrupted):
            raise delivery
        return delivery

    async def acknowledge(self, stream_seq: int) -> None:
        self.acknowledged.append(stream_seq)


@dataclass
class FakeStore:
    """Tables in memory. `faults` are raised by the next writes, after or before they took effect."""

    faults: list[tuple[str, Exception | None]] = field(default_factory=list)
    tables: Tables = field(default_factory=Tables)
    position: Position = field(default_factory=Position)
    instruments: dict[int, Instrument] = field(default_factory=dict)

    async def open(self) -> StoreState:
        return StoreState(self.position, self.instruments)

    async def write(self, batch: Batch) -> list[AccountPosition]:
        when, fault = self.faults.pop(0) if self.faults else ("", None)
        if when == "before":
            assert fault is not None
            raise fault
        assert batch.before == self.position
        apply(batch, self.tables)
        self.position = batch.after
        for record in batch.instruments.values():
            self.instruments[record.instrument_id] = Instrument(
                record.base_asset_id, record.quote_asset_id
            )
        if fault is not None:
            raise fault
        return []


@dataclass
class FakeCache:
    seqs: list[tuple[int, int]] = field(default_factory=list)

    def offer(self, before_seq: int, seq: int, positions: Iterable[AccountPosition]) -> None:
        self.seqs.append((before_seq, seq))


@dataclass
class Setting:
    matcher: PretendMatcher
    messages: list[StreamMessage]
    stop: asyncio.Event
    stream: FakeStream
    store: FakeStore
    cache: FakeCache
    metrics: Metrics

    def run(self) -> None:
        writer = Writer(SHARD, self.stream, self.store, self.cache, self.metrics)
        asyncio.run(writer.write_until(self.stop))
        assert not writer.ready

    def expect_everything(self) -> None:
        assert self.store.tables == tables_of(SHARD, self.matcher.entries)
        assert self.store.position.seq == self.matcher.seq

    def count_of(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"tradepit_ledger_{name}_total") or 0


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.setattr(writer_module, "backoff_s", lambda _failure_count: 0.0)
    matcher = PretendMatcher(SHARD, seed=4)
    matcher.list_everything()
    matcher.play(60)
    messages = [StreamMessage(i, data) for i, data in enumerate(matcher.messages(10), start=1)]
    stop = asyncio.Event()
    return Setting(
        matcher,
        messages,
        stop,
        FakeStream([messages[:2], messages[2:5], messages[5:]], stop),
        FakeStore(),
        FakeCache(),
        Metrics(),
    )


@pytest.mark.parametrize("stored_seq", [0, 20])
def test_a_stream_that_is_not_there_is_normal_only_before_the_first_command(
    setting: Setting, stored_seq: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that has stored something follows nothing then, and is not ready."""
    waits: list[float] = []
    setting.store.position = Position(stored_seq)
    writer = Writer(SHARD, setting.stream, setting.store, setting.cache, setting.metrics)
    seen: list[bool] = []

    async def missing(position: Position) -> None:
        raise StreamMissing("no stream")

    async def wait(stop: asyncio.Event, timeout_s: float) -> None:
        waits.append(timeout_s)
        seen.append(writer.ready)
        if len(waits) == 8:
            stop.set()

    monkeypatch.setattr(setting.stream, "open", missing)
    monkeypatch.setattr(writer_module, "wait_for_event", wait)
    monkeypatch.setattr(writer_module, "backoff_s", backoff_s)
    asyncio.run(writer.write_until(setting.stop))
    assert seen == [stored_seq == 0] * 8
    assert waits[0] < waits[-1] <= writer_module.MISSING_STREAM_WAIT_MAX_S


def test_what_the_stream_delivers_is_stored_then_cached_then_acknowledged(setting: Setting) -> None:
    setting.run()
    setting.expect_everything()
    assert setting.cache.seqs == [(0, 0), (0, 20), (20, 50), (50, setting.matcher.seq)]
    assert setting.stream.acknowledged == [2, 5, len(setting.messages)]


def test_repeats_are_skipped_and_acknowledged(setting: Setting) -> None:
    messages = setting.messages
    setting.stream.deliveries = [messages[:3], messages[:3], messages[1:], messages]
    setting.run()
    setting.expect_everything()
    assert setting.count_of("repeats") == 30 + 20 + setting.matcher.seq
    assert setting.stream.acknowledged == [3, 3, len(messages), len(messages)]


def test_a_reordered_delivery_is_read_again(setting: Setting) -> None:
    first, second, third, *rest = setting.messages
    setting.stream.deliveries = [[first, third, second]]
    setting.stream.reread = lambda _position: [[second], [third, *rest]]
    setting.run()
    setting.expect_everything()
    assert setting.stream.opened == [0, 10]
    assert setting.count_of("gaps") == 1


def test_a_gap_that_stays_stops_the_ledger_with_its_seqs(setting: Setting) -> None:
    setting.stream.deliveries = [setting.messages[:2], setting.messages[3:]]
    setting.stream.reread = lambda _position: [setting.messages[3:]]
    with pytest.raises(GapFound, match="seq 31, but seq 21 to 30 are missing"):
        setting.run()
    assert setting.store.position.seq == 20
    assert setting.stream.opened == [0, 20, 20, 20]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_of_unknown_outcome_counts_once(setting: Setting, when: str) -> None:
    setting.store.faults = [("", None), (when, StoreInterrupted("lost"))]
    messages = setting.messages
    setting.stream.reread = lambda position: [
        [message] for message in messages[position.seq // 10 :]
    ]
    setting.run()
    setting.expect_everything()
    assert setting.stream.opened == [0, 20 if when == "before" else 50]
    stored_seq = setting.stream.opened[1]
    assert (stored_seq, stored_seq) in setting.cache.seqs  # even if nothing comes after it


def test_a_stream_that_goes_away_is_opened_again(setting: Setting) -> None:
    setting.stream.deliveries.insert(1, StreamInterrupted("gone"))
    setting.stream.deliveries.insert(2, StreamInterrupted("gone"))
    setting.run()
    setting.expect_everything()
    assert setting.stream.opened == [0, 20, 20]


def test_a_fence_stops_the_ledger(setting: Setting) -> None:
    setting.store.faults = [("before", Fenced("another ledger"))]
    with pytest.raises(Fenced):
        setting.run()
    assert setting.store.position.seq == 0
    assert setting.stream.acknowledged == []


def test_a_damaged_message_stops_the_ledger_and_stores_nothing_of_it(setting: Setting) -> None:
    damaged = bytearray(setting.messages[2].data)
    damaged[-1] ^= 1
    setting.stream.deliveries[1] = [StreamMessage(3, bytes(damaged))]
    with pytest.raises(BatchRefused, match="stream message 3"):
        setting.run()
    assert setting.store.position.seq == 20
    assert setting.stream.acknowledged == [2]


def test_the_wait_after_failures_grows_to_a_bound() -> None:
    for failure_count in range(100):
        assert 0 < backoff_s(failure_count) <= writer_module.BACKOFF_MAX_S
    assert backoff_s(0) <= writer_module.BACKOFF_FIRST_S
    assert backoff_s(50) >= writer_module.BACKOFF_MAX_S / 2
