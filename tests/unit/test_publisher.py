"""The publisher's look at its stream: what has lost messages is made anew from the journal."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from nats.errors import Error as NatsError
from tradepit.matcher.publisher import Publisher
from tradepit.protocol import wire


class FakeJetStream:
    """A stream that begins with message `first_seq`, which holds the command `first_command`."""

    def __init__(self, first_seq: int, first_command: int, deleted: int) -> None:
        self.is_deleted = False
        self._first_command = first_command
        self._state = SimpleNamespace(messages=10, first_seq=first_seq, num_deleted=deleted)

    async def stream_info(self, _name: str) -> Any:
        return SimpleNamespace(state=self._state)

    async def get_msg(self, _name: str, seq: int) -> Any:
        assert seq == self._state.first_seq
        header = wire.CommitBatchHeader(magic=b"TPCB", first_seq=self._first_command)
        return SimpleNamespace(data=header.encode())

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
