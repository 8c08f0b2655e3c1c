"""Publishing to JetStream without waiting for each answer.

nats-py has this too, but its 2.16 raises a refusal inside its own callback instead of handing it to
the future: a refused message then looks like one that was never answered.
"""

import asyncio
import itertools
import json
from collections.abc import Mapping

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import Header, PubAck
from nats.js.errors import APIError, NoStreamResponseError

NO_RESPONDERS = "503"


class AsyncPublish:
    """Sends on one connection; the broker answers each message in its own time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._tokens = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[PubAck]] = {}

    async def open(self) -> None:
        """Subscribe to the answers, before the first message."""
        await self._client.subscribe(f"{self._inbox}.*", cb=self._on_answer)

    async def send(
        self, subject: str, payload: bytes, headers: Mapping[str, str]
    ) -> asyncio.Future[PubAck]:
        """The answer to come: a PubAck, or APIError or NoStreamResponseError."""
        token = str(next(self._tokens))
        answer: asyncio.Future[PubAck] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_look_at)
        self._waiting[token] = answer
        await self._client.publish(
            subject, payload, reply=f"{self._inbox}.{token}", headers=dict(headers)
        )
        return answer

    def abandon(self, error: Exception) -> None:
        """Nothing will be answered any more: everything that waits gets this error."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)
        self._waiting.clear()

    async def _on_answer(self, message: Msg) -> None:
        answer = self._waiting.pop(message.subject.rpartition(".")[2], None)
        if answer is None or answer.done():
            return
        if message.headers and message.headers.get(Header.STATUS) == NO_RESPONDERS:
            answer.set_exception(NoStreamResponseError())
            return
        document = json.loads(message.data)
        if "error" not in document:
            answer.set_result(PubAck.from_response(document))
            return
        try:
            APIError.from_error(document["error"])  # raises what it makes
        except APIError as error:
            answer.set_exception(error)


def _look_at(answer: asyncio.Future[PubAck]) -> None:
    """After the first refusal nobody waits for the others: asyncio need not report them as lost."""
    if not answer.cancelled():
        answer.exception()
