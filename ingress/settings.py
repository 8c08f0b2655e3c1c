"""What the ingress is told from outside. Read once, in __main__."""

import os
from collections.abc import Mapping

import msgspec
from tradepit.protocol import configuration
from tradepit.protocol.configuration import ApiKey


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Endpoints are ZeroMQ addresses that the ingress connects to."""

    shard_id: int = 0
    order_endpoint: str = "tcp://127.0.0.1:5555"
    feed_endpoint: str = "tcp://127.0.0.1:5556"
    postgres_url: str = "postgresql://127.0.0.1:5432/tradepit"
    redis_url: str = "redis://127.0.0.1:6379/0"
    http_host: str = "127.0.0.1"
    http_port: int = 8000
    keys: tuple[ApiKey, ...] = ()

    @property
    def operator_key(self) -> bytes:
        """The key with which the ingress logs on to the matcher, for all accounts."""
        return next(key.key_bytes for key in self.keys if key.is_operator)

    def __repr__(self) -> str:  # the database's password stays out of logs
        return f"Settings(http={self.http_host}:{self.http_port}, order={self.order_endpoint})"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from TRADEPIT_* variables and the keys file. Raises ConfigurationError."""
    defaults = Settings()
    return Settings(
        shard_id=configuration.integer(
            environment, "TRADEPIT_SHARD_ID", defaults.shard_id, 0, configuration.SHARD_ID_MAX
        ),
        order_endpoint=configuration.endpoint(
            environment, "TRADEPIT_ORDER_ENDPOINT", defaults.order_endpoint
        ),
        feed_endpoint=configuration.endpoint(
            environment, "TRADEPIT_FEED_ENDPOINT", defaults.feed_endpoint
        ),
        postgres_url=environment.get("TRADEPIT_POSTGRES_URL", defaults.postgres_url),
        redis_url=environment.get("TRADEPIT_REDIS_URL", defaults.redis_url),
        http_host=environment.get("TRADEPIT_HTTP_HOST", defaults.http_host),
        http_port=configuration.integer(
            environment, "TRADEPIT_HTTP_PORT", defaults.http_port, 0, configuration.PORT_MAX
        ),
        keys=configuration.read_keys(configuration.keys_file(environment)),
    )
