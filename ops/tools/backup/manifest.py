"""What a backup says of itself: `manifest.json`, written last. A folder without it is no backup.

A journal segment grows from one backup to the next, so its size and checksum are those of the bytes in
use: a backup that was cut off while it added to an older one leaves that one as sound as it was.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tradepit.cli.files import write_private
from tradepit.protocol.errors import ConfigurationError, TradepitError

FORMAT = 1
NAME = "manifest.json"
_READ_BYTES = 1 << 20


class BackupDamaged(TradepitError):
    """A backup that must not be restored: the text names the file, and the offset where there is one."""


@dataclass(frozen=True, kw_only=True)
class File:
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Applied:
    """How far a database had a shard's events."""

    seq: int
    digest: int


@dataclass(frozen=True, kw_only=True)
class Shard:
    shard_id: int
    first_seq: int
    last_seq: int
    digest: int
    """Chain digest at last_seq."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """One dump; an older backup's are kept beside it."""

    file: str
    migration: int
    shard_ids: tuple[int, ...]
    applied: dict[int, Applied]
    """By shard_id; one whose ledger has never run is not there."""

    def applied_seq(self, shard_id: int) -> int:
        return self.applied[shard_id].seq if shard_id in self.applied else 0


@dataclass(frozen=True, kw_only=True)
class Manifest:
    run_count: int
    """Backups into this folder. Each has a folder of its own beside the journals, `0001` and so on."""
    tradepit: str
    """The version of the program that made the last."""
    made_at: str
    shards: tuple[Shard, ...]
    databases: tuple[Database, ...]
    """The newest last."""
    files: dict[str, File]
    """By path within the folder."""

    def shard(self, shard_id: int) -> Shard | None:
        return next((shard for shard in self.shards if shard.shard_id == shard_id), None)


def write(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step, durably. Digests are hexadecimal there, as everywhere."""
    document: dict[str, Any] = {"format": FORMAT, **asdict(manifest)}
    for shard in document["shards"]:
        shard["digest"] = f"{shard['digest']:016x}"
    for database in document["databases"]:
        for applied in database["applied"].values():
            applied["digest"] = f"{applied['digest']:016x}"
    write_private(folder / NAME, json.dumps(document, indent=2) + "\n")


def read(folder: Path) -> Manifest:
    """Raises ConfigurationError if there is none or this program does not read it, BackupDamaged."""
    path = folder / NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        format_ = document["format"]
        if format_ != FORMAT:
            raise ConfigurationError(
                f"{path} has format {format_}, and this program reads {FORMAT}: use the version of "
                f"Tradepit that made it ({document.get('tradepit')})"
            )
        return Manifest(
            run_count=document["run_count"],
            tradepit=document["tradepit"],
            made_at=document["made_at"],
            shards=tuple(
                Shard(**{**shard, "digest": int(shard["digest"], 16)})
                for shard in document["shards"]
            ),
            databases=tuple(
                Database(
                    **{
                        **database,
                        "shard_ids": tuple(database["shard_ids"]),
                        "applied": {
                            int(shard_id): Applied(
                                seq=applied["seq"], digest=int(applied["digest"], 16)
                            )
                            for shard_id, applied in database["applied"].items()
                        },
                    }
                )
                for database in document["databases"]
            ),
            files={name: File(**file) for name, file in document["files"].items()},
        )
    except FileNotFoundError:
        raise ConfigurationError(
            f"{folder} holds no {NAME}: it is no backup, or one that was cut off before its end"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupDamaged(f"damaged backup: {path} is not a manifest: {error!r}") from error


def measure(path: Path, size: int | None = None) -> File:
    """Size and checksum of a file, or of its first `size` bytes. Raises BackupDamaged if it ends before."""
    left = path.stat().st_size if size is None else size
    total = left
    hash_ = hashlib.sha256()
    with path.open("rb") as file:
        while left:
            data = file.read(min(left, _READ_BYTES))
            if not data:
                raise BackupDamaged(
                    f"damaged backup: {path} ends at offset {total - left}, and had {total} bytes"
                )
            hash_.update(data)
            left -= len(data)
    return File(bytes=total, sha256=hash_.hexdigest())
