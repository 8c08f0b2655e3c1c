"""`tradepit journal`: what a shard's journal holds. See command.py."""

from tradepit.tools.journal.command import run

__all__ = ["run"]
