"""The floor, the book alone and the whole engine, on one core.

    python -m tests.bench.bench_engine [--rounds 5]

Builds build/cpp/engine_bench and prints one JSON document of medians. The flows `near` and `deep`
are made by the program itself, and the fills must have the hash that every correct engine produces;
the floor (floor.hpp) has no rules and is what the book is compared with;
`normal` is the flow of ../shared/material/oracle, and is left out where that is absent. The engine
has 100 accounts with funds, fees, ids and events; "with reports" also makes both parties' reports,
"replay" reads the flow back from a journal as a matcher does that starts.
"""

import argparse
import gzip
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.cpp_build import build

ROOT = Path(__file__).resolve().parents[2]
NORMAL_FLOW = ROOT.parent / "shared" / "material" / "oracle" / "normal_first200000_messages.csv.gz"
FILL_HASHES = {"near": "4660a8bbe36c0528", "deep": "b4d3cdfffda2255a"}
RUN_TIMEOUT_S = 600.0


def measure(program: Path, *arguments: str) -> dict[str, Any]:
    """Figures by name. On Linux the program keeps to one core."""
    taskset = shutil.which("taskset")
    pin = [taskset, "-c", "1"] if taskset else []
    done = subprocess.run(
        [*pin, str(program), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=True,
    )
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    for figure in figures:
        expected = FILL_HASHES.get(arguments[0])
        if expected is not None and figure["fill_hash"] != expected:
            raise SystemExit(f"wrong fills on {arguments[0]}: {figure['fill_hash']}")
    return {
        figure["name"]: {
            "commands/s": round(figure["commands_per_s"]),
            "commands/s, best round": round(figure["commands_per_s_best"]),
            "ns a command": figure["ns_per_command"],
        }
        for figure in figures
    }


def measure_depth() -> dict[str, Any]:
    """A million resting orders: memory, single commands, two queues, a snapshot."""
    program = build("cpp", "depth_bench", "-DCMAKE_BUILD_TYPE=Release")
    done = subprocess.run(
        [program], stdout=subprocess.PIPE, text=True, timeout=RUN_TIMEOUT_S, check=True
    )
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    return {f"1,000,000 resting, {figure.pop('name')}": figure for figure in figures}


def measure_all(rounds: int) -> dict[str, Any]:
    program = build("cpp", "engine_bench", "-DCMAKE_BUILD_TYPE=Release")
    replay = build("cpp", "replay_bench", "-DCMAKE_BUILD_TYPE=Release")
    figures: dict[str, Any] = {}
    if NORMAL_FLOW.exists():
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(gzip.decompress(NORMAL_FLOW.read_bytes()))
            file.flush()
            for name, figure in measure(program, "csv", file.name, str(rounds * 5)).items():
                figures[name.replace("csv", "normal")] = figure
            for name, figure in measure(replay, file.name, str(rounds * 3)).items():
                figures[name.replace("csv", "normal")] = figure
    figures |= measure(program, "near", str(rounds))
    figures |= measure(program, "deep", str(rounds))
    return figures | measure_depth()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each flow (default 3)")
    print(json.dumps(measure_all(parser.parse_args().rounds), indent=2))


if __name__ == "__main__":
    main()
