"""The matching engine and the rest of the C++ core."""

from tradepit.engine._core import Engine, JournalReader, MatcherCore, crc32c

__all__ = ["Engine", "JournalReader", "MatcherCore", "crc32c"]
