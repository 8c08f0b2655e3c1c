"""A shard's snapshot files, read for a replay that need not begin at the journal's beginning."""

from pathlib import Path
from typing import NamedTuple

from tradepit.engine import Engine, crc32c
from tradepit.protocol import wire
from tradepit.tools.journal.files import Journal

SNAPSHOT_MAGIC = b"TPSNAP\0\0"


class Snapshot(NamedTuple):
    seq: int
    digest: int
    path: Path


def snapshots_of(journal: Journal) -> list[Snapshot]:
    """Those whose header is sound and of this shard, newest first. The body has not been read."""
    found = []
    for path in sorted(journal.directory.glob(f"{20 * '[0-9]'}.snapshot"), reverse=True):
        try:
            with path.open("rb") as file:
                header = _header_of(file.read(wire.SNAPSHOT_FILE_HEADER_LAYOUT.size))
        except FileNotFoundError:  # an older one, which a newer one has replaced
            continue
        if header is not None and header.shard_id == journal.shard_id:
            found.append(Snapshot(header.seq, header.digest, path))
    return found


def restored(snapshot: Snapshot) -> Engine | None:
    """The engine of a snapshot; None if the file is damaged or of another version."""
    try:
        data = snapshot.path.read_bytes()
    except FileNotFoundError:  # an older one, which a newer one has replaced
        return None
    size = wire.SNAPSHOT_FILE_HEADER_LAYOUT.size
    header = _header_of(data[:size])
    body = data[size:]
    if header is None or len(body) != header.body_bytes or crc32c(body) != header.body_crc32c:
        return None
    try:
        engine = Engine.restore(body[: header.body_bytes - header.places_bytes])
    except ValueError:
        return None
    return engine if (engine.seq, engine.digest) == (snapshot.seq, snapshot.digest) else None


def _header_of(data: bytes) -> wire.SnapshotFileHeader | None:
    if len(data) < wire.SNAPSHOT_FILE_HEADER_LAYOUT.size or crc32c(data[:-4]) != int.from_bytes(
        data[-4:], "little"
    ):
        return None
    header = wire.SnapshotFileHeader(*wire.SNAPSHOT_FILE_HEADER_LAYOUT.unpack(data))
    return header if header.magic == SNAPSHOT_MAGIC else None
