"""Every setting: its name, what it may be, its default, its meaning. docs/configuration.md is made of it.

A setting is an environment variable. Each may be given as a file instead, which keeps secrets out of
the environment: NAME_FILE=/path names a file that holds the value of NAME. Standard library only.
"""

import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from tradepit.protocol.errors import ConfigurationError

SHARD_ID_MAX = 32767
SHARD_COUNT_MAX = 64
PORT_MAX = 65535
SEGMENT_MIB_MIN = 16  # two groups of the longest entry (journal.hpp)
SNAPSHOT_COMMANDS_MAX = 10**12
RETENTION_HOURS_MAX = 24 * 366 * 10
SHARD_MARK = "{shard}"

T = TypeVar("T")


class Kind(NamedTuple, Generic[T]):
    """What a value may be, in words, and how it is read. `parse` raises ValueError."""

    text: str
    parse: Callable[[str], T]


@dataclass(frozen=True, kw_only=True)
class Setting(Generic[T]):
    """`default` is written as in the environment; `shown_default` says it where it is none."""

    name: str
    kind: Kind[T]
    default: str
    meaning: str
    read_by: str
    shown_default: str = ""
    is_secret: bool = False

    def given(self, environment: Mapping[str, str]) -> str | None:
        """The text that was set, by the variable or by its file; None if neither was.

        Raises ConfigurationError if both were, or if the file cannot be read.
        """
        text = environment.get(self.name)
        path = environment.get(f"{self.name}_FILE")
        if path is None:
            return text
        if text is not None:
            raise ConfigurationError(f"{self.name} and {self.name}_FILE are both set: unset one")
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigurationError(
                f"{self.name}_FILE names {path}, which cannot be read ({reason})"
            ) from None

    def read(self, environment: Mapping[str, str]) -> T:
        """The value. Raises ConfigurationError, which quotes no secret."""
        text = self.given(environment)
        try:
            return self.kind.parse(self.default if text is None else text)
        except ValueError:
            quoted = "" if self.is_secret or text is None else f", not {text[:80]!r}"
            raise ConfigurationError(f"{self.name} must be {self.kind.text}{quoted}") from None


def of_shard(template: str, shard_id: int) -> str:
    """An address with the shard's id where it says {shard}."""
    return template.replace(SHARD_MARK, str(shard_id))


def of_each_shard(endpoint: "Setting[str]", environment: Mapping[str, str]) -> list[str]:
    """That address of each shard, by id. Raises ConfigurationError."""
    shard_count = SHARD_COUNT.read(environment)
    template = endpoint.read(environment)
    if shard_count > 1 and SHARD_MARK not in template:
        raise ConfigurationError(
            f"{SHARD_COUNT.name} is {shard_count}: {endpoint.name} must say {SHARD_MARK} where the "
            f"shard's id goes, not {template!r}"
        )
    return [of_shard(template, shard_id) for shard_id in range(shard_count)]


def _number(lowest: int, highest: int) -> Kind[int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not lowest <= int(text) <= highest:
            raise ValueError
        return int(text)

    return Kind(f"a number from {lowest} to {highest}", parse)


def _choice(*values: str) -> Kind[str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError
        return text

    return Kind(", ".join(values[:-1]) + f" or {values[-1]}", parse)


def _matching(pattern: str, text: str) -> Kind[str]:
    def parse(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return Kind(text, parse)


def _page_addresses(text: str) -> tuple[str, ...]:
    urls = tuple(url for url in text.split(",") if url)
    if not all(url.startswith(("http://", "https://")) for url in urls):
        raise ValueError
    return urls


_ENDPOINT = _matching(r"(tcp|ipc)://\S+", "a ZeroMQ address such as tcp://127.0.0.1:5555")
_HOST = _matching(r"[^\s/]+", "a host's name or address")
_URL = _matching(r"\S+", "a URL")
_PATH = Kind("a path", Path)
_OF_SHARD = f" `{SHARD_MARK}` in it stands for the shard's id."

SHARD_ID = Setting(
    name="TRADEPIT_SHARD_ID",
    kind=_number(0, SHARD_ID_MAX),
    default="0",
    meaning="The shard that this process serves.",
    read_by="matcher, ledger",
)
SHARD_COUNT = Setting(
    name="TRADEPIT_SHARD_COUNT",
    kind=_number(1, SHARD_COUNT_MAX),
    default="1",
    meaning="How many shards there are; their ids count from 0.",
    read_by="ingress, demo",
)
DATA_DIR = Setting(
    name="TRADEPIT_DATA_DIR",
    kind=_PATH,
    default="data",
    meaning="The data folder. A shard's journal is below it, in `journal/shard-<id>`.",
    read_by="up, matcher, tools",
)
KEYS_FILE = Setting(
    name="TRADEPIT_KEYS_FILE",
    kind=_PATH,
    default="",
    shown_default="`keys.json` in the data folder",
    meaning="API keys. Mode 0600; or at most 0640 where the file is root's, as mounted secrets are.",
    read_by="matcher, ingress, demo, tools",
)
ORDER_ENDPOINT = Setting(
    name="TRADEPIT_ORDER_ENDPOINT",
    kind=_ENDPOINT,
    default="tcp://127.0.0.1:5555",
    meaning="Where the matcher takes orders." + _OF_SHARD,
    read_by="matcher, ingress, demo, tools",
)
FEED_ENDPOINT = Setting(
    name="TRADEPIT_FEED_ENDPOINT",
    kind=_ENDPOINT,
    default="tcp://127.0.0.1:5556",
    meaning="Where the matcher publishes market data." + _OF_SHARD,
    read_by="matcher, ingress",
)
NATS_URL = Setting(
    name="TRADEPIT_NATS_URL",
    kind=_URL,
    default="nats://127.0.0.1:4222",
    meaning="NATS with JetStream; the servers of a cluster with commas between. A server must allow "
    "payloads of 8 MB (`max_payload`).",
    read_by="up, matcher, ledger, tools",
    is_secret=True,
)
NATS_MONITOR_URLS = Setting(
    name="TRADEPIT_NATS_MONITOR_URLS",
    kind=Kind(
        "addresses such as http://127.0.0.1:8222, with commas between",
        _page_addresses,
    ),
    default="",
    shown_default="none: not asked",
    meaning="Monitoring pages of the NATS servers. Under `replicated`, a server there that does not "
    "sync always is refused.",
    read_by="matcher",
)
POSTGRES_URL = Setting(
    name="TRADEPIT_POSTGRES_URL",
    kind=_URL,
    default="postgresql://tradepit@127.0.0.1:5432/tradepit",
    meaning="The ledger's database: one for all shards, or one for each." + _OF_SHARD,
    read_by="up, ledger, ingress, tools",
    is_secret=True,
)
REDIS_URL = Setting(
    name="TRADEPIT_REDIS_URL",
    kind=_URL,
    default="redis://127.0.0.1:6379/0",
    meaning="Redis or Valkey.",
    read_by="up, ledger, ingress, tools",
    is_secret=True,
)
DURABILITY = Setting(
    name="TRADEPIT_DURABILITY",
    kind=_choice("memory", "disk", "replicated"),
    default="disk",
    meaning="What has happened when an order is answered: `memory`, it is matched; `disk`, it is synced "
    "to the journal; `replicated`, three servers of the stream have it, too.",
    read_by="matcher",
)
SEGMENT_MIB = Setting(
    name="TRADEPIT_SEGMENT_MIB",
    kind=_number(SEGMENT_MIB_MIN, 4096),
    default="64",
    meaning="Size of a segment of the journal.",
    read_by="matcher",
)
SNAPSHOT_COMMANDS = Setting(
    name="TRADEPIT_SNAPSHOT_COMMANDS",
    kind=_number(0, SNAPSHOT_COMMANDS_MAX),
    default="1000000",
    meaning="Commands from snapshot to snapshot. 0: no snapshots, and no segment is ever removed.",
    read_by="matcher",
)
JOURNAL_RETENTION_HOURS = Setting(
    name="TRADEPIT_JOURNAL_RETENTION_HOURS",
    kind=_number(0, RETENTION_HOURS_MAX),
    default="24",
    meaning="How long a segment stays at least, once it is not needed any more.",
    read_by="matcher",
)
HTTP_HOST = Setting(
    name="TRADEPIT_HTTP_HOST",
    kind=_HOST,
    default="127.0.0.1",
    meaning="Where the ingress listens.",
    read_by="ingress",
)
HTTP_PORT = Setting(
    name="TRADEPIT_HTTP_PORT",
    kind=_number(0, PORT_MAX),
    default="8000",
    meaning="Its port; 0 takes a free one, which the log tells.",
    read_by="ingress",
)
METRICS_HOST = Setting(
    name="TRADEPIT_METRICS_HOST",
    kind=_HOST,
    default="127.0.0.1",
    meaning="Where matcher and ledger serve `/metrics`, `/health/live` and `/health/ready`. Whoever "
    "reaches it reads figures, no orders.",
    read_by="matcher, ledger",
)
METRICS_PORT = Setting(
    name="TRADEPIT_METRICS_PORT",
    kind=_number(0, PORT_MAX),
    default="0",
    shown_default="0: not served",
    meaning="The port of those pages.",
    read_by="matcher, ledger",
)
LOG_LEVEL = Setting(
    name="LOG_LEVEL",
    kind=_choice("DEBUG", "INFO", "WARNING", "ERROR"),
    default="INFO",
    meaning="The least that is logged, on stderr.",
    read_by="all",
)

LOG_FORMAT = Setting(
    name="TRADEPIT_LOG_FORMAT",
    kind=_choice("text", "json"),
    default="text",
    meaning="How: `text`, a line of `key=value` fields for people and grep; `json`, an object a line.",
    read_by="all",
)

ALL: tuple[Setting[object], ...] = tuple(
    value for value in globals().values() if isinstance(value, Setting)
)


def help_text(service: str) -> str:
    """The settings that a service reads, for its --help: name, meaning, default."""
    lines = ["settings (environment; NAME_FILE=/path names a file with the value instead):"]
    for setting in ALL:
        if service in setting.read_by.split(", ") or setting.read_by == "all":
            default = setting.shown_default or setting.default
            lines.append(f"  {setting.name} ({default})")
            lines += textwrap.wrap(
                setting.meaning, 96, initial_indent=" " * 6, subsequent_indent=" " * 6
            )
    return "\n".join(lines).replace("`", "")
