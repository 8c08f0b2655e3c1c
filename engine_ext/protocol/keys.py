"""API keys, and the file that holds them. Standard library only."""

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tradepit.protocol import settings
from tradepit.protocol.errors import ConfigurationError

_KEY = re.compile(r"[0-9a-f]{64}")


class ApiKey(NamedTuple):
    """One entry of the keys file. `role` is trader or operator; an operator's account_id is 0."""

    key: str
    account_id: int
    role: str
    name: str = ""

    def __repr__(self) -> str:  # a key must not reach a log through a traceback
        return f"ApiKey(account_id={self.account_id}, role={self.role!r}, name={self.name!r})"

    @property
    def is_operator(self) -> bool:
        return self.role == "operator"

    @property
    def key_bytes(self) -> bytes:
        return bytes.fromhex(self.key)


def keys_file(environment: Mapping[str, str]) -> Path:
    """Where the keys file is."""
    if settings.KEYS_FILE.name in environment:
        return settings.KEYS_FILE.read(environment)
    return settings.DATA_DIR.read(environment) / "keys.json"


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys of `{"keys": [{"key", "account_id", "role", "name"}]}`, an operator's among them.

    Refused if others can read the file: PostgreSQL's rule, which lets the group of a file of root's
    read it, as orchestrators mount secrets. Raises ConfigurationError; its text never quotes the file.
    """
    try:
        status = path.stat()
        text = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the keys file {path} ({error.strerror}): set TRADEPIT_KEYS_FILE"
        ) from error
    is_mounted_secret = status.st_uid == 0 and os.geteuid() != 0
    allowed = 0o640 if is_mounted_secret else 0o600
    if stat.S_IMODE(status.st_mode) & ~allowed & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"{path} holds keys and others may read it: chmod 600 {path}")
    try:
        keys = tuple(ApiKey(**entry) for entry in json.loads(text)["keys"])
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f'{path} is not a keys file: {{"keys": [{{"key", "account_id", "role", "name"}}]}} '
            f"({type(error).__name__})"
        ) from None
    for index, key in enumerate(keys):
        if not isinstance(key.key, str) or not _KEY.fullmatch(key.key):
            raise ConfigurationError(f"{path}: key {index} is not 64 lower-case hex characters")
        if key.role not in ("trader", "operator"):
            raise ConfigurationError(f"{path}: the role of key {index} is not trader or operator")
        is_number = isinstance(key.account_id, int) and not isinstance(key.account_id, bool)
        if not is_number or not (
            key.account_id == 0 if key.is_operator else 0 < key.account_id < 2**63
        ):
            raise ConfigurationError(
                f"{path}: key {index} needs an account_id of at least 1 for a trader, "
                "0 for an operator"
            )
    if not any(key.is_operator for key in keys):
        raise ConfigurationError(f"{path} has no operator's key, which the services log on with")
    return keys
