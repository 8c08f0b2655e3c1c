"""`tradepit matcher`: one shard's matching engine, journal and publisher."""

import argparse
import asyncio
import sys

from tradepit.matcher.settings import read_settings
from tradepit.matcher.shard import check_libzmq, serve
from tradepit.protocol.errors import ConfigurationError, TradepitError
from tradepit.protocol.log import get_logger, setup_logging
from tradepit.protocol.settings import help_text

log = get_logger(__name__)

DESCRIPTION = """\
Runs one shard: takes orders from a ZeroMQ ROUTER socket, matches them, makes them durable in the
journal, answers, and publishes every commit to JetStream. SIGTERM ends it in order.

"""


def main(argv: list[str]) -> int:
    """Run until a signal. Exit code 0 after an orderly stop, 2 for settings, 1 for the rest."""
    parser = argparse.ArgumentParser(
        prog="tradepit matcher",
        description=DESCRIPTION + help_text("matcher"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)
    code = 0
    try:
        setup_logging("matcher")
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
    log.critical("fatal", error=error)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
