"""A whole exchange as a child process, for programs: tests, benchmarks, the smoke test of CI.

    with RunningExchange(Path("somewhere"), "--no-demo") as exchange:
        call(exchange.ingress_url, exchange.demo_key)

It runs `tradepit up` exactly as a user does and waits for its ready file.
"""

import json
import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tradepit.cli.child import Child
from tradepit.cli.files import read_json

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.02


class RunningExchange:
    """`tradepit up --data DATA_DIR --port 0 ARGUMENTS`; its output goes to `<data>.log`."""

    def __init__(
        self, data_dir: Path, *arguments: str, environment: dict[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.ready_file = self.data_dir.with_name(self.data_dir.name + ".ready.json")
        self.child = Child(
            name="tradepit up",
            command=[
                *(sys.executable, "-P", "-m", "tradepit.cli.main", "up", "--port", "0"),
                *("--data", self.data_dir, "--ready-file", self.ready_file),
                *arguments,
            ],
            log_path=self.data_dir.with_name(self.data_dir.name + ".log"),
            environment=environment or {},
            # A killed test run must not take the exchange's orderly stop away from it.
            death_signal=signal.SIGTERM,
        )
        self.document: dict[str, Any] = {}

    def start(self) -> None:
        """Return when it takes orders. Raises ChildFailed with its last lines if it does not."""
        self.ready_file.unlink(missing_ok=True)  # a killed run leaves one
        self.child.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.ready_file.exists():
            if not self.child.alive:
                raise self.child.failure("did not start")
            if time.monotonic() > deadline:
                self.child.stop(STOP_TIMEOUT_S)
                raise self.child.failure("was not ready in time")
            time.sleep(POLL_INTERVAL_S)
        self.document = read_json(self.ready_file)

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and return its exit code; safe to call twice."""
        self.child.stop_signal = signum
        if self.child.alive and not self.child.stop(STOP_TIMEOUT_S):
            raise self.child.failure(f"did not stop in {STOP_TIMEOUT_S:.0f} s")
        assert self.child.process is not None
        return self.child.process.returncode

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Of its parts as they run now: a part that was restarted has a new one."""
        try:
            document = json.loads(self.ready_file.read_text(encoding="utf-8"))
        except FileNotFoundError:  # stopped
            document = self.document
        pids: dict[str, int] = document["pids"]
        return pids

    @property
    def ingress_url(self) -> str:
        return str(self.document["ingress_url"])

    @property
    def order_endpoint(self) -> str:
        return str(self.document["order_endpoint"])

    @property
    def feed_endpoint(self) -> str:
        return str(self.document["feed_endpoint"])

    @property
    def demo_key(self) -> str:
        return str(self.document["demo"]["key"])

    @property
    def operator_key(self) -> str:
        return str(self.document["operator"]["key"])

    def output(self) -> str:
        """What it has printed since the last start."""
        with self.child.log_path.open("rb") as log:
            log.seek(self.child.log_offset)
            return log.read().decode(errors="replace")
