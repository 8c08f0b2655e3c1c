"""The matching engine and the rest of the C++ core."""

from tradepit.engine._core import (
    JOURNAL_VERSION,
    LATENCY_BOUNDS_NS,
    Engine,
    JournalReader,
    LatencySnapshot,
    MatcherCore,
    Recovery,
    Replica,
    chain_digest,
    crc32c,
    replayed_answer,
)

__all__ = [
    "JOURNAL_VERSION",
    "LATENCY_BOUNDS_NS",
    "Engine",
    "JournalReader",
    "LatencySnapshot",
    "MatcherCore",
    "Recovery",
    "Replica",
    "chain_digest",
    "crc32c",
    "replayed_answer",
]
