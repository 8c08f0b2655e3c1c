"""What the ingress is told from outside. Read once, in __main__."""

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec
from tradepit.protocol.errors import ConfigurationError

KEY_PATTERN = re.compile(r"[0-9a-f]{64}")


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the keys file. An operator's account_id is 0."""

    key: str
    account_id: int
    role: str
    name: str = ""

    def __repr__(self) -> str:  # a key must not reach a log through a traceback
        return f"ApiKey(account_id={self.account_id}, role={self.role!r}, name={self.name!r})"


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
        return next(bytes.fromhex(key.key) for key in self.keys if key.role == "operator")

    def __repr__(self) -> str:  # the database's password stays out of logs
        return f"Settings(http={self.http_host}:{self.http_port}, order={self.order_endpoint})"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from TRADEPIT_* variables and the keys file. Raises ConfigurationError."""
    defaults = Settings()
    data_dir = Path(environment.get("TRADEPIT_DATA_DIR", "data"))
    keys_file = Path(environment.get("TRADEPIT_KEYS_FILE", data_dir / "keys.json"))
    return Settings(
        shard_id=_integer(environment, "TRADEPIT_SHARD_ID", defaults.shard_id, 0, 32767),
        order_endpoint=_endpoint(environment, "TRADEPIT_ORDER_ENDPOINT", defaults.order_endpoint),
        feed_endpoint=_endpoint(environment, "TRADEPIT_FEED_ENDPOINT", defaults.feed_endpoint),
        postgres_url=environment.get("TRADEPIT_POSTGRES_URL", defaults.postgres_url),
        redis_url=environment.get("TRADEPIT_REDIS_URL", defaults.redis_url),
        http_host=environment.get("TRADEPIT_HTTP_HOST", defaults.http_host),
        http_port=_integer(environment, "TRADEPIT_HTTP_PORT", defaults.http_port, 0, 65535),
        keys=read_keys(keys_file),
    )


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys file. Refused if others can read it, or if it holds no operator's key: without one
    the ingress cannot log on. Raises ConfigurationError.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the keys file {path} ({error.strerror}): set TRADEPIT_KEYS_FILE"
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"{path} holds keys and others may read it: chmod 600 {path}")
    try:
        keys = tuple(msgspec.convert(json.loads(text)["keys"], list[ApiKey]))
    except (ValueError, TypeError, KeyError, msgspec.ValidationError) as error:
        # The text of a parse error can quote the file, so it stays out of the message.
        raise ConfigurationError(
            f'{path} is not a keys file: {{"keys": [{{"key", "account_id", "role", "name"}}]}} '
            f"({type(error).__name__})"
        ) from None
    for index, key in enumerate(keys):
        if not KEY_PATTERN.fullmatch(key.key):
            raise ConfigurationError(f"{path}: key {index} is not 64 lower-case hex characters")
        if key.role not in ("trader", "operator"):
            raise ConfigurationError(f"{path}: the role of key {index} is not trader or operator")
        if not (0 < key.account_id < 2**63 if key.role == "trader" else key.account_id == 0):
            raise ConfigurationError(
                f"{path}: key {index} needs an account_id of at least 1 for a trader, 0 for an "
                "operator"
            )
    if not any(key.role == "operator" for key in keys):
        raise ConfigurationError(f"{path} has no operator's key, which the ingress logs on with")
    return keys


def _integer(
    environment: Mapping[str, str], name: str, default: int, lowest: int, highest: int
) -> int:
    text = environment.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
        raise ConfigurationError(f"{name} must be a number from {lowest} to {highest}")
    return int(text)


def _endpoint(environment: Mapping[str, str], name: str, default: str) -> str:
    text = environment.get(name, default)
    if not re.fullmatch(r"(tcp|ipc)://\S+", text):
        raise ConfigurationError(f"{name} must be a ZeroMQ address such as {default}, not {text!r}")
    return text
