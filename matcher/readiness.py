"""Whether an order that comes now is taken, and made durable."""

import time
from collections.abc import Callable
from typing import Protocol

HANG_S_MAX = 5.0  # the hot loop turns once a second at least
UNCOMMITTED_S_MAX = 5.0


class Core(Protocol):
    """What is asked of the matcher's core."""

    @property
    def has_failed(self) -> bool: ...

    def counters(self) -> dict[str, int]: ...


class Readiness:
    """Looks at the core a few times a second (`look`), and remembers since when nothing moves."""

    def __init__(
        self,
        core: Core,
        is_open: Callable[[], bool],
        stream: Callable[[], tuple[bool, int]] | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`stream` says whether the stream answers and up to which seq it has acknowledged; it is
        given where answers wait for that.
        """
        self._core = core
        self._is_open = is_open
        self._stream = stream
        self._clock_s = clock_s
        self._turns = -1
        self._turned_s = clock_s()
        self._durable_seq = -1
        self._durable_s = clock_s()
        self._waits = False

    def look(self) -> None:
        """Note what has moved since the last look."""
        now_s = self._clock_s()
        counters = self._core.counters()
        if (turns := counters.get("turns", 0)) != self._turns:
            self._turns, self._turned_s = turns, now_s
        durable_seq = counters["committed_seq"]
        if self._stream is not None:
            durable_seq = min(durable_seq, self._stream()[1])
        waits = counters["sequenced_seq"] > durable_seq
        if durable_seq != self._durable_seq or not (waits and self._waits):
            self._durable_seq, self._durable_s = durable_seq, now_s
        self._waits = waits

    @property
    def uncommitted_s(self) -> float:
        """For how long commands have waited with none becoming durable."""
        return self._clock_s() - self._durable_s if self._waits else 0.0

    def why_not_ready(self) -> str:
        """Empty if an order would be taken and made durable now."""
        if not self._is_open():
            return "not open for orders"
        if self._core.has_failed:
            return "the journal failed"
        if (silent_s := self._clock_s() - self._turned_s) > HANG_S_MAX:
            return f"the hot loop has not turned for {silent_s:.0f} s"
        if self._core.counters().get("refuses_for_space"):
            return "storage_full: the disk has no room for the next segment of the journal"
        if self._stream is not None and not self._stream()[0]:
            return "the stream does not answer, and durability `replicated` waits for it"
        if (waiting_s := self.uncommitted_s) > UNCOMMITTED_S_MAX:
            return f"commands have been waiting for their commit for {waiting_s:.0f} s"
        return ""
