"""The embedded servers: real, private, and still there after a crash."""

import asyncio
import os
import signal
import stat
from pathlib import Path

import asyncpg
import nats
import pytest
import redis
from tradepit.cli import ports
from tradepit.cli.embedded import EmbeddedServers, postgres_answers

pytestmark = pytest.mark.embedded

TIMEOUT_S = 20.0


def query(url: str, statement: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(url, timeout=TIMEOUT_S)
        try:
            return await connection.fetchval(statement, timeout=TIMEOUT_S)
        finally:
            await connection.close(timeout=TIMEOUT_S)

    return asyncio.run(run())


def test_postgres_is_the_promised_version_and_keeps_its_word_about_the_disk(
    servers: EmbeddedServers,
) -> None:
    assert str(query(servers.postgres_url, "SHOW server_version")).startswith("18")
    for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
        assert query(servers.postgres_url, f"SHOW {setting}") == "on", setting
    assert query(servers.postgres_url, "SHOW password_encryption") == "scram-sha-256"


def test_nobody_gets_in_without_the_password(servers: EmbeddedServers) -> None:
    password = servers.postgres_url.split(":")[2].split("@")[0]
    with pytest.raises(asyncpg.InvalidPasswordError):
        query(servers.postgres_url.replace(password, "wrong"), "SELECT 1")
    with (
        redis.Redis.from_url(servers.redis_url.replace(password, "wrong")) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()

    async def connect() -> None:
        connection = await nats.connect(
            servers.nats_url.replace(password, "wrong"), allow_reconnect=False
        )
        await connection.close()

    with pytest.raises(nats.errors.Error):
        asyncio.run(asyncio.wait_for(connect(), TIMEOUT_S))


def test_jetstream_takes_messages_of_eight_megabytes(servers: EmbeddedServers) -> None:
    async def run() -> int:
        connection = await nats.connect(servers.nats_url)
        stream = connection.jetstream()
        await stream.add_stream(name="large", subjects=["large"])
        acknowledgement = await stream.publish("large", bytes(8_000_000), timeout=TIMEOUT_S)
        await stream.delete_stream("large")
        await connection.close()
        return acknowledgement.seq

    assert asyncio.run(asyncio.wait_for(run(), TIMEOUT_S)) == 1


def test_rows_and_messages_outlive_kills_and_ports_stay(data_dir: Path) -> None:
    async def publish(url: str) -> int:
        connection = await nats.connect(url)
        stream = connection.jetstream()
        await stream.add_stream(name="kept", subjects=["kept"])
        acknowledgement = await stream.publish("kept", b"x", timeout=TIMEOUT_S)
        await connection.close()
        return acknowledgement.seq

    with EmbeddedServers(data_dir) as servers:
        urls = (servers.postgres_url, servers.nats_url, servers.redis_url)
        query(servers.postgres_url, "CREATE TABLE kept (n int)")
        assert asyncio.run(asyncio.wait_for(publish(servers.nats_url), TIMEOUT_S)) == 1
        for name in ("postgres", "nats", "redis"):
            old_pid = servers.pids[name]
            servers.kill(name)
            servers.restart(name)
            assert servers.pids[name] != old_pid
        query(servers.postgres_url, "INSERT INTO kept VALUES (1)")
        assert asyncio.run(asyncio.wait_for(publish(servers.nats_url), TIMEOUT_S)) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in servers.pids.values())
    with EmbeddedServers(data_dir) as servers:
        assert (servers.postgres_url, servers.nats_url, servers.redis_url) == urls
        assert query(servers.postgres_url, "SELECT sum(n) FROM kept") == 1
        assert asyncio.run(asyncio.wait_for(publish(servers.nats_url), TIMEOUT_S)) == 3


def test_an_old_server_that_nobody_ended_is_replaced(data_dir: Path) -> None:
    lost = EmbeddedServers(data_dir)
    lost.start(("postgres",))
    with EmbeddedServers(data_dir) as servers:
        assert query(servers.postgres_url, "SELECT 1") == 1
        assert not lost.servers["postgres"].child.alive
    lost.stop()


def test_a_pid_file_that_names_another_program_is_no_obstacle(data_dir: Path) -> None:
    with EmbeddedServers(data_dir):
        pass
    pid_file = data_dir / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{data_dir}/postgres\n")
    if os.geteuid() == 0:
        owner = pid_file.parent.stat()
        os.chown(pid_file, owner.st_uid, owner.st_gid)
    servers = EmbeddedServers(data_dir)
    servers.start(("postgres",))
    assert query(servers.postgres_url, "SELECT 1") == 1
    servers.stop()


def test_secrets_are_readable_by_their_owner_only(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir)
    servers.start(("nats", "redis"))
    servers.stop()
    for file in ("servers.json", "nats/nats.conf", "redis/redis.conf"):
        assert stat.S_IMODE((data_dir / file).stat().st_mode) == 0o600, file


def test_a_server_that_hangs_does_not_answer(servers: EmbeddedServers) -> None:
    port = servers.servers["postgres"].port
    servers.kill("postgres", signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            postgres_answers(port)
    finally:
        servers.kill("postgres", signal.SIGCONT)
    servers.wait_until_ready("postgres")


def test_ports_are_free_and_different() -> None:
    names = [f"n{i}" for i in range(20)]
    chosen = ports.choose({}, names)
    assert len(set(chosen.values())) == len(names)
    assert all(ports.is_free(port) for port in chosen.values())
    assert ports.choose(chosen, names) == chosen
