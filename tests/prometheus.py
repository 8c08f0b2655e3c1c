"""Debian's Prometheus, scraping a running exchange by the project's own configuration and rules."""

import json
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml  # type: ignore[import-untyped]  # its stubs are another package, for this one call
from tradepit.cli import ports
from tradepit.cli.child import Child

ROOT = Path(__file__).parents[1]
CONFIGURATION = ROOT / "ops" / "prometheus" / "prometheus.yml"
RULES = CONFIGURATION.with_name("alerts.yml")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
REQUEST_TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.1

binary = shutil.which("prometheus")
promtool = shutil.which("promtool")
WHY_NOT = "Debian's package prometheus is not installed"


def alert_rules() -> list[dict[str, Any]]:
    """Every alert of the rules file, in its order."""
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def configuration(metrics_urls: Mapping[str, str], interval: str) -> str:
    """The project's configuration with the targets of an exchange that `tradepit up` runs."""
    document = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    document["global"] |= {
        "scrape_interval": interval,
        "scrape_timeout": interval,
        "evaluation_interval": interval,
    }
    document["rule_files"] = [str(RULES)]
    jobs = []
    for job in document["scrape_configs"]:
        name = job["job_name"]
        target = urllib.parse.urlsplit(metrics_urls[name]).netloc
        labels = {} if name == "ingress" else {"shard": "0"}
        jobs.append(
            {
                "job_name": name,
                "honor_labels": job.get("honor_labels", False),
                "static_configs": [
                    {"targets": [target], "labels": {**labels, "instance": f"{name}-0"}}
                ],
            }
        )
    document["scrape_configs"] = jobs
    return yaml.safe_dump(document)  # type: ignore[no-any-return]


class RunningPrometheus:
    """Scrapes and evaluates while the context is open; `url` is its HTTP API."""

    def __init__(
        self, folder: Path, metrics_urls: Mapping[str, str], *, interval: str = "1s"
    ) -> None:
        assert binary is not None, WHY_NOT
        folder.mkdir(parents=True, exist_ok=True)
        port = ports.choose({}, ["prometheus"])["prometheus"]
        self.url = f"http://{ports.LOOPBACK}:{port}"
        path = folder / "prometheus.yml"
        path.write_text(configuration(metrics_urls, interval), encoding="utf-8")
        self._child = Child(
            name="prometheus",
            command=[
                binary,
                f"--config.file={path}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={ports.LOOPBACK}:{port}",
            ],
            log_path=folder / "prometheus.log",
            environment={},
        )

    def __enter__(self) -> Self:
        self._child.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=1.0).close()  # noqa: S310
                return self
            except OSError:
                if not self._child.alive or time.monotonic() > deadline:
                    self._child.kill()
                    raise self._child.failure("did not start") from None
                time.sleep(POLL_INTERVAL_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if not self._child.stop(STOP_TIMEOUT_S):
            self._child.kill()

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of its API. Raises AssertionError with what it says of an error."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(  # noqa: S310 - http
                f"{self.url}/api/v1/{path}?{query}", timeout=REQUEST_TIMEOUT_S
            ) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now."""
        result = self.get("query", query=expression)["result"]
        assert isinstance(result, list)
        return result
