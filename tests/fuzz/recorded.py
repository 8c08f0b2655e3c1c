"""Command streams of the property test's CommandSource, as files for the C++ programs.

    python -m tests.fuzz.recorded FOLDER [--streams N]     the seed corpus, one folder per target

A rule that CommandSource knows is in the corpus, in the soak and in the digests of every build.
"""

import argparse
import shutil
import struct
from pathlib import Path
from random import Random
from typing import Any

from tradepit.engine import Engine
from tradepit.protocol import wire

from tests.command_source import LIMITS, CommandSource, opening
from tests.property.test_engine_equals_reference import new_engine
from tests.reference import ReferenceEngine

FUNDS = (5_000, 60_000, 10**6, 10**7)
DIGEST_START = Engine(shard_id=0).digest
QUERIES = (
    wire.InstrumentsQuery(),
    wire.BookQuery(instrument_id=1, levels_max=5),
    wire.OpenOrdersQuery(account_id=1, count_max=5),
    wire.OrderQuery(account_id=1, client_order_id=3),
    wire.BalancesQuery(account_id=1),
)


def stream(seed: int, command_count: int) -> list[Any]:
    """The opening and as many commands of the source, the same for the same seed."""
    random = Random(seed)
    reference = ReferenceEngine(LIMITS)
    commands = opening(random.choices(FUNDS, k=3), random.choices(FUNDS, k=3))
    for command in commands:
        reference.apply(command)
    source = CommandSource(random, reference)
    for _ in range(command_count):
        commands.append(source.next())
        reference.apply(commands[-1])
    return commands


def encoded(commands: list[Any]) -> bytes:
    return b"".join(command.encode() for command in commands)


def with_queries(commands: list[Any]) -> list[Any]:
    out = list(commands)
    for index, query in enumerate(QUERIES):
        out.insert(len(out) - 7 * index, query)
    return out


def snapshot_and_commands(commands: list[Any]) -> bytes:
    engine = new_engine()
    engine.apply(encoded(commands[:-20]))
    return engine.snapshot() + encoded(commands[-20:])


def journal(commands: list[Any]) -> bytes:
    """A segment whose checksums are zero: the fuzz target sets them right."""
    engine = new_engine()
    header = struct.Struct("<8sIIQQQ16sII").pack(
        b"TPJRNL", 1, LIMITS.shard_id, 1, DIGEST_START, 0, bytes(16), 0, 0
    )
    out = [header]
    for command in commands:
        body = command.encode()
        events = engine.apply(body)
        count = len(wire.decode_all(events))
        length = 40 + len(body) + len(events)
        entry = struct.pack(
            "<IIQQQII",
            length,
            0,
            engine.seq,
            (engine.seq - 1) // 3 * 3 + 1,
            engine.digest,
            count,
            0,
        )
        out += [entry, body, events]
    return b"".join(out) + bytes(64)


def write_corpus(folder: Path, stream_count: int, command_count: int) -> None:
    """Replaces the seeds; what the fuzzer found and somebody kept has other names and stays."""
    for target in ("records", "commands", "snapshot", "journal"):
        (folder / target).mkdir(parents=True, exist_ok=True)
        for old in (folder / target).glob("seed-*.bin"):
            old.unlink()
    for seed in range(1, stream_count + 1):
        commands = stream(seed, command_count)
        cases = {
            "records": encoded(with_queries(commands)),
            "commands": encoded(commands),
            "snapshot": snapshot_and_commands(commands),
            "journal": journal(commands[:30]),
        }
        for target, data in cases.items():
            (folder / target / f"seed-{seed}.bin").write_bytes(data)


def write_streams(folder: Path, seeds: range, command_count: int) -> list[Path]:
    """One file of commands for each seed, in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    paths = [folder / f"stream-{seed}.bin" for seed in seeds]
    for seed, path in zip(seeds, paths, strict=True):
        path.write_bytes(encoded(stream(seed, command_count)))
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="write the seed corpus")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--commands", type=int, default=40)
    options = parser.parse_args()
    write_corpus(options.folder, options.streams, options.commands)
