"""`tradepit journal rebuild`: a lost journal again, from the stream that was made of it.

A commit batch carries entries as they stood in the journal, so the stream holds all of it, from the
first command that it has on. Under `durability = replicated` every acknowledged command is there.
"""

import asyncio
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tradepit.engine import JOURNAL_VERSION, Engine, chain_digest, crc32c
from tradepit.ledger.stream import JetStream
from tradepit.protocol import wire
from tradepit.protocol.commit_batch import MAGIC
from tradepit.protocol.errors import ConfigurationError, JournalDamaged
from tradepit.tools.journal.files import SEGMENT_MAGIC, Journal, read_entry

SEGMENT_BYTES = 64 << 20
FETCH_TIMEOUT_S = 2.0
SILENCE_MAX_S = 30.0
CLOSED = "closed"  # where a journal that was closed in order ends
_STREAM = Path("stream")


def rebuild(data_dir: Path, shard_id: int, nats_url: str) -> int:
    """Write the segments anew; the last seq. No matcher may run on the folder.

    Raises ConfigurationError if there is a journal already or the stream has nothing, JournalDamaged
    if what it has is not one history from the first command on; nothing is left of it then.
    """
    directory = data_dir / "journal" / f"shard-{shard_id}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"cannot write to {directory}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _refuse_a_journal(data_dir, shard_id)
        with tempfile.TemporaryDirectory(prefix="rebuilding-", dir=directory) as folder:
            writer = _SegmentWriter(Path(folder), shard_id, Engine(shard_id=shard_id).digest)
            asyncio.run(_copy(nats_url, shard_id, writer))
            if writer.last_seq == 0:
                raise ConfigurationError(f"the stream of shard {shard_id} holds no command")
            (directory / CLOSED).unlink(missing_ok=True)  # it speaks of the journal that was there
            # The last first: what an interruption leaves is no journal that a matcher would go on with.
            for path in sorted(Path(folder).glob("*.journal"), reverse=True):
                path.replace(directory / path.name)
            _sync_folder(directory)
    except BlockingIOError as error:
        raise ConfigurationError(f"a matcher runs on {directory}: stop it first") from error
    finally:
        os.close(lock)
    return writer.last_seq


def _refuse_a_journal(data_dir: Path, shard_id: int) -> None:
    """A start that found nothing has left a segment without an entry: that is none."""
    try:
        journal = Journal(data_dir, shard_id)
        if next(journal.entries(), None) is None and not journal.segments[-1].torn_bytes:
            return
    except ConfigurationError:
        return  # no segment at all
    raise ConfigurationError(
        f"{journal.directory} holds a journal: move it away first if the stream is to replace it"
    )


async def _copy(nats_url: str, shard_id: int, writer: "_SegmentWriter") -> None:
    """All that the stream has at this moment. Its leader says how much that is: a consumer may sit on a
    server that is still catching up, and have less.
    """
    async with JetStream(nats_url, shard_id) as stream:
        await stream.open_whole(SILENCE_MAX_S)
        last_stream_seq = stream.last_stream_seq
        reached = 0
        silent_since_s = time.monotonic()
        while reached < last_stream_seq:
            messages = await stream.fetch(FETCH_TIMEOUT_S)
            if messages:
                silent_since_s = time.monotonic()
            elif time.monotonic() - silent_since_s > SILENCE_MAX_S:
                raise JournalDamaged(
                    f"the stream gave its messages up to {reached} of {last_stream_seq}, and no more"
                )
            for message in messages:
                reached = max(reached, message.stream_seq)
                for raw in _raw_entries(message.data, message.stream_seq):
                    writer.append(raw)
            if messages:
                await stream.acknowledge(messages[-1].stream_seq)
    writer.close()


def _raw_entries(message: bytes, stream_seq: int) -> Iterator[bytes]:
    offset = wire.COMMIT_BATCH_HEADER_LAYOUT.size
    if not message.startswith(MAGIC):
        raise JournalDamaged(f"message {stream_seq} of the stream is no commit batch")
    while offset < len(message):
        entry = read_entry(message, offset, _STREAM)
        if entry is None:
            raise JournalDamaged(f"message {stream_seq} of the stream is not sound")
        length = int.from_bytes(message[offset : offset + 4], "little")
        yield message[offset : offset + length]
        offset += length


class _SegmentWriter:
    """Segments as the matcher writes them."""

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
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(file, "wb") as stream:
            stream.write(self._segment)
            stream.write(bytes(SEGMENT_BYTES - len(self._segment)))
            stream.flush()
            os.fsync(file)
        self._segment = bytearray()


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
