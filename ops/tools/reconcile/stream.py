"""Holds a shard's JetStream stream against its journal, entry by entry."""

import time
from collections.abc import Iterator
from pathlib import Path

from tradepit.ledger.stream import JetStream
from tradepit.protocol import wire
from tradepit.protocol.commit_batch import MAGIC
from tradepit.tools.journal.files import Entry, Journal, read_entry
from tradepit.tools.reconcile.report import Check

FETCH_TIMEOUT_S = 0.5
_STREAM = Path("stream")  # where an entry was found


async def compare(nats_url: str, journal: Journal, seq: int, check: Check, wait_s: float) -> None:
    """Read the stream from its first message to the last that it has now, or to `seq` if that is
    later. Stops at a difference. What the journal no longer has cannot be compared.
    """
    deadline_s = time.monotonic() + wait_s
    recorded: Iterator[Entry] | None = None
    reached = first_seq = message_count = retired = 0
    last_stream_seq = 0
    waiting: dict[int, bytes] = {}  # by stream sequence, what came before its turn
    async with JetStream(nats_url, journal.shard_id) as stream:
        await stream.open_whole(wait_s)
        while reached < seq or last_stream_seq < stream.last_stream_seq:
            messages = await stream.fetch(FETCH_TIMEOUT_S)
            waiting.update(
                (message.stream_seq, message.data)
                for message in messages
                if message.stream_seq > last_stream_seq  # a repeat is no difference
            )
            if waiting and not last_stream_seq:
                last_stream_seq = min(waiting) - 1
            if not messages and time.monotonic() > deadline_s:
                missing = f"lacks its message {last_stream_seq + 1}" if waiting else "ends"
                check.differ(f"the stream {missing} at seq {reached}; the journal goes on to {seq}")
                break
            while (data := waiting.pop(last_stream_seq + 1, None)) is not None:
                last_stream_seq += 1
                message_count += 1
                deadline_s = time.monotonic() + wait_s
                for found in entries_of(data):
                    if 0 < found.seq < journal.first_seq:
                        retired = reached = found.seq
                        continue
                    if recorded is None:
                        first_seq = found.seq
                        recorded = journal.entries(found.seq)
                    expected = next(recorded, None)
                    if expected is None or not is_same(found, expected):
                        what = (
                            "which the journal lacks"
                            if expected is None
                            else f"which is not what the journal holds as seq {expected.seq}"
                        )
                        check.differ(f"message {last_stream_seq} holds seq {found.seq}, {what}")
                        return
                    reached = found.seq
            if messages:
                await stream.acknowledge(last_stream_seq)
    if first_seq > journal.first_seq and not retired:
        check.differ(
            f"the stream begins with seq {first_seq}, the journal with {journal.first_seq}"
        )
    check.compared = f"{message_count} messages, seq {first_seq} to {reached}, byte by byte" + (
        f"; what it has up to seq {retired} has left the journal" if retired else ""
    )


def entries_of(message: bytes) -> Iterator[Entry]:
    """The entries of a commit batch up to the first that is not sound, which comes as seq 0, as does
    anything that is no commit batch.
    """
    offset = wire.COMMIT_BATCH_HEADER_LAYOUT.size
    if not message.startswith(MAGIC) or len(message) <= offset:
        yield Entry(0, 0, 0, 0, b"", b"", _STREAM, 0)
        return
    while offset < len(message):
        entry = read_entry(message, offset, _STREAM)
        if entry is None:
            yield Entry(0, 0, 0, 0, b"", b"", _STREAM, offset)
            return
        yield entry
        offset += wire.JOURNAL_ENTRY_LAYOUT.size + len(entry.command) + len(entry.events)


def is_same(found: Entry, recorded: Entry) -> bool:
    return found[:6] == recorded[:6]
