"""Fixtures: real servers for the session, fresh places in them for each test, a whole exchange."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
import redis
from tradepit.cli.embedded import EmbeddedServers
from tradepit.cli.running import RunningExchange

from tests.compose import why_no_engine
from tests.matcher_process import MatcherProcess, running_matcher
from tests.servers import Servers

if TYPE_CHECKING:
    from tests.container_servers import ContainerServers

CONNECT_TIMEOUT_S = 10.0

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--servers",
        choices=["embedded", "containers"],
        default="embedded",
        help="what the tests run on: servers from wheels, or Docker containers",
    )


def pytest_configure(config: pytest.Config) -> None:
    if on_containers(config) and (reason := why_no_engine()):
        raise pytest.UsageError(f"--servers containers needs a Docker engine: {reason}")


def on_containers(config: pytest.Config) -> bool:
    return bool(config.getoption("servers") == "containers")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is about servers of the other kind does not run."""
    if on_containers(config):
        left = [item for item in items if item.get_closest_marker("embedded")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    else:
        skip = pytest.mark.skip(reason="needs Docker: make test-containers")
        for item in items:
            if item.get_closest_marker("containers"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def servers(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Servers]:
    """PostgreSQL, NATS and Redis, shared by the tests of this session.

    A test that kills or stops one brings it back before it ends: `servers.kill("nats")`,
    `servers.restart("nats")`. Ports and data stay the same.
    """
    folder = tmp_path_factory.mktemp("servers")
    if on_containers(pytestconfig):
        with container_servers(folder) as containers:
            yield containers
    else:
        with EmbeddedServers(folder) as embedded:
            yield embedded


def container_servers(folder: Path, *names: str) -> "ContainerServers":
    from tests.container_servers import NAMES, ContainerServers  # slow to import, seldom needed

    return ContainerServers(folder, names or NAMES)


@pytest.fixture
def nats_url(servers: Servers) -> str:
    """JetStream, shared: keep to streams of `shard_id`."""
    return servers.nats_url


@pytest.fixture
def redis_url(servers: Servers) -> str:
    """An empty Redis database."""
    with redis.Redis.from_url(servers.redis_url, socket_timeout=CONNECT_TIMEOUT_S) as client:
        client.flushdb()
    return servers.redis_url


@pytest.fixture
def shard_id() -> int:
    """A shard that no other test of this session uses, so that its stream is new."""
    return next(_numbers)


@pytest.fixture
def database_url(servers: Servers) -> Iterator[str]:
    """A fresh, empty database (no migration has run in it), dropped afterwards."""
    with fresh_database(servers) as url:
        yield url


@contextlib.contextmanager
def fresh_database(servers: Servers) -> Iterator[str]:
    name = f"test_{next(_numbers)}"

    async def run(statement: str) -> None:
        connection = await asyncpg.connect(servers.postgres_url, timeout=CONNECT_TIMEOUT_S)
        try:
            await connection.execute(statement, timeout=CONNECT_TIMEOUT_S)
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)

    asyncio.run(run(f"CREATE DATABASE {name}"))
    yield servers.database_url(name)
    asyncio.run(run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty data folder."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@contextlib.contextmanager
def servers_of_an_exchange(
    request: pytest.FixtureRequest, folder: Path
) -> Iterator[dict[str, str]]:
    """The settings that name them: none, since it starts its own, unless the tests run on containers.

    Two exchanges share no stream and no cache.
    """
    if not on_containers(request.config):
        yield {}
        return
    shared: Servers = request.getfixturevalue("servers")
    with fresh_database(shared) as url, container_servers(folder, "nats", "redis") as own:
        yield {
            "TRADEPIT_POSTGRES_URL": url,
            "TRADEPIT_NATS_URL": own.nats_url,
            "TRADEPIT_REDIS_URL": own.redis_url,
        }


@pytest.fixture(scope="module")
def exchange(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningExchange]:
    """A whole exchange, as `tradepit up --no-demo` runs it, shared by the tests of one module."""
    folder = tmp_path_factory.mktemp("exchange")
    with (
        servers_of_an_exchange(request, folder) as environment,
        RunningExchange(folder / "data", "--no-demo", environment=environment) as running,
    ):
        yield running


@pytest.fixture
def start_exchange(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., RunningExchange]]:
    """`start_exchange(*arguments)` starts one in this test's own data folder, as often as it likes
    (one after the other: the folder is the same). Whatever still runs at the end is stopped.
    """
    started: list[RunningExchange] = []

    def start(*arguments: str, environment: dict[str, str] | None = None) -> RunningExchange:
        running = RunningExchange(
            tmp_path / "Daten für 取引's",
            "--no-demo",
            *arguments,
            environment={**given, **(environment or {})},
        )
        started.append(running)
        running.start()
        return running

    with servers_of_an_exchange(request, tmp_path) as given:
        yield start
        for running in started:
            if running.child.process is not None:
                running.stop()


@pytest.fixture
def matcher(data_dir: Path, nats_url: str, shard_id: int) -> Iterator[MatcherProcess]:
    """A matcher alone, with a listed market and two funded accounts; killed at the end."""
    with running_matcher(data_dir, nats_url, shard_id) as process:
        yield process
