"""Migrations on a real database."""

import asyncio
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import pytest
from tradepit.ledger.__main__ import main
from tradepit.ledger.migrate import create_database, database_of, migrate, read_migrations
from tradepit.protocol.errors import ConfigurationError

TIMEOUT_S = 30.0


def numbers_of(database_url: str) -> list[int]:
    async def run() -> list[int]:
        connection = await asyncpg.connect(database_url, timeout=TIMEOUT_S)
        try:
            rows = await connection.fetch("SELECT number FROM migrations ORDER BY number")
            return [row["number"] for row in rows]
        finally:
            await connection.close(timeout=TIMEOUT_S)

    return asyncio.run(run())


def test_every_migration_runs_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRADEPIT_POSTGRES_URL", database_url)
    assert main(["migrate"]) == 0
    assert "migrated number=1 name=ledger" in capfd.readouterr().err
    assert main(["migrate"]) == 0
    assert "migrated" not in capfd.readouterr().err
    assert numbers_of(database_url) == [migration.number for migration in read_migrations()]


def test_two_runs_at_once_wait_for_each_other(database_url: str) -> None:
    async def run() -> list[int]:
        async with asyncio.timeout(TIMEOUT_S):
            done = await asyncio.gather(*(migrate(database_url) for _ in range(4)))
        return sorted(len(migrations) for migrations in done)

    assert asyncio.run(run()) == [0, 0, 0, len(read_migrations())]


def test_a_migration_that_fails_leaves_nothing(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_good.sql").write_text("CREATE TABLE good (id bigint);")
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE half (id bigint); SELECT nonsense;")
    with pytest.raises(ConfigurationError, match=r"0002_bad\.sql failed"):
        asyncio.run(migrate(database_url, tmp_path))
    assert numbers_of(database_url) == [1]

    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE half (id bigint);")
    asyncio.run(migrate(database_url, tmp_path))
    assert numbers_of(database_url) == [1, 2]


def test_a_user_who_may_not_make_tables_is_one_sentence(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def make_user() -> None:
        connection = await asyncpg.connect(database_url, timeout=TIMEOUT_S)
        try:
            await connection.execute(
                "CREATE ROLE reader LOGIN PASSWORD 'reader'", timeout=TIMEOUT_S
            )
        finally:
            await connection.close(timeout=TIMEOUT_S)

    asyncio.run(make_user())
    parts = urlsplit(database_url)
    monkeypatch.setenv(
        "TRADEPIT_POSTGRES_URL",
        parts._replace(netloc=f"reader:reader@{parts.hostname}:{parts.port}").geturl(),
    )
    assert main(["migrate"]) == 2
    assert capfd.readouterr().err.splitlines()[-1] == (
        "tradepit ledger: cannot bring the database's schema up to date: "
        "permission denied for schema public"
    )


def test_a_database_that_is_not_there_is_made_if_that_is_asked_for(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def drop() -> None:
        connection = await asyncpg.connect(
            urlsplit(database_url)._replace(path="/postgres").geturl(), timeout=TIMEOUT_S
        )
        try:
            await connection.execute(f"DROP DATABASE {database_of(database_url)}")
        finally:
            await connection.close(timeout=TIMEOUT_S)

    asyncio.run(drop())
    monkeypatch.setenv("TRADEPIT_POSTGRES_URL", database_url)
    assert main(["migrate"]) == 2
    assert "does not exist" in capfd.readouterr().err.splitlines()[-1]
    assert main(["migrate", "--create"]) == 0
    assert f"created database={database_of(database_url)}" in capfd.readouterr().err
    assert numbers_of(database_url) == [each.number for each in read_migrations()]
    assert main(["migrate", "--create"]) == 0
    assert "created" not in capfd.readouterr().err


def test_two_runs_that_make_the_database_at_once_both_succeed(database_url: str) -> None:
    name = f"{database_of(database_url)} of two"  # a name that has to be quoted
    url = urlsplit(database_url)._replace(path=f"/{quote(name)}").geturl()

    async def run() -> list[bool]:
        made = await asyncio.gather(create_database(url), create_database(url))
        connection = await asyncpg.connect(database_url, timeout=TIMEOUT_S)
        try:
            await connection.execute(f'DROP DATABASE "{name}"', timeout=TIMEOUT_S)
        finally:
            await connection.close(timeout=TIMEOUT_S)
        return sorted(made)

    assert asyncio.run(run()) == [False, True]


def test_a_changed_migration_is_refused(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "0001_first.sql"
    path.write_text("SELECT 1;")
    asyncio.run(migrate(database_url, tmp_path))
    path.write_text("SELECT 2;")
    with pytest.raises(ConfigurationError, match="changed after it ran"):
        asyncio.run(migrate(database_url, tmp_path))
