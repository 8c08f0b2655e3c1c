"""`tradepit reconcile`: journal, stream, ledger and cache tell one story. See command.py."""

from tradepit.tools.reconcile.command import run

__all__ = ["run"]
