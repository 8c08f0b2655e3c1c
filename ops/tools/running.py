"""A running exchange, as far as the tools that check it or trade on it need it."""

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tradepit.protocol import settings
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.keys import keys_file, read_keys


def add_data(parser: argparse.ArgumentParser) -> None:
    """The argument that says whose data folder is meant."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=settings.DATA_DIR.read(os.environ),
        help="the data folder (default: TRADEPIT_DATA_DIR, or ./data)",
    )


class Running(NamedTuple):
    """Where the parts are, and an operator's key."""

    data_dir: Path
    shard_id: int
    order_endpoint: str
    operator_key: str
    postgres_url: str
    nats_url: str
    redis_url: str

    def __repr__(self) -> str:  # URLs hold passwords
        return f"Running(data_dir={self.data_dir})"


def find(data_dir: Path, environment: Mapping[str, str] = os.environ) -> Running:
    """By the ready file that `tradepit up` writes into the data folder; without one, by the
    TRADEPIT_* settings that the services read. Raises ConfigurationError.
    """
    path = data_dir / "ready.json"
    if path.exists():
        try:
            ready = json.loads(path.read_text(encoding="utf-8"))
            if Path(ready["data_dir"]).resolve() != data_dir.resolve():
                raise ConfigurationError(
                    f"{path} is of the exchange in {ready['data_dir']}: this folder is a copy of it"
                )
            return Running(
                data_dir,
                0,
                ready["order_endpoint"],
                ready["operator"]["key"],
                ready["postgres_url"],
                ready["nats_url"],
                ready["redis_url"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{path} is not a ready file of `tradepit up`: {error!r}"
            ) from None
    if settings.POSTGRES_URL.given(environment) is None:
        raise ConfigurationError(
            f"no exchange runs here ({path} does not exist): start one with `tradepit up`, name its "
            "data folder with --data, or set TRADEPIT_POSTGRES_URL and the other settings of its "
            "services"
        )
    shard_id = settings.SHARD_ID.read(environment)
    return Running(
        data_dir,
        shard_id,
        settings.of_shard(settings.ORDER_ENDPOINT.read(environment), shard_id),
        next(key.key for key in read_keys(keys_file(environment)) if key.is_operator),
        settings.of_shard(settings.POSTGRES_URL.read(environment), shard_id),
        settings.NATS_URL.read(environment),
        settings.REDIS_URL.read(environment),
    )
