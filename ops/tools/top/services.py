"""The services that are looked at: where their figures are, and what they last said."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tradepit.protocol.errors import ConfigurationError
from tradepit.tools.top.figures import Change, Scrape, parse

TIMEOUT_S = 2.0
ANSWER_BYTES_MAX = 16 << 20
FETCHES_MAX = 16  # at once


@dataclass
class Service:
    """`kind` is matcher, ledger or ingress once it has said so, or the ready file has."""

    url: str
    kind: str = ""
    shard: str = ""
    trouble: str = ""
    """Why it did not answer the last time; empty if it did."""
    change: Change | None = None
    """What it said the last time that it answered."""
    _last: Scrape | None = None

    @property
    def where(self) -> str:
        return urllib.parse.urlsplit(self.url).netloc

    @property
    def name(self) -> str:
        """As a person says it."""
        if self.kind and self.shard:
            return f"{self.kind} {self.shard}"
        return self.kind or self.where

    def look(self) -> None:
        """Ask it once, for as long as TIMEOUT_S; never raises."""
        try:
            with urllib.request.urlopen(self.url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - http
                text = answer.read(ANSWER_BYTES_MAX).decode()
            scrape = parse(text, time.monotonic())
        except (OSError, ValueError) as error:
            self.trouble = str(getattr(error, "reason", error)) or repr(error)
            self._last = None  # rates over an outage would be of nothing
            return
        self.trouble = ""
        self.change = Change(self._last, scrape)
        self._last = scrape
        self.kind = self.change.label("tradepit_build_info", "service") or self.kind
        self.shard = self.change.label("tradepit_build_info", "shard") or self.shard


class Services:
    """Those named by URL, or those of a data folder's ready file, which is read again each time."""

    def __init__(self, urls: Sequence[str], data_dir: Path) -> None:
        """Raises ConfigurationError if there is nothing to look at."""
        self._ready_file = None if urls else data_dir / "ready.json"
        self._services = {metrics_url(url): Service(metrics_url(url)) for url in urls}
        if self._ready_file is not None and not self._read_ready_file():
            raise ConfigurationError(
                f"no exchange runs here ({self._ready_file} does not exist): start one with "
                "`tradepit up`, name its data folder with --data, or its services with --url"
            )

    def look(self) -> list[Service]:
        """Ask all of them once, at the same time."""
        if self._ready_file is not None:
            self._read_ready_file()  # where it is gone, those it named are shown as they are: down
        services = list(self._services.values())
        with ThreadPoolExecutor(min(len(services), FETCHES_MAX)) as threads:
            list(threads.map(Service.look, services))
        return services

    def _read_ready_file(self) -> bool:
        assert self._ready_file is not None
        try:
            urls = json.loads(self._ready_file.read_text(encoding="utf-8"))["metrics_urls"]
            found = {str(url): str(kind) for kind, url in urls.items()}
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise ConfigurationError(
                f"{self._ready_file} is not a ready file of this version: {error!r}"
            ) from None
        self._services = {
            url: self._services.get(url) or Service(url, kind) for url, kind in found.items()
        }
        return True


def metrics_url(text: str) -> str:
    """`host:port` and `http://host:port` mean its /metrics. Raises ConfigurationError."""
    url = text if "://" in text else f"http://{text}"
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigurationError(f"--url: an address such as http://127.0.0.1:9100, not {text!r}")
    return url if parts.path.strip("/") else f"{url.rstrip('/')}/metrics"
