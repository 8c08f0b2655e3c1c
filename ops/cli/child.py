"""One child process: started detached from the terminal, logging to a file, ended for sure."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tradepit.protocol.errors import TradepitError

KILL_TIMEOUT_S = 10.0  # a process that outlives SIGKILL by this hangs in the kernel
POLL_INTERVAL_S = 0.02
TAIL_BYTES = 8192
LOG_SIZE_MAX = 16 * 2**20  # a log larger than this is set aside at the next start


class ChildFailed(TradepitError):
    """A child ended when it should not have, or never became ready; the text shows its last lines."""


@dataclass(kw_only=True)
class Child:
    """A program that we start, watch and end.

    It runs in a session of its own, so that Ctrl-C reaches only the supervisor, which then ends its
    children in order. If the starting thread's process dies, the kernel sends `death_signal`.
    Start children from the main thread: the kernel means the thread, not the process.
    """

    name: str
    command: Sequence[str | Path]
    log_path: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to our own environment; an empty value removes the variable."""
    working_dir: Path | None = None
    user: str = "-"
    """See launch.py."""
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    process: subprocess.Popen[bytes] | None = None
    log_offset: int = 0
    """Where this run's part of the log begins."""

    def start(self) -> None:
        assert not self.alive, f"{self.name} runs already"
        environment = {**os.environ, **self.environment}
        environment = {name: value for name, value in environment.items() if value}
        launcher = Path(__file__).with_name("launch.py")
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_SIZE_MAX:
            self.log_path.replace(self.log_path.with_suffix(".log.old"))
        with self.log_path.open("ab") as log:
            self.log_offset = log.tell()
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", launcher),
                    *(str(os.getpid()), str(int(self.death_signal)), self.user),
                    *self.command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.working_dir,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} was never started"
        return self.process.pid

    @property
    def exit_text(self) -> str:
        """How it ended, for people: `exit code 1`, `signal SIGKILL`."""
        code = self.process.poll() if self.process is not None else None
        if code is None:
            return "still running"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def send(self, signum: signal.Signals) -> None:
        """Send a signal; a child that is gone already is no error."""
        if self.process is not None:
            self.process.send_signal(signum)

    def stop(self, timeout_s: float) -> bool:
        """Ask it to end, then insist. True if it ended by itself within `timeout_s`."""
        if self.process is None:
            return True
        self.send(self.stop_signal)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(KILL_TIMEOUT_S)

    def log_tail(self, lines: int = 12) -> str:
        """The last lines that this run wrote."""
        try:
            with self.log_path.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self.log_offset, size - TAIL_BYTES))
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def failure(self, what: str) -> ChildFailed:
        tail = self.log_tail()
        shown = f"; its last lines:\n{tail}" if tail else "; it logged nothing"
        return ChildFailed(f"{self.name} {what} ({self.exit_text}){shown}\nlog: {self.log_path}")


def is_gone(pid: int) -> bool:
    """True if no process has this pid, or only its exit code is left."""
    try:
        # The state follows the name, which stands in parentheses and may contain some itself.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def wait_until_gone(pid: int, timeout_s: float) -> bool:
    """True once the process is gone; for processes that are not our children."""
    deadline = time.monotonic() + timeout_s
    while not is_gone(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_S)
    return True
