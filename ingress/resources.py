"""What a worker holds open, and for how long: sockets, pools, and the tasks that tend them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import NamedTuple

from tradepit.ingress.catalogue import Catalogue
from tradepit.ingress.feed import Feed
from tradepit.ingress.guards import KeyRing
from tradepit.ingress.ledger_reads import LedgerReads
from tradepit.ingress.metrics import Metrics
from tradepit.ingress.router import MatcherLink, Router
from tradepit.ingress.settings import Settings
from tradepit.protocol.log import get_logger

log = get_logger(__name__)

FIRST_LOGON_TIMEOUT_S = 2.0
RESTART_PAUSE_S = 1.0


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
    router = Router(
        {
            shard.shard_id: MatcherLink(shard.order_endpoint, settings.operator_key, shard.shard_id)
            for shard in settings.shards
        }
    )
    catalogue = Catalogue(router)
    ledger = LedgerReads(
        {shard.shard_id: shard.postgres_url for shard in settings.shards}, settings.redis_url
    )
    feed = Feed([shard.feed_endpoint for shard in settings.shards], catalogue, router, ledger)
    return Resources(KeyRing(settings.keys), router, catalogue, ledger, feed, Metrics(router, feed))


@asynccontextmanager
async def opened(resources: Resources) -> AsyncIterator[None]:
    """Sockets and pools open, tasks running; closed in reverse order.

    Waits a moment for the matchers, so that a normal start is ready at once, and goes on without them:
    requests are refused with `matcher_unreachable` until it answers.
    """
    stop = asyncio.Event()
    vitals = resources.metrics.vitals
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(resources.ledger)
        for link in resources.router.all():
            await stack.enter_async_context(link)
        await stack.enter_async_context(resources.feed)
        tasks = [
            asyncio.create_task(_kept_running(run), name=f"ingress.{run.__qualname__}")
            for run in (resources.catalogue.follow, resources.feed.broadcast)
        ]
        tasks.append(asyncio.create_task(vitals.beat_until(stop), name="ingress.vitals"))
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_LOGON_TIMEOUT_S):
                    await resources.catalogue.loaded.wait()
            with vitals.watching_garbage():
                yield
        finally:
            stop.set()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=FIRST_LOGON_TIMEOUT_S)


async def _kept_running(run: Callable[[], Awaitable[None]]) -> None:
    """Run an endless task; should it fail, say so and start it again: orders need not stop for it."""
    while True:
        try:
            await run()
        except Exception as error:
            log.error("task_failed", task=run.__qualname__, exc_info=error)
        await asyncio.sleep(RESTART_PAUSE_S)
