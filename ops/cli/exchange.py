"""The parts of an exchange on one machine: which there are, in which order they start and stop."""

import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tradepit.cli import ports
from tradepit.cli.child import Child
from tradepit.cli.configured import reach
from tradepit.cli.data_folder import DEMO_ACCOUNT_ID, DataFolder
from tradepit.cli.embedded import STOP_TIMEOUT_S, EmbeddedServers, server_answers
from tradepit.cli.files import write_private
from tradepit.cli.logs import LogFollower
from tradepit.cli.supervisor import Part, Supervisor
from tradepit.protocol import settings
from tradepit.protocol.errors import ConfigurationError

SHARD_ID = 0
READY_TIMEOUT_S = 120.0  # a matcher may have a long journal to replay, and a stream to wait for
MIGRATE_TIMEOUT_S = 120.0
SERVICE_STOP_TIMEOUT_S = 15.0
PROBE_TIMEOUT_S = 1.0
STOP_ORDER = ["ingress", "demo", "ledger", "matcher"]  # then the servers


@dataclass(frozen=True)
class ServerUrls:
    """Where the servers are; empty: start our own."""

    postgres: str = ""
    nats: str = ""
    redis: str = ""

    @classmethod
    def from_environment(cls) -> "ServerUrls":
        postgres_url = settings.POSTGRES_URL.given(os.environ) or ""
        return cls(
            postgres=settings.of_shard(postgres_url, settings.SHARD_ID.read(os.environ)),
            nats=settings.NATS_URL.given(os.environ) or "",
            redis=settings.REDIS_URL.given(os.environ) or "",
        )


class Exchange:
    """Starts, describes and stops the parts; the supervisor keeps them running in between."""

    def __init__(
        self,
        *,
        folder: DataFolder,
        servers: ServerUrls,
        http_port: int,
        demo: bool,
        supervisor: Supervisor,
        say: Callable[[str], None],
    ) -> None:
        self.supervisor = supervisor
        self.logs = LogFollower(lambda line: say(f"  {line}"))
        self.on_change: Callable[[], None] = lambda: None
        """Called when the document changed because a part has a new process."""
        self._folder = folder
        self._servers = servers
        self._http_port = http_port
        self._demo = demo
        self._say = say
        self._keys = folder.keys()
        self._ports = folder.ports()
        self._embedded = EmbeddedServers(folder.path, folder.logs)

    def start(self) -> None:
        """Return when orders are taken durably.

        Raises ConfigurationError or ChildFailed, in one sentence and the last lines of a log; the
        caller stops what was started.
        """
        self._step("PostgreSQL, NATS and Redis", self._start_servers)
        seeded = self._folder.path / "seeded"
        if seeded.exists():
            self._watch("ingress", "")  # it takes longest to load: beside all the rest
        self._step("database tables and matcher", self._start_matcher)
        if not seeded.exists():
            # Before the ingress, so that the first thing it reads is the whole listing.
            self._step("demo instruments and accounts", self._seed)
            write_private(seeded, "the demo listing was sent to the matcher\n")
            self._watch("ingress", "")
        self._step("ledger and ingress", self._start_ledger)
        if self._demo:
            self._start_demo()

    def stop(self) -> None:
        """Those that take orders first, so that what they took is published and written."""
        self.supervisor.stop(STOP_ORDER)
        self._embedded.stop()

    def note_children(self) -> None:
        """After a (re)start of a part: write down who runs, for the next run and for users."""
        try:
            self._folder.note_children(self._pids())
            self.on_change()
        except (OSError, ConfigurationError) as error:
            # A full disk must not end the matcher, which goes on answering.
            self._say(f"cannot write down who runs: {error}")

    def document(self) -> dict[str, Any]:
        """The ready file: everything that a script needs to use this exchange."""
        return {
            "ingress_url": f"http://{ports.LOOPBACK}:{self._http_port}",
            "order_endpoint": self._endpoint("orders"),
            "feed_endpoint": self._endpoint("feed"),
            "postgres_url": self._servers.postgres,
            "nats_url": self._servers.nats,
            "redis_url": self._servers.redis,
            "metrics_urls": {
                "matcher": self._metrics_url(self._ports["matcher_metrics"]),
                "ledger": self._metrics_url(self._ports["ledger_metrics"]),
                "ingress": self._metrics_url(self._http_port),
            },
            "data_dir": str(self._folder.path),
            "demo": {"account_id": DEMO_ACCOUNT_ID, "key": self._key("demo")},
            "operator": {"key": self._key("operator")},
            "pids": {**self._pids(), "supervisor": os.getpid()},
        }

    def _step(self, what: str, work: Callable[[], None]) -> None:
        started = time.monotonic()
        self._say(f"  {what} ...")
        work()
        self._say(f"  {what}: {time.monotonic() - started:.1f} s")

    def _start_servers(self) -> None:
        given = self._servers
        own = [name for name in ("postgres", "nats", "redis") if not getattr(given, name)]
        for name in ("postgres", "nats", "redis"):
            if name not in own:
                reach(name, getattr(given, name))
        self._embedded.start(tuple(own))
        self._servers = replace(
            given, **{name: getattr(self._embedded, f"{name}_url") for name in own}
        )
        for name in own:
            server = self._embedded.servers[name]
            self.logs.follow(server.child.log_path)
            self.supervisor.start(
                Part(
                    child=server.child,
                    is_ready=lambda server=server: server_answers(server),  # type: ignore[misc]
                    stop_timeout_s=STOP_TIMEOUT_S,
                )
            )

    def _start_matcher(self) -> None:
        migrate = self._service("ledger", "migrate")
        migrate.name = "ledger migrate"
        migrate.start()
        try:
            self._watch("matcher", "matcher_metrics")
            deadline = time.monotonic() + MIGRATE_TIMEOUT_S
            while migrate.alive:
                if time.monotonic() > deadline:
                    raise migrate.failure(f"did not end in {MIGRATE_TIMEOUT_S:.0f} s")
                self.supervisor.turn()
        finally:
            migrate.kill()  # nothing to kill, unless we leave early
        assert migrate.process is not None
        if migrate.process.returncode != 0:
            raise migrate.failure("failed")
        self.supervisor.wait_until_ready(["matcher"], READY_TIMEOUT_S)

    def _start_ledger(self) -> None:
        self._watch("ledger", "ledger_metrics")
        self.supervisor.wait_until_ready(["ledger", "ingress"], READY_TIMEOUT_S)

    def _start_demo(self) -> None:
        demo = self._service("tools.demo", "--trade-only")
        self.logs.follow(demo.log_path)
        self.supervisor.start(
            Part(child=demo, is_ready=lambda: True, stop_timeout_s=SERVICE_STOP_TIMEOUT_S)
        )

    def _watch(self, name: str, port_name: str) -> None:
        port = self._ports[port_name] if port_name else self._http_port
        child = self._service(name)
        self.logs.follow(child.log_path)
        self.supervisor.start(
            Part(
                child=child,
                is_ready=lambda: http_ready(port),
                stop_timeout_s=SERVICE_STOP_TIMEOUT_S,
            )
        )

    def _service(self, module: str, *arguments: str) -> Child:
        name = module.rpartition(".")[2]
        environment = {
            settings.SHARD_ID.name: str(SHARD_ID),
            settings.DATA_DIR.name: str(self._folder.path),
            settings.ORDER_ENDPOINT.name: self._endpoint("orders"),
            settings.FEED_ENDPOINT.name: self._endpoint("feed"),
            settings.POSTGRES_URL.name: self._servers.postgres,
            settings.NATS_URL.name: self._servers.nats,
            settings.REDIS_URL.name: self._servers.redis,
            settings.KEYS_FILE.name: str(self._folder.keys_path),
            settings.HTTP_HOST.name: ports.LOOPBACK,
            settings.HTTP_PORT.name: str(self._http_port),
            settings.METRICS_PORT.name: str(self._ports.get(f"{name}_metrics", 0)),
            "PYTHONUNBUFFERED": "1",
        }
        return Child(
            name=name,
            # -P: a folder named like one of ours in the working directory must not win.
            command=[sys.executable, "-P", "-m", f"tradepit.{module}", *arguments],
            log_path=self._folder.logs / f"{name}.log",
            environment=environment,
        )

    def _seed(self) -> None:
        from tradepit.tools import demo

        demo.seed(self._endpoint("orders"), self._key("operator"))

    def _metrics_url(self, port: int) -> str:
        return f"http://{ports.LOOPBACK}:{port}/metrics"

    def _endpoint(self, name: str) -> str:
        return f"tcp://{ports.LOOPBACK}:{self._ports[name]}"

    def _key(self, name: str) -> str:
        for key in self._keys:
            if key["name"] == name:
                return str(key["key"])
        raise ConfigurationError(
            f"{self._folder.keys_path} has no key named {name!r}: restore it, or move the file away "
            "to have new keys made"
        )

    def _pids(self) -> dict[str, int]:
        return {name: part.child.pid for name, part in self.supervisor.parts.items()}


def http_ready(port: int) -> bool:
    """True if /health/ready on that port says 200."""
    request = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection((ports.LOOPBACK, port), timeout=PROBE_TIMEOUT_S) as connection:
        connection.settimeout(PROBE_TIMEOUT_S)
        connection.sendall(request)
        answer = b""
        while len(answer) < len(b"HTTP/1.1 200"):
            received = connection.recv(64)
            if not received:
                return False
            answer += received
    return answer.split(b" ", 2)[1][:3] == b"200"
