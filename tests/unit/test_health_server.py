"""The small HTTP server that services answer probes and scrapes with."""

import errno
import socket
import threading
import time

import httpx
import pytest
from tradepit.ledger.metrics import Metrics
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.health_server import serve_health

from tests.matcher_process import free_port

TIMEOUT_S = 10.0
HOST = "127.0.0.1"


def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    response = httpx.request(method, f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT_S)
    return response.status_code, response.text


def lives() -> bool:
    return True


def test_the_pages_answer() -> None:
    port = free_port()
    reasons = ["not following the stream", ""]
    with serve_health(HOST, port, lives, lambda: reasons.pop(0), Metrics(shard_id=3).render):
        assert get(port, "/health/live") == (200, "live\n")
        assert get(port, "/health/ready") == (503, "not following the stream\n")
        assert get(port, "/health/ready") == (200, "ready\n")
        status, text = get(port, "/metrics")
        assert (status, 'tradepit_ledger_applied_seq{shard="3"} 0.0' in text) == (200, True)
        assert get(port, "/nothing")[0] == 404
        assert get(port, "/metrics", method="POST")[0] == 501


def test_a_loop_that_does_not_turn_is_neither_live_nor_ready() -> None:
    port = free_port()
    with serve_health(HOST, port, lambda: False, lambda: "", bytes):
        assert get(port, "/health/live") == (503, "the event loop does not turn\n")
        assert get(port, "/health/ready") == (503, "the event loop does not turn\n")


def test_a_peer_that_goes_away_before_its_answer_leaves_no_trace(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    asked, gone = threading.Event(), threading.Event()

    def pages() -> bytes:
        asked.set()
        gone.wait(TIMEOUT_S)
        return b"x" * 2**24

    with serve_health(HOST, port, lives, lambda: "", pages):
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as peer:
            peer.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert asked.wait(TIMEOUT_S)
        gone.set()
        assert get(port, "/health/live")[0] == 200
    deadline = time.monotonic() + TIMEOUT_S
    while any("process_request_thread" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "Traceback" not in capsys.readouterr().err
    assert [record for record in caplog.records if record.name.startswith("tradepit")] == []


def test_a_page_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    with (
        serve_health(HOST, port, lives, lambda: str(1 // 0), bytes),
        pytest.raises(httpx.RemoteProtocolError),
    ):
        get(port, "/health/ready")
    assert "ZeroDivisionError" in caplog.text


def test_a_page_that_a_disk_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()

    def pages() -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with (
        serve_health(HOST, port, lives, lambda: "", pages),
        pytest.raises(httpx.RemoteProtocolError),
    ):
        get(port, "/metrics")
    assert "Input/output error" in caplog.text


def test_garbage_does_not_end_it() -> None:
    port = free_port()
    with serve_health(HOST, port, lives, lambda: "", bytes):
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as peer:
            peer.sendall(b"x" * 100_000 + b"\r\n")
        assert get(port, "/health/live")[0] == 200


def test_port_zero_serves_nothing() -> None:
    threads = threading.active_count()
    with serve_health(HOST, 0, lives, lambda: "", bytes):
        assert threading.active_count() == threads


def test_a_taken_port_is_a_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=f":{port} for metrics"),
            serve_health(HOST, port, lives, lambda: "", bytes),
        ):
            pass
