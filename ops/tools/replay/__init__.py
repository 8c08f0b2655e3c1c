"""`tradepit replay`: a recorded market day through the running exchange. See command.py."""

from tradepit.tools.replay.command import run

__all__ = ["run"]
