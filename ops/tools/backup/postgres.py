"""The ledger's database, dumped and restored by PostgreSQL's own pg_dump and pg_restore.

They come with the wheel that carries the server, or are those of the machine.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import asyncpg
from tradepit.cli import launch, wheels
from tradepit.ledger.store import to_unsigned
from tradepit.protocol.errors import ConfigurationError
from tradepit.tools.backup.manifest import Applied, BackupDamaged

DUMP_TIMEOUT_S = 6 * 3600.0
CONNECT_TIMEOUT_S = 10.0


class PostgresFailed(BackupDamaged):
    """A tool of PostgreSQL did not do its work; the text has its own words."""


def dump(postgres_url: str, path: Path) -> None:
    """All of a database, as it is at one moment. Raises ConfigurationError, PostgresFailed."""
    _run("pg_dump", postgres_url, "--format=custom", "--no-owner", "--no-privileges", "-f", path)


def restore(postgres_url: str, path: Path) -> None:
    """Into an empty database; all of it or nothing. Raises ConfigurationError, PostgresFailed."""
    words = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
    _run("pg_restore", postgres_url, *words, path)


def read_dump(path: Path) -> tuple[int, dict[int, Applied]]:
    """The newest migration in a dump, and how far it has each shard. Raises ConfigurationError if
    they are not a ledger's tables, PostgresFailed.
    """
    migrations = [int(row[0]) for row in _rows(path, "migrations")]
    applied = {
        int(shard_id): Applied(seq=int(seq), digest=to_unsigned(int(digest)))
        for shard_id, seq, _stream_seq, digest in _rows(path, "applied")
    }
    return max(migrations, default=0), applied


def refuse_unless_empty(postgres_url: str) -> None:
    """Raises ConfigurationError if the database holds any table, or cannot be reached."""
    try:
        tables = asyncio.run(_tables(postgres_url))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ConfigurationError(
            f"cannot reach the database of TRADEPIT_POSTGRES_URL: {str(error) or 'no answer'}"
        ) from error
    if tables:
        raise ConfigurationError(
            f"the database of TRADEPIT_POSTGRES_URL holds tables ({', '.join(tables[:3])}, ...), and "
            "nothing is overwritten: make an empty one (CREATE DATABASE), and name that"
        )


async def _tables(postgres_url: str) -> list[str]:
    connection = await asyncpg.connect(
        postgres_url, timeout=CONNECT_TIMEOUT_S, command_timeout=CONNECT_TIMEOUT_S
    )
    try:
        rows = await connection.fetch(
            "SELECT tablename FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        )
        return [row["tablename"] for row in rows]
    finally:
        connection.terminate()


def _rows(path: Path, table: str) -> list[list[str]]:
    """A table's rows, out of the dump itself: what it holds is what counts."""
    text = _run("pg_restore", "", "--data-only", f"--table={table}", "-f", "-", path)
    found = re.search(rf"^COPY \S*{table} .*?;\n(.*?)^\\\.$", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ConfigurationError(
            f"the database has no table {table}: name the ledger's database (TRADEPIT_POSTGRES_URL), or "
            "prepare it with `tradepit ledger migrate`"
        )
    return [line.split("\t") for line in found[1].splitlines()]


def _run(tool: str, postgres_url: str, *words: str | Path) -> str:
    environment = dict(os.environ)
    if postgres_url:
        url, password = without_password(postgres_url)
        words = (f"--dbname={url}", *words)
        if password:
            environment["PGPASSWORD"] = password  # an argument could be seen by everybody
    launcher = Path(launch.__file__)  # it ends the tool with us: it must not go on writing
    try:
        done = subprocess.run(
            [
                *(sys.executable, "-I", "-S", launcher),
                *(str(os.getpid()), str(int(signal.SIGKILL)), "-"),
                *(_find(tool), *words),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DUMP_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PostgresFailed(f"{tool} did not run to its end: {error}") from error
    if done.returncode != 0:
        raise PostgresFailed(f"{tool}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout


def _find(tool: str) -> str:
    """The wheel's, which is as new as any server that it can meet; else the machine's."""
    try:
        return str(wheels.postgres_binaries() / tool)
    except ConfigurationError:
        found = shutil.which(tool)
        if found is None:
            raise ConfigurationError(
                f"{tool} is not there: pip install 'tradepit[embedded]', or install PostgreSQL's "
                "client programs"
            ) from None
        return found


def without_password(url: str) -> tuple[str, str]:
    """The URL without its password, and that."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    netloc = f"{quote(unquote(name))}@{host}" if name else host
    return urlunsplit(parts._replace(netloc=netloc)), unquote(password)
