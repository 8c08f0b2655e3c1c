"""The pods of `dev` as processes: the commands and variables that the manifests give them, and our own
servers where a cluster would have its own. Two shards, seeded, take an order.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tradepit.cli import ports
from tradepit.cli.child import Child
from tradepit.cli.data_folder import DataFolder
from tradepit.cli.embedded import EmbeddedServers
from tradepit.cli.files import write_json, write_private

from tests.kubernetes.manifests import FOLDER, Object, named, render

TIMEOUT_S = 90.0
POLL_S = 0.1
SHARDS = 2


class Pod:
    """One container of a manifest, as a process. What a cluster gives it has another place here:
    secrets, the volume, host names, and ports.
    """

    def __init__(self, objects: list[Object], kind: str, name: str, index: int, home: Path) -> None:
        self.owner = named(objects, kind, name)
        spec = self.owner["spec"]["template"]["spec"]
        (self.container,) = spec["containers"]
        self.name = f"{name}-{index}"
        self.ports = ports.choose({}, [port["name"] for port in self.container.get("ports", [])])
        maps = {
            each["metadata"]["name"]: each["data"]
            for each in objects
            if each["kind"] == "ConfigMap"
        }
        values: dict[str, str] = {}
        for source in self.container.get("envFrom", []):
            values |= maps[source["configMapRef"]["name"]]
        for each in self.container["env"]:
            values[each["name"]] = each["value"] if "value" in each else str(index)
        self.environment = {
            variable: self._here(variable, value, index, home) for variable, value in values.items()
        }
        self.environment.pop("TRADEPIT_NATS_MONITOR_URLS", None)  # the server here has no such page
        self.command = [sys.executable, "-m", "tradepit.cli.main", *self.container["args"]]

    def _here(self, variable: str, value: str, index: int, home: Path) -> str:
        if value.startswith("tcp://"):
            port = value.rpartition(":")[2]
            shard = "{shard}" if "{shard}" in value else str(index)
            return f"ipc://{home}/{port}-{shard}"
        if value.startswith("/run/secrets/tradepit/"):
            return str(home / Path(value).name)
        if variable == "TRADEPIT_DATA_DIR":
            (home / self.name).mkdir(mode=0o700)
            return str(home / self.name)
        if variable.endswith("_HOST"):
            return ports.LOOPBACK
        for port in self.container.get("ports", []):
            if variable.endswith("_PORT") and value == str(port["containerPort"]):
                return str(self.ports[port["name"]])
        return value

    def child(self, home: Path) -> Child:
        return Child(
            name=self.name,
            command=self.command,
            log_path=home / f"{self.name}.log",
            environment=self.environment,
        )

    def run(self) -> None:
        """To its end, as a job's."""
        done = subprocess.run(
            self.command,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def answers(self, probe: str) -> bool:
        request: dict[str, Any] = self.container[probe]["httpGet"]
        url = f"http://{ports.LOOPBACK}:{self.ports[request['port']]}{request['path']}"
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with namespace(tmp_path / "k8s") as folder:
        yield folder


@contextmanager
def namespace(folder: Path) -> Iterator[Path]:
    """The secrets, and servers that they lead to."""
    folder.mkdir()
    with EmbeddedServers(folder / "servers") as servers:
        with DataFolder(folder / "keys") as data:
            write_json(folder / "keys.json", {"keys": data.keys()})
        for name, url in (
            ("postgres-url", servers.database_url("tradepit_{shard}")),
            ("nats-url", servers.nats_url),
            ("redis-url", servers.redis_url),
        ):
            write_private(folder / name, f"{url}\n")
        yield folder


def until_ready(pods: list[tuple[Pod, Child]]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    for pod, child in pods:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            while not pod.answers(probe):
                assert child.alive, child.log_tail()
                assert time.monotonic() < deadline_s, f"{pod.name} {probe}: {child.log_tail()}"
                time.sleep(POLL_S)


def test_the_commands_of_the_manifests_are_an_exchange_of_two_shards(home: Path) -> None:
    objects = render(FOLDER / "overlays" / "dev")
    started: list[tuple[Pod, Child]] = []
    try:
        for shard in range(SHARDS):
            Pod(objects, "Job", "migrate", shard, home).run()
        for kind, name, count in (
            ("StatefulSet", "matcher", SHARDS),
            ("StatefulSet", "ledger", SHARDS),
            ("Deployment", "ingress", 1),
        ):
            for index in range(count):
                pod = Pod(objects, kind, name, index, home)
                started.append((pod, pod.child(home)))
                started[-1][1].start()
        until_ready(started)
        Pod(objects, "Job", "seed", 0, home).run()

        ingress = started[-1][0]
        done = subprocess.run(
            [sys.executable, "-m", "tradepit.tools.smoke", "--order"],
            env=os.environ | ingress.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "ready, 3 instruments" in done.stdout
        url = f"http://{ports.LOOPBACK}:{ingress.ports['http']}/v1/instruments"
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            assert len(json.load(answer)["instruments"]) == 3
        for pod, _ in started[:SHARDS]:  # as `kubectl exec matcher-N -- tradepit reconcile`
            done = subprocess.run(
                [*pod.command[:3], "reconcile"],
                env=os.environ | pod.environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert "CONSISTENT" in done.stdout
        for pod, child in reversed(started):
            grace_s = pod.owner["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
            assert child.stop(grace_s), f"{pod.name} was killed: {child.log_tail()}"
            assert child.process is not None
            assert child.process.returncode == 0, child.log_tail()
    finally:
        for _, child in started:
            child.stop(TIMEOUT_S)


def commands_of(section: str) -> list[list[str]]:
    """What a section of the README runs in the pod of each shard's matcher."""
    text = (
        (FOLDER / "README.md").read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    )
    lines = re.findall(r"^kubectl -n tradepit exec matcher-N -- (.*)$", text, re.MULTILINE)
    assert lines
    return [shlex.split(line) for line in lines]


def execute(pod: Pod, command: list[str]) -> str:
    """As `kubectl exec`."""
    words = [
        word.replace("/var/lib/tradepit", pod.environment["TRADEPIT_DATA_DIR"]) for word in command
    ]
    if words[0] == "tradepit":
        words[:1] = [sys.executable, "-m", "tradepit.cli.main"]
    done = subprocess.run(
        words,
        env=os.environ | pod.environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


async def create_database(url: str) -> None:
    server, _, name = url.rpartition("/")
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()


@contextmanager
def running(pods: list[Pod], home: Path) -> Iterator[None]:
    children = [pod.child(home) for pod in pods]
    try:
        for child in children:
            child.start()
        until_ready(list(zip(pods, children, strict=True)))
        yield
    finally:
        for child in reversed(children):
            child.stop(TIMEOUT_S)


def test_a_backup_that_was_taken_in_the_pods_comes_back_in_a_new_namespace(
    home: Path, tmp_path: Path
) -> None:
    """By the commands of the README, in the order that it has."""
    objects = render(FOLDER / "overlays" / "dev")
    of_ledgers = ("StatefulSet", "ledger")
    matchers = [Pod(objects, "StatefulSet", "matcher", shard, home) for shard in range(SHARDS)]
    for shard in range(SHARDS):
        Pod(objects, "Job", "migrate", shard, home).run()
    ledgers = [Pod(objects, *of_ledgers, shard, home) for shard in range(SHARDS)]
    backup, remove = commands_of("Back up")
    with running([*matchers, *ledgers], home):
        Pod(objects, "Job", "seed", 0, home).run()
        for shard, pod in enumerate(matchers):
            execute(pod, backup)
            taken = Path(pod.environment["TRADEPIT_DATA_DIR"]) / "backup"
            shutil.copytree(taken, tmp_path / f"backup-{shard}")
            execute(pod, remove)

    *restore, reconcile = commands_of("Restore a backup")
    with namespace(tmp_path / "new") as new:
        matchers = [Pod(objects, "StatefulSet", "matcher", shard, new) for shard in range(SHARDS)]
        url = (new / "postgres-url").read_text().strip()
        for shard, pod in enumerate(matchers):
            asyncio.run(create_database(url.replace("{shard}", str(shard))))
            data = Path(pod.environment["TRADEPIT_DATA_DIR"])
            shutil.copytree(tmp_path / f"backup-{shard}", data / "backup")
            for command in restore:
                execute(pod, command)
            assert [path.name for path in data.iterdir()] == ["journal"]
        with running(matchers, new):
            for shard in range(SHARDS):
                Pod(objects, "Job", "migrate", shard, new).run()
            ledgers = [Pod(objects, *of_ledgers, shard, new) for shard in range(SHARDS)]
            with running(ledgers, new):
                for pod in matchers:
                    assert "CONSISTENT" in execute(pod, reconcile)
