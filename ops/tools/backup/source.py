"""What a backup is taken of: an exchange that runs, or the folder of one that is stopped."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tradepit.cli.data_folder import DataFolder
from tradepit.cli.embedded import EmbeddedServers
from tradepit.client import Client
from tradepit.protocol import settings
from tradepit.protocol.errors import ConfigurationError, TradepitError
from tradepit.protocol.keys import keys_file, read_keys
from tradepit.protocol.settings import of_shard
from tradepit.tools import running
from tradepit.tools.journal.files import Journal

STATUS_TIMEOUT_S = 10.0
# Beside journal and database, what a start on the same folder needs to be the same exchange. The
# servers' passwords are not among it: a new folder's servers have their own.
SMALL_FILES = ("keys.json", "ports.json", "seeded")


@dataclass(frozen=True, kw_only=True)
class Source:
    """`shard_ids` are those whose journals lie in the folder."""

    data_dir: Path
    shard_ids: tuple[int, ...]
    keys_path: Path
    postgres_url: str
    order_endpoint: str = ""
    """It and the URL may say {shard}."""
    operator_key: str = ""
    """Empty if no matcher runs for sure."""

    def __repr__(self) -> str:  # it holds a password and a key
        return f"Source(data_dir={self.data_dir})"

    @property
    def small_files(self) -> dict[str, Path]:
        found = {name: self.data_dir / name for name in SMALL_FILES}
        return {name: path for name, path in found.items() if path.is_file()} | {
            "keys.json": self.keys_path
        }

    def committed_seq(self, shard_id: int) -> int:
        """Up to where the shard's journal is durable: what was acknowledged by now is in it.

        A matcher that runs is asked. Raises ConfigurationError if it does not answer, JournalDamaged.
        """
        journal = Journal(self.data_dir, shard_id)
        with _matcher_lock(journal.directory) as is_stopped:
            if is_stopped:
                return _synced_end(journal)
        endpoint = of_shard(self.order_endpoint, shard_id)
        try:
            with Client(endpoint, 0, self.operator_key, timeout_s=STATUS_TIMEOUT_S) as operator:
                status = operator.status()
        except TradepitError as error:
            raise ConfigurationError(
                f"a matcher runs on {journal.directory}, and cannot be asked at {endpoint} how far its "
                f"journal is synced: {error}"
            ) from error
        if status.shard_id != shard_id:
            raise ConfigurationError(
                f"shard {status.shard_id} answers at {endpoint}, and not shard {shard_id}: set "
                f"{settings.ORDER_ENDPOINT.name}; it may say {settings.SHARD_MARK}"
            )
        return status.committed_seq


@contextmanager
def find(data_dir: Path, environment: Mapping[str, str] = os.environ) -> Iterator[Source]:
    """The exchange of a data folder; its PostgreSQL is started if it is stopped.

    Raises ConfigurationError, which says what to do.
    """
    shard_ids = _shards_of(data_dir)
    if not shard_ids:
        raise ConfigurationError(
            f"there is no journal in {data_dir / 'journal'}: name the data folder with --data"
        )
    is_up = _is_locked(data_dir / "lock")
    if is_up and not (data_dir / "ready.json").exists():
        raise ConfigurationError(
            f"the exchange in {data_dir} is on its way up or down: try again once it serves"
        )
    if not is_up and (data_dir / "postgres").exists():
        with DataFolder(data_dir) as folder:
            folder.end_leftovers()
            servers = EmbeddedServers(folder.path, folder.logs)
            servers.start(("postgres",))
            try:
                yield Source(
                    data_dir=data_dir,
                    shard_ids=shard_ids,
                    keys_path=folder.keys_path,
                    postgres_url=servers.postgres_url,
                )
            finally:
                servers.stop()
        return
    if is_up:
        place = running.find(data_dir, {})
        yield Source(
            data_dir=data_dir,
            shard_ids=shard_ids,
            keys_path=data_dir / "keys.json",
            postgres_url=place.postgres_url,
            order_endpoint=place.order_endpoint,
            operator_key=place.operator_key,
        )
        return
    if settings.POSTGRES_URL.given(environment) is None:
        raise ConfigurationError(
            f"{data_dir} holds no database: set {settings.POSTGRES_URL.name} and the other settings of "
            "the services whose journal lies there"
        )
    keys_path = keys_file(environment)
    yield Source(
        data_dir=data_dir,
        shard_ids=shard_ids,
        keys_path=keys_path,
        postgres_url=settings.POSTGRES_URL.read(environment),
        order_endpoint=settings.ORDER_ENDPOINT.read(environment),
        operator_key=next(key.key for key in read_keys(keys_path) if key.is_operator),
    )


def _shards_of(data_dir: Path) -> tuple[int, ...]:
    found = (data_dir / "journal").glob("shard-*/*.journal")
    return tuple(sorted({int(path.parent.name.removeprefix("shard-")) for path in found}))


def _is_locked(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


@contextmanager
def _matcher_lock(directory: Path) -> Iterator[bool]:
    """Whether no matcher runs on the journal; none can start while the context is open, if so."""
    try:
        lock = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # none has ever run
        yield True
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_stopped = True
        except BlockingIOError:
            is_stopped = False
        yield is_stopped
    finally:
        os.close(lock)


def _synced_end(journal: Journal) -> int:
    """The last seq of a journal that nobody writes. A group that a crash left unsynced is sound, and
    a start would keep it: so it is synced here before it counts.
    """
    segment = journal.segments[-1]
    file = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
    last_seq = segment.header.first_seq - 1
    for entry in journal.entries(segment.header.first_seq):
        last_seq = entry.seq
    return last_seq
