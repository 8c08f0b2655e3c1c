"""The publisher's look at its stream: what has lost messages is made anew from the journal."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from nats.errors import Error as NatsError
from nats.js.api import PubAck
from nats.js.errors import NotFoundError
from tradepit.matcher import publisher as publisher_module
from tradepit.matcher import stream_end
from tradepit.matcher.publisher import Publisher, StreamAhead, StreamUnfit
from tradepit.protocol import wire


class FakeJetStream:
    """A stream that begins with message `first_seq`, which holds the command `first_command`."""

    def __init__(self, first_seq: int, first_command: int, deleted: int) -> None:
        self.is_deleted = False
        self.is_missing = False
        self.message: bytes | None = None  # instead of a batch
        self.settings: dict[str, Any] = {}  # unlike those of a stream that the matcher makes
        self.config: Any = None
        self._first_command = first_command
        self._state = SimpleNamespace(messages=10, first_seq=first_seq, num_deleted=deleted)

    async def stream_info(self, _name: str) -> Any:
        if self.is_missing:
            raise NotFoundError
        return SimpleNamespace(state=self._state, config=self.config, cluster=None)

    async def add_stream(self, wanted: Any) -> None:
        self.config = wanted.evolve(**self.settings)
        self.is_missing = False

    async def get_msg(self, _name: str, seq: int) -> Any:
        assert seq == self._state.first_seq
        return SimpleNamespace(data=self._first, seq=seq)

    async def get_last_msg(self, _name: str, _subject: str) -> Any:
        if not self._state.messages:
            raise NotFoundError
        return SimpleNamespace(data=self._first, seq=self._state.first_seq)

    @property
    def _first(self) -> bytes:
        if self.message is not None:
            return self.message
        return wire.CommitBatchHeader(magic=b"TPCB", first_seq=self._first_command).encode()

    def empty(self) -> None:
        self._state.messages = 0

    async def delete_stream(self, _name: str) -> None:
        self.is_deleted = True


@pytest.mark.parametrize(
    ("first_seq", "first_command", "deleted", "oldest_seq", "made_anew", "lost"),
    [
        (1, 1, 0, 1, False, 0),
        (1, 1, 2, 1, True, 2),
        (4, 90, 0, 1, True, 3),
        (4, 90, 0, 90, True, 3),
        (4, 90, 0, 91, False, 3),  # what the stream still has would be lost with it
    ],
    ids=["whole", "holes", "no beginning", "no beginning, in neither", "the journal has less"],
)
def test_a_stream_with_holes_is_made_anew_if_the_journal_has_it_all(
    first_seq: int, first_command: int, deleted: int, oldest_seq: int, made_anew: bool, lost: int
) -> None:
    stream = FakeJetStream(first_seq, first_command, deleted)
    reader: Any = SimpleNamespace(oldest_seq=oldest_seq)
    publisher = Publisher("nats://nowhere", 0, lambda: reader, lambda: 0)

    async def look() -> None:
        await publisher._look_for_holes(stream, reader)  # type: ignore[arg-type]

    if made_anew:
        with pytest.raises(NatsError, match="made anew"):
            asyncio.run(look())
    else:
        asyncio.run(look())
    assert stream.is_deleted == made_anew
    assert publisher.lost_message_count == lost


def publisher_of(
    stream: FakeJetStream, *, oldest_seq: int = 1, replicas: int = 1
) -> tuple[Publisher, Any, list[int]]:
    """A publisher that has published up to seq 9, its reader, and what it tells from then on."""
    reader: Any = SimpleNamespace(oldest_seq=oldest_seq, seek=lambda _seq: None, digest=0)
    told: list[int] = []
    publisher = Publisher(
        "nats://nowhere", 0, lambda: reader, lambda: 9, replicas=replicas, on_published=told.append
    )
    asyncio.run(stream.add_stream(_wanted(publisher)))
    publisher._note_published(9)
    told.clear()
    return publisher, reader, told


def _wanted(publisher: Publisher) -> Any:
    """The settings with which a publisher makes its stream."""
    made: list[Any] = []

    async def add_stream(wanted: Any) -> None:
        made.append(wanted)

    missing: Any = FakeJetStream(1, 1, 0)
    missing.is_missing = True
    missing.add_stream = add_stream
    asyncio.run(publisher._ensure_stream(missing))
    return made[0]


@pytest.mark.parametrize("message", [b"hello", b"", b"TPCB"])
def test_a_foreign_message_is_a_damaged_stream_that_the_journal_makes_anew(
    message: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    stream: Any = FakeJetStream(1, 1, 0)
    stream.message = message
    publisher, _, told = publisher_of(stream)
    with pytest.raises(NatsError, match="made anew"):
        asyncio.run(publisher._synchronize(stream))
    assert stream.is_deleted
    assert (publisher.published_seq, told) == (0, [0])
    assert "stream_damaged" in caplog.text


@pytest.mark.parametrize(("oldest_seq", "replicas"), [(2, 1), (1, 3)])
def test_a_foreign_message_in_a_stream_that_the_journal_cannot_replace_stops_the_shard(
    oldest_seq: int, replicas: int
) -> None:
    stream: Any = FakeJetStream(1, 1, 0)
    stream.message = b"hello"
    publisher, _, _ = publisher_of(stream, oldest_seq=oldest_seq, replicas=replicas)
    with pytest.raises(StreamUnfit, match=r"is damaged .*[Rr]estore.* delete"):
        asyncio.run(publisher._synchronize(stream))
    assert not stream.is_deleted


def test_a_foreign_message_behind_what_the_journal_has_lost_does_not_cost_the_stream() -> None:
    """The stream is the only copy then: the journal's disk was lost, and a matcher began a new one."""
    stream: Any = FakeJetStream(1, 1, 0)
    messages = [wire.CommitBatchHeader(magic=b"TPCB", last_seq=10).encode(), b"hello", b"hello"]

    async def get_msg(_name: str, seq: int) -> Any:
        return SimpleNamespace(data=messages[seq - 1], seq=seq)

    stream.get_msg = get_msg
    stream.get_last_msg = lambda name, _subject: get_msg(name, 3)
    publisher, _, _ = publisher_of(stream)  # its journal ends at seq 9
    with pytest.raises(StreamAhead, match="holds seq 10, the journal ends at 9"):
        asyncio.run(publisher._synchronize(stream))
    assert not stream.is_deleted
    messages[0] = wire.CommitBatchHeader(magic=b"TPCB", last_seq=9).encode()
    with pytest.raises(NatsError, match="made anew"):
        asyncio.run(publisher._synchronize(stream))
    assert stream.is_deleted


def test_a_stream_whose_last_batch_is_not_found_is_left_to_an_operator() -> None:
    stream: Any = FakeJetStream(1, 1, 0)

    async def get_msg(_name: str, seq: int) -> Any:
        return SimpleNamespace(data=b"hello", seq=seq)

    stream.get_msg = get_msg
    stream.get_last_msg = lambda name, _subject: get_msg(name, stream_end.LOOK_BACK_MAX + 2)
    publisher, _, _ = publisher_of(stream)
    with pytest.raises(StreamUnfit, match="is damaged"):
        asyncio.run(publisher._synchronize(stream))
    assert not stream.is_deleted


def test_a_stream_is_kept_when_the_segment_that_would_replace_it_goes_meanwhile() -> None:
    stream: Any = FakeJetStream(1, 1, 2)
    publisher, reader, told = publisher_of(stream)

    async def look() -> None:
        with publisher.removal_lock:
            looking = asyncio.create_task(publisher._look_for_holes(stream, reader))
            await asyncio.sleep(0.05)  # it decides for the journal, and waits for the lock
            reader.oldest_seq = 2  # which retirement held: it has removed the segment
        await looking

    with pytest.raises(NatsError, match="removed meanwhile"):
        asyncio.run(look())
    assert not stream.is_deleted
    assert told == []


def test_a_foreign_message_at_the_beginning_that_is_left_is_found_by_the_look() -> None:
    stream: Any = FakeJetStream(4, 1, 0)
    stream.message = b"hello"
    publisher, reader, told = publisher_of(stream)
    with pytest.raises(NatsError, match="made anew"):
        asyncio.run(publisher._look_for_holes(stream, reader))
    assert stream.is_deleted
    assert told == [0]


@pytest.mark.parametrize(("first_seq", "deleted"), [(4, 0), (1, 2)])
def test_a_replicated_stream_that_has_lost_messages_is_left_to_an_operator(
    first_seq: int, deleted: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the only copy off the machine."""
    stream: Any = FakeJetStream(first_seq, 1, deleted)
    publisher, reader, told = publisher_of(stream, replicas=3)
    asyncio.run(publisher._look_for_holes(stream, reader))
    assert not stream.is_deleted
    assert publisher.lost_message_count > 0
    assert (publisher.published_seq, told) == (9, [])
    assert "stream_damaged" in caplog.text
    assert "an_operator_must_decide" in caplog.text


def test_a_stream_that_is_gone_has_nothing_published() -> None:
    stream: Any = FakeJetStream(1, 1, 0)
    publisher, reader, told = publisher_of(stream)
    stream.is_missing = True
    with pytest.raises(NotFoundError):
        asyncio.run(publisher._look_for_holes(stream, reader))
    assert (publisher.published_seq, told) == (0, [0])
    publisher._note_published(9)
    asyncio.run(publisher._ensure_stream(stream))
    assert publisher.published_seq == 0


@pytest.mark.parametrize(
    ("oldest_seq", "replicas", "deleted"), [(1, 1, True), (5, 1, False), (1, 3, False)]
)
def test_a_stream_that_was_emptied_is_noticed(
    oldest_seq: int, replicas: int, deleted: bool
) -> None:
    stream: Any = FakeJetStream(1, 1, 0)
    publisher, reader, told = publisher_of(stream, oldest_seq=oldest_seq, replicas=replicas)
    stream.empty()
    asyncio.run(publisher._look_for_holes(stream, reader))  # nothing was ever sent to it
    assert told == []
    publisher._last_stream_seq = 3
    with pytest.raises(NatsError):
        asyncio.run(publisher._look_for_holes(stream, reader))
    assert publisher.published_seq == 0
    assert set(told) == {0}
    assert stream.is_deleted == deleted


@pytest.mark.parametrize(
    "settings",
    [{"max_age": 60.0}, {"max_msgs": 10}, {"max_bytes": 1 << 20}, {"max_msgs_per_subject": 1}],
    ids=lambda settings: next(iter(settings)),
)
def test_a_stream_with_a_limit_is_refused(settings: dict[str, Any]) -> None:
    stream: Any = FakeJetStream(1, 1, 0)
    stream.settings = settings
    publisher, _, _ = publisher_of(stream)
    with pytest.raises(StreamUnfit, match=f"has {next(iter(settings))} = "):
        asyncio.run(publisher._ensure_stream(stream))


def test_no_limit_is_no_limit_however_the_broker_says_it() -> None:
    stream: Any = FakeJetStream(1, 1, 0)
    stream.settings = {"max_age": 0.0, "max_msgs": -1, "max_bytes": -1, "max_msgs_per_subject": -1}
    publisher, _, _ = publisher_of(stream)
    asyncio.run(publisher._ensure_stream(stream))
    assert stream.config.max_msgs == -1  # as it was found


@pytest.mark.parametrize(("replicas", "in_flight"), [(1, 8), (3, 1)])
def test_a_replicated_stream_has_one_batch_in_flight(replicas: int, in_flight: int) -> None:
    class Sender:
        async def send(self, *_message: object) -> "asyncio.Future[PubAck]":
            return asyncio.get_running_loop().create_future()

    batch = wire.CommitBatchHeader(magic=b"TPCB", last_seq=1).encode()
    reader: Any = SimpleNamespace(next_batch=lambda _seq, _bytes: batch)
    sender: Any = Sender()
    publisher = Publisher("nats://nowhere", 0, lambda: reader, lambda: 1, replicas=replicas)
    asyncio.run(publisher._send_committed(sender, reader, 1000))
    assert len(publisher._in_flight) == in_flight


def test_a_server_that_only_keeps_silent_is_said_to_need_a_restart(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NATS does once its disk was full."""
    publisher, _, _ = publisher_of(FakeJetStream(1, 1, 0))
    stop = asyncio.Event()
    attempts: list[bool] = []

    async def connect() -> Any:
        attempts.append("restarted" in caplog.text)
        if len(attempts) > publisher_module.SILENT_MAX:
            stop.set()
        return SimpleNamespace(close=lambda: asyncio.sleep(0))

    async def publish_all(_client: Any, _stop: asyncio.Event) -> None:
        publisher.is_connected = True
        raise TimeoutError

    monkeypatch.setattr(publisher, "_connect", connect)
    monkeypatch.setattr(publisher, "_publish_all", publish_all)
    monkeypatch.setattr(publisher_module, "BACKOFF_S_MAX", 0.0)
    asyncio.run(publisher.run(stop))
    assert attempts == [False] * publisher_module.SILENT_MAX + [True]
