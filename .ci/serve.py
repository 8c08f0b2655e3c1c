"""Starts an exchange as a user does, trades on it, and stops it in order.

    python .ci/serve.py                                # with the tradepit beside this Python
    python .ci/serve.py make up ARGS="--data {work}/data --port 0 --ready-file {work}/ready.json"

`{work}` stands for a new folder, removed at the end.
"""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import smoke

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.1
TAIL_LINES = 30
INSTALLED = [
    *(str(Path(sys.executable).with_name("tradepit")), "up", "--no-demo"),
    *("--data", "{work}/data", "--port", "0", "--ready-file", "{work}/ready.json"),
]


def wait_until_ready(exchange: subprocess.Popen[bytes], ready_file: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready_file.exists():
        if exchange.poll() is not None:
            raise RuntimeError(f"the exchange ended with exit code {exchange.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the exchange was not ready within {START_TIMEOUT_S:g} s")
        time.sleep(POLL_INTERVAL_S)


def main(command: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="tradepit-") as name:
        work = Path(name)
        output = work / "output"
        with output.open("wb") as log:
            exchange = subprocess.Popen(
                [word.replace("{work}", name) for word in command or INSTALLED],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until_ready(exchange, work / "ready.json")
            smoke.main(work / "ready.json")
            exchange.send_signal(signal.SIGTERM)
            exchange.wait(STOP_TIMEOUT_S)
            if "stopped" not in output.read_text().splitlines():
                raise RuntimeError("the exchange did not stop in good order")
        except BaseException:  # Ctrl-C too must leave nothing running; raised again
            if exchange.poll() is None:
                exchange.send_signal(signal.SIGTERM)
                exchange.wait(STOP_TIMEOUT_S)
            print(output.read_text())
            for part in sorted(work.glob("data/logs/*.log")):
                lines = part.read_text(errors="replace").splitlines()[-TAIL_LINES:]
                print(f"== {part.name}", *lines, sep="\n")
            raise
    print("stopped in good order")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without stopping what it started
    main(sys.argv[1:])
