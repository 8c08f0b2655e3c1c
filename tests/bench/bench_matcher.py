"""Orders over ZeroMQ until the durable reply, beside raw libzmq echo and fdatasync, in one run.

    python tests/bench/bench_matcher.py [--rounds 3]

Runs a matcher with a real NATS on a folder beside the repository, and a C++ client
(build/cpp/transport_bench, which `make cpp` builds). Prints one JSON document of medians.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import zmq.backend.cython._zmq as zmq_extension
from tradepit.cli.embedded import EmbeddedServers

from tests.matcher_process import INSTRUMENT, MAKER, running_matcher

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/cpp/transport_bench"
RUN_TIMEOUT_S = 120.0
SEGMENT_MIB = "64"


def libzmq_path() -> str:
    """The libzmq of pyzmq's wheel: the one that the matcher runs on."""
    folder = Path(zmq_extension.__file__).parents[3] / "pyzmq.libs"
    return str(next(folder.glob("libzmq*")))


def run(*arguments: str) -> dict[str, Any]:
    finished = subprocess.run(
        [str(PROGRAM), *arguments],
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=True,
    )
    document: dict[str, Any] = json.loads(finished.stdout)
    return document


def measure(rounds: int) -> dict[str, Any]:
    """Medians over rounds of echo, sync and orders, taken in turn."""
    results: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory(dir=ROOT / "build") as folder,
        EmbeddedServers(Path(folder) / "servers") as servers,
    ):
        data_dir = Path(folder) / "data"
        data_dir.mkdir()
        with running_matcher(
            data_dir, servers.nats_url, 0, TRADEPIT_SEGMENT_MIB=SEGMENT_MIB
        ) as matcher:
            key = matcher.trader_keys[MAKER]
            target = (matcher.order_endpoint, str(MAKER), key, str(INSTRUMENT))
            for _ in range(rounds):
                results.append(
                    run("echo", libzmq_path())
                    | run("sync", str(data_dir))
                    | run("orders", libzmq_path(), *target)
                )
    return summary(results)


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    def median(*path: str) -> float:
        values = []
        for result in results:
            value: Any = result
            for name in path:
                value = value[name]
            values.append(float(value))
        return statistics.median(values)

    echo, sync, order = (median(name, "p50_us") for name in ("echo", "fdatasync", "order"))
    return {
        "rounds": len(results),
        "echo_p50_us": echo,
        "fdatasync_p50_us": sync,
        "order_p50_us": order,
        "order_p99_us": median("order", "p99_us"),
        "order_p50_over_echo_plus_2_syncs": round(order / (echo + 2 * sync), 3),
        "order_p50_over_echo_plus_1.5_syncs": round(order / (echo + 1.5 * sync), 3),
        "echo_1024_per_s": median("echo_1024_per_s"),
        "orders_1024_single_per_s": median("orders_1024_single_per_s"),
        "orders_1024_by_64_per_s": median("orders_1024_by_64_per_s"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    print(json.dumps(measure(parser.parse_args().rounds), indent=2))


if __name__ == "__main__":
    main()
