"""Servers that TRADEPIT_POSTGRES_URL, TRADEPIT_NATS_URL and TRADEPIT_REDIS_URL name: are they fit?"""

import asyncio
import socket
from urllib.parse import urlsplit

from tradepit.cli import ports
from tradepit.cli.embedded import NATS_PAYLOAD_MAX
from tradepit.protocol.errors import ConfigurationError

TIMEOUT_S = 5.0
SCHEMES = {
    "postgres": {"postgresql": 5432, "postgres": 5432},
    "nats": {"nats": 4222, "tls": 4222},
    "redis": {"redis": 6379, "rediss": 6379},
}
"""The URLs of each server, with the port that one without a port means."""


def reach(name: str, url: str) -> None:
    """Check that the server listens, lets us in and can do what we need.

    Raises ConfigurationError, in one sentence that shows no password.
    """
    variable = f"TRADEPIT_{name.upper()}_URL"
    schemes = SCHEMES[name]
    try:
        parts = urlsplit(url)
        usual_port = schemes[parts.scheme]
        host, port = parts.hostname or ports.LOOPBACK, parts.port or usual_port
    except (ValueError, KeyError):
        raise ConfigurationError(
            f"{variable} is not the URL of a server: write it like "
            f"{next(iter(schemes))}://user:password@host:port"
        ) from None  # the cause may show the password
    try:
        socket.create_connection((host, port), timeout=TIMEOUT_S).close()
    except OSError as error:
        raise ConfigurationError(
            f"{variable} names {host}:{port}, which does not answer "
            f"({error.strerror or error}): start that server, or unset the variable to use our own"
        ) from error
    checks = {"postgres": _check_postgres, "nats": _check_nats, "redis": _check_redis}
    why_not = asyncio.run(checks[name](url))
    if why_not:
        raise ConfigurationError(
            f"{variable} names {host}:{port}, which cannot be used ({why_not}): mend the URL or "
            "that server, or unset the variable to use our own"
        )


async def _check_postgres(url: str) -> str:
    import asyncpg  # here: each is slow to import, and seldom needed

    try:
        connection = await asyncpg.connect(url, timeout=TIMEOUT_S)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as e:
        return _text(e)
    await connection.close(timeout=TIMEOUT_S)
    return ""


async def _check_nats(url: str) -> str:
    import nats
    import nats.errors

    async def quiet(_: Exception) -> None:
        """What goes wrong is raised as well."""

    try:
        client = await asyncio.wait_for(
            nats.connect(
                url, allow_reconnect=False, connect_timeout=int(TIMEOUT_S), error_cb=quiet
            ),
            2 * TIMEOUT_S,
        )
    except (OSError, TimeoutError, ValueError, nats.errors.Error) as error:
        return _text(error)
    try:
        if client.max_payload < NATS_PAYLOAD_MAX:
            return f"its max_payload is {client.max_payload}, we need {NATS_PAYLOAD_MAX}"
        await client.jetstream(timeout=TIMEOUT_S).account_info()
    except (OSError, TimeoutError, nats.errors.Error):
        return "it has no JetStream for this user"
    finally:
        await asyncio.wait_for(client.close(), TIMEOUT_S)
    return ""


async def _check_redis(url: str) -> str:
    import redis.asyncio
    import redis.exceptions

    client = redis.asyncio.Redis.from_url(
        url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    )
    try:
        await asyncio.wait_for(client.exists("tp:applied:0"), 2 * TIMEOUT_S)
    except (OSError, TimeoutError, redis.exceptions.RedisError) as error:
        return _text(error)
    finally:
        await asyncio.wait_for(client.aclose(), TIMEOUT_S)
    return ""


def _text(error: BaseException) -> str:
    """One line; none of the libraries repeats a password."""
    return " ".join(str(error).split()) or type(error).__name__
