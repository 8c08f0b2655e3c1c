"""The ledger's figures, as Prometheus reads them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest


class Metrics:
    """The ledger's figures. One object a process; tests make their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
        self.fold_seconds = Histogram(
            "tradepit_ledger_fold_seconds", "Decoding of one batch", registry=self.registry
        )
        self.commit_seconds = Histogram(
            "tradepit_ledger_commit_seconds", "One transaction", registry=self.registry
        )

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
