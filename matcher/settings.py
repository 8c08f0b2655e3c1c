"""What a matcher is told from outside. Read once, in __main__."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tradepit.protocol import configuration
from tradepit.protocol.configuration import ApiKey
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.wire import Durability

SEGMENT_MIB_DEFAULT = 64
SNAPSHOT_COMMANDS_DEFAULT = 1_000_000
SNAPSHOT_COMMANDS_MAX = 10**12
RETENTION_HOURS_DEFAULT = 24
RETENTION_HOURS_MAX = 24 * 366 * 10
SEGMENT_MIB_MIN = 16  # two groups of the longest entry (journal.hpp)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Endpoints are ZeroMQ addresses to bind. A metrics_port of 0 serves no metrics; with 0
    snapshot_commands there is no snapshotter, and the journal keeps all of its segments.
    """

    shard_id: int
    data_dir: Path
    order_endpoint: str
    feed_endpoint: str
    nats_url: str
    nats_monitor_urls: tuple[str, ...]
    durability: Durability
    segment_bytes: int
    metrics_port: int
    snapshot_commands: int
    retention_hours: int
    keys: tuple[ApiKey, ...]

    @property
    def journal_dir(self) -> Path:
        return self.data_dir / "journal" / f"shard-{self.shard_id}"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from TRADEPIT_* variables and the keys file. Raises ConfigurationError."""
    durability = environment.get("TRADEPIT_DURABILITY", "disk")
    if durability not in ("memory", "disk", "replicated"):
        raise ConfigurationError(
            f"TRADEPIT_DURABILITY must be memory, disk or replicated, not {durability!r}"
        )
    segment_mib = configuration.integer(
        environment, "TRADEPIT_SEGMENT_MIB", SEGMENT_MIB_DEFAULT, SEGMENT_MIB_MIN, 4096
    )
    return Settings(
        shard_id=configuration.integer(
            environment, "TRADEPIT_SHARD_ID", 0, 0, configuration.SHARD_ID_MAX
        ),
        data_dir=Path(environment.get("TRADEPIT_DATA_DIR", "data")),
        order_endpoint=configuration.endpoint(
            environment, "TRADEPIT_ORDER_ENDPOINT", "tcp://127.0.0.1:5555"
        ),
        feed_endpoint=configuration.endpoint(
            environment, "TRADEPIT_FEED_ENDPOINT", "tcp://127.0.0.1:5556"
        ),
        nats_url=environment.get("TRADEPIT_NATS_URL", "nats://127.0.0.1:4222"),
        nats_monitor_urls=_monitor_urls(environment.get("TRADEPIT_NATS_MONITOR_URLS", "")),
        durability=Durability[durability.upper()],
        segment_bytes=segment_mib << 20,
        metrics_port=configuration.integer(
            environment, "TRADEPIT_METRICS_PORT", 0, 0, configuration.PORT_MAX
        ),
        snapshot_commands=configuration.integer(
            environment,
            "TRADEPIT_SNAPSHOT_COMMANDS",
            SNAPSHOT_COMMANDS_DEFAULT,
            0,
            SNAPSHOT_COMMANDS_MAX,
        ),
        retention_hours=configuration.integer(
            environment,
            "TRADEPIT_JOURNAL_RETENTION_HOURS",
            RETENTION_HOURS_DEFAULT,
            0,
            RETENTION_HOURS_MAX,
        ),
        keys=configuration.read_keys(configuration.keys_file(environment)),
    )


def _monitor_urls(text: str) -> tuple[str, ...]:
    urls = tuple(url for url in text.split(",") if url)
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(
                "TRADEPIT_NATS_MONITOR_URLS must be addresses such as http://127.0.0.1:8222, with "
                f"commas between, not {url!r}"
            )
    return urls
