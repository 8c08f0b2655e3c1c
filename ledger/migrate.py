"""Brings the database's schema up to date: numbered SQL files, forward only.

`migrations/NNNN_name.sql` run in the order of their numbers, each in a transaction of its own that
also records its number, name and checksum. A file that has run must not change: its checksum is
compared every time. Two runs at once wait for each other.
"""

import asyncio
import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg
from tradepit.protocol import wire
from tradepit.protocol.errors import ConfigurationError

MIGRATIONS_DIR = Path(__file__).parent / "migrations"
CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 600.0  # a migration of a large table takes its time
_SHOWN_ENUMS: tuple[type[IntEnum], ...] = (
    wire.Side,
    wire.OrderType,
    wire.TimeInForce,
    wire.OrderStatus,
    wire.CancelReason,
    wire.SelfTradePrevention,
    wire.PegReference,
)
LOCK_KEY = 0x7470_6D69_6772  # any number that no other program locks

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_CREATE_TABLE = """
    CREATE TABLE IF NOT EXISTS migrations (
        number     integer PRIMARY KEY,
        name       text NOT NULL,
        checksum   text NOT NULL,  -- SHA-256 of the file
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path = MIGRATIONS_DIR) -> list[Migration]:
    """The folder's files by number. Raises ConfigurationError unless they count from 1 without a gap."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise ConfigurationError(f"{path.name} is not named like 0001_what_it_does.sql")
        migrations.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    numbers = [migration.number for migration in migrations]
    if numbers != list(range(1, len(numbers) + 1)):
        raise ConfigurationError(f"migrations must count from 1 without a gap, not {numbers}")
    return migrations


def pending(migrations: list[Migration], applied: list[tuple[int, str]]) -> list[Migration]:
    """Those that have not run, given (number, checksum) of those that have.

    Raises ConfigurationError if a file that has run was changed or is missing.
    """
    for number, checksum in applied:
        if number > len(migrations):
            raise ConfigurationError(
                f"the database has migration {number}, this program only {len(migrations)}: "
                "install the newer program"
            )
        migration = migrations[number - 1]
        if migration.checksum != checksum:
            raise ConfigurationError(
                f"migration {number:04}_{migration.name}.sql was changed after it ran: restore it, "
                "and put the change into a new file"
            )
    return migrations[len(applied) :]


async def read_applied(connection: "asyncpg.Connection[asyncpg.Record]") -> list[tuple[int, str]]:
    """(number, checksum) of every migration that has run, by number."""
    if await connection.fetchval("SELECT to_regclass('migrations')") is None:
        return []
    rows = await connection.fetch("SELECT number, checksum FROM migrations ORDER BY number")
    return [(row["number"], row["checksum"]) for row in rows]


def database_of(postgres_url: str) -> str:
    """The name of the database."""
    return unquote(urlsplit(postgres_url).path.removeprefix("/"))


async def create_database(postgres_url: str) -> bool:
    """Make the database if there is none of that name; whether it was made. Needs a user who may, and
    connects to the database `postgres` for it. Raises ConfigurationError.
    """
    name = database_of(postgres_url)
    server_url = urlunsplit(urlsplit(postgres_url)._replace(path="/postgres"))
    try:
        connection = await asyncpg.connect(
            server_url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            server_settings={"application_name": "tradepit-migrate"},
        )
        try:
            if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                return False
            quoted = name.replace('"', '""')
            await connection.execute(f'CREATE DATABASE "{quoted}"')
        finally:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.close()
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        return False  # another run was as quick
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ConfigurationError(
            f"cannot make the database {name}: {str(error) or 'no answer'}"
        ) from error
    return True


async def migrate(postgres_url: str, folder: Path = MIGRATIONS_DIR) -> list[Migration]:
    """Run what is pending and return it. Raises ConfigurationError; nothing of a file that failed stays."""
    migrations = read_migrations(folder)
    try:
        connection = await asyncpg.connect(
            postgres_url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            server_settings={"application_name": "tradepit-migrate"},
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ConfigurationError(
            f"cannot connect to PostgreSQL: {str(error) or 'no answer'}"
        ) from error
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        await connection.execute(_CREATE_TABLE)
        todo = pending(migrations, await read_applied(connection))
        for migration in todo:
            try:
                async with connection.transaction():
                    await connection.execute(migration.sql)
                    await connection.execute(
                        "INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)",
                        migration.number,
                        migration.name,
                        migration.checksum,
                    )
            except asyncpg.PostgresError as error:
                raise ConfigurationError(
                    f"migration {migration.number:04}_{migration.name}.sql failed: {error}"
                ) from error
        await _write_enum_names(connection)
        return todo
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ConfigurationError(
            f"cannot bring the database's schema up to date: {str(error) or 'no answer'}"
        ) from error
    finally:
        # The lock goes with the connection.
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await connection.close()


async def _write_enum_names(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """The names that the views show, from the one place where they are defined."""
    if await connection.fetchval("SELECT to_regclass('enum_names')") is None:
        return  # migrations of another program
    await connection.executemany(
        "INSERT INTO enum_names VALUES ($1, $2, $3) "
        "ON CONFLICT (enum_name, value) DO UPDATE SET name = excluded.name",
        [(kind.__name__, int(each), each.name.lower()) for kind in _SHOWN_ENUMS for each in kind],
    )
