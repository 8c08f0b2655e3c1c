"""Keeps children running: starts them, notices when one ends, starts it again within a bound.

Single-threaded on purpose: the kernel ends our children when the *thread* that started them ends
(see Child), and one loop that sleeps until a signal, a child's end or a timer is easy to reason
about. SIGCHLD, SIGINT, SIGTERM and SIGHUP wake it.
"""

import random
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

from tradepit.cli.child import Child
from tradepit.protocol.errors import TradepitError

RESTARTS_MAX = 5
RESTARTS_WINDOW_S = 60.0
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
POLL_STARTING_S = 0.02  # while something is not ready yet
POLL_RUNNING_S = 0.5  # for new log lines; signals and ends of children wake us at once
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Somebody asked us to stop while we were still starting; never an error.

    A BaseException, as KeyboardInterrupt is, so that no `except Exception` swallows it.
    """


class TooManyRestarts(TradepitError):
    """A child keeps ending; the text names it and shows its last lines."""


@dataclass(kw_only=True)
class Part:
    """A child and how to tell that it serves."""

    child: Child
    is_ready: Callable[[], bool]
    """True once it serves. Must return soon and raise OSError at most."""
    stop_timeout_s: float
    ready: bool = False
    served: bool = False
    """It has been ready at least once."""
    ends: deque[float] = field(default_factory=deque)
    """Monotonic times of its unexpected ends within the window."""
    restart_at: float | None = None

    @property
    def name(self) -> str:
        return self.child.name


class Supervisor:
    """Owns the parts from `start` to `stop`. Use it as a context manager, in the main thread.

    `report` is called with one line of text per incident; `changed` whenever a child's pid changed;
    `idle` on every turn of the loop.
    """

    def __init__(
        self,
        report: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        self.parts: dict[str, Part] = {}
        self.stop_requested = False
        self.starting = True
        self._report = report
        self._changed = changed
        self._idle = idle
        self._wakeup_read, self._wakeup_write = socket.socketpair()
        for end in (self._wakeup_read, self._wakeup_write):
            end.setblocking(False)
        self._old_wakeup = signal.set_wakeup_fd(
            self._wakeup_write.fileno(), warn_on_full_buffer=False
        )
        self._old_handlers = {
            signum: signal.signal(signum, self._on_signal)
            for signum in (*STOP_SIGNALS, signal.SIGCHLD)
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # nohup
            or signum is not signal.SIGHUP
        }

    def close(self) -> None:
        """Give the signals back; the children must be gone."""
        for signum, handler in self._old_handlers.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        self._wakeup_read.close()
        self._wakeup_write.close()

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        if signum == signal.SIGCHLD:
            return  # the wake-up is all it is for
        if self.stop_requested:
            self._report("asked again: ending everything at once")
            for part in self.parts.values():
                part.child.send(signal.SIGKILL)
            return
        self.stop_requested = True
        if self.starting:
            raise StopRequested

    def start(self, part: Part) -> None:
        """Start a part and watch it from now on; `part` may run already."""
        self.parts[part.name] = part
        if not part.child.alive:
            part.child.start()
        self._changed()

    def wait_until_ready(self, names: list[str], timeout_s: float) -> None:
        """Return when all of them serve.

        Raises ChildFailed if one of them ends before it ever served, or does not serve in time.
        """
        deadline = time.monotonic() + timeout_s
        waiting = [self.parts[name] for name in names]
        while True:
            self.turn()
            late = [part for part in waiting if not part.ready]
            if not late:
                return
            if time.monotonic() > deadline:
                raise late[0].child.failure(f"was not ready in {timeout_s:.0f} s")

    def run(self) -> None:
        """Watch until a stop is requested. Raises TooManyRestarts when a child keeps ending."""
        self.starting = False
        while not self.stop_requested:
            all_ready = all(part.ready for part in self.parts.values())
            self.turn(POLL_RUNNING_S if all_ready else POLL_STARTING_S)

    def stop(self, order: list[str]) -> None:
        """End the parts one after the other, those that are not named last; safe to call twice."""
        self.starting = False
        self.stop_requested = True
        rest = [name for name in reversed(self.parts) if name not in order]
        for name in [*order, *rest]:
            part = self.parts.get(name)
            if part is not None and not part.child.stop(part.stop_timeout_s):
                self._report(f"{name} did not end in {part.stop_timeout_s:.0f} s and was killed")
        self.parts.clear()

    def turn(self, wait_s: float = POLL_STARTING_S) -> None:
        """Look at every part once, then sleep until something happens, `wait_s` at most."""
        now = time.monotonic()
        for part in self.parts.values():
            self._look_at(part, now)
        self._idle()
        self._sleep(wait_s)

    def _look_at(self, part: Part, now: float) -> None:
        if part.restart_at is not None:
            if now >= part.restart_at:
                part.restart_at = None
                part.child.start()
                self._changed()
        elif not part.child.alive:
            part.ready = False
            self._on_end(part, now)
        elif not part.ready and _is_ready(part):
            part.ready = True
            if part.served:
                self._report(f"{part.name} serves again")
            part.served = True

    def _on_end(self, part: Part, now: float) -> None:
        if not part.served:
            raise part.child.failure("did not start")
        while part.ends and part.ends[0] < now - RESTARTS_WINDOW_S:
            part.ends.popleft()
        part.ends.append(now)
        count = len(part.ends)
        how = part.child.exit_text
        if count > RESTARTS_MAX:
            raise TooManyRestarts(
                f"{part.name} ended {count} times within {RESTARTS_WINDOW_S:.0f} s, last with {how}: "
                f"giving up. Its last lines:\n{part.child.log_tail()}\nlog: {part.child.log_path}"
            )
        pause_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** (count - 1))
        pause_s *= random.uniform(0.5, 1.0)  # noqa: S311 -- jitter
        part.restart_at = now + pause_s
        self._report(
            f"{part.name} ended ({how}); starting it again "
            f"({count} of at most {RESTARTS_MAX} times in {RESTARTS_WINDOW_S:.0f} s)"
        )

    def _sleep(self, wait_s: float) -> None:
        restarts = [p.restart_at for p in self.parts.values() if p.restart_at is not None]
        if restarts:
            wait_s = min(wait_s, max(0.0, min(restarts) - time.monotonic()))
        readable, _, _ = select.select([self._wakeup_read], [], [], wait_s)
        if readable:
            self._wakeup_read.recv(4096)


def _is_ready(part: Part) -> bool:
    try:
        return part.is_ready()
    except OSError:
        return False
