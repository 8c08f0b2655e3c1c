"""The long hunt: coverage-guided fuzzing, two engines by the million, engine against reference.

    python -m tests.fuzz.run [--minutes 10] [--seed 1]     everything, as `make fuzz` does
    python -m tests.fuzz.run --only soak --seed 7          one part, from a seed that failed
    python -m tests.fuzz.run --only reference --seed 7

A failure prints the command that repeats it and ends the run with exit code 1.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any

from tradepit.engine import Engine

from tests.command_source import LIMITS, CommandSource, opening
from tests.cpp_build import ROOT, build_sanitized
from tests.fuzz.builds import (
    BUILDS,
    CLANG,
    NO_CLANG,
    NO_LIBFUZZER,
    has_libfuzzer,
    libfuzzer_program,
    soak_program,
)
from tests.fuzz.recorded import FUNDS, write_corpus, write_streams
from tests.property.test_engine_equals_reference import agree, new_engine
from tests.reference import ReferenceEngine

WORK = ROOT / "build" / "fuzz-work"
TARGETS = ("commands", "snapshot", "records", "journal")
SOAK_COMMANDS = 2_000_000  # of one seed
COMPARED_COMMANDS = 200_000  # of the first seed, in every build
REFERENCE_COMMANDS = 400  # of one seed
INPUT_BYTES_MAX = 16_384
PROCESSES = os.cpu_count() or 1


class Failure(Exception):
    """What went wrong, with the command that repeats it."""


def say(text: str) -> None:
    print(text, flush=True)


def repeat(part: str, seed: int) -> str:
    return f"repeat it with: .venv/bin/python -m tests.fuzz.run --only {part} --seed {seed}"


# ---- libFuzzer ------------------------------------------------------------------------------


def fuzz(seconds: float, _seed: int) -> int:
    """Every target in turn, all processors on it; the corpus that grows stays in build/."""
    if not has_libfuzzer():
        say(f"coverage-guided fuzzing: SKIPPED, {NO_LIBFUZZER}")
        return 0
    write_corpus(WORK / "seeds", stream_count=40, command_count=100)
    programs = {target: libfuzzer_program(target) for target in TARGETS}
    total = 0
    for target, program in programs.items():
        total += fuzz_target(target, program, max(5, int(seconds / len(TARGETS))))
    return total


def fuzz_target(target: str, program: Path, seconds: int) -> int:
    corpus = WORK / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    command = [str(program), f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}"]
    command += ["-timeout=60", f"-artifact_prefix={WORK}/{target}-"]
    command += [str(corpus), str(WORK / "seeds" / target)]
    command.append(str(ROOT / "tests" / "fuzz" / "corpus" / target))
    fuzzers = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    output = [fuzzer.communicate()[1] for fuzzer in fuzzers]
    applied = sum(int(n) for text in output for n in re.findall(r"commands applied: (\d+)", text))
    for fuzzer, text in zip(fuzzers, output, strict=True):
        if fuzzer.returncode != 0:
            written = re.search(r"Test unit written to (\S+)", text)
            replay = build_sanitized("fuzz_replay").relative_to(ROOT)
            path = written[1] if written else "?"
            raise Failure(f"{text[-6_000:]}\nrepeat it with: {replay} {target} {path}")
    runs = sum(int(n) for text in output for n in re.findall(r"Done (\d+) runs", text))
    say(f"  {target}: {runs:,} inputs, {applied:,} commands")
    return applied


# ---- two engines ----------------------------------------------------------------------------


def soak(seconds: float, first_seed: int) -> int:
    """Two engines through streams that are drawn anew for each seed; first in every build."""
    deadline = time.monotonic() + seconds
    compare_builds(first_seed)
    program = soak_program("gcc -O3")
    total = 0
    with ProcessPoolExecutor(PROCESSES) as pool:
        for seed, text in each_until(deadline, pool, soak_seed, program, first_seed):
            if seed == first_seed:
                say("  of the first seed:\n    " + text.strip().replace("\n", "\n    "))
            total += SOAK_COMMANDS
    return total


def soak_seed(program: Path, seed: int, command_count: int = SOAK_COMMANDS) -> str:
    folder = WORK / f"streams-{seed}-{os.getpid()}"
    streams = write_streams(folder, range(seed * 1_000, seed * 1_000 + 32), 300)
    command = [program, seed, command_count, *streams]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Failure(f"{done.stderr}\n{repeat('soak', seed)}")
    for stream in streams:
        stream.unlink()
    folder.rmdir()
    return done.stdout


def compare_builds(seed: int) -> None:
    expected = soak_seed(soak_program("gcc -O3"), seed, COMPARED_COMMANDS)
    for name in BUILDS:
        if name.startswith("clang") and CLANG is None:
            say(f"  {name}: SKIPPED, {NO_CLANG}")
            continue
        if soak_seed(soak_program(name), seed, COMPARED_COMMANDS) != expected:
            raise Failure(f"{name} comes to other digests\n{repeat('soak', seed)}")
        say(f"  {name}: same digests of {COMPARED_COMMANDS:,} commands")
    if soak_seed(build_sanitized("fuzz_soak"), seed, COMPARED_COMMANDS) != expected:
        raise Failure(f"a sanitized build comes to other digests\n{repeat('soak', seed)}")
    say("  gcc with sanitizers: same digests")


# ---- engine against reference ----------------------------------------------------------------


def reference(seconds: float, first_seed: int) -> int:
    """The property test from counted seeds, in every process."""
    deadline = time.monotonic() + seconds
    total = 0
    with ProcessPoolExecutor(PROCESSES) as pool:
        for _ in each_until(deadline, pool, reference_seed, Path(), first_seed):
            total += REFERENCE_COMMANDS
    return total


def reference_seed(_program: Path, seed: int) -> str:
    random = Random(seed)
    engine, expected = new_engine(), ReferenceEngine(LIMITS)
    command: Any = None
    try:
        for command in opening(random.choices(FUNDS, k=3), random.choices(FUNDS, k=3)):
            agree(engine, expected, command)
        source = CommandSource(random, expected)
        for _ in range(REFERENCE_COMMANDS):
            command = source.next()
            if random.random() < 0.03:
                snapshot = engine.snapshot()
                engine = Engine.restore(snapshot)
                assert engine.snapshot() == snapshot
            agree(engine, expected, command)
    except Exception as failure:  # noqa: BLE001 - whatever it is, the seed goes with it
        text = f"seq {expected.seq}: {command}\n{type(failure).__name__}: {str(failure)[:4_000]}"
        raise Failure(f"{text}\n{repeat('reference', seed)}") from None
    return ""


def each_until(
    deadline: float, pool: ProcessPoolExecutor, work: Any, program: Path, first_seed: int
) -> Iterator[tuple[int, str]]:
    """The results of `work` for seed after seed, at least one, until the deadline."""
    seeds = count(first_seed)
    running: dict[Future[str], int] = {}
    while True:
        if not running or time.monotonic() < deadline:
            for seed in islice(seeds, PROCESSES * 2 - len(running)):
                running[pool.submit(work, program, seed)] = seed
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            try:
                result = future.result()
            except BrokenProcessPool:
                seeds_text = ", ".join(map(str, sorted(running.values())))
                text = f"the engine ended its process, with one of the seeds {seeds_text}"
                raise Failure(f"{text}\n{repeat('reference', min(running.values()))}") from None
            yield running.pop(future), result
        if not running and time.monotonic() >= deadline:
            return


PARTS = {"fuzz": (fuzz, 0.45), "soak": (soak, 0.2), "reference": (reference, 0.35)}


def main() -> int:
    parser = argparse.ArgumentParser(description="fuzz the engine for a bounded time")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1, help="the first one of soak and reference")
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    total = 0
    for name, (part, share) in PARTS.items():
        if options.only in (None, name):
            seconds = options.minutes * 60 * (1.0 if options.only else share)
            say(f"{name}: {seconds:.0f} s and what building takes")
            try:
                applied = part(seconds, options.seed)
            except Failure as failure:
                say(f"FAILED\n{failure}")
                return 1
            say(f"{name}: {applied:,} commands, nothing broke")
            total += applied
    say(f"{total:,} commands in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
