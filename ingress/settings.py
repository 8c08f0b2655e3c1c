"""What the ingress is told from outside. Read once, in __main__."""

import os
from collections.abc import Mapping

import msgspec
from tradepit.protocol import keys, settings
from tradepit.protocol.keys import ApiKey


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One shard: ZeroMQ addresses to connect to, and the database of its ledger."""

    shard_id: int = 0
    order_endpoint: str = settings.ORDER_ENDPOINT.default
    feed_endpoint: str = settings.FEED_ENDPOINT.default
    postgres_url: str = settings.POSTGRES_URL.default

    def __repr__(self) -> str:  # the database's password stays out of logs
        return f"Shard({self.shard_id}, order={self.order_endpoint})"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    shards: tuple[Shard, ...] = (Shard(),)
    redis_url: str = settings.REDIS_URL.default
    http_host: str = settings.HTTP_HOST.default
    http_port: int = int(settings.HTTP_PORT.default)
    keys: tuple[ApiKey, ...] = ()

    @property
    def operator_key(self) -> bytes:
        """The key with which the ingress logs on to the matchers, for all accounts."""
        return next(key.key_bytes for key in self.keys if key.is_operator)

    def __repr__(self) -> str:
        return f"Settings(http={self.http_host}:{self.http_port}, shards={self.shards})"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment and the keys file. Raises ConfigurationError."""
    return Settings(
        shards=_read_shards(environment),
        redis_url=settings.REDIS_URL.read(environment),
        http_host=settings.HTTP_HOST.read(environment),
        http_port=settings.HTTP_PORT.read(environment),
        keys=keys.read_keys(keys.keys_file(environment)),
    )


def _read_shards(environment: Mapping[str, str]) -> tuple[Shard, ...]:
    postgres_url = settings.POSTGRES_URL.read(environment)
    endpoints = zip(
        settings.of_each_shard(settings.ORDER_ENDPOINT, environment),
        settings.of_each_shard(settings.FEED_ENDPOINT, environment),
        strict=True,
    )
    return tuple(
        Shard(
            shard_id=shard_id,
            order_endpoint=order_endpoint,
            feed_endpoint=feed_endpoint,
            postgres_url=settings.of_shard(postgres_url, shard_id),
        )
        for shard_id, (order_endpoint, feed_endpoint) in enumerate(endpoints)
    )
