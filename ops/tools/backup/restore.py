"""Makes a new data folder of a backup: the exchange as it was at a seq of each shard.

The journal is what is restored; all else follows from it. The newest dump that is not ahead of the
journal is taken, and the ledger goes on from there; where there is none, it begins with the first
command. The matcher makes its stream anew from the restored journal, and the cache is built by the
ledger. So neither stream nor cache may know the history that was left behind.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nats
import nats.errors
import nats.js.errors
from redis import Redis
from redis.exceptions import RedisError
from tradepit.cli.data_folder import RESTORING, DataFolder
from tradepit.cli.embedded import EmbeddedServers
from tradepit.protocol import names, settings
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.settings import of_shard
from tradepit.tools.backup import postgres
from tradepit.tools.backup.copying import (
    copy_file,
    copy_segment,
    make_folder,
    segments_up_to,
    sync_folder,
)
from tradepit.tools.backup.manifest import Database, Manifest, Shard
from tradepit.tools.backup.source import SMALL_FILES
from tradepit.tools.backup.verify import verify
from tradepit.tools.journal.files import Journal
from tradepit.tools.journal.snapshots import snapshots_of

CONNECT_TIMEOUT_S = 5.0
IGNORED = ("lost+found",)  # of a file system of its own


def restore(
    backup: Path,
    manifest: Manifest,
    data_dir: Path,
    to_seq: Mapping[int, int],
    environment: Mapping[str, str] = os.environ,
) -> list[Database]:
    """Restore each shard to `to_seq`, or else to its last seq; the dumps that were used.

    The backup is verified first. Raises ConfigurationError, which says what to do, JournalDamaged,
    BackupDamaged; then nothing is left in the folder.
    """
    ends = _ends(backup, manifest, to_seq)
    _refuse_unless_empty(data_dir)
    targets = _targets(manifest, environment)
    for url in targets:
        if url:
            postgres.refuse_unless_empty(url)
    nats_url = settings.NATS_URL.given(environment)
    redis_url = settings.REDIS_URL.given(environment)
    if nats_url:
        for shard_id in ends:
            asyncio.run(_refuse_a_stream(nats_url, shard_id))
    if redis_url:
        for shard_id in ends:
            _refuse_a_mirror(redis_url, shard_id)
    verify(backup, manifest)
    dumps = {url: _newest(manifest, shard_ids, ends) for url, shard_ids in targets.items()}
    with _staging(data_dir) as (folder, staging):
        for shard_id, end in ends.items():
            _restore_shard(Journal(backup, shard_id), end, staging, manifest)
        for name in SMALL_FILES:
            newest = f"{manifest.run_count:04}/{name}"
            if newest in manifest.files:
                copy_file(backup / newest, staging / name)
        for url, dump in dumps.items():
            if url:
                if dump is not None:
                    postgres.restore(url, backup / dump.file)
            else:
                _make_cluster(folder, staging, backup / dump.file if dump else None)
        for path in (*(staging / "journal").iterdir(), staging / "journal", staging):
            sync_folder(path)  # PostgreSQL sees to its own
        # The journal last: a folder without it is no exchange that anybody could go on with.
        for path in sorted(staging.iterdir(), key=lambda path: path.name == "journal"):
            path.rename(folder.path / path.name)
        sync_folder(folder.path)
    return [dump for dump in dumps.values() if dump is not None]


def _ends(backup: Path, manifest: Manifest, to_seq: Mapping[int, int]) -> dict[int, int]:
    """The seq of each shard. Raises ConfigurationError for one that cannot be restored to."""
    for shard_id in to_seq:
        if manifest.shard(shard_id) is None:
            raise ConfigurationError(f"the backup has no shard {shard_id}")
    ends = {}
    for shard in manifest.shards:
        end = to_seq.get(shard.shard_id, shard.last_seq)
        first = 0 if shard.first_seq == 1 else _oldest_snapshot(backup, manifest, shard)
        if not first <= end <= shard.last_seq:
            raise ConfigurationError(
                f"shard {shard.shard_id} can be restored to any seq from {first} to {shard.last_seq}, "
                f"and not to {end}"
            )
        ends[shard.shard_id] = end
    return ends


def _oldest_snapshot(backup: Path, manifest: Manifest, shard: Shard) -> int:
    prefix = f"journal/shard-{shard.shard_id}/"
    seqs = [
        int(Path(name).stem)
        for name in manifest.files
        if name.startswith(prefix) and name.endswith(".snapshot")
    ]
    return min((seq for seq in seqs if seq >= shard.first_seq), default=shard.last_seq + 1)


def _refuse_unless_empty(data_dir: Path) -> None:
    if not data_dir.exists():
        return
    if not data_dir.is_dir():
        raise ConfigurationError(f"{data_dir} is no folder")
    there = sorted(path.name for path in data_dir.iterdir() if path.name not in IGNORED)
    if there and RESTORING not in there:  # which the folder itself refuses
        raise ConfigurationError(
            f"{data_dir} is not empty ({there[0]}, ...), and nothing is overwritten: name a new folder"
        )


def _targets(manifest: Manifest, environment: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """The shards of each database; an empty URL is that of the new folder's own server."""
    setting = settings.POSTGRES_URL.given(environment) or ""
    targets: dict[str, tuple[int, ...]] = {}
    for shard in manifest.shards:
        url = of_shard(setting, shard.shard_id)
        targets[url] = (*targets.get(url, ()), shard.shard_id)
    return targets


def _newest(
    manifest: Manifest, shard_ids: tuple[int, ...], ends: Mapping[int, int]
) -> Database | None:
    """The newest dump of these shards that is ahead of none of them; None if the ledger can begin
    with the first command instead.
    """
    candidates = [
        database for database in manifest.databases if set(database.shard_ids) == set(shard_ids)
    ]
    if manifest.databases and not candidates:
        raise ConfigurationError(
            "the backup's databases hold other sets of shards than TRADEPIT_POSTGRES_URL gives: with "
            "one database a shard it must hold {shard}, and else not"
        )
    for database in reversed(candidates):
        if all(database.applied_seq(shard_id) <= ends[shard_id] for shard_id in shard_ids):
            return database
    for shard_id in shard_ids:
        shard = manifest.shard(shard_id)
        assert shard is not None
        if shard.first_seq > 1:
            seqs = [database.applied_seq(shard_id) for database in candidates]
            raise ConfigurationError(
                f"the backup's oldest database has shard {shard_id} up to seq {min(seqs, default=0)}, "
                f"and its journal begins with {shard.first_seq}: there is no database for seq "
                f"{ends[shard_id]}; restore to a later one, or from an older backup"
            )
    return None


async def _refuse_a_stream(nats_url: str, shard_id: int) -> None:
    name = names.events_stream(shard_id)
    try:
        async with asyncio.timeout(3 * CONNECT_TIMEOUT_S):
            client = await nats.connect(
                nats_url.split(","),
                connect_timeout=int(CONNECT_TIMEOUT_S),
                allow_reconnect=False,
                max_reconnect_attempts=1,
                error_cb=_ignore,
            )
            try:
                await client.jetstream(timeout=CONNECT_TIMEOUT_S).stream_info(name)
            except nats.js.errors.NotFoundError:
                return
            finally:
                await client.close()
    except (OSError, TimeoutError, nats.errors.Error) as error:
        raise ConfigurationError(
            f"cannot ask the NATS of TRADEPIT_NATS_URL for its streams: {str(error) or 'no answer'}"
        ) from error
    raise ConfigurationError(
        f"the NATS of TRADEPIT_NATS_URL has the stream {name} of another history: delete it (`nats "
        f"stream rm {name}`) if what it has behind the restored seq is given up, or name another server"
    )


async def _ignore(_error: Exception) -> None:
    """What it says is raised as well."""


def _refuse_a_mirror(redis_url: str, shard_id: int) -> None:
    try:
        with Redis.from_url(redis_url, socket_timeout=CONNECT_TIMEOUT_S) as client:
            found = client.exists(names.applied_key(shard_id))
    except (OSError, ValueError, RedisError) as error:
        raise ConfigurationError(
            f"cannot ask the Redis of TRADEPIT_REDIS_URL what it holds: {error}"
        ) from error
    if found:
        raise ConfigurationError(
            f"the Redis of TRADEPIT_REDIS_URL mirrors shard {shard_id} of another history: flush it "
            "(`redis-cli FLUSHDB`; it is a cache), or name another"
        )


@contextmanager
def _staging(data_dir: Path) -> Iterator[tuple[DataFolder, Path]]:
    """The locked folder, and one in it; after an error nothing is left of either."""
    existed = data_dir.exists()
    with DataFolder(data_dir) as folder:
        staging = folder.path / RESTORING
        try:
            staging.mkdir(mode=0o700)
            yield folder, staging
            staging.rmdir()
        except BaseException:  # a full disk, or Ctrl-C
            for path in folder.path.iterdir():
                if path.is_dir() and path.name not in IGNORED:
                    shutil.rmtree(path, ignore_errors=True)
                elif path.is_file():
                    path.unlink()
            if not existed:
                folder.path.rmdir()
            raise


def _restore_shard(journal: Journal, end: int, staging: Path, manifest: Manifest) -> None:
    place = f"journal/shard-{journal.shard_id}"
    make_folder(staging / place)
    segments = segments_up_to(journal, journal.first_seq, end) or journal.segments[:1]
    for segment in segments:
        copy_segment(
            segment,
            staging / place / segment.path.name,
            end if segment is segments[-1] else None,
            is_sparse=False,
        )
    for snapshot in snapshots_of(journal):
        if f"{place}/{snapshot.path.name}" in manifest.files and snapshot.seq <= end:
            copy_file(snapshot.path, staging / place / snapshot.path.name)


def _make_cluster(folder: DataFolder, staging: Path, dump: Path | None) -> None:
    """PostgreSQL's files of the new folder."""
    servers = EmbeddedServers(staging, folder.logs)
    servers.start(("postgres",))
    try:
        if dump is not None:
            postgres.restore(servers.postgres_url, dump)
    finally:
        servers.stop()
