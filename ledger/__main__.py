"""`tradepit ledger`: writes a shard's events to PostgreSQL. `tradepit ledger migrate`: its schema."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

from tradepit.ledger.cache import RedisCache
from tradepit.ledger.errors import Interrupted, LedgerStopped
from tradepit.ledger.metrics import Metrics
from tradepit.ledger.migrate import create_database, database_of, migrate
from tradepit.ledger.parking import Parking
from tradepit.ledger.settings import Settings, postgres_url_of
from tradepit.ledger.store import PositionReader, PostgresStore
from tradepit.ledger.stream import JetStream
from tradepit.ledger.writer import Writer
from tradepit.protocol.errors import ConfigurationError, TradepitError
from tradepit.protocol.health_server import serve_health
from tradepit.protocol.log import get_logger, setup_logging
from tradepit.protocol.settings import help_text
from tradepit.protocol.traces import make_tracer
from tradepit.protocol.vitals import Vitals

log = get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigurationError, Fenced, Interrupted (a server
    was not there at the start).
    """
    stop = asyncio.Event()
    metrics = Metrics(settings.shard_id)
    store = PostgresStore(settings.postgres_url, settings.shard_id)
    reader = PositionReader(settings.postgres_url, settings.shard_id)
    async with AsyncExitStack() as resources:  # closed in reverse order
        resources.push_async_callback(store.close)
        state = await store.open()
        cache = await resources.enter_async_context(
            RedisCache(
                settings.redis_url,
                settings.shard_id,
                reader,
                on_written=metrics.cache_seconds.observe,
                on_interrupted=metrics.interruptions.labels("redis").inc,
            )
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
            tracer=make_tracer("ledger"),
        )
        parking = Parking(writer, metrics)
        metrics.pending_messages.set_function(lambda: stream.pending_count)
        metrics.cached_seq.set_function(lambda: cache.mirrored_seq)
        metrics.cache_complete.set_function(lambda: cache.complete)

        def why_not_ready() -> str:
            if parking.reason:
                return f"parked: {parking.reason}"
            return "" if writer.ready else "not following the stream"

        metrics.following.set_function(lambda: writer.ready)
        vitals = Vitals("ledger", metrics.registry, lambda: not why_not_ready())
        resources.enter_context(vitals.watching_garbage())
        resources.enter_context(
            serve_health(
                settings.metrics_host,
                settings.metrics_port,
                lambda: vitals.is_live,
                why_not_ready,
                metrics.render,
            )
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(parking.write_until(stop), name="ledger.writer")
                tasks.create_task(cache.mirror_until(stop), name="ledger.cache")
                tasks.create_task(vitals.beat_until(stop), name="ledger.vitals")
                log.info("ready", shard_id=settings.shard_id, seq=state.position.seq)
        except* TradepitError as group:
            raise _first_of(group) from None
        await cache.finish()
    log.info("stopped", shard_id=settings.shard_id)


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
    migration_parser = commands.add_parser(
        "migrate",
        help="bring the database's schema up to date, and exit",
        description="Runs the numbered SQL files that the database lacks, each in a transaction.",
    )
    migration_parser.add_argument(
        "--create", action="store_true", help="make the database itself, if it is not there"
    )
    arguments = parser.parse_args(argv)
    try:
        setup_logging("ledger")
        if arguments.command == "migrate":
            url = postgres_url_of(os.environ)
            if arguments.create and asyncio.run(create_database(url)):
                log.info("created", database=database_of(url))
            for migration in asyncio.run(migrate(url)):
                log.info("migrated", number=migration.number, name=migration.name)
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
