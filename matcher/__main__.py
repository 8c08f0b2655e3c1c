"""`tradepit matcher`: one shard's matching engine, journal and publisher."""

import argparse
import asyncio
import logging
import sys

from tradepit.matcher.settings import read_settings
from tradepit.matcher.shard import check_libzmq, serve
from tradepit.protocol.errors import ConfigurationError, TradepitError
from tradepit.protocol.log import setup_logging

log = logging.getLogger(__name__)

DESCRIPTION = """\
Runs one shard: takes orders from a ZeroMQ ROUTER socket, matches them, makes them durable in the
journal, answers, and publishes every commit to JetStream. SIGTERM ends it in order.

settings (environment):
  TRADEPIT_SHARD_ID           which shard this is                         0
  TRADEPIT_DATA_DIR           the journal is in <dir>/journal/shard-<id>  ./data
  TRADEPIT_ORDER_ENDPOINT     where orders come in                        tcp://127.0.0.1:5555
  TRADEPIT_FEED_ENDPOINT      where market data goes out                  tcp://127.0.0.1:5556
  TRADEPIT_NATS_URL           JetStream                                   nats://127.0.0.1:4222
  TRADEPIT_NATS_MONITOR_URLS  monitoring pages of the NATS servers, with
                              commas between: whether they sync is asked  none
  TRADEPIT_KEYS_FILE          API keys, mode 0600                         <data>/keys.json
  TRADEPIT_DURABILITY         memory, disk or replicated (README)         disk
  TRADEPIT_SEGMENT_MIB        size of a journal segment                   64
  TRADEPIT_SNAPSHOT_COMMANDS  commands from snapshot to snapshot;
                              0 = none, and no segment is ever removed    1000000
  TRADEPIT_JOURNAL_RETENTION_HOURS
                              how long a segment stays at least           24
  TRADEPIT_METRICS_PORT       /metrics and /health on loopback; 0 = none  0
"""


def main(argv: list[str]) -> int:
    """Run until a signal. Exit code 0 after an orderly stop, 2 for settings, 1 for the rest."""
    parser = argparse.ArgumentParser(
        prog="tradepit matcher",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)
    setup_logging("matcher")
    code = 0
    try:
        check_libzmq()
        asyncio.run(serve(read_settings()))
    except* ConfigurationError as group:
        code = _report(group, 2)
    except* (TradepitError, OSError, RuntimeError) as group:
        code = _report(group, 1)
    return code


def _report(error: BaseException, code: int) -> int:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    log.critical("fatal %s", error)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
