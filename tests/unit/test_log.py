"""One line per event, whatever the event."""

import logging
import re
from collections.abc import Iterator

import pytest
from tradepit.protocol.log import setup_logging


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_has_time_level_service_and_event(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("ledger")
    setup_logging("ledger")  # again: still one line an event
    logging.getLogger("tradepit.ledger").info("ready shard_id=%d", 3)
    written = capsys.readouterr().err
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO ledger ready shard_id=3\n", written
    )


def test_a_traceback_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("ledger")
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger("tradepit.ledger").exception("failed")
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert "ValueError: first\\nsecond" in written


def test_a_stderr_that_is_gone_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _text: str) -> None:
            raise BrokenPipeError

    setup_logging("ledger")
    monkeypatch.setattr("sys.stderr", Gone())
    logging.getLogger("tradepit.ledger").warning("nobody_hears")
    assert logging.getLogger().handlers
