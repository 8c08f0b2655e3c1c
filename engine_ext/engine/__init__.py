"""The matching engine and the rest of the C++ core."""

from tradepit.engine._core import (
    Engine,
    JournalReader,
    MatcherCore,
    Recovery,
    Replica,
    chain_digest,
    crc32c,
)

__all__ = [
    "Engine",
    "JournalReader",
    "MatcherCore",
    "Recovery",
    "Replica",
    "chain_digest",
    "crc32c",
]
