"""The matching engine and the rest of the C++ core."""

from tradepit.engine._core import Engine

__all__ = ["Engine"]
