"""From the start of a matcher to open for orders, with a deep book and a long tail of commands.

    python -m tests.bench.bench_recovery [--orders 1000000] [--commands 5000000] [--rounds 5]

A C++ program (build/cpp/recovery_bench, which `make cpp` builds) makes the journal and its snapshot;
its own steps stand beside the process's. Prints one JSON document of medians.
"""

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tradepit.cli.embedded import EmbeddedServers

from tests.matcher_process import MatcherProcess

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/cpp/recovery_bench"
RUN_TIMEOUT_S = 300.0
RECOVERED = re.compile(r" recovered snapshot_seq=(\d+) entries=(\d+) .* took_s=([\d.]+)")


def run(*arguments: str) -> dict[str, Any]:
    finished = subprocess.run(
        [str(PROGRAM), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=True,
    )
    document: dict[str, Any] = json.loads(finished.stdout)
    return document


def restart(matcher: MatcherProcess) -> dict[str, float]:
    begin_s = time.monotonic()
    matcher.start()
    open_s = time.monotonic() - begin_s
    matcher.kill()
    *_, last = RECOVERED.finditer(matcher.log)
    return {"restart_to_open_s": open_s, "recovery_s": float(last[3]), "replayed": int(last[2])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--commands", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=ROOT / "build") as folder,
        EmbeddedServers(Path(folder) / "servers") as servers,
    ):
        data_dir = Path(folder) / "data"
        data_dir.mkdir(mode=0o700)
        # No snapshotter: the journal is the same in every round.
        matcher = MatcherProcess(
            data_dir, servers.nats_url, 0, TRADEPIT_SEGMENT_MIB="64", TRADEPIT_SNAPSHOT_COMMANDS="0"
        )
        made = run("make", str(matcher.journal_dir), str(options.orders), str(options.commands))
        rounds = [
            restart(matcher) | run("time", str(matcher.journal_dir)) for _ in range(options.rounds)
        ]
    print(
        json.dumps(
            {"rounds": len(rounds), "resting_orders": made["resting_orders"]}
            | {
                name: round(statistics.median(result[name] for result in rounds), 3)
                for name in rounds[0]
            }
            | {"restart_to_open_best_s": round(min(r["restart_to_open_s"] for r in rounds), 3)},
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
