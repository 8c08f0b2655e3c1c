"""Runs every benchmark and writes what it measured into docs/performance.md.

    python tests/bench/run.py [--only engine,matcher,...] [--print]

Each benchmark measures its baselines in the same run, so that its ratios hold on a noisy machine.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/performance.md"
MARK_BEGIN = "<!-- measured: begin -->"
MARK_END = "<!-- measured: end -->"
BENCH_TIMEOUT_S = 900.0


class Bench(NamedTuple):
    name: str
    title: str
    module: str


BENCHES = (
    Bench("engine", "The engine alone", "bench_engine"),
    Bench("matcher", "Orders over ZeroMQ, C++ client", "bench_matcher"),
    Bench("recovery", "From start to open", "bench_recovery"),
    Bench("sdk", "Orders over ZeroMQ, Python SDK", "bench_zmq"),
    Bench("rest", "Orders over REST", "bench_rest"),
    Bench("ledger", "The ledger", "bench_ledger"),
    Bench("replay", "A NASDAQ day through the whole system", "bench_replay"),
)


def run(bench: Bench) -> str:
    """What the benchmark printed."""
    finished = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{bench.module}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=BENCH_TIMEOUT_S,
        check=True,
    )
    return finished.stdout.strip()


def rows_of(document: Any, prefix: str = "") -> list[tuple[str, str]]:
    """A JSON document as (path, value) pairs."""
    if isinstance(document, dict):
        return [
            row
            for key, value in document.items()
            for row in rows_of(value, f"{prefix} {key}".strip())
        ]
    if isinstance(document, list):
        return [row for item in document for row in rows_of(item, prefix)]
    if isinstance(document, float):
        return [(prefix, f"{document:,.3f}" if abs(document) < 100 else f"{document:,.0f}")]
    if isinstance(document, int) and not isinstance(document, bool):
        return [(prefix, f"{document:,}")]
    return [(prefix, str(document))]


def section(bench: Bench, output: str) -> str:
    lines = [f"## {bench.title}", "", f"`python -m tests.bench.{bench.module}`", ""]
    try:
        document = json.loads(output)
    except ValueError:
        return "\n".join([*lines, "```", output, "```", ""])
    lines += ["| figure | value |", "| --- | ---: |"]
    lines += [f"| {path} | {value} |" for path, value in rows_of(document)]
    return "\n".join([*lines, ""])


def machine() -> str:
    cpu = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    commit = subprocess.check_output(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - whichever git there is
        cwd=ROOT,
        text=True,
    ).strip()
    cores = len(
        [
            line
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("processor")
        ]
    )
    return (
        f"Measured {time.strftime('%Y-%m-%d', time.gmtime())} with `make bench` at commit {commit}: "
        f"{cores} cores of {cpu}, Linux {platform.release()}, Python {platform.python_version()}. "
        "Servers and load share the cores."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    names = ",".join(bench.name for bench in BENCHES)
    parser.add_argument("--only", default=names, help=f"some of {names}")
    parser.add_argument("--print", action="store_true", help="do not write the page")
    options = parser.parse_args()
    wanted = options.only.split(",")
    sections = []
    for bench in BENCHES:
        if bench.name not in wanted:
            continue
        print(f"== {bench.title}", file=sys.stderr, flush=True)
        sections.append(section(bench, run(bench)))
        print(sections[-1], flush=True)
    if not options.print:
        text = PAGE.read_text()
        before, _, rest = text.partition(MARK_BEGIN)
        _, _, after = rest.partition(MARK_END)
        body = "\n".join([MARK_BEGIN, "", machine(), "", *sections, MARK_END])
        PAGE.write_text(before + body + after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
