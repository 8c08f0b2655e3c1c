"""`tradepit journal rebuild`: a lost journal again, from the stream that was made of it.

A commit batch carries entries as they stood in the journal, so the stream holds all of it, from the
first command that it has on. Under `durability = replicated` every acknowledged command is there.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from tradepit.engine import JOURNAL_VERSION, Engine, chain_digest, crc32c
from tradepit.ledger.batch import Position
from tradepit.ledger.stream import JetStream
from tradepit.protocol import wire
from tradepit.protocol.errors import ConfigurationError, JournalDamaged
from tradepit.tools.journal.files import SEGMENT_MAGIC, read_entry

SEGMENT_BYTES = 64 << 20
FETCH_TIMEOUT_S = 2.0
_STREAM = Path("stream")


def rebuild(data_dir: Path, shard_id: int, nats_url: str) -> tuple[int, int]:
    """Write the segments anew; (first seq, last seq).

    Raises ConfigurationError if there is a journal already or the stream has nothing, JournalDamaged
    if what it has is not one history from the first command on.
    """
    directory = data_dir / "journal" / f"shard-{shard_id}"
    if any(directory.glob("*.journal")):
        raise ConfigurationError(
            f"{directory} holds a journal: move it away first if the stream is to replace it"
        )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    writer = _SegmentWriter(directory, shard_id, Engine(shard_id=shard_id).digest)
    asyncio.run(_copy(nats_url, shard_id, writer))
    if writer.last_seq == 0:
        raise ConfigurationError(f"the stream of shard {shard_id} holds no command")
    return 1, writer.last_seq


async def _copy(nats_url: str, shard_id: int, writer: "_SegmentWriter") -> None:
    async with JetStream(nats_url, shard_id) as stream:
        await stream.open(Position())
        left = stream.pending_count
        while left:
            for message in await stream.fetch(FETCH_TIMEOUT_S):
                for raw in _raw_entries(message.data, message.stream_seq):
                    writer.append(raw)
                await stream.acknowledge(message.stream_seq)
                left -= 1
    writer.close()


def _raw_entries(message: bytes, stream_seq: int) -> Iterator[bytes]:
    offset = wire.COMMIT_BATCH_HEADER_LAYOUT.size
    while offset < len(message):
        entry = read_entry(message, offset, _STREAM)
        if entry is None:
            raise JournalDamaged(f"message {stream_seq} of the stream is not sound")
        length = int.from_bytes(message[offset : offset + 4], "little")
        yield message[offset : offset + length]
        offset += length


class _SegmentWriter:
    """Segments as the matcher writes them; a segment is there as a whole or not at all."""

    def __init__(self, directory: Path, shard_id: int, genesis_digest: int) -> None:
        self.last_seq = 0
        self._directory = directory
        self._shard_id = shard_id
        self._digest = genesis_digest
        self._segment = bytearray()
        self._path = Path()

    def append(self, raw: bytes) -> None:
        entry = read_entry(raw, 0, _STREAM)
        assert entry is not None
        if entry.seq <= self.last_seq:
            return  # a repeat
        digest = chain_digest(self._digest, entry.events)
        if entry.seq != self.last_seq + 1 or digest != entry.digest:
            raise JournalDamaged(
                f"the stream goes on with seq {entry.seq} after {self.last_seq}, or with another "
                "history"
            )
        if not self._segment or len(self._segment) + len(raw) > SEGMENT_BYTES:
            self.close()
            self._begin(entry.seq)
        self._segment += raw
        self._digest, self.last_seq = digest, entry.seq

    def _begin(self, first_seq: int) -> None:
        header = wire.SegmentHeader(
            magic=SEGMENT_MAGIC,
            version=JOURNAL_VERSION,
            shard_id=self._shard_id,
            first_seq=first_seq,
            digest=self._digest,
            size_bytes=SEGMENT_BYTES,
        ).encode()
        self._segment = bytearray(header[:-4] + crc32c(header[:-4]).to_bytes(4, "little"))
        self._path = self._directory / f"{first_seq:020}.journal"

    def close(self) -> None:
        """Make the segment durable."""
        if not self._segment:
            return
        temporary = self._path.with_suffix(".rebuilt")
        with temporary.open("wb") as file:
            file.write(self._segment)
            file.write(bytes(SEGMENT_BYTES - len(self._segment)))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        folder = os.open(self._directory, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        self._segment = bytearray()
