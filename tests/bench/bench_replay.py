"""A real NASDAQ day through the whole running system, until all of it is in the database.

    python -m tests.bench.bench_replay

Starts an exchange of its own without the demo market and replays AMZN's day of the LOBSTER sample
from ../shared/material. Prints one JSON document, or says that the sample is not there.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT.parent / "shared/material/lobster"
MESSAGES = SAMPLE / "AMZN_2012-06-21_L1_message.csv"
BOOK = SAMPLE / "AMZN_2012-06-21_L1_orderbook.csv"
ROUNDS = 3
START_TIMEOUT_S = 60.0
REPLAY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0


def options(**paths: Path) -> list[str]:
    return [
        part for name, path in paths.items() for part in (f"--{name.replace('_', '-')}", str(path))
    ]


def replay(folder: Path) -> dict[str, Any]:
    """One day on a fresh exchange."""
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "tradepit.cli.main"]
    exchange = subprocess.Popen(
        [
            *command,
            "up",
            "--no-demo",
            "--port",
            "0",
            *options(data=folder / "data", ready_file=ready),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready.exists():
            if exchange.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the exchange does not start")
            time.sleep(0.05)
        finished = subprocess.run(
            [
                *command,
                "replay",
                "lobster",
                str(MESSAGES),
                "--symbol",
                "AMZN",
                "--json",
                *options(book=BOOK, ready_file=ready),
            ],
            stdout=subprocess.PIPE,
            text=True,
            timeout=REPLAY_TIMEOUT_S,
            check=True,
        )
        document: dict[str, Any] = json.loads(finished.stdout)
        return document
    finally:
        exchange.terminate()
        exchange.wait(STOP_TIMEOUT_S)


def main() -> None:
    if not SAMPLE.exists():
        print("not measured: the LOBSTER sample is not in ../shared/material")
        return
    results = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
            results.append(replay(Path(folder)))
    results.sort(key=lambda result: result["in_database_after_s"])
    print(json.dumps(results[len(results) // 2], indent=2))


if __name__ == "__main__":
    main()
