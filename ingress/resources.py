"""What a worker holds open, and for how long: sockets, pools, and the tasks that tend them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from tradepit.ingress.catalogue import Catalogue
from tradepit.ingress.feed import Feed
from tradepit.ingress.guards import KeyRing
from tradepit.ingress.health import Metrics
from tradepit.ingress.ledger_reads import LedgerReads
from tradepit.ingress.router import MatcherLink, Router
from tradepit.ingress.settings import Settings

FIRST_LOGON_TIMEOUT_S = 2.0


class Resources(NamedTuple):
    """One of each per worker. Nothing is open before `opened`."""

    keys: KeyRing
    router: Router
    catalogue: Catalogue
    ledger: LedgerReads
    feed: Feed
    metrics: Metrics


def make_resources(settings: Settings) -> Resources:
    """Wire the parts; opens nothing."""
    link = MatcherLink(settings.order_endpoint, settings.operator_key, settings.shard_id)
    router = Router({settings.shard_id: link})
    catalogue = Catalogue(router)
    ledger = LedgerReads(settings.postgres_url, settings.redis_url)
    feed = Feed(settings.feed_endpoint, catalogue, router, ledger)
    return Resources(KeyRing(settings.keys), router, catalogue, ledger, feed, Metrics(router, feed))


@asynccontextmanager
async def opened(resources: Resources) -> AsyncIterator[None]:
    """Sockets and pools open, tasks running; closed in reverse order.

    Waits a moment for the matcher, so that a normal start is ready at once, and goes on without it:
    requests are refused with `matcher_unreachable` until it answers.
    """
    async with resources.ledger, resources.router.all()[0], resources.feed:
        tasks = [
            asyncio.create_task(resources.catalogue.follow(), name="ingress.catalogue.follow"),
            asyncio.create_task(resources.feed.broadcast(), name="ingress.feed.broadcast"),
        ]
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_LOGON_TIMEOUT_S):
                    await resources.catalogue.loaded.wait()
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=FIRST_LOGON_TIMEOUT_S)
