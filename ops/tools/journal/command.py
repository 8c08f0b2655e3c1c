"""The command line of `tradepit journal`."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tradepit.cli.data_folder import DataFolder
from tradepit.cli.embedded import EmbeddedServers
from tradepit.protocol import settings, text, wire
from tradepit.protocol.errors import ConfigurationError, JournalDamaged
from tradepit.tools import running
from tradepit.tools.journal.files import Journal
from tradepit.tools.journal.rebuild import rebuild
from tradepit.tools.journal.remake import remake_stream
from tradepit.tools.quiet import only_errors

DESCRIPTION = """\
Shows and checks the journal of a shard: every command in order, with its events. All but the last
two read only, and may be used while the matcher runs.
"""
EPILOG = """\
inspect  one line a segment: file, seqs, bytes
verify   every checksum, seq and digest, from the first entry to the last; stops at the first fault
         and says in which file, at which offset and seq
export   JSON lines: {"seq", "digest", "command": {...}, "events": [{...}, ...]}
rebuild  where the journal was lost: write it again from the JetStream stream that was made of it
remake-stream
         where the stream was fouled or has lost messages: delete it. A matcher that runs fills a new one
         within seconds; the ledger skips what it has

Exit codes: 0 sound; 1 damaged; 2 no journal there. `tradepit replay journal` runs the commands through
an engine as well.
"""


def add_place(parser: argparse.ArgumentParser) -> None:
    """The arguments that say whose journal is meant."""
    running.add_data(parser)
    parser.add_argument(
        "--shard", type=shard_id, default=0, metavar="N", help="the shard (default: 0)"
    )


def shard_id(argument: str) -> int:
    value = int(argument)
    if not 0 <= value <= settings.SHARD_ID_MAX:
        raise argparse.ArgumentTypeError(f"must lie between 0 and {settings.SHARD_ID_MAX}")
    return value


def seq(argument: str) -> int:
    value = int(argument)
    if not 0 < value < 2**63:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def run(argv: list[str]) -> int:
    """Run the subcommand `journal`; the exit code: 0 sound, 1 damaged."""
    parser = argparse.ArgumentParser(
        prog="tradepit journal",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    for name, summary in (
        ("inspect", "one line a segment"),
        ("verify", "check every checksum, seq and digest"),
        ("export", "commands and events as JSON lines"),
        ("rebuild", "write a lost journal again, from its stream"),
        ("remake-stream", "delete the stream: the running matcher makes it anew from the journal"),
    ):
        action = actions.add_parser(name, help=summary)
        add_place(action)
        if name == "export":
            action.add_argument("--from-seq", type=seq, default=1, metavar="N")
            action.add_argument("--to-seq", type=seq, default=None, metavar="N")
        elif name in ("rebuild", "remake-stream"):
            action.add_argument(
                "--nats-url",
                default=settings.NATS_URL.given(os.environ),
                help="where the stream is; the variable TRADEPIT_NATS_URL keeps a password out of the "
                "list of processes (default: that, or the server of the data folder, which is started "
                "for it)",
            )
        else:
            action.add_argument("--json", action="store_true", help="as JSON")
    arguments = parser.parse_args(argv)
    try:
        if arguments.action == "rebuild":
            with only_errors("tradepit.ledger"), _stream_of(arguments) as nats_url:
                last_seq = rebuild(arguments.data, arguments.shard, nats_url)
            print(f"rebuilt: shard {arguments.shard}, seq 1 to {last_seq:,}")
            return 0
        journal = Journal(arguments.data, arguments.shard)
        if arguments.action == "remake-stream":
            remake_stream(journal, arguments.nats_url or running.find(arguments.data).nats_url)
            print(f"deleted: the matcher of shard {arguments.shard} makes the stream anew")
            return 0
        if arguments.action == "export":
            _export(journal, arguments.from_seq, arguments.to_seq)
            return 0
        report = _read(journal)
    except JournalDamaged as error:
        if getattr(arguments, "json", False):
            print(json.dumps({"sound": False, "error": str(error)}))
        print(f"tradepit journal: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(report))
    elif arguments.action == "inspect":
        print(_table(report))
    else:
        print(_verdict(report))
    return 0


@contextmanager
def _stream_of(arguments: argparse.Namespace) -> Iterator[str]:
    """The server that was named, or that of a `tradepit up` that is stopped."""
    if arguments.nats_url:
        yield arguments.nats_url
        return
    if not (arguments.data / "servers.json").exists():
        raise ConfigurationError("name the server with the stream: --nats-url or TRADEPIT_NATS_URL")
    with DataFolder(arguments.data) as folder:
        servers = EmbeddedServers(folder.path, folder.logs)
        servers.start(("nats",))
        try:
            yield servers.nats_url
        finally:
            servers.stop()


def _read(journal: Journal) -> dict[str, Any]:
    """Everything from the first entry to the last, checked."""
    digest = journal.first_digest
    for entry in journal.entries(journal.first_seq):
        digest = entry.digest
    return {
        "sound": True,
        "shard_id": journal.shard_id,
        "directory": str(journal.directory),
        "first_seq": journal.first_seq,
        "last_seq": journal.segments[-1].last_seq,
        "digest": f"{digest:016x}",
        "torn_bytes": journal.segments[-1].torn_bytes,
        "segments": [
            {
                "file": segment.path.name,
                "first_seq": segment.header.first_seq,
                "last_seq": segment.last_seq,
                "entries": segment.entry_count,
                "bytes_used": segment.end_offset,
                "bytes": segment.header.size_bytes,
            }
            for segment in journal.segments
        ],
    }


def _table(report: dict[str, Any]) -> str:
    lines = [f"{'segment':<28} {'first seq':>14} {'last seq':>14} {'entries':>12} {'used':>8}"]
    lines += [
        f"{item['file']:<28} {item['first_seq']:>14,} {item['last_seq']:>14,} "
        f"{item['entries']:>12,} {item['bytes_used'] / item['bytes']:>8.1%}"
        for item in report["segments"]
    ]
    return "\n".join([*lines, _verdict(report)])


def _verdict(report: dict[str, Any]) -> str:
    torn = report["torn_bytes"]
    note = f"; {torn:,} bytes after it were never acknowledged" if torn else ""
    return (
        f"sound: shard {report['shard_id']}, seq {report['first_seq']:,} to {report['last_seq']:,} in "
        f"{len(report['segments'])} segment(s), digest {report['digest']}{note}"
    )


def _export(journal: Journal, from_seq: int, to_seq: int | None) -> None:
    count = 0
    for entry in journal.entries(from_seq, to_seq):
        line = {
            "seq": entry.seq,
            "digest": f"{entry.digest:016x}",
            "command": text.record_to_object(wire.decode(entry.command)[0]),
            "events": [text.record_to_object(event) for event in wire.decode_all(entry.events)],
        }
        print(json.dumps(line, ensure_ascii=False, separators=(", ", ": ")))
        count += 1
    if not count:
        raise ConfigurationError(
            f"there is no command from seq {from_seq} to {to_seq or 'the end'}"
        )
