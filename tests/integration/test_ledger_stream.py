"""The ledger's reader of JetStream on a real server."""

import asyncio

import nats
import pytest
from tradepit.ledger import stream as ledger_stream
from tradepit.ledger.batch import Position
from tradepit.ledger.errors import StreamInterrupted
from tradepit.ledger.stream import JetStream
from tradepit.protocol import names


@pytest.mark.parametrize(
    ("message_bytes", "message_count"),
    [
        (64 * 1024, 2 * ledger_stream.PULL_BYTES // (64 * 1024) + 10),
        (100, 3 * ledger_stream.PULL_COUNT + 10),
        (ledger_stream.PULL_BYTES // ledger_stream.PULL_COUNT - 50, 3 * ledger_stream.PULL_COUNT),
    ],
)
def test_a_backlog_of_many_requests_is_read_without_an_interruption(
    nats_url: str, shard_id: int, message_bytes: int, message_count: int
) -> None:

    async def run() -> None:
        client = await nats.connect(nats_url)
        jetstream = client.jetstream(timeout=10)
        subject = names.events_subject(shard_id)
        await jetstream.add_stream(name=names.events_stream(shard_id), subjects=[subject])
        for number in range(message_count):
            await jetstream.publish(subject, number.to_bytes(4, "little") + bytes(message_bytes))
        await client.close()
        found: list[int] = []
        async with JetStream(nats_url, shard_id) as stream:
            await stream.open(Position())
            while len(found) < message_count:
                messages = await stream.fetch(10.0)
                assert messages
                found += [int.from_bytes(message.data[:4], "little") for message in messages]
        assert found == list(range(message_count))

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_server_that_refuses_for_a_while_is_connected_to_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """nats-py closes its client for good when a server says such an error."""
    monkeypatch.setattr(ledger_stream, "REQUEST_TIMEOUT_S", 0.2)
    connections: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        writer.write(b'INFO {"server_id":"x","version":"2.15.0","max_payload":1048576}\r\n')
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, JetStream(f"nats://127.0.0.1:{port}", 0) as stream:
            connections[0].write(b"-ERR 'Authorization Violation'\r\n")
            while not stream._client.is_closed:  # noqa: ASYNC110 - it tells nobody when it is done
                await asyncio.sleep(0.01)
            with pytest.raises(StreamInterrupted):  # it answers no request
                await stream.open(Position())
            assert len(connections) == 2
            assert stream._client.is_connected

    asyncio.run(asyncio.wait_for(run(), 60))
