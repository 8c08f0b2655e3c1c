"""Waits until the ledger has written a seq to PostgreSQL."""

import asyncio
import time

from tradepit.tools.replay.lobster import ReplayError

POLL_S = 0.02
CONNECT_TIMEOUT_S = 5.0
WAIT_MAX_S = 300.0


def wait_until_applied(postgres_url: str, shard_id: int, seq: int) -> float | None:
    """Return when `applied` has reached `seq`; how long that took in seconds.

    None if asyncpg is not installed. Raises ReplayError if the database cannot be reached, or is
    not there after WAIT_MAX_S.
    """
    try:
        import asyncpg
    except ImportError:
        return None

    async def wait() -> float:
        started_s = time.monotonic()
        connection = await asyncpg.connect(postgres_url, timeout=CONNECT_TIMEOUT_S)
        try:
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
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)

    try:
        return asyncio.run(wait())
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ReplayError(f"cannot ask PostgreSQL what the ledger has written: {error}") from error
