"""The ledger's settings, migrations as files, metrics and health page."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tradepit.ledger.metrics import HealthServer, Metrics
from tradepit.ledger.migrate import Migration, pending, read_migrations
from tradepit.ledger.settings import Settings
from tradepit.protocol.errors import ConfigurationError

TIMEOUT_S = 10.0


def test_settings_have_defaults() -> None:
    settings = Settings.from_environment({})
    assert (settings.shard_id, settings.metrics_port) == (0, 0)
    assert settings.nats_url == "nats://127.0.0.1:4222"


@pytest.mark.parametrize("text", ["", "-1", "32768", "1.5", "one", "\u0663"])
def test_a_wrong_shard_id_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="TRADEPIT_SHARD_ID"):
        Settings.from_environment({"TRADEPIT_SHARD_ID": text})


def test_migrations_count_from_one_without_a_gap(tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text("SELECT 1")
    (tmp_path / "0003_third.sql").write_text("SELECT 1")
    with pytest.raises(ConfigurationError, match="without a gap"):
        read_migrations(tmp_path)


def test_a_migration_is_named_by_number_and_purpose(tmp_path: Path) -> None:
    (tmp_path / "first.sql").write_text("SELECT 1")
    with pytest.raises(ConfigurationError, match="0001_what_it_does"):
        read_migrations(tmp_path)


def test_the_projects_own_migrations_are_in_order() -> None:
    assert [migration.number for migration in read_migrations()][:1] == [1]


def test_only_what_has_not_run_is_pending() -> None:
    first, second = Migration(1, "a", "SELECT 1"), Migration(2, "b", "SELECT 2")
    assert pending([first, second], [(1, first.checksum)]) == [second]
    with pytest.raises(ConfigurationError, match="changed after it ran"):
        pending([first, second], [(1, second.checksum)])
    with pytest.raises(ConfigurationError, match="newer program"):
        pending([first], [(1, first.checksum), (2, second.checksum)])


async def ask(port: int, request: bytes) -> bytes:
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def served(requests: list[bytes], is_ready: Callable[[], bool]) -> list[bytes]:
    async def run() -> list[bytes]:
        port, stop = free_port(), asyncio.Event()
        server = HealthServer(port, Metrics(), is_ready)
        answers = []
        async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve_until(stop), name="health")
            for request in requests:
                while True:
                    try:
                        answers.append(await ask(port, request))
                        break
                    except ConnectionRefusedError:  # it is still starting
                        await asyncio.sleep(0.01)
            stop.set()
        return answers

    return asyncio.run(run())


def test_the_health_page_answers() -> None:
    live, ready, metrics, other, wrong, garbage = served(
        [
            b"GET /health/live HTTP/1.1\r\n\r\n",
            b"GET /health/ready HTTP/1.1\r\n\r\n",
            b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /nothing HTTP/1.1\r\n\r\n",
            b"POST /metrics HTTP/1.1\r\n\r\n",
            b"x" * 10_000,
        ],
        lambda: False,
    )
    assert live.startswith(b"HTTP/1.1 200")
    assert ready.startswith(b"HTTP/1.1 503")
    assert b"tradepit_ledger_applied_seq 0.0" in metrics
    assert other.startswith(b"HTTP/1.1 404")
    assert wrong.startswith(b"HTTP/1.1 405")
    assert garbage == b""


def test_ready_is_what_the_ledger_says() -> None:
    [answer] = served([b"GET /health/ready HTTP/1.1\r\n\r\n"], lambda: True)
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_taken_port_is_a_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = HealthServer(port, Metrics(), lambda: True)
        with pytest.raises(ConfigurationError, match=f":{port} for metrics"):
            asyncio.run(server.serve_until(asyncio.Event()))
