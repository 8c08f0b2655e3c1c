"""Checks a backup without any server: every checksum, every entry of the journals, every snapshot."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tradepit.tools.backup.manifest import BackupDamaged, Database, Manifest, measure
from tradepit.tools.journal.files import Journal, damaged
from tradepit.tools.journal.snapshots import restored, snapshots_of


class Claim(NamedTuple):
    """Somebody says what the chain digest is at a seq."""

    who: str
    seq: int
    digest: int


def verify(folder: Path, manifest: Manifest) -> None:
    """Raises JournalDamaged or BackupDamaged, with the file, and the offset where there is one."""
    for name in manifest.files:
        if not (folder / name).is_file():
            raise BackupDamaged(f"damaged backup: {folder / name} is missing")
    for shard in manifest.shards:
        journal = Journal(folder, shard.shard_id)
        if journal.first_seq != shard.first_seq:
            raise damaged(
                journal.segments[0].path, 0, journal.first_seq, f"not seq {shard.first_seq}"
            )
        claims = [
            Claim("the manifest", shard.last_seq, shard.digest),
            *claims_of_databases(folder, shard.shard_id, manifest.databases),
            *claims_of_snapshots(folder, journal, manifest.files),
        ]
        check_claims(journal, shard.first_seq, shard.last_seq, claims)
    for name, file in manifest.files.items():
        if measure(folder / name, file.bytes) != file:
            raise BackupDamaged(
                f"damaged backup: {folder / name}: bytes 0 to {file.bytes} have another checksum than "
                "in the manifest"
            )


def claims_of_databases(
    folder: Path, shard_id: int, databases: Iterable[Database]
) -> Iterable[Claim]:
    for database in databases:
        applied = database.applied.get(shard_id)
        if applied is not None:
            yield Claim(str(folder / database.file), applied.seq, applied.digest)


def claims_of_snapshots(folder: Path, journal: Journal, names: Iterable[str]) -> Iterable[Claim]:
    """Of those that are named; each is restored."""
    known = {folder / name for name in names}
    for snapshot in snapshots_of(journal):
        if snapshot.path in known:
            if restored(snapshot) is None:
                raise BackupDamaged(f"damaged backup: {snapshot.path} cannot be restored")
            yield Claim(str(snapshot.path), snapshot.seq, snapshot.digest)


def check_claims(journal: Journal, from_seq: int, last_seq: int, claims: Iterable[Claim]) -> int:
    """Read the journal from `from_seq` to `last_seq`, and compare; the digest at its end.

    Raises JournalDamaged if an entry is not sound or missing, BackupDamaged if a claim is wrong.
    """
    claims = list(claims)
    seqs = {claim.seq for claim in claims}
    digest = journal.first_digest
    found = {journal.first_seq - 1: digest}
    seq = from_seq - 1
    for entry in journal.entries(from_seq, last_seq):
        seq, digest = entry.seq, entry.digest
        if seq in seqs:
            found[seq] = digest
    if seq != last_seq:
        segment = journal.segments[-1]
        raise damaged(segment.path, segment.end_offset, seq + 1, "the journal ends here")
    for claim in claims:
        if journal.first_seq <= claim.seq < from_seq and claim.seq not in found:
            found[claim.seq] = next(journal.entries(claim.seq, claim.seq)).digest
        if found.get(claim.seq) != claim.digest:
            raise BackupDamaged(
                f"damaged backup: {claim.who} has another digest at seq {claim.seq} than the journal "
                f"in {journal.directory}"
            )
    return digest
