"""`tradepit up`: a whole exchange on this machine, in the foreground, until Ctrl-C."""

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from tradepit.cli import ports
from tradepit.cli.data_folder import DataFolder
from tradepit.cli.exchange import Exchange, ServerUrls
from tradepit.cli.files import write_json
from tradepit.cli.supervisor import StopRequested, Supervisor
from tradepit.protocol import settings
from tradepit.protocol.errors import ConfigurationError, TradepitError

DESCRIPTION = """\
Start an exchange on this machine and serve until Ctrl-C (or SIGTERM), which stops it in order.

PostgreSQL, NATS and Redis are started from the installed wheels, on loopback, with their data in the
data folder; where TRADEPIT_POSTGRES_URL, TRADEPIT_NATS_URL or TRADEPIT_REDIS_URL is set, the server
that runs there is used instead. Everything is kept across restarts. A part that dies is started
again; if it keeps dying, everything stops.
"""
EPILOG = """\
The table shows URLs without passwords; the ready file has them in full and is readable by you only.
Exit codes: 0 stopped on request; 1 a part failed; 2 the folder, a port or a setting is not fit;
130 Ctrl-C before anything was begun.
"""


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tradepit up",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=settings.DATA_DIR.read(os.environ),
        help="where everything is kept (default: TRADEPIT_DATA_DIR, or ./data)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8000,
        metavar="N",
        help="HTTP port of the REST interface; 0 takes a free one (default: 8000)",
    )
    parser.add_argument(
        "--ready-file",
        type=Path,
        metavar="PATH",
        help="a JSON file with URLs, endpoints, keys and process ids, written at the moment when "
        "orders can be taken durably and removed at the stop (always written: DIR/ready.json)",
    )
    parser.add_argument(
        "--no-demo",
        action="store_true",
        help="no market makers and takers; the demo instruments and accounts are there all the same",
    )
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.port <= ports.PORT_MAX:
        parser.error(f"--port: a number from 0 to {ports.PORT_MAX}")
    return arguments


def run(argv: list[str]) -> int:
    """Serve until told to stop. Raises ConfigurationError for what a person has to mend."""
    arguments = parse(argv)
    if sys.platform != "linux":
        raise ConfigurationError(
            "`tradepit up` needs Linux: use the containers (docker compose up), or start NATS, PostgreSQL "
            "and Redis yourself, and `tradepit matcher`, `ledger` and `ingress` on them"
        )
    say(f"tradepit: starting in {arguments.data.absolute()}")
    try:
        with DataFolder(arguments.data) as folder:
            return serve(folder, arguments)
    except StopRequested:
        say("stopped before everything was up")
        return 0
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise ConfigurationError(f"{error.strerror or error}{where}: `tradepit doctor`") from error


def serve(folder: DataFolder, arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    port = http_port(arguments.port)
    ready_files = [folder.path / "ready.json"]
    if arguments.ready_file is not None:
        ready_files.append(arguments.ready_file.absolute())
    remove(ready_files)
    for name in folder.end_leftovers():
        say(f"ended {name}, which a run that was killed had left behind")

    exchange: Exchange | None = None
    try:
        supervisor = Supervisor(
            report=lambda text: say(f"! {text}"),
            changed=lambda: exchange.note_children() if exchange is not None else None,
            idle=lambda: exchange.logs.poll() if exchange is not None else None,
        )
        exchange = Exchange(
            folder=folder,
            servers=ServerUrls.from_environment(),
            http_port=port,
            demo=not arguments.no_demo,
            supervisor=supervisor,
            say=say,
        )
        exchange.start()
        supervisor.starting = False  # it is up: from here on a stop is an orderly one
        document = exchange.document()
        write_ready(ready_files, document)
        show_table(document, time.monotonic() - started)
        exchange.on_change = lambda: write_ready(ready_files, exchange.document())
        supervisor.run()
        say("stopping")
    except TradepitError as error:
        say(f"! {error}")
        say("stopping everything")
        return 2 if isinstance(error, ConfigurationError) else 1
    finally:
        remove(ready_files)
        if exchange is not None:
            exchange.stop()
            exchange.supervisor.close()
    say("stopped")
    return 0


def http_port(wanted: int) -> int:
    if wanted == 0:
        return ports.choose({}, ["http"])["http"]
    why_not = ports.why_not_free(wanted)
    if why_not:
        stop = "stop what listens there, or " if why_not == "is in use" else ""
        raise ConfigurationError(
            f"port {wanted} {why_not}: {stop}choose another with --port (0 takes a free one)"
        )
    return wanted


def write_ready(paths: list[Path], document: dict[str, Any]) -> None:
    for path in paths:
        try:
            write_json(path, document)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write the ready file {path}: {error.strerror}"
            ) from error


def remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal is gone: nobody reads it, and we go on
        print(text, file=sys.stderr, flush=True)


def without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def show_table(document: dict[str, Any], took_s: float) -> None:
    """What a user needs to go on, on standard output."""
    from rich.console import Console  # here: it is slow to import, and the children start meanwhile
    from rich.table import Table

    table = Table(title=f"Tradepit serves (up in {took_s:.1f} s)", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    ingress = document["ingress_url"]
    for name, value in (
        ("live page", ingress),
        ("REST", f"{ingress}/v1"),
        ("API documentation", f"{ingress}/docs"),
        ("orders (ZeroMQ)", document["order_endpoint"]),
        ("market data (ZeroMQ)", document["feed_endpoint"]),
        ("PostgreSQL", without_password(document["postgres_url"])),
        ("NATS", without_password(document["nats_url"])),
        ("Redis", without_password(document["redis_url"])),
        ("data folder", document["data_dir"]),
        ("passwords, all keys", f"{document['data_dir']}/ready.json"),
        ("demo account", str(document["demo"]["account_id"])),
        ("demo key", document["demo"]["key"]),
    ):
        table.add_row(name, value)
    # A key that is cut in two cannot be copied: never narrower than it, whatever the terminal says.
    console = Console()
    console.width = max(console.width, 92)
    console.print(table)
    console.print(
        f"Try: curl -H 'Authorization: Bearer {document['demo']['key']}' {ingress}/v1/balances",
        soft_wrap=True,
        highlight=False,
    )
    console.print("Ctrl-C stops it.")
