"""The spans of traced commands in the ledger: each lasts as long as the transaction that stored it."""

import time
from collections.abc import Sequence

from tradepit.ledger.batch import Batch, StreamMessage
from tradepit.protocol.traces import Tracer, read_batch_header


def record(
    tracer: Tracer, messages: Sequence[StreamMessage], batch: Batch, started_ns: int
) -> None:
    """`batch` was stored; it is what `messages` held, of which some may have been stored before."""
    now_ns = time.time_ns()
    for message in messages:
        if not message.traces:
            continue
        for seq, parent in read_batch_header(message.traces):
            if batch.before.seq < seq <= batch.after.seq:
                tracer.record(
                    "ledger.apply", parent, started_ns, now_ns, shard=batch.shard_id, seq=seq
                )
