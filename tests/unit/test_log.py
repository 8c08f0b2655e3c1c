"""One line per event, whatever the event."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.log import get_logger, record_counts, setup_logging


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_has_time_level_service_and_event(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("ledger", {})
    setup_logging("ledger", {})  # again: still one line an event
    logging.getLogger("tradepit.ledger").info("ready shard_id=%d", 3)
    written = capsys.readouterr().err
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO ledger ready shard_id=3\n", written
    )


def test_a_traceback_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("ledger", {})
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

    setup_logging("ledger", {})
    monkeypatch.setattr("sys.stderr", Gone())
    logging.getLogger("tradepit.ledger").warning("nobody_hears")
    assert logging.getLogger().handlers


def test_fields_are_text_that_grep_finds_and_values_with_spaces_are_quoted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    setup_logging("ledger", {})
    get_logger("tradepit.ledger").warning("parked", shard_id=3, is_new=True, reason='a "b" c', n="")
    assert capsys.readouterr().err.endswith(
        'WARNING ledger parked shard_id=3 is_new=1 reason="a \'b\' c" n=""\n'
    )


def test_json_has_a_key_for_each_field_and_an_object_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    setup_logging("matcher", {"TRADEPIT_LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG"})
    get_logger("tradepit.matcher").debug("ready", seq=2**63, big=2**70, at=None, level="mine")
    logging.getLogger("nats").info("connected to %s", "a server")
    try:
        raise OSError("first\nsecond")
    except OSError as error:
        get_logger("tradepit.matcher").error("failed", error=error, exc_info=error)
    ready, connected, failed = map(json.loads, capsys.readouterr().err.splitlines())
    assert (ready["event"], ready["level"], ready["service"]) == ("ready", "debug", "matcher")
    assert int(ready["seq"]) == 2**63
    assert int(ready["big"]) == 2**70
    assert (connected["event"], connected["logger"]) == ("connected to a server", "nats")
    assert failed["error"] == "first\nsecond"
    assert "OSError: first" in failed["exception"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", failed["time"])


def test_a_level_hides_what_is_below_it_and_what_is_shown_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    setup_logging("ledger", {"LOG_LEVEL": "ERROR"})
    before = dict(record_counts)
    get_logger("tradepit.ledger").warning("unimportant")
    get_logger("tradepit.ledger").error("important")
    assert " important\n" in capsys.readouterr().err
    assert record_counts["error"] == before.get("error", 0) + 1
    assert record_counts["warning"] == before.get("warning", 0)


@pytest.mark.parametrize("name", ["LOG_LEVEL", "TRADEPIT_LOG_FORMAT"])
def test_a_setting_that_is_none_names_its_choices(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be "):
        setup_logging("ledger", {name: "LOUD" if name == "TRADEPIT_LOG_FORMAT" else "loud"})


def test_the_sdk_needs_nothing_that_services_log_and_measure_with() -> None:
    program = "import sys, tradepit.client; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "zmq" in loaded
    assert not loaded & {"structlog", "orjson", "prometheus_client", "opentelemetry"}
