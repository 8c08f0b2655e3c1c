"""Bugs that the simulation must find: each is planted from outside, as a change of a function's text.

    python -m tests.simulation.bugs [--only WORD ...] [--seeds 200]

The classic ones of each part. Those of the C++ core are in tests/mutation/journal_mutants.py. A bug
whose text no longer stands in its function exactly once is an error: change it along with the code.
"""

import argparse
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.simulation.options import expand
from tests.simulation.world import simulate

SEEDS_MAX = 200


@dataclass(frozen=True)
class Change:
    """In the function `name` ("function" or "Class.method") of a module."""

    module: str
    name: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    name: str
    changes: tuple[Change, ...]


WRITER = "tradepit.ledger.writer"
FOLD = "tradepit.ledger.fold"
STREAM = "tradepit.ledger.stream"
PUBLISHER = "tradepit.matcher.publisher"
CACHE = "tradepit.ledger.cache"
DATABASE = "tests.simulation.database"

BUGS = [
    Bug(
        "the ledger goes on before COMMIT, and believes itself afterwards",
        (
            Change(
                WRITER,
                "Writer._step",
                "        positions = await self._store.write(batch)\n        self._move_to(batch)\n",
                "        self._move_to(batch)\n"
                "            positions = await self._store.write(batch)\n",
            ),
            Change(
                WRITER,
                "Writer._open",
                "self._position = state.position\n",
                "self._position = max(self._position, state.position)\n",
            ),
        ),
    ),
    Bug(
        "after an unknown COMMIT the ledger tries the same batch again",
        (
            Change(
                WRITER,
                "Writer._step",
                "positions = await self._store.write(batch)",
                "from tests.simulation.bugs import twice\n"
                "            positions = await twice(self._store, batch)",
            ),
        ),
    ),
    Bug(
        "a gap in the stream is not noticed",
        (Change(FOLD, "_fold_message", "if first_seq > seq + 1:", "if False:"),),
    ),
    Bug(
        "a message that came before is not skipped",
        (Change(FOLD, "_fold_message", "if last_seq < seq:", "if False:"),),
    ),
    Bug(
        "an entry that came before counts again",
        (Change(FOLD, "_fold_message", "if entry_seq > seq:", "if True:"),),
    ),
    Bug(
        "the ledger trusts the stream's sequence after the stream was made anew",
        (
            Change(
                STREAM,
                "JetStream._start_of",
                "if position.stream_seq == 0:\n        return 1\n",
                "if position.stream_seq == 0:\n        return 1\n    return position.stream_seq + 1\n",
            ),
        ),
    ),
    Bug(
        "what was applied is updated in another transaction than the rows",
        (
            Change(
                DATABASE,
                "SimulatedStore.write",
                "positions = database.commit(batch)\n    finally:",
                "positions = database.commit_rows(batch)\n"
                "        await asyncio.sleep(STATEMENT_S)\n"
                "        database.commit_applied(batch)\n    finally:",
            ),
        ),
    ),
    Bug(
        "a second ledger is not fenced off",
        (
            Change(
                DATABASE,
                "SimulatedStore._fence",
                "if database.position.seq != batch.before.seq:",
                "if False:",
            ),
        ),
    ),
    Bug(
        "the cache is told before COMMIT",
        (
            Change(
                WRITER,
                "Writer._step",
                "positions = await self._store.write(batch)\n        self._move_to(batch)\n"
                "        self._cache.offer(batch.before.seq, batch.after.seq, positions)\n",
                "self._cache.offer(batch.before.seq, batch.after.seq, [])\n"
                "            positions = await self._store.write(batch)\n"
                "        self._move_to(batch)\n",
            ),
        ),
    ),
    Bug(
        "the cache does not miss what a COMMIT of unknown outcome has stored",
        (
            Change(CACHE, "RedisCache.offer", "elif before_seq != self._noted_seq:", "elif False:"),
            Change(
                CACHE,
                "RedisCache._flush",
                "if self._forgotten or (after_seq is not None and after_seq > self._mirrored_seq):",
                "if self._forgotten:",
            ),
        ),
    ),
    Bug(
        "the publisher goes on after a reconnect without asking the stream",
        (
            Change(
                PUBLISHER,
                "Publisher._publish_all",
                "reader = await self._synchronize(jetstream)",
                "reader = getattr(self, 'reader', None) or await self._synchronize(jetstream)\n"
                "    self.reader = reader",
            ),
        ),
    ),
    Bug(
        "the publisher names no sequence that its batch must follow, and no id",
        (
            Change(
                PUBLISHER,
                "Publisher._send_committed",
                "ack = await sender.send(self._subject, batch, headers)",
                "ack = await sender.send(self._subject, batch, {})",
            ),
        ),
    ),
    Bug(
        "the publisher names no sequence that its batch must follow",
        (
            Change(
                PUBLISHER,
                "Publisher._send_committed",
                "ack = await sender.send(self._subject, batch, headers)",
                "headers = {Header.MSG_ID: message_id}\n"
                "            ack = await sender.send(self._subject, batch, headers)",
            ),
        ),
    ),
    Bug(
        "the publisher waits for no acknowledgement",
        (
            Change(
                PUBLISHER,
                "Publisher._await_oldest",
                "oldest = self._in_flight[0]\n",
                "oldest = self._in_flight.popleft()\n    self.published_seq = oldest.last_seq\n"
                "    return\n",
            ),
        ),
    ),
    Bug(
        "the publisher sends what is not committed",
        (
            Change(
                PUBLISHER,
                "Publisher._send_committed",
                "reader.next_batch(self._committed_seq(), batch_bytes_max)",
                "reader.next_batch(self._committed_seq() + 1, batch_bytes_max)",
            ),
        ),
    ),
    Bug(
        "the publisher does not notice that its connection is gone",
        (
            Change(
                PUBLISHER,
                "Publisher._on_disconnect",
                "self._abandon_in_flight()\n    self._committed.set()",
                "pass",
            ),
            Change(
                PUBLISHER,
                "Publisher._wait_for_commit",
                "if not client.is_connected:\n        raise ConnectionClosedError\n",
                "pass\n",
            ),
            Change(
                PUBLISHER,
                "Publisher._await_oldest",
                "async with asyncio.timeout(ACK_TIMEOUT_S):",
                "if True:",
            ),
        ),
    ),
]


async def twice(store: Any, batch: Any) -> Any:
    """What a hasty author writes around a transaction."""
    from tradepit.ledger.errors import StoreInterrupted

    try:
        return await store.write(batch)
    except StoreInterrupted:
        await store.open()
        return await store.write(batch)


def changed(change: Change) -> tuple[Any, str, Any]:
    """The owner of the function, its name there, and the function with the change."""
    module = importlib.import_module(change.module)
    owner: Any = module
    *classes, name = change.name.split(".")
    for part in classes:
        owner = getattr(owner, part)
    source = textwrap.dedent(inspect.getsource(getattr(owner, name)))
    old = change.old
    if source.count(old) != 1:
        raise ValueError(f"{change.name}: its text stands there {source.count(old)} times: {old!r}")
    namespace: dict[str, Any] = {}
    code = compile(source.replace(old, change.new), change.module, "exec")
    exec(code, module.__dict__, namespace)  # noqa: S102 - our own text
    return owner, name, namespace[name]


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    plants = [changed(change) for change in bug.changes]
    before = [getattr(owner, name) for owner, name, _ in plants]
    for owner, name, function in plants:
        setattr(owner, name, function)
    try:
        yield
    finally:
        for (owner, name, _), function in zip(plants, before, strict=True):
            setattr(owner, name, function)


def seeds_to_find(bug: Bug, seeds_max: int = SEEDS_MAX) -> tuple[int, str]:
    """How many runs it took until one failed, and with what; 0 if none did."""
    with planted(bug):
        for seed in range(1, seeds_max + 1):
            try:
                simulate(expand(seed))
            except Exception as error:  # noqa: BLE001 - found, as whatever
                return seed, f"{type(error).__name__}: {error}"
    return 0, ""


def main() -> int:
    parser = argparse.ArgumentParser(description="plant bugs and see how soon a seed finds each")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="words of the names")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX)
    arguments = parser.parse_args()
    missed = 0
    print("| bug | seeds | found as |\n| --- | --- | --- |")
    for bug in BUGS:
        if not arguments.only or any(word in bug.name for word in arguments.only):
            count, how = seeds_to_find(bug, arguments.seeds)
            missed += count == 0
            print(f"| {bug.name} | {count or 'NOT FOUND'} | {how[:150]} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
