"""How a message of a shard's stream begins. The layouts are those of `wire`."""

from tradepit.protocol.errors import MalformedRecord
from tradepit.protocol.wire import COMMIT_BATCH_HEADER_LAYOUT, CommitBatchHeader

MAGIC = b"TPCB"


def header_of(message: bytes) -> CommitBatchHeader:
    """Raises MalformedRecord if the message is no commit batch."""
    if len(message) < COMMIT_BATCH_HEADER_LAYOUT.size or not message.startswith(MAGIC):
        raise MalformedRecord("it is not a commit batch")
    return CommitBatchHeader._make(COMMIT_BATCH_HEADER_LAYOUT.unpack_from(message))
