"""Is it alive, is it ready, and what has it done."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from tradepit.ingress.catalogue import Catalogue
from tradepit.ingress.feed import Feed
from tradepit.ingress.ledger_reads import LedgerReads
from tradepit.ingress.router import Router

METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Which parts answer. Orders need the matcher only; the ledger and the cache serve reads."""

    ready: bool
    matcher: bool
    instruments: bool
    ledger: bool
    cache: bool


class Metrics(Collector):
    """Counts of this worker. Plain integers, read when Prometheus asks."""

    def __init__(self, router: Router, feed: Feed) -> None:
        self._router = router
        self._feed = feed
        self.orders = Counter[int]()  # POST /v1/orders by HTTP status
        self.requests = Counter[int]()  # everything else by HTTP status
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        for name, text, counts in (
            ("tradepit_ingress_orders", "Orders posted, by HTTP status.", self.orders),
            ("tradepit_ingress_requests", "Other requests, by HTTP status.", self.requests),
        ):
            counter = CounterMetricFamily(name, text, labels=["status"])
            for status, count in sorted(counts.items()):
                counter.add_metric([str(status)], count)
            yield counter
        up = GaugeMetricFamily("tradepit_ingress_matcher_up", "1 = answers.", labels=["shard"])
        outstanding = GaugeMetricFamily(
            "tradepit_ingress_outstanding", "Requests without an answer.", labels=["shard"]
        )
        seq = GaugeMetricFamily(
            "tradepit_ingress_seq", "Newest seq that an answer named.", labels=["shard"]
        )
        for link in self._router.all():
            shard = [str(link.shard_id)]
            up.add_metric(shard, float(link.up))
            outstanding.add_metric(shard, link.outstanding)
            seq.add_metric(shard, link.last_seq)
        yield from (up, outstanding, seq)
        yield GaugeMetricFamily(
            "tradepit_ingress_watchers", "Open event streams.", value=self._feed.watcher_count
        )


@get("/health/live", include_in_schema=False)
async def live() -> dict[str, bool]:
    """The process runs and its loop turns."""
    return {"live": True}


@get("/health/ready", include_in_schema=False)
async def ready(
    router: NamedDependency[Router],
    catalogue: NamedDependency[Catalogue],
    ledger: NamedDependency[LedgerReads],
) -> Response[Health]:
    """200 if orders can be taken, else 503; the body says which part is missing."""
    matcher = all(link.up for link in router.all())
    instruments = bool(catalogue.by_id)
    servers = await ledger.health()
    health = Health(ready=matcher, matcher=matcher, instruments=instruments, **servers)
    return Response(health, status_code=200 if health.ready else 503)


@get("/metrics", include_in_schema=False, media_type=METRICS_MEDIA_TYPE)
async def metrics(metrics: NamedDependency[Metrics]) -> bytes:
    """Prometheus text."""
    text: Any = generate_latest(metrics.registry)
    return bytes(text)
