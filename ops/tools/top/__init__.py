"""`tradepit top`: a running exchange at a glance, again every second."""

from tradepit.tools.top.command import run

__all__ = ["run"]
