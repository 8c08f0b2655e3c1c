"""Why the ledger stops, and what it recovers from.

TradepitError
+-- LedgerStopped       it must not go on by itself: exit code 1
|   +-- BatchRefused        a message of the stream is not what a matcher writes
|   +-- GapFound            a seq is missing from the stream, also after reading it again
|   +-- Fenced              another ledger has written this shard
|   +-- StoreRefused        PostgreSQL refused the rows, or they contradict what it holds
+-- Interrupted         a server went away: open it again and go on from what it says
    +-- StreamInterrupted
    +-- StoreInterrupted    a transaction in flight may have been committed, or not
"""

from tradepit.protocol.errors import TradepitError


class LedgerStopped(TradepitError):
    """The ledger must not go on by itself; the text says what was found, and where."""


class BatchRefused(LedgerStopped):
    """A message of the stream is not what a matcher writes. Nothing of it was stored."""


class GapFound(LedgerStopped):
    """A seq is missing from the stream, also after reading it again."""


class Fenced(LedgerStopped):
    """Another ledger has written this shard since this one last did."""


class StoreRefused(LedgerStopped):
    """PostgreSQL refused the rows, or they contradict what it holds. Nothing was stored."""


class Interrupted(TradepitError):
    """A server went away. Open it again and go on from what it says."""


class StreamInterrupted(Interrupted):
    """Nothing more will come from this subscription."""


class StreamMissing(StreamInterrupted):
    """The matcher has not made its stream yet: there is nothing to read."""


class StoreInterrupted(Interrupted):
    """The connection is gone. A transaction in flight may have been committed, or not."""
