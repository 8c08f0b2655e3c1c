"""How every service logs: one line per event, on stderr. Needs structlog.

    2026-11-22T10:33:31.599Z INFO ledger ready shard_id=0 seq=17

or, with TRADEPIT_LOG_FORMAT=json,

    {"time":"2026-11-22T10:33:31.599Z","level":"info","service":"ledger","event":"ready","shard_id":0,"seq":17}

An event has a name and fields: `log.info("ready", shard_id=0, seq=17)`. The first form is read by people,
by `tradepit up` (which repeats warnings and errors on the terminal) and by grep, the second by whatever
collects logs. What libraries log through the standard library comes out in the same way, as a message.
"""

import logging
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping, MutableMapping
from typing import Any

import orjson
import structlog
from structlog.stdlib import BoundLogger
from tradepit.protocol import settings

COUNTED_LEVELS = ("warning", "error", "critical")
record_counts = Counter[str]()
"""Lines logged by this process, by level."""

_NEEDS_QUOTES = re.compile(r'[\s"=]|^$')


def get_logger(name: str) -> BoundLogger:
    """The logger of a module."""
    logger: BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def setup_logging(service: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send this process's log records to stderr under the service's name; call it once, first.

    A second call replaces the first; handlers that others have installed stay. Raises
    ConfigurationError for a wrong setting, with logging set up all the same, to tell of it.
    """
    handler = _Stderr()
    handler.setFormatter(_text(service))
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Stderr)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.LOG_LEVEL.default)
    if settings.LOG_FORMAT.read(environment) == "json":
        handler.setFormatter(_Json(service))
    root.setLevel(settings.LOG_LEVEL.read(environment))


def _to_record(
    _logger: Any, _method: str, event_dict: MutableMapping[str, Any]
) -> tuple[tuple[str], dict[str, Any]]:
    """An event as arguments of the standard library's logger: its text, and its fields beside it."""
    event = str(event_dict.pop("event"))
    exc_info = event_dict.pop("exc_info", None)
    fields = {name: _plain(value) for name, value in event_dict.items()}
    text = " ".join([event, *(f"{name}={_text_of(value)}" for name, value in fields.items())])
    return (text,), {"exc_info": exc_info, "extra": {"event": event, "fields": fields}}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseException):
        return str(value) or repr(value)
    return value if isinstance(value, str | int | float | None) else str(value)


def _text_of(value: Any) -> str:
    text = str(int(value)) if isinstance(value, bool) else str(value)
    return f'"{text.replace(chr(34), chr(39))}"' if _NEEDS_QUOTES.search(text) else text


structlog.configure(
    processors=[structlog.stdlib.filter_by_level, _to_record],
    wrapper_class=BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)


class _OneLine(logging.Formatter):
    """Keeps an event on one line: a traceback follows it, line feeds shown as \\n."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, fmt: str | None = None) -> None:
        super().__init__(fmt)
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", "\\n")


def _text(service: str) -> logging.Formatter:
    return _OneLine(f"%(asctime)s %(levelname)s {service} %(message)s")


class _Json(_OneLine):
    """One JSON object a line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "service": self._service,
            "event": getattr(record, "event", None) or record.getMessage(),
            "logger": record.name,
        }
        for name, value in getattr(record, "fields", {}).items():
            document.setdefault(name, value)
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(document).decode()
        except TypeError:  # such as an integer of more than 64 bits
            return orjson.dumps({name: str(value) for name, value in document.items()}).decode()


class _Stderr(logging.Handler):
    """Writes to whatever sys.stderr is at that moment: a test runner exchanges it."""

    def emit(self, record: logging.LogRecord) -> None:
        record_counts[record.levelname.lower()] += 1
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # closed, or its reader is gone: not worth dying for
            pass
