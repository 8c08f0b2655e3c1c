"""Deletes a shard's stream, which its running matcher then makes anew from the journal."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import nats
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from tradepit.matcher.stream_end import end_of
from tradepit.protocol import names
from tradepit.protocol.errors import ConfigurationError, MalformedRecord, TradepitError
from tradepit.protocol.wire import CommitBatchHeader
from tradepit.tools.journal.files import Journal

TIMEOUT_S = 10.0
Answer = TypeVar("Answer")


class StreamKept(TradepitError):
    """The stream was not deleted; the text says why."""


def remake_stream(journal: Journal, nats_url: str) -> None:
    """Reads the journal through first. Raises ConfigurationError if it lacks what the stream has,
    JournalDamaged if it is not sound, StreamKept if the server did not do it.
    """
    if (first_seq := journal.first_seq) > 1:
        raise ConfigurationError(
            f"the journal begins at seq {first_seq}: what came before is in the stream alone, and would "
            "be lost with it. Keep it, or back it up and delete it with NATS' own tools"
        )
    last = _ask(nats_url, lambda jetstream: _last_batch(jetstream, journal.shard_id))
    if last is not None:
        _refuse_to_lose(journal, last)
    _ask(nats_url, lambda jetstream: _delete(jetstream, names.events_stream(journal.shard_id)))


def _refuse_to_lose(journal: Journal, last: CommitBatchHeader) -> None:
    """Raises ConfigurationError if the journal does not hold what the stream's last batch ends with."""
    found = deque(journal.entries(to_seq=last.last_seq), maxlen=1)
    end_seq = found[0].seq if found else 0
    if end_seq < last.last_seq:
        raise ConfigurationError(
            f"the stream holds commands up to seq {last.last_seq}, the journal ends at {end_seq}: what "
            "it lacks would be lost. `tradepit journal rebuild` makes a journal again from its stream"
        )
    if found[0].digest != last.last_digest:
        raise ConfigurationError(
            f"the stream holds another history than the journal up to seq {last.last_seq}: find out "
            "which is this shard's before one of them goes"
        )


def _ask(nats_url: str, question: Callable[[JetStreamContext], Awaitable[Answer]]) -> Answer:
    async def run() -> Answer:
        async with asyncio.timeout(TIMEOUT_S):
            client = await nats.connect(nats_url.split(","), allow_reconnect=False)
            try:
                return await question(client.jetstream(timeout=TIMEOUT_S))
            finally:
                await client.close()

    try:
        return asyncio.run(run())
    except (NatsError, OSError, TimeoutError, MalformedRecord) as error:
        raise StreamKept(f"the stream was not deleted: {error!r}") from error


async def _last_batch(jetstream: JetStreamContext, shard_id: int) -> CommitBatchHeader | None:
    try:
        stream, subject = names.events_stream(shard_id), names.events_subject(shard_id)
        return (await end_of(jetstream, stream, subject)).batch
    except NotFoundError:
        return None  # there is none, or nothing in it


async def _delete(jetstream: JetStreamContext, stream: str) -> None:
    with suppress(NotFoundError):  # it is gone already
        await jetstream.delete_stream(stream)
