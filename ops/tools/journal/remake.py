"""Deletes a shard's stream, which its running matcher then makes anew from the journal."""

import asyncio

import nats
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError
from tradepit.protocol import names
from tradepit.protocol.errors import ConfigurationError, TradepitError
from tradepit.tools.journal.files import Journal

TIMEOUT_S = 10.0


class StreamKept(TradepitError):
    """The stream was not deleted; the text says why."""


def remake_stream(journal: Journal, nats_url: str) -> None:
    """Raises ConfigurationError if the journal does not begin at seq 1, for then the stream has what
    the journal has not; StreamKept if the server did not do it.
    """
    if (first_seq := journal.first_seq) > 1:
        raise ConfigurationError(
            f"the journal begins at seq {first_seq}: what came before is in the stream alone, and would "
            "be lost with it. Keep it, or back it up and delete it with NATS' own tools"
        )
    try:
        asyncio.run(_delete(nats_url, names.events_stream(journal.shard_id)))
    except (NatsError, OSError, TimeoutError) as error:
        raise StreamKept(f"the stream was not deleted: {error!r}") from error


async def _delete(nats_url: str, stream: str) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        client = await nats.connect(nats_url.split(","), allow_reconnect=False)
        try:
            await client.jetstream(timeout=TIMEOUT_S).delete_stream(stream)
        except NotFoundError:
            return  # it is gone already
        finally:
            await client.close()
