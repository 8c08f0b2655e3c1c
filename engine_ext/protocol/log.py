"""How every service logs: one line per event, on stderr.

    2026-11-22T10:33:31.599Z INFO ledger ready shard_id=0 stream=tp-events-0

The message is the event's name followed by `key=value` fields; whoever logs writes it so. Read by
people, by `tradepit up` (which repeats warnings and errors on the terminal) and by grep.
"""

import logging
import os
import sys
import time

from tradepit.protocol import settings
from tradepit.protocol.errors import ConfigurationError


class _OneLine(logging.Formatter):
    """Keeps an event on one line: a traceback follows it, line feeds shown as \\n."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", "\\n")


class _Stderr(logging.Handler):
    """Writes to whatever sys.stderr is at that moment: a test runner exchanges it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # closed, or its reader is gone: not worth dying for
            pass


def setup_logging(service: str) -> None:
    """Send this process's log records to stderr under the service's name; call it once, first.

    A second call replaces the first; handlers that others have installed stay. Raises
    ConfigurationError for a wrong LOG_LEVEL, with logging set up all the same, to tell of it.
    """
    formatter = _OneLine(f"%(asctime)s %(levelname)s {service} %(message)s")
    formatter.converter = time.gmtime
    handler = _Stderr()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Stderr)]:
        root.removeHandler(old)
    root.addHandler(handler)
    try:
        root.setLevel(settings.LOG_LEVEL.read(os.environ))
    except ConfigurationError:
        root.setLevel(settings.LOG_LEVEL.default)
        raise
