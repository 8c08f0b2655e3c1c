"""PostgreSQL in memory, behind the ledger's port.

A transaction is whole or not there. What goes wrong is that nobody learns which: the connection goes
before COMMIT, after it, or while it is under way and still holds its lock.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

from tradepit.ledger.batch import Batch, Instrument, Position
from tradepit.ledger.errors import Fenced, StoreInterrupted
from tradepit.ledger.ports import AccountPosition, StoreState

from tests.ledger_model import Tables, apply
from tests.simulation.options import Options

STATEMENT_S = 0.003
UNDER_WAY_S_MAX = 1.5


class Database:
    """The server: what is committed, and who holds the lock of the row of `applied`."""

    def __init__(
        self, shard_id: int, options: Options, random_: random.Random, seen: Counter[str]
    ) -> None:
        self.shard_id = shard_id
        self.seen = seen
        self.options = options
        self.random = random_
        self.has_trouble = True
        self.refuses_until_s = 0.0
        self.tables = Tables()
        self.position = Position()
        self.instruments: dict[int, Instrument] = {}
        self.lock = asyncio.Lock()
        self.under_way: set[asyncio.Task[None]] = set()
        self.commit_count = 0

    def commit(self, batch: Batch) -> list[AccountPosition]:
        """Rows and the row of `applied`, together."""
        positions = self.commit_rows(batch)
        self.commit_applied(batch)
        return positions

    def commit_rows(self, batch: Batch) -> list[AccountPosition]:
        apply(batch, self.tables)
        for record in batch.instruments.values():
            self.instruments[record.instrument_id] = Instrument(
                record.base_asset_id, record.quote_asset_id
            )
        return [
            AccountPosition(*key, self.shard_id, *self.tables.positions[key])
            for key in batch.positions
        ]

    def commit_applied(self, batch: Batch) -> None:
        self.position = batch.after
        self.commit_count += 1


class SimulatedStore:
    """One connection's view: ledger.ports.Store."""

    def __init__(self, database: Database, kill: Callable[[], None]) -> None:
        self._database = database
        self._kill = kill
        """Ends the process that has this connection."""
        self._is_open = False

    async def open(self) -> StoreState:
        database = self._database
        self._is_open = False
        await asyncio.sleep(STATEMENT_S * database.random.uniform(0.5, 3))
        self._refuse()
        async with database.lock:  # what an earlier connection left in flight is over
            self._is_open = True
            return StoreState(database.position, dict(database.instruments))

    async def write(self, batch: Batch) -> list[AccountPosition]:
        database = self._database
        if not self._is_open:
            raise StoreInterrupted("not connected")
        if self._chance(database.options.ledger_kill_in_write_share):
            delay_s = STATEMENT_S * database.random.uniform(0, 6)
            asyncio.get_running_loop().call_later(delay_s, self._kill)
        await database.lock.acquire()
        is_ours = True
        try:
            await asyncio.sleep(STATEMENT_S * database.random.uniform(0.5, 3))
            self._refuse()
            self._fence(batch)
            if self._chance(database.options.store_interrupted_share):
                self._is_open = False
                when = database.random.choice(("before", "after", "under way"))
                database.seen[f"database: lost {when} COMMIT"] += 1
                match when:
                    case "after":
                        database.commit(batch)
                    case "under way":
                        is_ours = False
                        self._leave_under_way(batch)
                raise StoreInterrupted("the connection was lost in COMMIT")
            positions = database.commit(batch)
        finally:
            if is_ours:
                database.lock.release()
        await asyncio.sleep(STATEMENT_S * database.random.uniform(0.1, 1))  # the answer's way
        return positions

    def _fence(self, batch: Batch) -> None:
        database = self._database
        if database.position.seq != batch.before.seq:
            raise Fenced(
                f"another ledger has written: it stands at seq {database.position.seq}, "
                f"this one at {batch.before.seq}"
            )

    def _refuse(self) -> None:
        if asyncio.get_running_loop().time() < self._database.refuses_until_s:
            self._is_open = False
            self._database.seen["database: read-only"] += 1
            raise StoreInterrupted("cannot execute UPDATE in a read-only transaction (25006)")

    def _chance(self, share: float) -> bool:
        database = self._database
        return database.has_trouble and share > 0 and database.random.random() < share

    def _leave_under_way(self, batch: Batch) -> None:
        """The server has COMMIT, or has not; it keeps the lock until it notices."""
        database = self._database

        async def finish() -> None:
            await asyncio.sleep(database.random.uniform(0, UNDER_WAY_S_MAX))
            if database.random.random() < 0.5:
                database.commit(batch)
            database.lock.release()

        task = asyncio.get_running_loop().create_task(finish(), name="database.under_way")
        database.under_way.add(task)
        task.add_done_callback(database.under_way.discard)
