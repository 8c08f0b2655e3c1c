"""The ledger's figures, as Prometheus reads them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from tradepit.protocol.vitals import render

SERVERS = ("postgres", "nats", "redis")
WORK_BOUNDS_S = (
    0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1,
    0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
)  # fmt: skip
LAG_BOUNDS_S = (
    0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0,
    2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0,
)  # fmt: skip


class Metrics:
    """One shard's figures. One object a process; tests make their own."""

    def __init__(self, shard_id: int = 0) -> None:
        self._shard_id = shard_id
        self.registry = CollectorRegistry()
        self.following = Gauge(
            "tradepit_ledger_following",
            "1 while PostgreSQL and the stream are open",
            registry=self.registry,
        )
        self.applied_seq = Gauge(
            "tradepit_ledger_applied_seq",
            "Last command whose events are in PostgreSQL",
            registry=self.registry,
        )
        self.pending_messages = Gauge(
            "tradepit_ledger_pending_messages",
            "Stream messages that are waiting to be stored, as of the last one received",
            registry=self.registry,
        )
        self.cached_seq = Gauge(
            "tradepit_ledger_cached_seq",
            "Last command whose positions are in Redis",
            registry=self.registry,
        )
        self.cache_complete = Gauge(
            "tradepit_ledger_cache_complete",
            "1 while Redis holds every position",
            registry=self.registry,
        )
        self.parked = Gauge(
            "tradepit_ledger_parked",
            "1 while something that no second try can mend is in the way",
            registry=self.registry,
        )
        self.commands = Counter(
            "tradepit_ledger_commands", "Commands stored", registry=self.registry
        )
        self.events = Counter("tradepit_ledger_events", "Events stored", registry=self.registry)
        self.repeats = Counter(
            "tradepit_ledger_repeats",
            "Commands that came again and were skipped",
            registry=self.registry,
        )
        self.gaps = Counter(
            "tradepit_ledger_gaps",
            "Gaps that made the stream be read again",
            registry=self.registry,
        )
        self.interruptions = Counter(
            "tradepit_ledger_interruptions",
            "Times that a server went away",
            ["server"],
            registry=self.registry,
        )
        for server in SERVERS:
            self.interruptions.labels(server)  # shown from the beginning
        self.fold_seconds = self._histogram(
            "fold_seconds", "Decoding of one transaction's messages", WORK_BOUNDS_S
        )
        self.commit_seconds = self._histogram("commit_seconds", "One transaction", WORK_BOUNDS_S)
        self.cache_seconds = self._histogram(
            "cache_seconds", "Writing to Redis what transactions changed", WORK_BOUNDS_S
        )
        self.lag_seconds = self._histogram(
            "lag_seconds",
            "From the sequencing of a transaction's oldest command to its COMMIT",
            LAG_BOUNDS_S,
        )

    def _histogram(self, name: str, text: str, bounds_s: tuple[float, ...]) -> Histogram:
        return Histogram(f"tradepit_ledger_{name}", text, buckets=bounds_s, registry=self.registry)

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return render(self.registry, self._shard_id)
