"""A whole exchange in containers, as docker-compose.yml has it, under a name and ports of its own."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tradepit.cli import ports
from tradepit.cli.files import read_json

from tests.compose import ROOT, VARIANTS, services

TAG = os.environ.get("TRADEPIT_TAG", "latest")
UP_TIMEOUT_S = 900.0  # the first one builds the image
CALL_TIMEOUT_S = 120.0
DEADLINE_S = 90.0
POLL_S = 0.1
SECRETS = "/run/tradepit"
PORTS = {
    "TRADEPIT_HTTP_PORT": "ingress",
    "TRADEPIT_ORDER_PORT": "matcher-0",
    "TRADEPIT_ORDER_PORT_1": "matcher-1",
    "TRADEPIT_ORDER_PORT_2": "matcher-2",
}


def docker(*words: str, timeout_s: float = CALL_TIMEOUT_S) -> str:
    """What the command prints. Raises AssertionError with what it complains about."""
    return run("docker", *words, timeout_s=timeout_s)


def run(*words: str, timeout_s: float, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Stack:
    """Use as a context manager: `up` on the way in, and nothing is left on the way out.

    A whole exchange, and its shard `shard_id`, for tests.exchange_checks.
    """

    def __init__(self, name: str, folder: Path, variant: str = "one-shard") -> None:
        chosen = ports.choose({}, list(PORTS))
        self.variant = variant
        self.shard_id = 0
        self.data_dir = folder
        self.project = f"tradepit-test-{name}-{os.getpid()}"
        self.environment = {
            "COMPOSE_FILE": VARIANTS[variant],
            "COMPOSE_PROJECT_NAME": self.project,
            "TRADEPIT_TAG": TAG,
            **{variable: str(port) for variable, port in chosen.items()},
        }
        self._secrets: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self.up()
            (self.data_dir / "keys.json").write_text(self.secret("keys.json"))
        except BaseException:  # Ctrl-C too must leave no container; raised again
            self.down()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.down()

    def compose(self, *words: str, timeout_s: float = CALL_TIMEOUT_S) -> str:
        return run(
            *("docker", "compose", *words), timeout_s=timeout_s, environment=self.environment
        )

    def up(self) -> None:
        self.compose("up", "--detach", "--wait", timeout_s=UP_TIMEOUT_S)

    def down(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans")

    # What an exchange is asked for.

    @property
    def ingress_url(self) -> str:
        return f"http://127.0.0.1:{self.environment['TRADEPIT_HTTP_PORT']}"

    @property
    def order_endpoint(self) -> str:
        suffix = f"_{self.shard_id}" if self.shard_id else ""
        return f"tcp://127.0.0.1:{self.environment['TRADEPIT_ORDER_PORT' + suffix]}"

    @property
    def operator_key(self) -> str:
        return self.key("operator")

    @property
    def document(self) -> dict[str, Any]:
        """URLs that work on this host. Nothing publishes these servers: Linux lets the host reach a
        container by its address, which a restart may change.
        """
        found = {}
        for name in ("postgres", "nats", "redis"):
            url = self.secret(f"{name}_url").replace("{shard}", str(self.shard_id))
            found[f"{name}_url"] = url.replace(f"@{name}:", f"@{self.address(name)}:")
        return found

    def key(self, name: str) -> str:
        keys = read_json(self.data_dir / "keys.json")["keys"]
        return next(str(key["key"]) for key in keys if key["name"] == name)

    def keys(self) -> dict[int, str]:
        """By account."""
        keys = read_json(self.data_dir / "keys.json")["keys"]
        return {int(key["account_id"]): str(key["key"]) for key in keys}

    def secret(self, file: str) -> str:
        if file not in self._secrets:
            text = self.compose("exec", "-T", "matcher-0", "cat", f"{SECRETS}/{file}")
            self._secrets[file] = text.strip()
        return self._secrets[file]

    # Its containers.

    @property
    def service_names(self) -> list[str]:
        return list(services(self.variant))

    def container(self, service: str) -> str:
        """The id of its container, running or not."""
        label = "label=com.docker.compose"
        words = (f"{label}.project={self.project}", f"{label}.service={service}")
        filters = [word for each in words for word in ("--filter", each)]
        (found,) = docker("ps", "--all", "--quiet", "--no-trunc", *filters).split()
        return found

    def inspect(self, service: str) -> dict[str, Any]:
        (document,) = json.loads(docker("inspect", self.container(service)))
        found: dict[str, Any] = document
        return found

    def address(self, service: str) -> str:
        networks = self.inspect(service)["NetworkSettings"]["Networks"]
        return str(networks[f"{self.project}_default"]["IPAddress"])

    def exec(self, service: str, *words: str) -> str:
        return self.compose("exec", "-T", service, *words)

    def logs(self, service: str = "") -> str:
        return self.compose("logs", "--no-color", *([service] if service else []))

    def is_healthy(self, service: str) -> bool:
        """Running, and ready if it says so."""
        state = self.inspect(service)["State"]
        health = state.get("Health", {"Status": "healthy"})["Status"]
        return (state["Status"], health) == ("running", "healthy")

    def wait_until_healthy(self, service: str) -> None:
        self.wait(lambda: self.is_healthy(service), f"{service} to be healthy")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited for {what}\n{self.compose('ps', '--all')}"
            time.sleep(POLL_S)

    # Breaking them.

    def kill(self, service: str) -> None:
        """SIGKILL, and start it again."""
        container = self.container(service)
        docker("kill", container)
        docker("start", container)

    def restart(self, service: str) -> None:
        """In order."""
        docker("restart", self.container(service))

    def pause(self, service: str, pause_s: float) -> None:
        container = self.container(service)
        docker("pause", container)
        time.sleep(pause_s)
        docker("unpause", container)

    def cut_off(self, service: str, pause_s: float) -> None:
        """Take it off the inner network for a while; its peers notice by themselves, or not."""
        container, network = self.container(service), f"{self.project}_default"
        aliases = self.inspect(service)["NetworkSettings"]["Networks"][network]["Aliases"]
        docker("network", "disconnect", network, container)
        time.sleep(pause_s)
        words = [word for alias in aliases for word in ("--alias", alias)]
        docker("network", "connect", *words, network, container)
