"""What a matcher is told from outside. Read once, in __main__."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tradepit.protocol import keys, settings
from tradepit.protocol.keys import ApiKey
from tradepit.protocol.wire import Durability


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
    metrics_host: str
    metrics_port: int
    snapshot_commands: int
    retention_hours: int
    keys: tuple[ApiKey, ...]

    @property
    def journal_dir(self) -> Path:
        return self.data_dir / "journal" / f"shard-{self.shard_id}"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment and the keys file. Raises ConfigurationError."""
    shard_id = settings.SHARD_ID.read(environment)
    return Settings(
        shard_id=shard_id,
        data_dir=settings.DATA_DIR.read(environment),
        order_endpoint=settings.of_shard(settings.ORDER_ENDPOINT.read(environment), shard_id),
        feed_endpoint=settings.of_shard(settings.FEED_ENDPOINT.read(environment), shard_id),
        nats_url=settings.NATS_URL.read(environment),
        nats_monitor_urls=settings.NATS_MONITOR_URLS.read(environment),
        durability=Durability[settings.DURABILITY.read(environment).upper()],
        segment_bytes=settings.SEGMENT_MIB.read(environment) << 20,
        metrics_host=settings.METRICS_HOST.read(environment),
        metrics_port=settings.METRICS_PORT.read(environment),
        snapshot_commands=settings.SNAPSHOT_COMMANDS.read(environment),
        retention_hours=settings.JOURNAL_RETENTION_HOURS.read(environment),
        keys=keys.read_keys(keys.keys_file(environment)),
    )
