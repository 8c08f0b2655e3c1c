"""What a matcher tells Prometheus, read from the hot loop's counters when it is asked."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from tradepit.engine import MatcherCore
from tradepit.matcher import retirement
from tradepit.matcher.publisher import Publisher
from tradepit.matcher.snapshots import Snapshots

COUNTERS = {
    "messages_received": "ZeroMQ messages received",
    "messages_sent": "ZeroMQ messages sent",
    "messages_dropped": "Messages of peers that abuse, or to peers that are gone or do not read",
    "commands": "Commands sequenced since the start",
    "queries": "Queries answered",
    "trades": "Trades since the start",
    "refused_records": "Records refused before they were sequenced",
    "rejected_commands": "Commands that the engine rejected",
    "replayed_answers": "Orders that were sent again, and answered as the first time",
    "commits": "Groups of commands made durable",
    "journal_bytes": "Bytes appended to the journal",
}
NS_PER_S = 1e9
FIRST_BUCKET = 10  # 2^10 ns: nothing is answered faster


class _ShardCollector(Collector):
    def __init__(
        self, core: MatcherCore, publisher: Publisher, snapshots: Snapshots, journal_dir: Path
    ) -> None:
        self._core = core
        self._publisher = publisher
        self._snapshots = snapshots
        self._journal_dir = journal_dir

    def collect(self) -> Iterator[Metric]:
        counters = self._core.counters()
        for name, text in COUNTERS.items():
            yield CounterMetricFamily(f"tradepit_{name}", text, value=counters.get(name, 0))
        yield CounterMetricFamily(
            "tradepit_journal_sync_seconds",
            "Time spent in writing and syncing the journal",
            value=counters["sync_ns"] / NS_PER_S,
        )
        for name, text, value in (
            ("sessions", "Connected sessions", counters.get("sessions", 0)),
            ("storage_full", "1 while the next segment cannot be made", counters["lacks_space"]),
            ("committed_seq", "Last durable command", counters["committed_seq"]),
            ("published_seq", "Last command in the stream", self._publisher.published_seq),
            (
                "publish_lag",
                "Durable commands that the stream lacks",
                counters["committed_seq"] - self._publisher.published_seq,
            ),
            (
                "stream_lost_messages",
                "Messages that the stream has lost",
                self._publisher.lost_message_count,
            ),
            ("stream_connected", "1 if JetStream answers", float(self._publisher.is_connected)),
        ):
            yield GaugeMetricFamily(f"tradepit_{name}", text, value=value)
        yield from self._journal()
        yield self._reply_latency(counters.get("reply_latency_ns_sum", 0))

    def _journal(self) -> Iterator[Metric]:
        snapshots = self._snapshots
        sizes = []
        for segment in retirement.segments(self._journal_dir):
            with suppress(FileNotFoundError):  # removed at this moment
                sizes.append(segment.path.stat().st_size)
        for name, text, value in (
            ("journal_segments", "Segment files of the journal", len(sizes)),
            ("journal_size_bytes", "Size of the journal's segment files", sum(sizes)),
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
        if snapshots.kept:
            yield GaugeMetricFamily(
                "tradepit_snapshot_age_seconds",
                "Since the newest snapshot was written, or found at the start",
                value=time.monotonic() - snapshots.kept_since_s,
            )
        yield CounterMetricFamily(
            "tradepit_snapshotter_restarts",
            "Times that the snapshotter ended by itself",
            value=snapshots.restart_count,
        )

    def _reply_latency(self, sum_ns: int) -> Metric:
        total, buckets = 0, []
        for power, count in enumerate(self._core.reply_latency_buckets()):
            total += count
            if power >= FIRST_BUCKET:
                buckets.append((str((1 << power) / NS_PER_S), total))
        buckets.append(("+Inf", total))
        return HistogramMetricFamily(
            "tradepit_reply_seconds",
            "From receiving a request to sending its durable answer",
            buckets=buckets,
            sum_value=sum_ns / NS_PER_S,
        )


def make_registry(
    core: MatcherCore, publisher: Publisher, snapshots: Snapshots, journal_dir: Path
) -> CollectorRegistry:
    """A registry of this shard's figures."""
    registry = CollectorRegistry()
    registry.register(_ShardCollector(core, publisher, snapshots, journal_dir))
    return registry


def render(registry: CollectorRegistry) -> bytes:
    """The text that Prometheus scrapes."""
    return generate_latest(registry)
