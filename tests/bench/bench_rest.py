"""REST throughput: POST /v1/orders on the whole running stack against an empty Litestar POST.

    python tests/bench/bench_rest.py [--ready-file PATH] [--seconds 3] [--rounds 5]

Prints one JSON document, with every figure for 16 and for 64 connections. Both servers run at the same time and are loaded in turn, so that the
ratio compares like with like on a busy machine. Without --ready-file it starts an exchange of its
own. Three requests are measured:

    empty   Litestar, one handler that takes no body and returns nothing: the framework alone
    order   POST /v1/orders, a limit order that rests; durable when it is answered
    typed   the same through Litestar's typed route (POST /v1/orders/): what the fast path saves

The load is wrk if it is installed, else a keep-alive loader on asyncio sockets.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONNECTIONS = (16, 64)
START_TIMEOUT_S = 60.0
CANCEL_TIMEOUT_S = 10.0
ORDER = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "0.01", "quantity": "0.0001"}
EMPTY_SERVER = """
import socket, sys, uvicorn
from litestar import Litestar, post
@post("/")
async def empty() -> None: ...
app = Litestar([empty], openapi_config=None, logging_config=None)
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
config = uvicorn.Config(app, loop="uvloop", http="httptools", ws="none", access_log=False,
                        log_level="warning")
uvicorn.Server(config).run(sockets=[listener])
"""


@contextlib.contextmanager
def exchange(ready_file: Path | None) -> Iterator[dict[str, Any]]:
    """The ready document of an exchange: the given one, or one that runs for the bench."""
    if ready_file is not None:
        yield json.loads(ready_file.read_text())
        return
    with tempfile.TemporaryDirectory() as folder:
        ready_file = Path(folder) / "ready.json"
        command = [sys.executable, "-m", "tradepit.cli.main", "up", "--no-demo", "--port", "0"]
        command += ["--data", f"{folder}/data", "--ready-file", str(ready_file)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline_s = time.monotonic() + START_TIMEOUT_S
            while not ready_file.exists() or not ready_file.read_text():
                if process.poll() is not None or time.monotonic() > deadline_s:
                    raise SystemExit("bench_rest: tradepit up did not become ready")
                time.sleep(0.05)
            yield json.loads(ready_file.read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(START_TIMEOUT_S)


@contextlib.contextmanager
def empty_server() -> Iterator[str]:
    """The URL of an empty Litestar POST."""
    command = [sys.executable, "-c", EMPTY_SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()


def wait_for(port: int) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", method="POST")
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(request, timeout=1).close()  # noqa: S310 - our own URL
            return
        if time.monotonic() > deadline_s:
            raise SystemExit("bench_rest: the empty server did not start")
        time.sleep(0.05)


def load_with_wrk(
    wrk: str, url: str, body: str, key: str, seconds: int, connections: int
) -> dict[str, float]:
    """Requests/s, p50 and p99 in milliseconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f"wrk.method = 'POST'\nwrk.body = [[{body}]]\n"
            "wrk.headers['content-type'] = 'application/json'\n"
            f"wrk.headers['authorization'] = 'Bearer {key}'\n"
        )
        script.flush()
        command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script.name]
        text = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    if refused or "Socket errors" in text:
        raise SystemExit(f"bench_rest: {url} refused requests:\n{text}")
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    latency = {
        name: float(number) * scale[unit]
        for name, number, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", text)
    }
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate is not None
    return {"per_s": float(rate[1]), "p50_ms": latency["50"], "p99_ms": latency["99"]}


def load_with_sockets(
    url: str, body: str, key: str, seconds: int, connections: int
) -> dict[str, float]:
    """The same without wrk; it costs more CPU, so that figures are lower and ratios alike."""
    host, port, path = re.fullmatch(r"http://([^:/]+):(\d+)(/.*)", url).groups()  # type: ignore[union-attr]  # our own URL
    request = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    ).encode()
    latencies_s: list[float] = []

    async def one(deadline_s: float) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while (began_s := time.perf_counter()) < deadline_s:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 20"):
                raise SystemExit(f"bench_rest: {url} refused a request: {head!r}")
            length = re.search(rb"content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            latencies_s.append(time.perf_counter() - began_s)
        writer.close()

    async def all_of_them() -> None:
        deadline_s = time.perf_counter() + seconds
        async with asyncio.timeout(seconds + START_TIMEOUT_S):
            await asyncio.gather(*(one(deadline_s) for _ in range(connections)))

    asyncio.run(all_of_them())
    cuts = statistics.quantiles(latencies_s, n=100)
    return {
        "per_s": len(latencies_s) / seconds,
        "p50_ms": cuts[49] * 1000,
        "p99_ms": cuts[98] * 1000,
    }


def cancel_all(url: str, key: str) -> None:
    """Take the bench's resting orders away, so that rounds begin alike."""
    request = urllib.request.Request(  # noqa: S310 - the exchange's own URL
        f"{url}/v1/orders", method="DELETE", headers={"authorization": f"Bearer {key}"}
    )
    remaining = 1
    while remaining:
        with urllib.request.urlopen(request, timeout=CANCEL_TIMEOUT_S) as answer:  # noqa: S310
            remaining = json.load(answer)["remaining_count"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--ready-file", type=Path, help="of a running `tradepit up`")
    parser.add_argument("--seconds", type=int, default=3, help="of load, each time")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    wrk = shutil.which("wrk")

    def load(url: str, body: str, key: str, connections: int) -> dict[str, float]:
        if wrk:
            return load_with_wrk(wrk, url, body, key, options.seconds, connections)
        return load_with_sockets(url, body, key, options.seconds, connections)

    measured: dict[str, Any] = {}
    with exchange(options.ready_file) as ready, empty_server() as empty_url:
        url, key = ready["ingress_url"], ready["demo"]["key"]
        body = json.dumps(ORDER)
        for connections in CONNECTIONS:
            rounds: dict[str, list[dict[str, float]]] = {"empty": [], "order": [], "typed": []}
            for _ in range(options.rounds):
                rounds["empty"].append(load(empty_url, "", key, connections))
                rounds["order"].append(load(f"{url}/v1/orders", body, key, connections))
                cancel_all(url, key)
                rounds["typed"].append(load(f"{url}/v1/orders/", body, key, connections))
                cancel_all(url, key)
            measured[f"{connections}_connections"] = summary(rounds)
    result = {
        "bench": "rest",
        "loader": "wrk" if wrk else "asyncio sockets",
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        **measured,
    }
    print(json.dumps(result, indent=2))
    return 0


def summary(rounds: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """The median of each figure, and the rates as shares of the empty one's."""
    medians = {
        name: {figure: round(statistics.median(r[figure] for r in each), 2) for figure in each[0]}
        for name, each in rounds.items()
    }
    empty_per_s = medians["empty"]["per_s"]
    return {
        **medians,
        "order_to_empty": round(medians["order"]["per_s"] / empty_per_s, 3),
        "typed_to_empty": round(medians["typed"]["per_s"] / empty_per_s, 3),
    }


if __name__ == "__main__":
    raise SystemExit(main())
