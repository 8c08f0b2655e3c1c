"""What tests may rely on in their servers, embedded or in containers."""

import signal
from typing import Protocol


class Servers(Protocol):
    """PostgreSQL, NATS with JetStream, and Redis. Ports and data outlive a kill and a restart."""

    @property
    def postgres_url(self) -> str: ...

    @property
    def nats_url(self) -> str: ...

    @property
    def redis_url(self) -> str: ...

    def database_url(self, database: str) -> str:
        """The URL of a database, which need not exist yet."""
        ...

    def kill(self, name: str, signum: signal.Signals = signal.SIGKILL) -> None:
        """SIGSTOP and SIGCONT hang a server and let it go on."""
        ...

    def restart(self, name: str) -> None:
        """Return when it answers again."""
        ...

    def wait_until_ready(self, name: str) -> None: ...
