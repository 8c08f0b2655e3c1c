"""The matching engine and the rest of the C++ core."""

from tradepit.engine._core import Engine, JournalReader, MatcherCore, chain_digest, crc32c

__all__ = ["Engine", "JournalReader", "MatcherCore", "chain_digest", "crc32c"]
