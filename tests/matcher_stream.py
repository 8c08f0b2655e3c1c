"""What a shard's stream holds, read from a real JetStream and checked."""

import asyncio
import time

import nats
from tradepit.protocol import names, wire

from tests.matcher_process import DEADLINE_S, POLL_S, MatcherProcess

ENTRY_LAYOUT = wire.JOURNAL_ENTRY_LAYOUT


def stream_entries(nats_url: str, shard_id: int) -> list[tuple[wire.JournalEntry, bytes]]:
    """Every entry of the shard's stream with the bytes after its header, checked for continuity."""

    async def fetch() -> list[bytes]:
        client = await nats.connect(nats_url, connect_timeout=2)
        try:
            jetstream = client.jetstream()
            stream = names.events_stream(shard_id)
            state = (await jetstream.stream_info(stream)).state
            messages = [
                await jetstream.get_msg(stream, seq)
                for seq in range(max(state.first_seq, 1), state.last_seq + 1)
            ]
            return [message.data or b"" for message in messages]
        finally:
            await client.close()

    entries: list[tuple[wire.JournalEntry, bytes]] = []
    for batch in asyncio.run(fetch()):
        offset = wire.COMMIT_BATCH_HEADER_LAYOUT.size
        header = wire.CommitBatchHeader(*wire.COMMIT_BATCH_HEADER_LAYOUT.unpack_from(batch))
        assert header.shard_id == shard_id
        assert header.first_seq == len(entries) + 1
        for seq in range(header.first_seq, header.last_seq + 1):
            entry = wire.JournalEntry(*ENTRY_LAYOUT.unpack_from(batch, offset))
            assert entry.seq == seq
            entries.append((entry, batch[offset + ENTRY_LAYOUT.size : offset + entry.length]))
            offset += entry.length
        assert offset == len(batch)
        assert header.last_digest == entries[-1][0].digest
    return entries


def wait_for_stream(
    matcher: MatcherProcess, nats_url: str
) -> list[tuple[wire.JournalEntry, bytes]]:
    """The stream, once it holds everything that the matcher has committed."""
    seq = matcher.status().committed_seq
    deadline = time.monotonic() + DEADLINE_S
    while True:
        entries = stream_entries(nats_url, matcher.shard_id)
        if len(entries) >= seq:
            return entries
        assert time.monotonic() < deadline, f"the stream stays at {len(entries)} of {seq}"
        time.sleep(POLL_S)


def delete_stream(nats_url: str, shard_id: int) -> None:
    async def delete() -> None:
        client = await nats.connect(nats_url, connect_timeout=2)
        try:
            await client.jetstream().delete_stream(names.events_stream(shard_id))
        finally:
            await client.close()

    asyncio.run(delete())
