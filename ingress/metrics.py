"""What a worker tells Prometheus. Plain integers, read when it asks: an order pays for every lock."""

from collections import Counter
from collections.abc import Callable, Iterator
from operator import itemgetter

from litestar.types import HTTPScope
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from tradepit.ingress.errors import CODES
from tradepit.ingress.feed import Feed
from tradepit.ingress.router import Router
from tradepit.protocol.vitals import PlainHistogram, Vitals, render

REQUEST_BOUNDS_S = (
    0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1,
    0.2, 0.5, 1.0, 3.0, 5.0,
)  # fmt: skip
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OTHER = "other"
ORDERS_PATH = "/v1/orders"


class Metrics(Collector):
    """Counts of this worker. `is_ready` is asked for `tradepit_ready`; `connection_count` is set by
    whoever runs the server.
    """

    def __init__(self, router: Router, feed: Feed) -> None:
        self._router = router
        self._feed = feed
        self.of_orders = [PlainHistogram(REQUEST_BOUNDS_S) for _ in range(6)]
        """POST /v1/orders, by the first digit of the status."""
        self._requests = {
            ("POST", ORDERS_PATH, digit): histogram
            for digit, histogram in enumerate(self.of_orders)
        }
        self._routes: dict[str, str] = {}
        self.problems = Counter[str]()  # by code
        self.connection_count: Callable[[], int] = lambda: 0
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self.vitals = Vitals(
            "ingress", self._registry, lambda: not any(link.trouble for link in router.all())
        )

    def observe(self, scope: HTTPScope, status: int, took_s: float) -> str:
        """Litestar has answered a request, or has found no route for it. Returns the route."""
        template = scope.get("path_template") or OTHER
        route = self._routes.get(template)
        if route is None:  # as many as there are routes
            route = self._routes[template] = template.replace(":str}", "}")
        method = scope["method"]
        key = (method if method in METHODS else OTHER, route, status // 100)
        histogram = self._requests.get(key)
        if histogram is None:
            histogram = self._requests[key] = PlainHistogram(REQUEST_BOUNDS_S)
        histogram.observe(took_s)
        return route

    def collect(self) -> Iterator[Metric]:
        requests = HistogramMetricFamily(
            "tradepit_ingress_request_seconds",
            "From a request's headers to those of its answer",
            labels=["method", "route", "status"],
        )
        for (method, route, digit), histogram in sorted(self._requests.items(), key=itemgetter(0)):
            if any(histogram.counts):
                labels = [method, route, f"{digit}xx"]
                requests.add_metric(labels, histogram.buckets(), histogram.sum_s)
        yield requests
        problems = CounterMetricFamily(
            "tradepit_ingress_problems", "Problem documents sent, by their code", labels=["code"]
        )
        for code in sorted(CODES):
            problems.add_metric([code], self.problems[code])
        yield problems
        yield GaugeMetricFamily(
            "tradepit_ingress_connections", "Open HTTP connections", value=self.connection_count()
        )
        yield GaugeMetricFamily(
            "tradepit_ingress_watchers", "Open event streams", value=self._feed.watcher_count
        )
        up = GaugeMetricFamily("tradepit_ingress_matcher_up", "1 = answers", labels=["shard"])
        outstanding = GaugeMetricFamily(
            "tradepit_ingress_outstanding", "Requests without an answer", labels=["shard"]
        )
        seq = GaugeMetricFamily(
            "tradepit_ingress_seq", "Newest seq that an answer named", labels=["shard"]
        )
        logons = CounterMetricFamily(
            "tradepit_ingress_logons", "Logons of this worker", labels=["shard"]
        )
        for link in self._router.all():
            shard = [str(link.shard_id)]
            up.add_metric(shard, float(link.up))
            outstanding.add_metric(shard, link.outstanding)
            seq.add_metric(shard, link.last_seq)
            logons.add_metric(shard, link.epoch)
        yield from (up, outstanding, seq, logons)

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return render(self._registry)
