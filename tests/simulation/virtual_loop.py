"""An asyncio event loop whose time is a number: nothing waits, nothing runs beside it.

What is due next is run next, in an order that depends on the program alone. Code under test runs on
it unmodified.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stuck(AssertionError):
    """Everything waits for something that will never happen."""


class _Time:
    """Stands where a loop's selector does: to wait is to move the clock."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout_s: float | None) -> list[Any]:
        if timeout_s is None:
            raise Stuck("nothing is scheduled any more")
        self._loop.now_s += max(timeout_s, 0.0)
        return []

    def close(self) -> None:
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._selector = _Time(self)

    def time(self) -> float:
        return self.now_s

    def run_in_executor(  # type: ignore[override]  # at once, on this thread
        self, executor: object, function: Callable[..., T], *arguments: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:  # noqa: BLE001 - as an executor hands it on
            future.set_exception(error)
        return future

    def _process_events(self, events: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class Way:
    """One direction of a connection: what is sent arrives later, in the order in which it was sent."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._under_way: deque[Callable[[], None]] = deque()
        self._last_s = 0.0

    def send(self, delay_s: float, arrive: Callable[[], None], not_before_s: float = 0.0) -> None:
        self._last_s = max(self._loop.time() + delay_s, self._last_s, not_before_s)
        self._under_way.append(arrive)
        # Timers that are due at one time fire in any order: each takes what is first.
        self._loop.call_at(self._last_s, lambda: self._under_way.popleft()())


def run_now(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a callback that is declared async but waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError(f"{coroutine} waits")
