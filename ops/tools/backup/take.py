"""Takes a backup: first the databases, then the journals, which are then at least as far.

Nothing of the exchange is changed or held up. In a folder that has an earlier backup, only what is new
is copied; what that one holds stays, segments that have left the exchange's journal included.
"""

import datetime
import fcntl
import importlib.metadata
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tradepit.protocol.errors import ConfigurationError, JournalDamaged
from tradepit.protocol.settings import of_shard
from tradepit.tools.backup import manifest as manifests
from tradepit.tools.backup import postgres
from tradepit.tools.backup.copying import (
    copy_file,
    copy_segment,
    make_folder,
    segments_up_to,
    sync_folder,
)
from tradepit.tools.backup.manifest import BackupDamaged, Database, File, Manifest, Shard, measure
from tradepit.tools.backup.source import Source
from tradepit.tools.backup.verify import (
    Claim,
    check_claims,
    claims_of_databases,
)
from tradepit.tools.journal.files import Journal
from tradepit.tools.journal.snapshots import Snapshot, restored, snapshots_of

ATTEMPTS_MAX = 3
LOCK = "backup.lock"
EMPTY = Manifest(run_count=0, tradepit="", made_at="", shards=(), databases=(), files={})


def take(source: Source, folder: Path) -> Manifest:
    """Write a backup, or bring one up to date, and return what it says of itself.

    Raises ConfigurationError for what a person has to mend, JournalDamaged, BackupDamaged. Whatever
    ends it early, an earlier backup in the folder is as good as before.
    """
    with _own(folder):
        earlier = _earlier(folder)
        _remove_unknown(folder, earlier)
        try:
            made = _copy_all(source, folder, earlier)
        except BaseException:  # a refusal, a full disk, or Ctrl-C: the next attempt begins anew
            _remove_unknown(folder, earlier)
            raise
        manifests.write(folder, made)
        return made


def _copy_all(source: Source, folder: Path, earlier: Manifest) -> Manifest:
    """Everything but the manifest, durably."""
    run = f"{earlier.run_count + 1:04}"
    make_folder(folder / run)
    databases = _dump(source, folder, run)
    shards: list[Shard] = []
    files: dict[str, File] = {}
    for shard_id in source.shard_ids:
        shard, new = _take_shard(source, folder, earlier, shard_id, databases)
        shards.append(shard)
        files |= new
    for database in databases:
        files[database.file] = measure(folder / database.file)
    for name, path in source.small_files.items():
        copy_file(path, folder / run / name)
        files[f"{run}/{name}"] = measure(folder / run / name)
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
    sync_folder(folder)
    return Manifest(
        run_count=earlier.run_count + 1,
        tradepit=importlib.metadata.version("tradepit"),
        made_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        shards=tuple({shard.shard_id: shard for shard in (*earlier.shards, *shards)}.values()),
        databases=(*earlier.databases, *databases),
        files=dict(sorted({**earlier.files, **files}.items())),
    )


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    try:
        make_folder(folder)
        _earlier(folder)  # refuses what is no backup, before anything is written there
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"cannot write to {folder}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"another backup into {folder} is under way") from None
        yield
    except OSError as error:
        raise ConfigurationError(
            f"cannot take a backup into {folder}: {error.strerror} ({error.filename})"
        ) from error
    finally:
        os.close(lock)


def _earlier(folder: Path) -> Manifest:
    if (folder / manifests.NAME).exists():
        return manifests.read(folder)
    others = sorted(path.name for path in folder.iterdir() if path.name != LOCK)
    if others:
        raise ConfigurationError(
            f"{folder} is not empty ({others[0]}, ...) and holds no {manifests.NAME}: a backup that was "
            "cut off, or something else; remove it, or name another folder"
        )
    return EMPTY


def _remove_unknown(folder: Path, earlier: Manifest) -> None:
    """What a backup that was cut off has left, beside an earlier one if there is one."""
    for part in (folder / "journal", *folder.glob("[0-9][0-9][0-9][0-9]")):
        for path in part.rglob("*"):
            if path.is_file() and path.relative_to(folder).as_posix() not in earlier.files:
                path.unlink()
        for path in (*sorted(part.rglob("*"), reverse=True), part):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _dump(source: Source, folder: Path, run: str) -> tuple[Database, ...]:
    shards_of: dict[str, tuple[int, ...]] = {}
    for shard_id in source.shard_ids:
        url = of_shard(source.postgres_url, shard_id)
        shards_of[url] = (*shards_of.get(url, ()), shard_id)
    made = []
    for url, shard_ids in shards_of.items():
        name = f"{run}/shard-{shard_ids[0]}.dump"
        path = folder / name
        path.touch(mode=0o600)
        postgres.dump(url, path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        migration, applied = postgres.read_dump(path)
        if others := sorted(set(applied) - set(source.shard_ids)):
            raise ConfigurationError(
                f"the database of shard {shard_ids[0]} holds shard {others[0]} as well, whose journal "
                f"is not in {source.data_dir}: it can be restored with all its shards only, or not at "
                "all. Give each shard a database of its own ({shard} in TRADEPIT_POSTGRES_URL)"
            )
        made.append(
            Database(
                file=name,
                migration=migration,
                shard_ids=shard_ids,
                applied={each: at for each, at in applied.items() if each in shard_ids},
            )
        )
    return tuple(made)


def _take_shard(
    source: Source,
    folder: Path,
    earlier: Manifest,
    shard_id: int,
    databases: tuple[Database, ...],
) -> tuple[Shard, dict[str, File]]:
    attempts_left = ATTEMPTS_MAX
    while True:
        attempts_left -= 1
        try:
            return _take_journal(source, folder, earlier, shard_id, databases)
        except FileNotFoundError as error:
            # Removed while it was read: the matcher needs it no more, and newer ones are there.
            if not attempts_left:
                raise ConfigurationError(
                    f"{error.filename} went away while it was copied, and others before it: raise "
                    "TRADEPIT_JOURNAL_RETENTION_HOURS"
                ) from error
            for path in (folder / "journal" / f"shard-{shard_id}").iterdir():
                if path.relative_to(folder).as_posix() not in earlier.files:
                    path.unlink()


def _take_journal(
    source: Source,
    folder: Path,
    earlier: Manifest,
    shard_id: int,
    databases: tuple[Database, ...],
) -> tuple[Shard, dict[str, File]]:
    last_seq = source.committed_seq(shard_id)
    journal = Journal(source.data_dir, shard_id)
    before = earlier.shard(shard_id)
    known_seq = before.last_seq if before else journal.first_seq - 1
    _refuse_gaps(journal, before, last_seq, databases)
    place = f"journal/shard-{shard_id}"
    make_folder(folder / place)
    copied = segments_up_to(journal, known_seq + 1, last_seq)
    if before is None and not copied:  # one that has no entry yet
        copied = journal.segments[:1]
    for segment in copied:
        known = earlier.files.get(f"{place}/{segment.path.name}")

        def check(copy: Path, known: File | None = known) -> None:
            if known is not None and measure(copy, known.bytes) != known:
                raise _another_history(folder, shard_id)

        copy_segment(
            segment,
            folder / place / segment.path.name,
            last_seq if segment is copied[-1] else None,
            is_sparse=True,
            check=check,
        )
    copy = Journal(folder, shard_id)
    snapshots = _copy_snapshots(journal, folder, earlier, range(copy.first_seq, last_seq + 1))
    if copy.first_seq > 1 and not (snapshots or before):
        raise ConfigurationError(
            f"the journal of shard {shard_id} begins with seq {copy.first_seq}, and no sound snapshot "
            f"up to seq {last_seq} lies beside it: nothing could be restored of it"
        )
    claims = [
        *claims_of_databases(folder, shard_id, databases),
        *(Claim(name, each.seq, each.digest) for name, each in snapshots.items()),
    ]
    if before is not None:
        claims.append(Claim("the earlier backup", before.last_seq, before.digest))
    try:
        digest = check_claims(copy, max(known_seq, copy.first_seq), last_seq, claims)
    except JournalDamaged as error:  # the copy will go; the same stands at the same place there
        raise JournalDamaged(str(error).replace(str(folder), str(source.data_dir))) from error
    files = {name: measure(folder / name) for name in snapshots}
    for segment in copy.segments:
        name = f"{place}/{segment.path.name}"
        if segment.end_offset:  # it was read
            files[name] = measure(segment.path, segment.end_offset)
    shard = Shard(shard_id=shard_id, first_seq=copy.first_seq, last_seq=last_seq, digest=digest)
    return shard, files


def _refuse_gaps(
    journal: Journal, before: Shard | None, last_seq: int, databases: tuple[Database, ...]
) -> None:
    if before is not None and journal.first_seq > before.last_seq + 1:
        raise ConfigurationError(
            f"the earlier backup ends with seq {before.last_seq}, and the journal begins with "
            f"{journal.first_seq} by now: what lies between cannot be added; take this one into a new "
            "folder, and the next ones within TRADEPIT_JOURNAL_RETENTION_HOURS"
        )
    if before is not None and last_seq < before.last_seq:
        raise BackupDamaged(
            f"the journal in {journal.directory} ends with seq {last_seq}, the earlier backup with "
            f"{before.last_seq}: it is of another history, or the journal has lost its end"
        )
    first_seq = before.first_seq if before else journal.first_seq
    for database in databases:
        applied_seq = database.applied_seq(journal.shard_id)
        if journal.shard_id in database.shard_ids and applied_seq + 1 < first_seq:
            raise ConfigurationError(
                f"the database has shard {journal.shard_id} up to seq {applied_seq}, and its journal "
                f"begins with {first_seq}: let the ledger catch up first"
            )


def _copy_snapshots(
    journal: Journal, folder: Path, earlier: Manifest, seqs: range
) -> dict[str, Snapshot]:
    """The sound ones of these seqs that are not there yet, by name. One that the matcher replaces
    meanwhile is not missed.
    """
    copied = {}
    for snapshot in snapshots_of(journal):
        name = f"journal/shard-{journal.shard_id}/{snapshot.path.name}"
        if snapshot.seq not in seqs or name in earlier.files:
            continue
        copy = snapshot._replace(path=folder / name)
        try:
            copy_file(snapshot.path, copy.path)
        except FileNotFoundError:
            continue
        if restored(copy) is None:
            copy.path.unlink()
        else:
            copied[name] = copy
    return copied


def _another_history(folder: Path, shard_id: int) -> BackupDamaged:
    return BackupDamaged(
        f"the journal of shard {shard_id} has another history than the backup in {folder}: one of them "
        "was restored to an earlier seq, or is damaged; take this one into a new folder"
    )
