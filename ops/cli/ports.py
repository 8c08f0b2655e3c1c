"""Free TCP ports on loopback."""

import socket

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """True if this process could listen on the port now."""
    with socket.socket() as probe:
        # As the servers do: a port whose last connections linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def choose(preferred: dict[str, int], names: list[str]) -> dict[str, int]:
    """A free port for each name: the preferred one if it is (still) free, else any.

    The ports differ from each other. Somebody else may take one before it is used; then the server
    that wanted it says so and fails.
    """
    chosen: dict[str, int] = {}
    probes: list[socket.socket] = []
    try:
        for name in names:
            port = preferred.get(name, 0)
            if port and port not in chosen.values() and is_free(port):
                chosen[name] = port
                continue
            probe = socket.socket()
            probes.append(probe)  # kept open until all are chosen, so that no port comes twice
            probe.bind((LOOPBACK, 0))
            chosen[name] = probe.getsockname()[1]
    finally:
        for probe in probes:
            probe.close()
    return chosen
