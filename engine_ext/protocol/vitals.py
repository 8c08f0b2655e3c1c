"""Figures that every service shows, and whether its event loop turns. Needs prometheus-client."""

import asyncio
import gc
import math
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from tradepit.protocol.log import COUNTED_LEVELS, record_counts
from tradepit.protocol.waiting import wait_for_event

BEAT_S = 0.25
SILENCE_S_MAX = 10.0  # a loop that has not turned for so long is not live
LAG_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
PAUSE_BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class PlainHistogram:
    """Counts durations with nothing but integers: cheap, and safe in a callback of the garbage
    collector, which may run while another histogram's lock is held.
    """

    __slots__ = ("bounds_s", "counts", "sum_s")

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self.bounds_s = tuple(bounds_s)
        self.counts = [0] * (len(self.bounds_s) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sum_s += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """As HistogramMetricFamily takes them."""
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound_s, count in zip((*self.bounds_s, math.inf), self.counts, strict=True):
            total += count
            buckets.append((bound_text(bound_s), total))
        return buckets


def bound_text(bound_s: float) -> str:
    """A bucket's bound as Prometheus writes it."""
    return "+Inf" if bound_s == math.inf else repr(bound_s)


class Vitals(Collector):
    """Registers what every service shows. `beat_until` has to run as a task."""

    def __init__(
        self, service: str, registry: CollectorRegistry, is_ready: Callable[[], bool]
    ) -> None:
        self._service = service
        self._is_ready = is_ready
        self._beat_s = time.monotonic()
        self._lag = PlainHistogram(LAG_BOUNDS_S)
        self._pauses = PlainHistogram(PAUSE_BOUNDS_S)
        self._pause_from_s = 0.0
        registry.register(self)
        if sys.platform == "linux":
            ProcessCollector(registry=registry)

    @property
    def is_live(self) -> bool:
        """The event loop has turned lately."""
        return time.monotonic() - self._beat_s < SILENCE_S_MAX

    async def beat_until(
        self, stop: asyncio.Event, on_beat: Callable[[], None] = lambda: None
    ) -> None:
        """Notes that the loop turns, and how late, until `stop` is set."""
        while not stop.is_set():
            due_s = time.monotonic() + BEAT_S
            await wait_for_event(stop, BEAT_S)
            self._beat_s = time.monotonic()
            if not stop.is_set():
                self._lag.observe(max(self._beat_s - due_s, 0.0))
                on_beat()

    @contextmanager
    def watching_garbage(self) -> Iterator[None]:
        """Times the garbage collector while the context is open."""
        gc.callbacks.append(self._on_garbage)
        try:
            yield
        finally:
            gc.callbacks.remove(self._on_garbage)

    def _on_garbage(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._pause_from_s = time.perf_counter()
        elif self._pause_from_s:
            self._pauses.observe(time.perf_counter() - self._pause_from_s)

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "tradepit_build_info", "1; which program this is", labels=["service", "version"]
        )
        info.add_metric([self._service, version_text()], 1)
        yield info
        yield GaugeMetricFamily(
            "tradepit_ready",
            "1 while /health/ready says 200",
            value=float(self.is_live and self._is_ready()),
        )
        for name, text, histogram in (
            ("event_loop_lag", "By how much the event loop ran a timer late", self._lag),
            ("gc_pause", "One run of the garbage collector", self._pauses),
        ):
            yield HistogramMetricFamily(
                f"tradepit_{name}_seconds",
                text,
                buckets=histogram.buckets(),
                sum_value=histogram.sum_s,
            )
        logged = CounterMetricFamily("tradepit_log_records", "Lines logged", labels=["level"])
        for level in COUNTED_LEVELS:
            logged.add_metric([level], record_counts[level])
        yield logged


class _Shown:
    """A registry's metrics as they are shown: with the shard, without the times of creation."""

    def __init__(self, registry: CollectorRegistry, shard_id: int | None) -> None:
        self._registry = registry
        self._labels = {} if shard_id is None else {"shard": str(shard_id)}

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            labels = self._labels if metric.name.startswith("tradepit_") else {}
            metric.samples = [
                sample._replace(labels={**labels, **sample.labels})
                for sample in metric.samples
                if not sample.name.endswith("_created")
            ]
            yield metric


def render(registry: CollectorRegistry, shard_id: int | None = None) -> bytes:
    """The text that Prometheus scrapes; every figure of ours carries the shard, if there is one."""
    shown: Any = _Shown(registry, shard_id)
    return generate_latest(shown)


def version_text() -> str:
    try:
        return version("tradepit")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0"
