"""The servers of tests as containers, for `--servers containers`."""

import shutil
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from tradepit.cli import ports
from tradepit.cli.embedded import (
    DATABASE,
    USER,
    nats_answers,
    postgres_answers,
    redis_answers,
)
from tradepit.cli.secrets import make_secrets

from tests.compose import ROOT, services

NAMES = ("postgres", "nats", "redis")
PORTS = {"postgres": 5432, "nats": 4222, "redis": 6379}
ANSWERS = {"postgres": postgres_answers, "nats": nats_answers, "redis": redis_answers}
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20
POLL_S = 0.02
SECRETS = "/run/tradepit"

# Its cleaner is one more image to pull; we stop what we start.
testcontainers_config.ryuk_disabled = True


class ContainerServers:
    """In containers of the images, and with the configuration, that docker-compose.yml has."""

    def __init__(self, folder: Path, names: tuple[str, ...] = NAMES) -> None:
        secrets = folder / "secrets"
        make_secrets(secrets)
        (secrets / "keys.json").unlink()
        for path in (secrets, *secrets.iterdir()):  # the servers are other users
            path.chmod(0o755)
        self._passwords = {
            name: (secrets / f"{name}_password").read_text(encoding="ascii").strip()
            for name in NAMES
        }
        self._ports = ports.choose({}, list(names))
        images = services()
        self._containers: dict[str, DockerContainer] = {}
        for name in names:
            container = DockerContainer(images[name]["image"])
            container.ports[str(PORTS[name])] = (ports.LOOPBACK, self._ports[name])  # type: ignore[assignment]  # handed on to docker, which takes an address too
            container.with_volume_mapping(secrets, SECRETS, "ro")
            if name == "postgres":
                container.with_envs(
                    POSTGRES_USER=USER,
                    POSTGRES_DB=DATABASE,
                    POSTGRES_PASSWORD_FILE=f"{SECRETS}/postgres_password",
                )
            else:
                config = shutil.copy(ROOT / "ops" / "docker" / f"{name}.conf", folder)
                target = f"/etc/{name}/tradepit.conf"
                container.with_volume_mapping(config, target, "ro")
                container.with_command([target] if name == "redis" else ["--config", target])
            self._containers[name] = container

    def __enter__(self) -> Self:
        try:
            for container in self._containers.values():
                container.start()
            for name in self._containers:
                self.wait_until_ready(name)
        except BaseException:  # Ctrl-C too must leave no container; raised again
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for container in self._containers.values():
            container.stop()

    @property
    def postgres_url(self) -> str:
        return self.database_url(DATABASE)

    def database_url(self, database: str) -> str:
        return self._url("postgresql", "postgres", f"/{database}")

    @property
    def nats_url(self) -> str:
        return self._url("nats", "nats", "")

    @property
    def redis_url(self) -> str:
        return self._url("redis", "redis", "/0")

    def kill(self, name: str, signum: signal.Signals = signal.SIGKILL) -> None:
        container = self._containers[name].get_wrapped_container()
        if signum is signal.SIGSTOP:
            container.pause()
        elif signum is signal.SIGCONT:
            container.unpause()
        else:
            container.kill(signum.name)
            container.wait(timeout=STOP_TIMEOUT_S)

    def restart(self, name: str) -> None:
        self._containers[name].get_wrapped_container().restart(timeout=STOP_TIMEOUT_S)
        self.wait_until_ready(name)

    def wait_until_ready(self, name: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers(name):
            assert time.monotonic() < deadline, self._containers[name].get_logs()
            time.sleep(POLL_S)

    def _answers(self, name: str) -> bool:
        try:
            return ANSWERS[name](self._ports[name])
        except OSError:
            return False

    def _url(self, scheme: str, name: str, path: str) -> str:
        address = f"{ports.LOOPBACK}:{self._ports[name]}"
        return f"{scheme}://{USER}:{self._passwords[name]}@{address}{path}"
