"""`tradepit drill`: break an exchange on purpose and show what that costs. See command.py."""

from tradepit.tools.drill.command import run

__all__ = ["run"]
