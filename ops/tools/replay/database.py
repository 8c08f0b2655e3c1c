"""Waits until the ledger has written a seq to PostgreSQL."""

import asyncio
import random
import time

from tradepit.tools.replay.lobster import ReplayError

POLL_S = 0.02
CONNECT_TIMEOUT_S = 5.0
WAIT_MAX_S = 300.0
RECONNECT_POLL_S = 0.2
RECONNECT_MAX_S = 10.0


def wait_until_applied(postgres_url: str, shard_id: int, seq: int) -> float | None:
    """Return when `applied` has reached `seq`; how long that took in seconds.

    None if asyncpg is not installed. Raises ReplayError if the database cannot be reached for
    RECONNECT_MAX_S, or is not there after WAIT_MAX_S.
    """
    try:
        import asyncpg
    except ImportError:
        return None

    async def wait() -> float:
        started_s = time.monotonic()
        failed_s = None  # when the connection was lost, or first could not be made
        while True:
            try:
                connection = await asyncpg.connect(postgres_url, timeout=CONNECT_TIMEOUT_S)
                failed_s = None
                try:
                    return await watch(connection, started_s)
                finally:
                    connection.terminate()
            except (
                OSError,
                asyncpg.PostgresConnectionError,
                asyncpg.OperatorInterventionError,
                asyncpg.InterfaceError,
            ):
                # A server that starts again after a crash is back within seconds.
                now_s = time.monotonic()
                failed_s = failed_s or now_s
                if now_s - failed_s > RECONNECT_MAX_S or now_s - started_s > WAIT_MAX_S:
                    raise
                jitter = random.uniform(0.5, 1.5)  # noqa: S311 - no secret
                await asyncio.sleep(jitter * RECONNECT_POLL_S)

    async def watch(connection: "asyncpg.Connection[asyncpg.Record]", started_s: float) -> float:
        while True:
            applied = await connection.fetchval(
                "SELECT seq FROM applied WHERE shard_id = $1",
                shard_id,
                timeout=CONNECT_TIMEOUT_S,
            )
            if applied is not None and applied >= seq:
                return time.monotonic() - started_s
            if time.monotonic() - started_s > WAIT_MAX_S:
                raise ReplayError(
                    f"the ledger has written seq {applied or 0} of {seq} after "
                    f"{WAIT_MAX_S:.0f} s: is it running?"
                )
            await asyncio.sleep(POLL_S)

    try:
        return asyncio.run(wait())
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ReplayError(f"cannot ask PostgreSQL what the ledger has written: {error}") from error
