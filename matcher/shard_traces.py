"""The spans of commands that belong to a trace: how they were sequenced, committed and published."""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from tradepit.protocol.traces import Parent, Tracer, batch_header_of

Traced = tuple[int, bytes, bytes, int, int]  # as MatcherCore.take_traced gives them
WAITING_MAX = 1024


class _Command(NamedTuple):
    seq: int
    parent: Parent
    received_ns: int
    sequenced_ns: int


class BatchTraces(NamedTuple):
    """The traced commands of one commit batch: seq, the span that publishes it, since when."""

    spans: list[tuple[int, Parent, int]]
    header: str


class ShardTraces:
    """Pairs what the hot loop has noted with the batches that the publisher sends."""

    def __init__(
        self,
        shard_id: int,
        tracer: Tracer,
        take_traced: Callable[[], list[Traced]],
        committed_ns: Callable[[int], int],
    ) -> None:
        self._shard_id = shard_id
        self._tracer = tracer
        self._take_traced = take_traced
        self._committed_ns = committed_ns
        self._waiting: deque[_Command] = deque(maxlen=WAITING_MAX)

    def of_batch(self, first_seq: int, last_seq: int) -> BatchTraces:
        """Record the spans of the batch's commands up to their commit."""
        for seq, trace_id, span_id, received_ns, sequenced_ns in self._take_traced():
            parent = Parent(int.from_bytes(trace_id, "big"), int.from_bytes(span_id, "big"))
            self._waiting.append(_Command(seq, parent, received_ns, sequenced_ns))
        spans = []
        while self._waiting and self._waiting[0].seq <= last_seq:
            command = self._waiting.popleft()
            if command.seq >= first_seq:
                spans.append(self._spans_of(command))
        return BatchTraces(
            spans, batch_header_of([(seq, published) for seq, published, _ in spans])
        )

    def _spans_of(self, command: _Command) -> tuple[int, Parent, int]:
        of_order = {"shard": self._shard_id, "seq": command.seq}
        committed_ns = self._committed_ns(command.seq)
        # From the monotonic clock to that of the spans.
        committed_ns += time.time_ns() - time.monotonic_ns() if committed_ns else 0
        sequenced_ns = max(command.sequenced_ns, command.received_ns)
        committed_ns = max(committed_ns, sequenced_ns)
        matched = self._tracer.record(
            "match", command.parent, command.received_ns, sequenced_ns, **of_order
        )
        self._tracer.record("journal", matched, sequenced_ns, committed_ns, **of_order)
        return command.seq, matched, committed_ns

    def published(self, batch: BatchTraces) -> None:
        """The stream has acknowledged the batch."""
        for seq, parent, committed_ns in batch.spans:
            self._tracer.record(
                "publish",
                parent,
                committed_ns,
                time.time_ns(),
                shard=self._shard_id,
                seq=seq,
            )
