"""`tradepit ledger`: writes a shard's events to PostgreSQL. `tradepit ledger migrate`: its schema."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

from tradepit.ledger.cache import RedisCache
from tradepit.ledger.errors import Interrupted, LedgerStopped
from tradepit.ledger.metrics import Metrics
from tradepit.ledger.migrate import migrate
from tradepit.ledger.parking import Parking
from tradepit.ledger.settings import Settings, postgres_url_of
from tradepit.ledger.store import PositionReader, PostgresStore
from tradepit.ledger.stream import JetStream
from tradepit.ledger.writer import Writer
from tradepit.protocol.errors import ConfigurationError, TradepitError
from tradepit.protocol.health_server import serve_health
from tradepit.protocol.log import setup_logging
from tradepit.protocol.settings import help_text

log = logging.getLogger(__name__)


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigurationError, Fenced, Interrupted (a server
    was not there at the start).
    """
    stop = asyncio.Event()
    metrics = Metrics()
    store = PostgresStore(settings.postgres_url, settings.shard_id)
    reader = PositionReader(settings.postgres_url, settings.shard_id)
    async with AsyncExitStack() as resources:  # closed in reverse order
        resources.push_async_callback(store.close)
        state = await store.open()
        cache = await resources.enter_async_context(
            RedisCache(settings.redis_url, settings.shard_id, reader)
        )

        def request_stop() -> None:
            stop.set()
            cache.wake()

        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, request_stop)
        stream = await resources.enter_async_context(
            JetStream(settings.nats_url, settings.shard_id)
        )
        writer = Writer(
            settings.shard_id,
            stream,
            store,
            cache,
            metrics,
            on_progress=lambda: parking.note_progress(),
        )
        parking = Parking(writer, metrics)
        metrics.pending_messages.set_function(lambda: stream.pending_count)
        metrics.cached_seq.set_function(lambda: cache.mirrored_seq)
        metrics.cache_complete.set_function(lambda: cache.complete)

        def why_not_ready() -> str:
            if parking.reason:
                return f"parked: {parking.reason}"
            return "" if writer.ready else "not following the stream"

        resources.enter_context(
            serve_health(
                settings.metrics_host,
                settings.metrics_port,
                why_not_ready,
                metrics.render,
            )
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(parking.write_until(stop), name="ledger.writer")
                tasks.create_task(cache.mirror_until(stop), name="ledger.cache")
                log.info("ready shard_id=%d seq=%d", settings.shard_id, state.position.seq)
        except* TradepitError as group:
            raise _first_of(group) from None
        await cache.finish()
    log.info("stopped shard_id=%d", settings.shard_id)


def _first_of(group: ExceptionGroup[TradepitError]) -> TradepitError:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, ExceptionGroup) else first


def main(argv: Sequence[str]) -> int:
    """Exit code 0 after an orderly stop, 1 if the ledger had to stop, 2 for a wrong setting."""
    parser = argparse.ArgumentParser(
        prog="tradepit ledger",
        description="Writes one shard's events from JetStream to PostgreSQL, exactly once, and "
        "mirrors positions in Redis.",
        epilog=help_text("ledger"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser(
        "migrate",
        help="bring the database's schema up to date, and exit",
        description="Runs the numbered SQL files that the database lacks, each in a transaction.",
    )
    arguments = parser.parse_args(argv)
    try:
        setup_logging("ledger")
        if arguments.command == "migrate":
            for migration in asyncio.run(migrate(postgres_url_of(os.environ))):
                log.info("migrated number=%d name=%s", migration.number, migration.name)
        else:
            asyncio.run(serve(Settings.from_environment(os.environ)))
    except ConfigurationError as error:
        print(f"tradepit ledger: {error}", file=sys.stderr)
        return 2
    except (LedgerStopped, Interrupted) as error:
        print(f"tradepit ledger: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
