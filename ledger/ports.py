"""What the writer depends on: a stream of commit batches, a store, a cache."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from tradepit.ledger.batch import Batch, Instrument, Position, StreamMessage


class StoreState(NamedTuple):
    """What the store holds of one shard, as far as folding the next messages needs it."""

    position: Position
    instruments: Mapping[int, Instrument]


class AccountPosition(NamedTuple):
    """A row of `positions`: running sums, absolute."""

    account_id: int
    instrument_id: int
    shard_id: int
    bought_lots: int
    sold_lots: int
    bought_notional_units: int
    sold_notional_units: int
    fee_units: int
    trade_count: int
    seq: int


class EventStream(Protocol):
    """The shard's commit batches, at least once, in order but for repeats."""

    async def open(self, position: Position) -> None:
        """Read from right after `position`, or from the beginning if the stream no longer has the
        message that `position` names. Raises StreamInterrupted, StreamMissing.
        """

    async def fetch(self, timeout_s: float) -> list[StreamMessage]:
        """Messages of a bounded size together, at least one unless the time runs out. Raises
        StreamInterrupted: call `open`.
        """

    async def acknowledge(self, stream_seq: int) -> None:
        """Everything up to `stream_seq` is stored. Best effort: the store is what counts."""


class Store(Protocol):
    """The ledger's tables."""

    async def open(self) -> StoreState:
        """Connect (anew), wait for what an earlier connection left in flight, and say what is
        stored. Raises StoreInterrupted, StoreRefused.
        """

    async def write(self, batch: Batch) -> list[AccountPosition]:
        """Store the batch as a whole or not at all, and return the positions it changed.

        Raises StoreInterrupted (outcome unknown: call `open`), Fenced and StoreRefused (nothing
        was stored).
        """


class Cache(Protocol):
    """A mirror of `positions` that may lag and may be lost."""

    def offer(self, before_seq: int, seq: int, positions: Iterable[AccountPosition]) -> None:
        """Take note of rows that everything after `before_seq` up to `seq` has changed, and that are
        stored. Never waits, never fails.
        """
