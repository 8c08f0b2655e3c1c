"""The ledger's settings, read from the environment once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tradepit.protocol import configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    shard_id: int
    nats_url: str
    postgres_url: str
    redis_url: str
    metrics_port: int
    """0 = no metrics and no health page."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises ConfigurationError, which names the variable."""
        return cls(
            shard_id=configuration.integer(
                environment, "TRADEPIT_SHARD_ID", 0, 0, configuration.SHARD_ID_MAX
            ),
            nats_url=environment.get("TRADEPIT_NATS_URL", "nats://127.0.0.1:4222"),
            postgres_url=postgres_url_of(environment),
            redis_url=environment.get("TRADEPIT_REDIS_URL", "redis://127.0.0.1:6379/0"),
            metrics_port=configuration.integer(
                environment, "TRADEPIT_METRICS_PORT", 0, 0, configuration.PORT_MAX
            ),
        )


def postgres_url_of(environment: Mapping[str, str]) -> str:
    return environment.get("TRADEPIT_POSTGRES_URL", "postgresql://tradepit@127.0.0.1:5432/tradepit")
