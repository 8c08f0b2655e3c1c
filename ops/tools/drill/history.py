"""What clients were told: the record that an exchange is held against afterwards."""

import itertools
import threading
import time
from typing import NamedTuple

OrderName = tuple[int, int]
"""(account_id, client_order_id)"""


class Acknowledged(NamedTuple):
    """An order that was answered. `order_id` is 0 if the answer got lost, and a retry was told that
    the order is there.
    """

    order_id: int
    seq: int
    filled_lots: int
    trade_ids: tuple[int, ...]


class History:
    """Everything that was acknowledged or refused, and when. Any thread may add to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.acknowledged: dict[OrderName, Acknowledged] = {}
        self.refused: dict[OrderName, int] = {}  # with the reason
        self.in_doubt: set[OrderName] = set()  # sent, and no definite answer yet
        self.contradictions: list[str] = []
        self.retry_count = 0
        self._times_s: list[float] = []  # of answers, monotonic

    def send(self, names: list[OrderName]) -> None:
        with self._lock:
            self.in_doubt.update(names)

    def retry(self, count: int) -> None:
        with self._lock:
            self.retry_count += count

    def acknowledge(self, name: OrderName, order: Acknowledged) -> None:
        with self._lock:
            known = self.acknowledged.get(name)
            if name in self.refused or (known and known.order_id and known != order):
                self.contradictions.append(f"{name}: first {known or 'refused'}, then {order}")
            self.acknowledged[name] = order
            self.in_doubt.discard(name)
            self._times_s.append(time.monotonic())

    def refuse(self, name: OrderName, reason: int) -> None:
        with self._lock:
            if name in self.acknowledged:
                self.contradictions.append(f"{name}: first acknowledged, then refused ({reason})")
            self.refused[name] = reason
            self.in_doubt.discard(name)
            self._times_s.append(time.monotonic())

    @property
    def last_seq(self) -> int:
        """The highest seq that anybody was told of."""
        with self._lock:
            return max((order.seq for order in self.acknowledged.values()), default=0)

    def answers_since(self, moment_s: float) -> int:
        with self._lock:
            count = 0
            for time_s in reversed(self._times_s):
                if time_s < moment_s:
                    break
                count += 1
            return count

    def longest_silence_s(self, from_s: float, to_s: float) -> float:
        """The longest time between two answers that touches the interval."""
        with self._lock:
            times_s = [time_s for time_s in self._times_s if time_s >= from_s - 1.0]
        edges_s = [from_s, *(t for t in times_s if from_s <= t <= to_s), to_s]
        return max(late - early for early, late in itertools.pairwise(edges_s))
