"""The ledger's tables in PostgreSQL, behind the Store protocol.

One connection, used by one task, one transaction a batch. What PostgreSQL says is always asked again
after trouble: a connection that failed is closed for good, and a new one first waits for whatever
the old one left in flight (`SELECT ... FOR UPDATE` on the shard's row of `applied`).
"""

from collections.abc import AsyncGenerator
from typing import Any, TypeAlias

import asyncpg
from asyncpg.connect_utils import SessionAttribute
from tradepit.ledger import migrate
from tradepit.ledger.batch import (
    GENESIS_DIGEST,
    ORDER_COLUMNS,
    TERMS_COLUMNS,
    TRADE_CHANGE_COLUMNS,
    TRADE_COLUMNS,
    TRANSFER_COLUMNS,
    Batch,
    Instrument,
    Position,
)
from tradepit.ledger.errors import Fenced, StoreInterrupted, StoreRefused
from tradepit.ledger.ports import AccountPosition, StoreState
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.log import get_logger

log = get_logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 2.0
SERVER_SETTINGS = {
    "application_name": "tradepit-ledger",
    "statement_timeout": "25s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",  # a half-open connection must not keep its locks
    "synchronous_commit": "on",
    "jit": "off",
    # Every look-up here is by primary key. A planner that has seen no statistics of a fast growing
    # table would rather scan it.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
}
POSITIONS_PAGE_COUNT = 5_000

# SQLSTATE classes and codes after which the same batch may well succeed on a new connection:
# connection trouble, transaction rollback, out of resources, operator intervention, read-only.
_RETRYABLE_CLASSES = ("08", "40", "53", "57")
_RETRYABLE_CODES = ("25006", "55P03", "25P03", "25P04")

_LOCK_APPLIED = "SELECT seq, stream_seq, digest FROM applied WHERE shard_id = $1 FOR UPDATE"
_UPDATE_APPLIED = """
    UPDATE applied SET seq = $3, stream_seq = $4, digest = $5 WHERE shard_id = $1 AND seq = $2
"""
_UPDATE_ORDERS = """
    UPDATE orders o SET
        filled_lots = o.filled_lots + c.filled_lots,
        notional_units = o.notional_units + c.notional_units,
        fee_units = o.fee_units + c.fee_units,
        price_ticks = coalesce(c.price_ticks, o.price_ticks),
        quantity_lots = coalesce(c.quantity_lots, o.quantity_lots),
        status = c.status, cancel_reason = c.cancel_reason,
        updated_seq = c.updated_seq, updated_ns = c.updated_ns,
        flags = o.flags & ~c.flags_cleared
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                $7::smallint[], $8::smallint[], $9::bigint[], $10::bigint[], $11::smallint[])
        AS c (order_id, filled_lots, notional_units, fee_units, price_ticks, quantity_lots,
              status, cancel_reason, updated_seq, updated_ns, flags_cleared)
    WHERE o.order_id = c.order_id
"""
_ADD_BALANCES = """
    INSERT INTO balances AS b (shard_id, account_id, asset_id, total_units, seq)
    SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    ON CONFLICT (account_id, asset_id, shard_id) DO UPDATE
    SET total_units = b.total_units + excluded.total_units, seq = excluded.seq
"""
_ADD_POSITIONS = f"""
    INSERT INTO positions AS p (shard_id, account_id, instrument_id, bought_lots, sold_lots,
        bought_notional_units, sold_notional_units, fee_units, trade_count, seq)
    SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::numeric[], $5::numeric[],
        $6::numeric[], $7::numeric[], $8::numeric[], $9::bigint[], $10::bigint[])
    ON CONFLICT (account_id, instrument_id) DO UPDATE SET
        bought_lots = p.bought_lots + excluded.bought_lots,
        sold_lots = p.sold_lots + excluded.sold_lots,
        bought_notional_units = p.bought_notional_units + excluded.bought_notional_units,
        sold_notional_units = p.sold_notional_units + excluded.sold_notional_units,
        fee_units = p.fee_units + excluded.fee_units,
        trade_count = p.trade_count + excluded.trade_count,
        seq = excluded.seq
    RETURNING {", ".join(AccountPosition._fields)}
"""  # noqa: S608 - the names are this module's own
_PUT_ASSETS = """
    INSERT INTO assets (shard_id, asset_id, symbol, decimals, seq, time_ns)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (asset_id, shard_id) DO UPDATE
    SET symbol = excluded.symbol, decimals = excluded.decimals, seq = excluded.seq,
        time_ns = excluded.time_ns
"""
_PUT_ACCOUNTS = """
    INSERT INTO accounts (shard_id, account_id, trade_group, fee_tier, state, seq, time_ns)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (account_id, shard_id) DO UPDATE
    SET trade_group = excluded.trade_group, fee_tier = excluded.fee_tier, state = excluded.state,
        seq = excluded.seq, time_ns = excluded.time_ns
"""
_INSTRUMENT_COLUMNS = (
    "instrument_id", "symbol", "base_asset_id", "quote_asset_id", "tick_size", "price_decimals",
    "lot_size_units", "tick_lot_units", "price_ticks_min", "price_ticks_max", "quantity_lots_min",
    "quantity_lots_max", "maker_fee_ppm", "taker_fee_ppm", "trading_state", "seq", "time_ns",
)  # fmt: skip
_PUT_INSTRUMENTS = f"""
    INSERT INTO instruments AS i (shard_id, {", ".join(_INSTRUMENT_COLUMNS)})
    VALUES ($1, {", ".join(f"${n}" for n in range(2, len(_INSTRUMENT_COLUMNS) + 2))})
    ON CONFLICT (instrument_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _INSTRUMENT_COLUMNS[1:])}
    WHERE i.shard_id = excluded.shard_id
"""  # noqa: S608 - the names are this module's own
_PUT_TRADING_STATES = """
    UPDATE instruments SET trading_state = $3 WHERE instrument_id = $2 AND shard_id = $1
"""
_PAGE_OF_POSITIONS = f"""
    SELECT {", ".join(AccountPosition._fields)} FROM positions
    WHERE (account_id, instrument_id) > ($2, $3) AND shard_id = $1
    ORDER BY account_id, instrument_id LIMIT {POSITIONS_PAGE_COUNT}
"""  # noqa: S608 - the names are this module's own


def to_signed(value: int) -> int:
    """A u64's bits as PostgreSQL's bigint holds them."""
    return value - (1 << 64) if value >= 1 << 63 else value


def to_unsigned(value: int) -> int:
    return value % (1 << 64)


class PostgresStore:
    """Writes one shard. Use it from one task."""

    def __init__(self, postgres_url: str, shard_id: int) -> None:
        self._postgres_url = postgres_url
        self._shard_id = shard_id
        self._connection: Connection | None = None

    async def open(self) -> StoreState:
        self._terminate()
        try:
            connection = self._connection = await _connect(self._postgres_url)
            _require_schema(
                migrate.pending(migrate.read_migrations(), await migrate.read_applied(connection))
            )
            async with connection.transaction():
                await connection.execute(
                    "INSERT INTO applied VALUES ($1, 0, 0, $2) ON CONFLICT DO NOTHING",
                    self._shard_id,
                    to_signed(GENESIS_DIGEST),
                )
                applied = await connection.fetchrow(_LOCK_APPLIED, self._shard_id)
                assert applied is not None, "inserted above"
            rows = await connection.fetch(
                "SELECT instrument_id, base_asset_id, quote_asset_id FROM instruments "
                "WHERE shard_id = $1",
                self._shard_id,
            )
        except _TROUBLE as error:
            self._terminate()
            raise _translated(error, "opening the tables") from error
        return StoreState(
            Position(applied["seq"], applied["stream_seq"], to_unsigned(applied["digest"])),
            {row[0]: Instrument(row[1], row[2]) for row in rows},
        )

    async def write(self, batch: Batch) -> list[AccountPosition]:
        connection = self._connection
        if connection is None:
            raise StoreInterrupted("not connected")
        what = f"storing seq {batch.before.seq + 1} to {batch.after.seq} of shard {self._shard_id}"
        try:
            async with connection.transaction():
                return await self._write(connection, batch, what)
        except (Fenced, StoreRefused):
            raise  # rolled back
        except _TROUBLE as error:
            self._terminate()
            raise _translated(error, what) from error

    async def _write(
        self, connection: Connection, batch: Batch, what: str
    ) -> list[AccountPosition]:
        shard_id = self._shard_id
        status = await connection.execute(
            _UPDATE_APPLIED,
            shard_id,
            batch.before.seq,
            batch.after.seq,
            batch.after.stream_seq,
            to_signed(batch.after.digest),
        )
        if status != "UPDATE 1":
            found_seq = await connection.fetchval(
                "SELECT seq FROM applied WHERE shard_id = $1", shard_id
            )
            raise Fenced(
                f"another ledger has written shard {shard_id}: it stands at seq {found_seq}, "
                f"this one at {batch.before.seq}"
            )
        await self._write_listings(connection, batch)
        if batch.new_orders:
            await connection.copy_records_to_table(
                "orders", records=batch.new_orders.values(), columns=ORDER_COLUMNS
            )
        if batch.order_terms:
            await connection.copy_records_to_table(
                "order_terms", records=batch.order_terms, columns=TERMS_COLUMNS
            )
        if batch.order_changes:
            status = await connection.execute(_UPDATE_ORDERS, *_order_change_columns(batch))
            if status != f"UPDATE {len(batch.order_changes)}":
                raise StoreRefused(
                    f"{what}: {len(batch.order_changes)} orders of earlier batches change, "
                    f"but the table has other ones ({status})"
                )
        if batch.trades:
            await connection.copy_records_to_table(
                "trades", records=batch.trades, columns=TRADE_COLUMNS
            )
        if batch.trade_changes:
            await connection.copy_records_to_table(
                "trade_changes", records=batch.trade_changes, columns=TRADE_CHANGE_COLUMNS
            )
        if batch.transfers:
            await connection.copy_records_to_table(
                "transfers", records=batch.transfers, columns=TRANSFER_COLUMNS
            )
        if batch.balances:
            await connection.execute(
                _ADD_BALANCES,
                shard_id,
                [account_id for account_id, _ in batch.balances],
                [asset_id for _, asset_id in batch.balances],
                [delta_units for delta_units, _ in batch.balances.values()],
                [seq for _, seq in batch.balances.values()],
            )
        if not batch.positions:
            return []
        rows = await connection.fetch(
            _ADD_POSITIONS,
            shard_id,
            [account_id for account_id, _ in batch.positions],
            [instrument_id for _, instrument_id in batch.positions],
            *map(list, zip(*batch.positions.values(), strict=True)),
        )
        return [_position_of(row) for row in rows]

    async def _write_listings(self, connection: Connection, batch: Batch) -> None:
        if batch.assets:
            await connection.executemany(
                _PUT_ASSETS,
                [
                    (self._shard_id, asset.asset_id, asset.symbol, asset.decimals, asset.seq,
                     asset.time_ns)
                    for asset in batch.assets.values()
                ],
            )  # fmt: skip
        if batch.instruments:
            await connection.executemany(
                _PUT_INSTRUMENTS,
                [
                    (self._shard_id, *(getattr(instrument, name) for name in _INSTRUMENT_COLUMNS))
                    for instrument in batch.instruments.values()
                ],
            )
        if batch.trading_states:
            await connection.executemany(
                _PUT_TRADING_STATES,
                [(self._shard_id, *change) for change in batch.trading_states.items()],
            )
        if batch.accounts:
            await connection.executemany(
                _PUT_ACCOUNTS,
                [
                    (
                        self._shard_id,
                        account.account_id,
                        account.trade_group,
                        account.fee_tier,
                        account.state,
                        account.seq,
                        account.time_ns,
                    )
                    for account in batch.accounts.values()
                ],
            )

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=CLOSE_TIMEOUT_S)
            except _TROUBLE as error:
                log.warning("postgres_not_closed", error=repr(error))
                connection.terminate()

    def _terminate(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


class PositionReader:
    """Reads what the cache is rebuilt from, on connections of its own."""

    def __init__(self, postgres_url: str, shard_id: int) -> None:
        self._postgres_url = postgres_url
        self._shard_id = shard_id

    async def read(self) -> AsyncGenerator[tuple[int, list[AccountPosition]], None]:
        """Pages of every position, each with the seq that was applied before the first was read: every
        row is at least as new. One page at least. Raises StoreInterrupted, StoreRefused.
        """
        connection: Connection | None = None
        try:
            connection = await _connect(self._postgres_url)
            seq = await connection.fetchval(
                "SELECT seq FROM applied WHERE shard_id = $1", self._shard_id
            )
            after = (-1, -1)
            while True:
                rows = await connection.fetch(_PAGE_OF_POSITIONS, self._shard_id, *after)
                yield seq or 0, [_position_of(row) for row in rows]
                if len(rows) < POSITIONS_PAGE_COUNT:
                    return
                after = (rows[-1]["account_id"], rows[-1]["instrument_id"])
        except _TROUBLE as error:
            raise _translated(error, "reading positions") from error
        finally:
            if connection is not None:
                connection.terminate()


async def _connect(postgres_url: str) -> Connection:
    try:
        return await asyncpg.connect(
            postgres_url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            target_session_attrs=SessionAttribute.read_write,
            server_settings=SERVER_SETTINGS,
        )
    except ValueError as error:  # asyncpg's ClientConfigurationError is one
        raise ConfigurationError(f"TRADEPIT_POSTGRES_URL: {error}") from error


def _require_schema(todo: list[migrate.Migration]) -> None:
    if todo:
        raise ConfigurationError(
            f"the database lacks {len(todo)} migration(s): run `tradepit ledger migrate`"
        )


def _position_of(row: asyncpg.Record) -> AccountPosition:
    return AccountPosition._make(map(int, row))


def _order_change_columns(batch: Batch) -> list[list[Any]]:
    changes = batch.order_changes.values()
    return [
        list(batch.order_changes),
        [change.filled_lots for change in changes],
        [change.notional_units for change in changes],
        [change.fee_units for change in changes],
        [change.price_ticks for change in changes],
        [change.quantity_lots for change in changes],
        [change.status for change in changes],
        [change.cancel_reason for change in changes],
        [change.updated_seq for change in changes],
        [change.updated_ns for change in changes],
        [change.flags_cleared for change in changes],
    ]


# Everything that asyncpg is known to raise when a server, the network or the driver fails.
_TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError,
            asyncpg.InternalClientError)  # fmt: skip


def _translated(error: BaseException, what: str) -> StoreInterrupted | StoreRefused:
    """What the ledger makes of a failure: another try, or a stop."""
    code = getattr(error, "sqlstate", None)
    if (
        isinstance(error, asyncpg.PostgresError)
        and code is not None
        and not code.startswith(_RETRYABLE_CLASSES)
        and code not in _RETRYABLE_CODES
    ):
        return StoreRefused(f"PostgreSQL refused {what}: {error} (SQLSTATE {code})")
    if isinstance(error, asyncpg.DataError):  # a value that no column can hold
        return StoreRefused(f"{what}: {error}")
    return StoreInterrupted(f"PostgreSQL failed, {what}: {str(error) or type(error).__name__}")
