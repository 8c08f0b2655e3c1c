"""The command line of `tradepit top`, and its turns."""

import argparse
import sys
import time

from rich.console import Console
from rich.live import Live
from tradepit.tools import running
from tradepit.tools.top.screen import frame
from tradepit.tools.top.services import Services

INTERVAL_S = 1.0
PLAIN_WIDTH = 132  # where there is no terminal to ask

DESCRIPTION = """\
Shows a running exchange, again every second: its shards, ledgers and ingresses, how much they do, how long
it takes, what is behind, and what needs a look. It reads their /metrics and nothing else.
"""
EPILOG = """\
Ctrl-C ends it. Without a terminal it prints frame after frame, without colours. Exit codes: 0; with --once 1
if a service does not answer; 2 there is nothing to look at.
"""


def run(argv: list[str]) -> int:
    """Run the subcommand `top`."""
    parser = argparse.ArgumentParser(
        prog="tradepit top",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    running.add_data(parser)
    parser.add_argument(
        "--url",
        action="append",
        default=[],
        metavar="URL",
        help="a service, such as http://127.0.0.1:9100; once for each of them, instead of those that "
        "`tradepit up` runs in the data folder",
    )
    parser.add_argument(
        "--once", action="store_true", help="one frame, of the figures of one second, and no more"
    )
    arguments = parser.parse_args(argv)
    services = Services(arguments.url, arguments.data)
    title = f"{len(arguments.url)} services" if arguments.url else str(arguments.data)
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, PLAIN_WIDTH)
    services.look()
    if arguments.once:
        time.sleep(INTERVAL_S)
        seen = services.look()
        console.print(frame(seen, title, console.width))
        return 1 if any(service.trouble for service in seen) else 0
    if not console.is_terminal:
        while True:
            time.sleep(INTERVAL_S)
            console.print(frame(services.look(), title, console.width))
            sys.stdout.flush()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(INTERVAL_S)
            live.update(frame(services.look(), title, console.width), refresh=True)
