"""An engine at any seq of a journal: every command applied again, every event compared."""

from collections.abc import Callable, Iterator
from typing import Any

from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.errors import TradepitError
from tradepit.tools.journal.files import Entry, Journal, damaged
from tradepit.tools.journal.snapshots import restored, snapshots_of

_CHUNK_ENTRIES = 2_000


class BeginningGone(TradepitError):
    """The segments that a replay would begin with were removed, and no snapshot stands for them."""


class Replay:
    """An engine that follows a journal. `move_to` may be called with growing seqs, none of them below
    `seq_min`.

    It begins with the first command where the journal has it, so that everything is proved; else, or if
    `is_quick`, with the newest sound snapshot up to `seq_min`.

    Raises JournalDamaged if an entry is not sound, or the engine does not give the events that were
    recorded; BeginningGone if what came before is not there.
    """

    def __init__(
        self,
        journal: Journal,
        seq_min: int | None = None,
        *,
        is_quick: bool = False,
        on_entries: Callable[[list[Entry]], None] = lambda _entries: None,
    ) -> None:
        engine = Engine(shard_id=journal.shard_id)
        has_all = journal.first_seq == 1 and journal.first_digest == engine.digest
        if is_quick or not has_all:
            found = _newest(journal, seq_min)
            if found is None and not has_all:
                raise BeginningGone(
                    f"the journal in {journal.directory} begins with seq {journal.first_seq}, and no "
                    f"sound snapshot lies between it and seq {seq_min or 'the end'}"
                )
            engine = found or engine
        self.engine = engine
        self.first_seq = engine.seq + 1
        self._entries: Iterator[Entry] = journal.entries(engine.seq + 1)
        self._ahead: Entry | None = None
        self._on_entries = on_entries

    def move_to(self, seq: int | None = None) -> None:
        """Apply everything up to `seq`, or up to the journal's end if that comes first."""
        chunk: list[Entry] = []
        while True:
            entry = self._ahead or next(self._entries, None)
            self._ahead = None
            if entry is None or (seq is not None and entry.seq > seq):
                self._ahead = entry
                break
            chunk.append(entry)
            if len(chunk) == _CHUNK_ENTRIES:
                self._apply(chunk)
                chunk = []
        self._apply(chunk)

    def _apply(self, chunk: list[Entry]) -> None:
        if not chunk:
            return
        events = self.engine.apply(b"".join(entry.command for entry in chunk))
        if events != b"".join(entry.events for entry in chunk) or (
            self.engine.digest != chunk[-1].digest
        ):
            first = _first_difference(events, chunk)
            raise damaged(
                first.path,
                first.offset,
                first.seq,
                "replaying the command gives other events than were recorded",
            )
        self._on_entries(chunk)


def _newest(journal: Journal, seq_max: int | None) -> Engine | None:
    """The engine of the newest sound snapshot up to `seq_max` that the journal continues."""
    for snapshot in snapshots_of(journal):
        if (seq_max is None or snapshot.seq <= seq_max) and snapshot.seq + 1 >= journal.first_seq:
            engine = restored(snapshot)
            if engine is not None:
                return engine
    return None


def _first_difference(events: bytes, chunk: list[Entry]) -> Entry:
    at = 0
    for entry in chunk:
        if events[at : at + len(entry.events)] != entry.events:
            return entry
        at += len(entry.events)
    return chunk[-1]


def instruments_of(engine: Engine) -> dict[int, Any]:
    """The listing, by instrument_id."""
    records = wire.decode_all(engine.query(wire.InstrumentsQuery().encode()))
    return {
        record.instrument_id: record
        for record in records
        if isinstance(record, wire.InstrumentChanged)
    }


def assets_of(engine: Engine) -> dict[int, Any]:
    """The listed assets, by asset_id."""
    records = wire.decode_all(engine.query(wire.InstrumentsQuery().encode()))
    return {record.asset_id: record for record in records if isinstance(record, wire.AssetChanged)}


def totals_of(engine: Engine) -> dict[tuple[int, int], int]:
    """Funds by (account_id, asset_id), held ones included, where there are any."""
    assets = assets_of(engine)
    totals = {
        (account_id, asset_id): sum(engine.balance(account_id, asset_id))
        for account_id in engine.account_ids
        for asset_id in assets
    }
    return {place: units for place, units in totals.items() if units}
