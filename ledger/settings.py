"""The ledger's settings, read from the environment once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tradepit.protocol import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    shard_id: int
    nats_url: str
    postgres_url: str
    redis_url: str
    metrics_host: str
    metrics_port: int
    """0 = no metrics and no health page."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises ConfigurationError, which names the variable."""
        return cls(
            shard_id=settings.SHARD_ID.read(environment),
            nats_url=settings.NATS_URL.read(environment),
            postgres_url=postgres_url_of(environment),
            redis_url=settings.REDIS_URL.read(environment),
            metrics_host=settings.METRICS_HOST.read(environment),
            metrics_port=settings.METRICS_PORT.read(environment),
        )


def postgres_url_of(environment: Mapping[str, str]) -> str:
    """The database of the shard that the environment names."""
    shard_id = settings.SHARD_ID.read(environment)
    return settings.of_shard(settings.POSTGRES_URL.read(environment), shard_id)
