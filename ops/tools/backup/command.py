"""The command lines of `tradepit backup` and `tradepit restore`."""

import argparse
import os
from pathlib import Path

from tradepit.protocol import settings
from tradepit.tools import running
from tradepit.tools.backup import manifest as manifests
from tradepit.tools.backup import source
from tradepit.tools.backup.manifest import Manifest
from tradepit.tools.backup.restore import restore
from tradepit.tools.backup.take import take
from tradepit.tools.backup.verify import verify

BACKUP_DESCRIPTION = """\
Backs up an exchange, while it runs or while it is stopped: the databases, and the journals up to what
is synced at that moment, with their snapshots and keys. Every order that was acknowledged before the
command began is in it. Into a folder that has an earlier backup only what is new is copied.
"""
BACKUP_EPILOG = """\
The exchange is that of the data folder: a `tradepit up` that runs or is stopped, or services, by the
TRADEPIT_* settings that they read. Every shard whose journal lies there is backed up.

Exit codes: 0 done, or sound; 1 damaged, or it failed; 2 a setting or an argument is not fit.
"""
RESTORE_DESCRIPTION = """\
Makes a new data folder of a backup, after verifying it: the exchange as it was at a seq. Start it with
`tradepit up --data DIR`, or start its services; the stream is made anew from the journal, the ledger
goes on from the newest dump that is not ahead of it, and the cache is built again.

The database goes into the new folder; with TRADEPIT_POSTGRES_URL set, into that one, which must be
empty. With TRADEPIT_NATS_URL or TRADEPIT_REDIS_URL set, what they hold of another history is refused.
"""
RESTORE_EPILOG = """\
Seqs and ids behind the restored one are given out again, to other orders: docs/backup.md says what
that means for clients.
"""


def run_backup(argv: list[str]) -> int:
    parser = _parser("backup", BACKUP_DESCRIPTION, BACKUP_EPILOG)
    parser.add_argument("backup", type=Path, metavar="BACKUP", help="the folder of the backup")
    running.add_data(parser)
    parser.add_argument(
        "--verify", action="store_true", help="check the backup that is there, without any server"
    )
    arguments = parser.parse_args(argv)
    if arguments.verify:
        manifest = manifests.read(arguments.backup)
        verify(arguments.backup, manifest)
        print(f"sound: {described(manifest)}")
        return 0
    with source.find(arguments.data) as found:
        manifest = take(found, arguments.backup)
    print(f"backed up: {described(manifest)}")
    return 0


def run_restore(argv: list[str]) -> int:
    parser = _parser("restore", RESTORE_DESCRIPTION, RESTORE_EPILOG)
    parser.add_argument("backup", type=Path, metavar="BACKUP", help="the folder of the backup")
    parser.add_argument(
        *("--data", "--data-dir"),
        type=Path,
        required=True,
        metavar="DIR",
        help="the new data folder, which must be missing or empty",
    )
    parser.add_argument(
        "--to-seq",
        action="append",
        default=[],
        metavar="[SHARD:]N",
        help="the last seq to have, of the only shard or of the one that is named (default: the "
        "backup's last)",
    )
    arguments = parser.parse_args(argv)
    manifest = manifests.read(arguments.backup)
    try:
        to_seq = dict(parse_seq(text, manifest) for text in arguments.to_seq)
    except ValueError as error:
        parser.error(f"--to-seq: {error}")
    dumps = restore(arguments.backup, manifest, arguments.data, to_seq)
    for shard in manifest.shards:
        last_seq = to_seq.get(shard.shard_id, shard.last_seq)
        applied = [
            dump.applied_seq(shard.shard_id) for dump in dumps if shard.shard_id in dump.shard_ids
        ]
        ledger = f"after seq {applied[0]:,}" if applied else "at the first command"
        print(
            f"restored: shard {shard.shard_id} to seq {last_seq:,} of {shard.last_seq:,}; its ledger "
            f"goes on {ledger}"
        )
    if settings.POSTGRES_URL.given(os.environ):
        print(f"start the services, with TRADEPIT_DATA_DIR={arguments.data}")
    else:
        print(f"start it: tradepit up --data {arguments.data}")
    return 0


def _parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"tradepit {name}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def parse_seq(text: str, manifest: Manifest) -> tuple[int, int]:
    """`N` or `SHARD:N`. Raises ValueError."""
    shard, colon, seq = text.rpartition(":")
    if not seq.isdecimal() or (colon and not shard.isdecimal()):
        raise ValueError(f"a number, or SHARD:NUMBER, and not {text!r}")
    if colon:
        if int(shard) > settings.SHARD_ID_MAX:
            raise ValueError(f"a shard's number is at most {settings.SHARD_ID_MAX}")
        return int(shard), int(seq)
    if len(manifest.shards) != 1:
        raise ValueError(f"the backup has {len(manifest.shards)} shards: say SHARD:{text}")
    return manifest.shards[0].shard_id, int(seq)


def described(manifest: Manifest) -> str:
    size = sum(file.bytes for file in manifest.files.values())
    shards = "; ".join(
        f"shard {shard.shard_id}, seq {shard.first_seq:,} to {shard.last_seq:,}, digest "
        f"{shard.digest:016x}"
        for shard in manifest.shards
    )
    return (
        f"{shards}; {len(manifest.databases)} database dump(s); {len(manifest.files)} files, "
        f"{size:,} bytes; {manifest.made_at}"
    )
