"""Free TCP ports on loopback."""

import errno
import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
PORT_MAX = 65_535
PORT_MIN = 10_000  # of those that we choose
ATTEMPTS_MAX = 1_000


def is_free(port: int) -> bool:
    """True if this process could listen on the port now."""
    return why_not_free(port) == ""


def why_not_free(port: int) -> str:
    """What keeps this process from listening on the port, such as "is in use"; empty if nothing."""
    with socket.socket() as probe:
        # As the servers do: a port whose last connections linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError:  # low ports are root's
            return "may not be used by this user"
        except OSError as error:
            return "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
        return ""


def choose(preferred: dict[str, int], names: list[str]) -> dict[str, int]:
    """A free port for each name: the preferred one if it is (still) free, else any.

    The ports differ from each other. Somebody else may take one before it is used; then the server
    that wanted it says so and fails. Raises OSError if the machine has no free port left.
    """
    chosen: dict[str, int] = {}
    for name in names:
        port = preferred.get(name, 0)
        if not port or port in chosen.values() or not is_free(port):
            port = _any_free(set(chosen.values()) | set(preferred.values()))
        chosen[name] = port
    return chosen


def _any_free(taken: set[int]) -> int:
    """A port below those that the kernel gives to outgoing connections.

    Above that line a client that keeps connecting to a server that is down is, sooner or later,
    given the server's own port as its local one: it connects to itself, and the server can't start.
    """
    for _ in range(ATTEMPTS_MAX):
        port = random.randrange(PORT_MIN, _first_outgoing_port())  # noqa: S311 -- any will do
        if port not in taken and is_free(port):
            return port
    raise OSError("no free TCP port on loopback")


def _first_outgoing_port() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
    return first if first > 2 * PORT_MIN else 60_000
