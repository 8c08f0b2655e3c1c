"""What a matcher tells Prometheus, read from the hot loop's counters when it is asked."""

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from tradepit.engine import LATENCY_BOUNDS_NS, LatencySnapshot, MatcherCore
from tradepit.matcher import retirement
from tradepit.matcher.publisher import Publisher
from tradepit.matcher.readiness import Readiness
from tradepit.matcher.snapshots import Snapshots
from tradepit.protocol.vitals import bound_text
from tradepit.protocol.wire import Reason

COUNTERS = {
    "messages_received": "ZeroMQ messages received",
    "messages_sent": "ZeroMQ messages sent",
    "messages_dropped": "Messages of peers that abuse, or to peers that are gone or do not read",
    "commands": "Commands sequenced",
    "queries": "Queries answered",
    "trades": "Trades",
    "replayed_answers": "Orders that were sent again, and answered as the first time",
    "journal_bytes": "Bytes appended to the journal",
}
GAUGES = {
    "sessions": "Connected sessions",
    "open_orders": "Open orders, of all instruments",
    "book_levels": "Price levels, of all books and both sides",
    "waiting_reply_bytes": "Answers that wait for their commit",
    "unread_reply_bytes": "Answers that were sent, and that peers have not taken",
    "sequenced_seq": "Last command sequenced",
    "committed_seq": "Last durable command",
}
REASONS = [reason for reason in Reason if reason]
STAGES = ("receive", "risk", "match", "journal", "sync", "publish", "reply")
QUANTILES = (0.5, 0.99, 0.999, 1.0)
WINDOW_S = 60.0  # of the quantiles
WINDOW_STEP_S = 5.0
NS_PER_S = 1e9
_NOTHING = LatencySnapshot()


class Recent:
    """What the stages took in about the last minute, or since the last scrape if that is longer."""

    def __init__(self) -> None:
        self._earlier: deque[tuple[float, dict[str, LatencySnapshot]]] = deque(
            [(time.monotonic(), {})]
        )

    def quantiles(self, stages: dict[str, LatencySnapshot]) -> Iterator[tuple[str, float, int]]:
        """Stage, quantile and its duration in ns, for stages in which anything was measured."""
        now_s = time.monotonic()
        while len(self._earlier) > 1 and self._earlier[1][0] <= now_s - WINDOW_S:
            self._earlier.popleft()
        base = self._earlier[0][1]
        for stage, snapshot in stages.items():
            earlier = base.get(stage, _NOTHING)
            if snapshot.total == earlier.total:
                continue
            for quantile in QUANTILES:
                yield stage, quantile, snapshot.quantile_ns(earlier, quantile)
        if now_s - self._earlier[-1][0] >= WINDOW_STEP_S:
            self._earlier.append((now_s, stages))


class _ShardCollector(Collector):
    def __init__(
        self,
        core: MatcherCore,
        publisher: Publisher,
        snapshots: Snapshots,
        journal_dir: Path,
        readiness: Readiness,
    ) -> None:
        self._core = core
        self._publisher = publisher
        self._snapshots = snapshots
        self._journal_dir = journal_dir
        self._readiness = readiness
        self._recent = Recent()

    def collect(self) -> Iterator[Metric]:
        counters = self._core.counters()
        for name, text in COUNTERS.items():
            yield CounterMetricFamily(f"tradepit_{name}", text, value=counters.get(name, 0))
        yield CounterMetricFamily(
            "tradepit_hot_loop_turns", "Turns of the hot loop", value=counters.get("turns", 0)
        )
        for name, text in GAUGES.items():
            yield GaugeMetricFamily(f"tradepit_{name}", text, value=counters.get(name, 0))
        yield from self._reasons()
        yield from self._stages()
        yield from self._stream(counters["committed_seq"])
        yield from self._journal(bool(counters["lacks_space"]))

    def _reasons(self) -> Iterator[Metric]:
        refused, rejected = self._core.reasons()
        for name, text, counts in (
            ("refused_records", "Records refused before they were sequenced", refused),
            ("rejected_commands", "Commands that the engine rejected", rejected),
        ):
            family = CounterMetricFamily(f"tradepit_{name}", text, labels=["reason"])
            for reason in REASONS:
                family.add_metric([reason.name.lower()], counts[reason])
            yield family

    def _stages(self) -> Iterator[Metric]:
        stages = self._core.stages()
        times = HistogramMetricFamily(
            "tradepit_stage_seconds", "Time spent in a stage", labels=["stage"]
        )
        for stage in STAGES:
            snapshot = stages.get(stage, _NOTHING)
            counts = [*snapshot.bucket_counts(), snapshot.total]
            bounds = [*(bound / NS_PER_S for bound in LATENCY_BOUNDS_NS), float("inf")]
            times.add_metric(
                [stage],
                buckets=list(zip(map(bound_text, bounds), counts, strict=True)),
                sum_value=snapshot.sum_ns / NS_PER_S,
            )
        yield times
        recent = GaugeMetricFamily(
            "tradepit_stage_recent_seconds",
            "Quantiles of about the last minute",
            labels=["stage", "quantile"],
        )
        for stage, quantile, took_ns in self._recent.quantiles(stages):
            recent.add_metric([stage, f"{quantile:g}"], took_ns / NS_PER_S)
        yield recent

    def _stream(self, committed_seq: int) -> Iterator[Metric]:
        publisher = self._publisher
        published_seq = publisher.published_seq
        for name, text, value in (
            ("published_seq", "Last command in the stream", published_seq),
            (
                "publish_lag",
                "Durable commands that the stream lacks",
                max(committed_seq - published_seq, 0),
            ),
            (
                "publish_batches_in_flight",
                "Batches sent and not yet acknowledged",
                publisher.in_flight_count,
            ),
            ("stream_lost_messages", "Messages the stream has lost", publisher.lost_message_count),
            ("stream_connected", "1 while JetStream answers", float(publisher.is_connected)),
        ):
            yield GaugeMetricFamily(f"tradepit_{name}", text, value=value)
        yield CounterMetricFamily(
            "tradepit_publish_interruptions",
            "Times that publishing stopped, to begin anew",
            value=publisher.interruption_count,
        )

    def _journal(self, lacks_space: bool) -> Iterator[Metric]:
        snapshots = self._snapshots
        sizes = []
        for segment in retirement.segments(self._journal_dir):
            with suppress(FileNotFoundError):  # removed at this moment
                sizes.append(segment.path.stat().st_size)
        disk = os.statvfs(self._journal_dir)
        for name, text, value in (
            (
                "uncommitted_seconds",
                "For how long commands have waited with none becoming durable",
                self._readiness.uncommitted_s,
            ),
            ("storage_full", "1 while the next segment cannot be made", float(lacks_space)),
            ("journal_segments", "Segment files of the journal", len(sizes)),
            ("journal_size_bytes", "Size of the journal's segment files", sum(sizes)),
            (
                "journal_free_bytes",
                "Free space of the file system that the journal is on",
                disk.f_bavail * disk.f_frsize,
            ),
            (
                "verified_seq",
                "Last command that a second engine has compared",
                snapshots.verified_seq,
            ),
            (
                "snapshot_seq",
                "Command of the newest snapshot; 0 = none",
                max(snapshots.kept, default=0),
            ),
            ("halted", "1 once a second engine found a divergence", float(snapshots.has_diverged)),
        ):
            yield GaugeMetricFamily(f"tradepit_{name}", text, value=value)
        yield GaugeMetricFamily(
            "tradepit_snapshot_age_seconds",
            "Since the newest snapshot was written, or found at the start",
            value=time.monotonic() - snapshots.kept_since_s if snapshots.kept else None,
        )
        yield CounterMetricFamily(
            "tradepit_snapshotter_restarts",
            "Times that the snapshotter ended by itself",
            value=snapshots.restart_count,
        )


def make_registry(
    core: MatcherCore,
    publisher: Publisher,
    snapshots: Snapshots,
    journal_dir: Path,
    readiness: Readiness,
) -> CollectorRegistry:
    """A registry of this shard's figures."""
    registry = CollectorRegistry()
    registry.register(_ShardCollector(core, publisher, snapshots, journal_dir, readiness))
    return registry
