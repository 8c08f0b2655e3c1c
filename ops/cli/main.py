"""The `tradepit` command: finds the subcommand, imports it, and turns errors into sentences.

Exit codes: 0 done; 1 it failed; 2 a setting, an argument or the machine is not fit; 130 Ctrl-C.
"""

import importlib
import importlib.metadata
import os
import sys
from dataclasses import dataclass

from tradepit.protocol.errors import ConfigurationError, TradepitError


@dataclass(frozen=True)
class Command:
    module: str
    function: str
    summary: str
    extra: str = ""
    """The optional part of the package that it needs."""


COMMANDS = {
    "up": Command(
        "tradepit.cli.up", "run", "start a whole exchange on this machine and serve", "all"
    ),
    "matcher": Command(
        "tradepit.matcher.__main__", "main", "run the matcher of one shard", "matcher"
    ),
    "ledger": Command(
        "tradepit.ledger.__main__",
        "main",
        "write one shard's events to PostgreSQL; `ledger migrate` prepares the database",
        "ledger",
    ),
    "ingress": Command(
        "tradepit.ingress.__main__", "main", "serve REST in front of the matcher", "ingress"
    ),
    "demo": Command(
        "tradepit.tools.demo", "main", "list a few instruments and trade gently on them"
    ),
    "replay": Command(
        "tradepit.tools.replay",
        "run",
        "a recorded market day through the exchange, or the exchange at any seq of its journal",
    ),
    "journal": Command(
        "tradepit.tools.journal", "run", "inspect, verify or export the journal of a shard"
    ),
    "reconcile": Command(
        "tradepit.tools.reconcile",
        "run",
        "prove that journal, stream, ledger and cache of a running exchange agree",
        "ledger",
    ),
    "backup": Command(
        "tradepit.tools.backup", "run_backup", "back up an exchange, or verify a backup", "ledger"
    ),
    "restore": Command(
        "tradepit.tools.backup",
        "run_restore",
        "a new data folder from a backup, at any seq of its journal",
        "ledger",
    ),
    "top": Command(
        "tradepit.tools.top", "run", "show a running exchange, again every second", "all"
    ),
    "drill": Command(
        "tradepit.tools.drill", "run", "break an exchange on purpose and count what it loses", "all"
    ),
    "engine": Command(
        "tradepit.cli.engine", "run", "run commands (JSON lines) through the engine alone"
    ),
    "secrets": Command(
        "tradepit.cli.secrets", "run", "make keys and passwords for a deployment, once"
    ),
    "doctor": Command(
        "tradepit.cli.doctor", "run", "say what is wrong with this machine and how to mend it"
    ),
    "version": Command("tradepit.cli.main", "version", "print the version"),
}

USAGE = """\
usage: tradepit COMMAND [ARGUMENT...]

Tradepit is an exchange in a box: orders in over REST or ZeroMQ, a durable journal, trades out over
NATS JetStream, a double-entry ledger in PostgreSQL.

commands:
{commands}

Start with `tradepit up`: it needs nothing but this package. `tradepit COMMAND --help` tells more.
The services read their settings from TRADEPIT_* environment variables; see ops/README.md.
"""


def version(_argv: list[str]) -> int:
    print(importlib.metadata.version("tradepit"))
    return 0


def usage() -> str:
    width = max(map(len, COMMANDS)) + 2
    return USAGE.format(
        commands="\n".join(f"  {name:{width}}{cmd.summary}" for name, cmd in COMMANDS.items())
    )


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand and return its exit code; only argparse's own exits leave by SystemExit."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage(), end="")
        return 0
    name, *rest = arguments
    name = "version" if name in ("--version", "-V") else name
    command = COMMANDS.get(name)
    if command is None:
        print(f"tradepit: there is no command {name!r}; try `tradepit --help`", file=sys.stderr)
        return 2
    try:
        run = getattr(importlib.import_module(command.module), command.function)
        return int(run(rest) or 0)
    except ModuleNotFoundError as error:
        return explain_missing_module(name, command, error)
    except ConfigurationError as error:
        print(f"tradepit {name}: {error}", file=sys.stderr)
        return 2
    except TradepitError as error:
        print(f"tradepit {name}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output has seen enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def explain_missing_module(name: str, command: Command, error: ModuleNotFoundError) -> int:
    missing = error.name or ""
    if missing.startswith("tradepit.engine"):
        remedy = "the C++ engine is not built: `make build`, or `pip install tradepit`"
    elif missing.startswith("tradepit"):
        remedy = f"this installation has no {missing}: install the whole of tradepit"
    else:
        package = f"tradepit[{command.extra}]" if command.extra else "tradepit"
        remedy = f"the package {missing} is not installed: pip install '{package}'"
    print(f"tradepit {name}: {remedy}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
