"""What must hold whatever went wrong. Each raises Violation, whose text says what does not."""

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

from tradepit.engine import JournalReader
from tradepit.engine._core import SimulatedDisk, SimulatedMatcher
from tradepit.ledger.batch import Position, StreamMessage
from tradepit.ledger.fold import fold
from tradepit.protocol import wire
from tradepit.protocol.wire import ExecutionKind, Reason, ReportFlag

from tests.ledger_model import Tables, apply, tables_of
from tests.ledger_stream import Entry

if TYPE_CHECKING:
    from tests.simulation.clients import Client
    from tests.simulation.world import World

BATCH = wire.COMMIT_BATCH_HEADER_LAYOUT
ENTRY = wire.JOURNAL_ENTRY_LAYOUT
TABLES = ("orders", "order_terms", "trades", "trade_changes", "transfers", "balances", "positions")

# What a report tells of, by the event that stands in the journal under its seq.
EVENT_OF_KIND: dict[int, type[Any]] = {
    ExecutionKind.ACCEPTED: wire.OrderAccepted,
    ExecutionKind.REJECTED: wire.OrderRejected,
    ExecutionKind.TRADE: wire.Trade,
    ExecutionKind.CANCELED: wire.OrderCanceled,
    ExecutionKind.REPLACED: wire.OrderReplaced,
}


class Violation(AssertionError):
    """A promise was broken."""


def require(holds: bool, text: str) -> None:
    if not holds:
        raise Violation(text)


class Checkers:
    """What is checked while the world runs, and at its end."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.expect_refusal = False
        self.refusal_count = 0

    # While it runs.

    def recovered(self, core: SimulatedMatcher) -> None:
        """The journal has everything that anybody was told of, and nothing that it refuses."""
        require(not self.expect_refusal, "damage to something acknowledged was not refused")
        require(core.check() == "", f"the engine recovered unsound: {core.check()}")
        self._has_acknowledged(core.committed_seq)
        require(core.seq == core.committed_seq, "the engine is not where the journal is")

    def refused(self, error: str) -> None:
        self.refusal_count += 1
        kind = "damage" if self.expect_refusal else error.rpartition(": ")[2]
        self._world.seen[f"matcher: refused, {kind}"] += 1
        has_failing_syncs = self._world.options.sync_failure_rate > 0
        if "no space" in error.lower() and (self._world.is_disk_full or has_failing_syncs):
            return  # a segment that could not be made counts as that, whatever the reason
        if "Input/output error" in error and has_failing_syncs:
            return
        require(self.expect_refusal, f"a sound journal was refused: {error}")
        require("damaged journal: " in error, f"the refusal does not name the damage: {error}")

    def _has_acknowledged(self, seq: int) -> None:
        for client in self._world.clients:
            require(
                client.acknowledged_seq <= seq,
                f"account {client.account_id} was told of seq {client.acknowledged_seq}, the "
                f"journal ends at {seq}",
            )
        stored_seq = self._world.database.position.seq
        require(stored_seq <= seq, f"the store holds seq {stored_seq}, the journal ends at {seq}")

    def place_to_damage(
        self, disk: SimulatedDisk, random_: random.Random
    ) -> tuple[str, int] | None:
        """A byte of an entry whose commit a later one follows: damage there is no torn write."""
        names = sorted(name for name in disk.names() if name.endswith(".journal"))
        if not names:
            return None
        places: list[tuple[str, int, int, int]] = []  # of each entry, and its commit
        for name in names:
            data = disk.read(name)
            offset = wire.SEGMENT_HEADER_LAYOUT.size
            while offset + ENTRY.size <= len(data):
                entry = wire.JournalEntry(*ENTRY.unpack_from(data, offset))
                if entry.length < ENTRY.size or entry.length > len(data) - offset:
                    break
                if entry.seq <= self._world.matcher.synced_seq:
                    places.append((name, offset, entry.length, entry.commit_first_seq))
                offset += entry.length
        places = [place for place in places if place[3] < places[-1][3]]
        if not places:
            return None
        name, offset, length, _ = random_.choice(places)
        return name, offset + random_.randrange(length)

    # At its end.

    def check_everything(self) -> None:
        world = self._world
        core = world.matcher.core
        require(core is not None and core.check() == "", "the engine is not sound")
        assert core is not None
        batches = journal_batches(core.committed_seq)
        entries = entries_of(batches)
        self._has_acknowledged(core.committed_seq)
        require(len(entries) == core.committed_seq, "the journal is not contiguous")
        require(entries[-1].digest == core.digest, "the journal's digest is not the engine's")
        self._check_told(entries)
        check_order_ids(entries)
        self._check_stream(entries)
        self._check_store(batches, entries)

    def _check_told(self, entries: list[Entry]) -> None:
        """Whatever a client was told stands in the journal under the same seq, with that outcome."""
        for client in self._world.clients:
            check_replayed(client)
            for record in client.told:
                if isinstance(record, wire.LoggedOn):
                    continue
                if isinstance(record, wire.ShardStatus):
                    if record.seq:
                        found = entries[record.seq - 1].digest
                        require(
                            found == record.digest,
                            f"digest {record.digest:016x} was told of seq {record.seq}, the "
                            f"journal has {found:016x}",
                        )
                    continue
                events = entries[record.seq - 1].events
                require(
                    any(tells_of(record, event) for event in events),
                    f"account {client.account_id} was told {record}, the journal has {events}",
                )

    def _check_stream(self, entries: list[Entry]) -> None:
        """The stream is the journal: the same entries, each once, in order."""
        stream = self._world.broker.stream
        require(stream is not None, "there is no stream")
        assert stream is not None
        seq = 0
        for stored in stream.stored:
            header = wire.CommitBatchHeader(*BATCH.unpack_from(stored.data))
            require(
                header.first_seq == seq + 1,
                f"the stream goes on with seq {header.first_seq} after {seq}",
            )
            seq = header.last_seq
            require(seq <= len(entries), f"the stream holds seq {seq}, the journal does not")
            require(
                header.last_digest == entries[seq - 1].digest,
                f"the stream has another digest than the journal at seq {seq}",
            )
        require(seq == len(entries), f"the stream ends at seq {seq} of {len(entries)}")

    def _check_store(self, batches: list[bytes], entries: list[Entry]) -> None:
        """The store is a fold of the journal; its money is what came in, and nothing else."""
        world = self._world
        database = world.database
        require(database.position.seq == len(entries), "the store is not complete")
        require(database.position.digest == entries[-1].digest, "the store has another digest")
        messages = [StreamMessage(n, data) for n, data in enumerate(batches, start=1)]
        expected = Tables()
        apply(fold(world.shard_id, messages, Position(), {}), expected)
        if world.options.seed % 16 == 0:  # slow, and obviously right
            compare(expected, tables_of(world.shard_id, entries), "the fold is not the model's")
        compare(database.tables, expected, "the store is not a fold of the journal")
        transferred: Counter[int] = Counter()
        for _, asset_id, delta_units in database.tables.transfers.values():
            transferred[asset_id] += delta_units
        held: Counter[int] = Counter()
        for (_, asset_id), (total_units, _) in database.tables.balances.items():
            held[asset_id] += total_units
        require(transferred == held, f"{transferred} units came in, accounts hold {held}")
        wrong = world.redis.differences(database)
        require(wrong == "", f"the cache is not the store's: {wrong}")


def compare(found: Tables, expected: Tables, text: str) -> None:
    for name in TABLES:
        ours, theirs = getattr(found, name), getattr(expected, name)
        if ours != theirs:
            keys = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
            key = min(keys)
            raise Violation(f"{text}: {name}[{key}] is {ours.get(key)}, not {theirs.get(key)}")


def check_replayed(client: "Client") -> None:
    """Every answer to an order that was accepted is the same, however often it was sent, before a restart
    and after it; each but the first says that it is a repeat.
    """
    first: dict[int, list[wire.ExecutionReport]] = {}
    answer: list[wire.ExecutionReport] = []
    for record in client.told:
        if not isinstance(record, wire.ExecutionReport) or not record.request_id:
            continue
        if not isinstance(client.sent[record.request_id], wire.NewOrder):
            continue
        require(record.reason != Reason.DUPLICATE_CLIENT_ORDER_ID, f"a retry was refused: {record}")
        answer.append(record._replace(flags=record.flags & ~ReportFlag.REPLAYED))
        if not record.flags & ReportFlag.LAST:
            continue
        if answer[0].kind == ExecutionKind.ACCEPTED:
            known = first.setdefault(record.request_id, answer)
            require(answer == known, f"first the answer was {known}, then {answer}")
            is_repeat = known is not answer
            require(
                not is_repeat or record.flags & ReportFlag.REPLAYED != 0,
                f"an order was placed twice: {record}",
            )
        answer = []


def check_order_ids(entries: list[Entry]) -> None:
    """An order that was asked for again counts once; a transfer too."""
    orders: Counter[tuple[int, int]] = Counter()
    transfers: Counter[int] = Counter()
    for entry in entries:
        for event in entry.events:
            if isinstance(event, wire.OrderAccepted):
                orders[event.account_id, event.client_order_id] += 1
            elif isinstance(event, wire.BalanceChanged):
                transfers[event.transfer_id] += 1
            elif (
                isinstance(event, wire.OrderRejected)
                and event.reason == Reason.DUPLICATE_CLIENT_ORDER_ID
            ):
                key = (event.account_id, event.client_order_id)
                require(orders[key] == 1, f"order {key} is called a duplicate and is none")
    for counts in (orders, transfers):
        require(max(counts.values(), default=1) == 1, f"{counts.most_common(1)} counted twice")


def tells_of(record: Any, event: Any) -> bool:
    """Whether a client's record is one side of the journal's event."""
    if isinstance(record, wire.Reject):
        return isinstance(event, wire.CommandRejected) and event.reason == record.reason
    if not isinstance(record, wire.ExecutionReport):
        return bool(event == record._replace(request_id=0))
    expected = EVENT_OF_KIND.get(record.kind)
    if expected is None or type(event) is not expected:
        return False
    if isinstance(event, wire.Trade):
        return record.trade_id == event.trade_id
    if isinstance(event, wire.OrderRejected):  # the event has the id that the command had, if any
        return bool(
            record.client_order_id == event.client_order_id and record.reason == event.reason
        )
    return bool(
        record.order_id == event.order_id and record.client_order_id == event.client_order_id
    )


def journal_batches(last_seq: int) -> list[bytes]:
    """The whole journal, as the production reader reads it."""
    from tests.simulation.processes import DIRECTORY, SHARD_ID

    reader = JournalReader(DIRECTORY, SHARD_ID)
    reader.seek(1)
    out = []
    while batch := reader.next_batch(last_seq, 1 << 20):
        out.append(batch)
    return out


def entries_of(batches: list[bytes]) -> list[Entry]:
    """Their entries, each once and in order."""
    out: list[Entry] = []
    for batch in batches:
        offset = BATCH.size
        while offset < len(batch):
            length, _, seq, _, digest, _ = ENTRY.unpack_from(batch, offset)
            require(seq == len(out) + 1, f"seq {seq} stands where {len(out) + 1} belongs")
            data = batch[offset : offset + length]
            _, command_end = wire.decode(data, ENTRY.size)
            out.append(Entry(seq, digest, data, tuple(wire.decode_all(data[command_end:]))))
            offset += length
    return out
