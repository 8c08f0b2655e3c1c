"""The ledger's settings, read from the environment once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tradepit.protocol.errors import ConfigurationError

SHARD_ID_MAX = 2**15 - 1
"""Order ids keep the shard in their upper 15 bits."""


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
            shard_id=_integer(environment, "TRADEPIT_SHARD_ID", 0, SHARD_ID_MAX),
            nats_url=environment.get("TRADEPIT_NATS_URL", "nats://127.0.0.1:4222"),
            postgres_url=postgres_url_of(environment),
            redis_url=environment.get("TRADEPIT_REDIS_URL", "redis://127.0.0.1:6379/0"),
            metrics_port=_integer(environment, "TRADEPIT_METRICS_PORT", 0, 65535),
        )


def postgres_url_of(environment: Mapping[str, str]) -> str:
    return environment.get("TRADEPIT_POSTGRES_URL", "postgresql://tradepit@127.0.0.1:5432/tradepit")


def _integer(environment: Mapping[str, str], name: str, default: int, highest: int) -> int:
    text = environment.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and int(text) <= highest):
        raise ConfigurationError(f"{name} is {text!r}, not a number from 0 to {highest}")
    return int(text)
