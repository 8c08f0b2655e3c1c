"""Where a shard's stream stands: the last batch that a matcher wrote, whatever came after it."""

from typing import NamedTuple

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from tradepit.protocol.commit_batch import header_of
from tradepit.protocol.errors import MalformedRecord
from tradepit.protocol.wire import CommitBatchHeader

LOOK_BACK_MAX = 1000
"""Messages at the end of a stream that are looked at for a batch."""


class StreamEnd(NamedTuple):
    stream_seq: int
    """Of the last message."""
    batch: CommitBatchHeader | None
    """The last one; None if no message is a batch."""
    damage: str
    """What is wrong with the last message; empty if it is a batch."""


async def end_of(jetstream: JetStreamContext, stream: str, subject: str) -> StreamEnd:
    """Raises NotFoundError if there is no message, MalformedRecord if there are so many behind the
    last batch that it is not found.
    """
    last = await jetstream.get_last_msg(stream, subject)
    last_seq = last.seq or 0
    try:
        return StreamEnd(last_seq, header_of(last.data or b""), "")
    except MalformedRecord as error:
        damage = f"its last message: {error}"
    for stream_seq in range(last_seq - 1, max(last_seq - 1 - LOOK_BACK_MAX, 0), -1):
        try:
            message = await jetstream.get_msg(stream, seq=stream_seq)
            return StreamEnd(last_seq, header_of(message.data or b""), damage)
        except (NotFoundError, MalformedRecord):
            continue
    if last_seq - 1 > LOOK_BACK_MAX:
        raise MalformedRecord(f"its last {LOOK_BACK_MAX:,} messages are no commit batches")
    return StreamEnd(last_seq, None, damage)
