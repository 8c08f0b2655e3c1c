"""Redis in memory, as far as the ledger's cache uses it: its two scripts, hashes and a string."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Self

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError
from tradepit.ledger.errors import StoreInterrupted
from tradepit.ledger.ports import AccountPosition
from tradepit.protocol.names import applied_key, position_key

from tests.simulation.database import STATEMENT_S, Database

CALL_S = 0.001


class SimulatedRedis:
    """The server."""

    def __init__(self, random_: random.Random, seen: Counter[str]) -> None:
        self.random = random_
        self.seen = seen
        self.away_until_s = 0.0
        self.strings: dict[str, str] = {}
        self.hashes: dict[str, dict[str, str]] = {}
        self.has_script = False
        self._saved: tuple[dict[str, str], dict[str, dict[str, str]]] = ({}, {})

    def flush(self) -> None:
        self.strings.clear()
        self.hashes.clear()

    def save(self) -> None:
        self._saved = (dict(self.strings), {key: dict(row) for key, row in self.hashes.items()})

    def restart(self, away_s: float) -> None:
        """With what was last saved."""
        self.away_until_s = asyncio.get_running_loop().time() + away_s
        strings, hashes = self._saved
        self.strings = dict(strings)
        self.hashes = {key: dict(row) for key, row in hashes.items()}
        self.has_script = False

    def put(self, key: str, seq: int, fields: list[Any]) -> None:
        row = self.hashes.get(key)
        if row is None or int(row["seq"]) < seq:
            self.hashes[key] = dict(zip(fields[::2], map(str, fields[1::2]), strict=True))

    def differences(self, database: Database) -> str:
        """What is not as in the store."""
        applied = self.strings.get(applied_key(database.shard_id))
        if applied != str(database.position.seq):
            return f"complete to seq {applied}, the store to {database.position.seq}"
        names = AccountPosition._fields
        for key, values in database.tables.positions.items():
            row = dict(zip(names, map(str, (*key, database.shard_id, *values)), strict=True))
            found = self.hashes.get(position_key(*key))
            if found != row:
                return f"{key} is {found}, the store has {row}"
        return ""


class SimulatedRedisClient:
    """redis-py's client: what the cache calls of it."""

    def __init__(self, server: SimulatedRedis) -> None:
        self._server = server

    async def _call(self) -> SimulatedRedis:
        server = self._server
        await asyncio.sleep(CALL_S * server.random.uniform(0.2, 3))
        if asyncio.get_running_loop().time() < server.away_until_s:
            server.seen["redis: away"] += 1
            raise RedisConnectionError("away")
        return server

    async def get(self, key: str) -> str | None:
        return (await self._call()).strings.get(key)

    async def set(self, key: str, value: object) -> None:
        (await self._call()).strings[key] = str(value)

    async def delete(self, key: str) -> None:
        (await self._call()).strings.pop(key, None)

    async def unlink(self, key: str) -> None:
        (await self._call()).hashes.pop(key, None)

    async def hget(self, key: str, name: str) -> str | None:
        return (await self._call()).hashes.get(key, {}).get(name)

    async def scan_iter(self, match: str, count: int) -> AsyncIterator[str]:
        for key in list((await self._call()).hashes):
            yield key

    async def script_load(self, _script: str) -> str:
        (await self._call()).has_script = True
        return "put"

    async def eval(self, _advance: str, _keys: int, key: str, left: int, new: int) -> str | None:
        strings = (await self._call()).strings
        found = strings.get(key)
        if found is not None and int(found) >= left and new > int(found):
            strings[key] = str(new)
        return found

    def pipeline(self, transaction: bool) -> "_Pipeline":
        return _Pipeline(self)

    async def put_all(self, calls: list[tuple[Any, ...]]) -> None:
        server = await self._call()
        if not server.has_script:
            raise NoScriptError("NOSCRIPT")
        for _sha, _keys, key, seq, *fields in calls:
            server.put(key, seq, fields)

    async def aclose(self) -> None:
        pass


class _Pipeline:
    def __init__(self, client: SimulatedRedisClient) -> None:
        self._client = client
        self._calls: list[tuple[Any, ...]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        pass

    def evalsha(self, *arguments: Any) -> None:
        self._calls.append(arguments)

    async def execute(self) -> None:
        await self._client.put_all(self._calls)


class SimulatedPositionReader:
    """ledger.store.PositionReader: pages of the positions, each read in a statement of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> AsyncGenerator[tuple[int, list[AccountPosition]], None]:
        database = self._database
        await self._statement()
        seq = database.position.seq
        keys = sorted(database.tables.positions)
        half = len(keys) // 2
        for page in (keys[:half], keys[half:]):
            await self._statement()
            yield (
                seq,
                [
                    AccountPosition(*key, database.shard_id, *database.tables.positions[key])
                    for key in page
                ],
            )

    async def _statement(self) -> None:
        await asyncio.sleep(STATEMENT_S * self._database.random.uniform(0.2, 2))
        if asyncio.get_running_loop().time() < self._database.refuses_until_s:
            raise StoreInterrupted("away")
