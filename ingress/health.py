"""Is it alive, is it ready, and what has it done."""

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from tradepit.ingress.catalogue import Catalogue
from tradepit.ingress.ledger_reads import LedgerReads
from tradepit.ingress.metrics import Metrics
from tradepit.ingress.router import Router

METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Which parts answer. Orders need the matchers only; the ledger and the cache serve reads.
    `missing` says what keeps orders from being taken, shard by shard.
    """

    ready: bool
    missing: list[str]
    matcher: bool
    instruments: bool
    ledger: bool
    cache: bool


@get("/health/live", include_in_schema=False)
async def live() -> dict[str, bool]:
    """The process runs and its loop turns: else nobody would answer."""
    return {"live": True}


@get("/health/ready", include_in_schema=False)
async def ready(
    router: NamedDependency[Router],
    catalogue: NamedDependency[Catalogue],
    ledger: NamedDependency[LedgerReads],
) -> Response[Health]:
    """200 if an order of any shard would be taken and made durable, else 503; the body says which
    part is missing.
    """
    missing = [f"shard {link.shard_id}: {link.trouble}" for link in router.all() if link.trouble]
    servers = await ledger.health()
    health = Health(
        ready=not missing,
        missing=missing,
        matcher=not missing,
        instruments=bool(catalogue.by_id),
        **servers,
    )
    return Response(health, status_code=200 if health.ready else 503)


@get("/metrics", include_in_schema=False, media_type=METRICS_MEDIA_TYPE)
async def metrics(metrics: NamedDependency[Metrics]) -> bytes:
    """Prometheus text."""
    return metrics.render()
