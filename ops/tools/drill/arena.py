"""The exchange that a drill breaks: one of its own in a folder of its own, with traders on it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tradepit.cli import ports
from tradepit.cli.child import is_gone
from tradepit.cli.files import read_json
from tradepit.cli.running import RunningExchange
from tradepit.client import Client
from tradepit.protocol import wire
from tradepit.protocol.errors import TradepitError
from tradepit.tools.drill.history import History
from tradepit.tools.drill.load import Load

SHARD_ID = 0
TRADER_ACCOUNT_IDS = (101, 102, 111)
REST_ACCOUNT_ID = 1
PARTS = ("matcher", "ledger", "ingress", "nats", "postgres", "redis")
RECOVERY_TIMEOUT_S = 90.0
KILL_TIMEOUT_S = 10.0
POLL_S = 0.02
SETTLED_ANSWERS = 20


class NotRecovered(TradepitError):
    """The exchange did not come back in time; the text says what was missing."""


class Arena:
    """Use `start`, `close`; or as a context manager."""

    def __init__(self, folder: Path, seed: int, environment: dict[str, str] | None = None) -> None:
        self.history = History()
        self.data_dir = folder / "data"
        port = ports.choose({}, ["http"])["http"]
        self.exchange = RunningExchange(
            self.data_dir, "--no-demo", "--port", str(port), environment=environment
        )
        self._seed = seed
        self.load: Load | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """The exchange, and the traders once it serves."""
        self.exchange.start()
        keys = {
            int(key["account_id"]): str(key["key"])
            for key in read_json(self.data_dir / "keys.json")["keys"]
        }
        self.load = Load(
            self.history,
            order_endpoint=lambda: self.exchange.order_endpoint,
            ingress_url=lambda: self.exchange.ingress_url,
            keys={account: keys[account] for account in (*TRADER_ACCOUNT_IDS, REST_ACCOUNT_ID)},
            rest_account_id=REST_ACCOUNT_ID,
            seed=self._seed,
        )
        self.load.start()
        self.wait_for_answers(SETTLED_ANSWERS)

    def close(self) -> None:
        """Stop everything that still runs; safe to call twice."""
        if self.exchange.child.process is not None:
            self.exchange.stop()

    @property
    def journal_dir(self) -> Path:
        return self.data_dir / "journal" / f"shard-{SHARD_ID}"

    def key_of(self, account_id: int) -> str:
        for key in read_json(self.data_dir / "keys.json")["keys"]:
            if int(key["account_id"]) == account_id:
                return str(key["key"])
        raise NotRecovered(f"no key for account {account_id}")

    def status(self) -> wire.ShardStatus:
        with Client(
            self.exchange.order_endpoint, 0, self.exchange.operator_key, timeout_s=KILL_TIMEOUT_S
        ) as operator:
            return operator.status()

    # Breaking things.

    def signal(self, part: str, signum: signal.Signals) -> None:
        try:
            os.kill(self.exchange.pids[part], signum)
        except ProcessLookupError:
            raise NotRecovered(
                f"{part} has ended by itself; the exchange said:\n{self.exchange.child.log_tail(30)}"
            ) from None

    def kill(self, *parts: str) -> None:
        """SIGKILL, at the same moment; returns once other processes serve in their place."""
        before = {part: self.count(f"{part} serves again") for part in parts}
        for part in parts:
            self.signal(part, signal.SIGKILL)
        for part in parts:
            self.wait(
                lambda part=part: self.count(f"{part} serves again") > before[part],  # type: ignore[misc]  # a default binds the part of this turn
                f"{part} to serve again",
            )

    def kill_everything(self) -> None:
        """All at once, the supervisor included, as when the power goes."""
        pids = self.exchange.pids
        for pid in (pids["supervisor"], *pids.values()):
            if not is_gone(pid):
                os.kill(pid, signal.SIGKILL)
        self.exchange.child.kill()
        # PostgreSQL's own processes end by themselves once the postmaster has, and a postmaster that
        # nobody has reaped yet looks alive to the next.
        deadline_s = time.monotonic() + KILL_TIMEOUT_S
        while any(Path(f"/proc/{pid}").exists() for pid in pids.values()) or self._works_below():
            if time.monotonic() > deadline_s:
                raise NotRecovered("a process outlives SIGKILL")
            time.sleep(POLL_S)

    def _works_below(self) -> bool:
        """Whether a process still has its working directory in the data folder."""
        for link in Path("/proc").glob("[0-9]*/cwd"):
            try:
                if link.readlink().is_relative_to(self.data_dir):
                    return True
            except OSError:  # it has ended, or is not ours
                continue
        return False

    def stop(self) -> None:
        """In order, as by Ctrl-C."""
        self.exchange.stop()

    def start_again(self) -> None:
        """On the same folder. Raises ChildFailed if it refuses."""
        self.exchange.start()

    # Waiting until they work again.

    def count(self, text: str) -> int:
        return self.exchange.output().count(text)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + RECOVERY_TIMEOUT_S
        while not condition():
            if time.monotonic() > deadline_s:
                raise NotRecovered(
                    f"waited {RECOVERY_TIMEOUT_S:.0f} s for {what}; the exchange said:\n"
                    f"{self.exchange.child.log_tail(30)}"
                )
            if not self.exchange.child.alive:
                raise NotRecovered(
                    f"the exchange ended while waiting for {what}:\n"
                    f"{self.exchange.child.log_tail(30)}"
                )
            time.sleep(POLL_S)

    def wait_for_answers(self, count: int) -> None:
        """Traders get that many more answers."""
        start_s = time.monotonic()
        self.wait(lambda: self.history.answers_since(start_s) >= count, "answers to orders")
