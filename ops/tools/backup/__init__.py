"""`tradepit backup` and `tradepit restore`. See command.py."""

from tradepit.tools.backup.command import run_backup, run_restore

__all__ = ["run_backup", "run_restore"]
