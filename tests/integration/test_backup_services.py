"""`tradepit backup` and `restore` of services: several shards, and servers that run elsewhere."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
import pytest
import redis
from tradepit.cli.child import Child
from tradepit.cli.main import main
from tradepit.ledger.migrate import migrate
from tradepit.ledger.store import to_unsigned
from tradepit.tools.journal.files import Journal
from tradepit.tools.journal.replay import Replay

from tests.ledger_harness import LedgerSetting
from tests.matcher_process import MatcherProcess, list_market, trade_once, wait_until
from tests.matcher_stream import delete_stream
from tests.servers import Servers

CALL_TIMEOUT_S = 10.0
TRADES = (4, 9)  # of the first shard and of the second


class Services:
    """A matcher and a ledger for each of two shards, a database for each shard."""

    def __init__(self, servers: Servers, folder: Path, shard_ids: tuple[int, int]) -> None:
        self.servers = servers
        self.folder = folder
        self.shard_ids = shard_ids
        self.data_dir = folder / "data"
        self.generation = 0
        self.keys: MatcherProcess | None = None

    def database(self, shard: object) -> str:
        return f"backup_{self.shard_ids[0]}_{self.generation}_{shard}"

    def postgres_url(self, shard: object = "{shard}") -> str:
        return self.servers.database_url(self.database(shard))

    @property
    def order_endpoint(self) -> str:
        return f"ipc://{self.folder}/orders-{{shard}}"

    @property
    def environment(self) -> dict[str, str]:
        """What a command is given: the shard's number stands in braces."""
        return {
            "TRADEPIT_POSTGRES_URL": self.postgres_url(),
            "TRADEPIT_NATS_URL": self.servers.nats_url,
            "TRADEPIT_REDIS_URL": self.servers.redis_url,
            "TRADEPIT_ORDER_ENDPOINT": self.order_endpoint,
            "TRADEPIT_KEYS_FILE": str(self.data_dir / "keys.json"),
        }

    def new_databases(self) -> None:
        self.generation += 1
        for shard_id in self.shard_ids:
            self._run(f"CREATE DATABASE {self.database(shard_id)}")

    def drop_databases(self) -> None:
        while self.generation:
            for shard_id in self.shard_ids:
                self._run(f"DROP DATABASE IF EXISTS {self.database(shard_id)} WITH (FORCE)")
            self.generation -= 1

    def _run(self, statement: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(self.servers.postgres_url, timeout=CALL_TIMEOUT_S)
            try:
                await connection.execute(statement, timeout=CALL_TIMEOUT_S)
            finally:
                connection.terminate()

        asyncio.run(run())

    def applied(self, shard_id: int) -> tuple[int, int]:
        async def run() -> tuple[int, int]:
            connection = await asyncpg.connect(self.postgres_url(shard_id), timeout=CALL_TIMEOUT_S)
            try:
                row = await connection.fetchrow("SELECT seq, digest FROM applied")
                return (row["seq"], to_unsigned(row["digest"])) if row else (0, 0)
            finally:
                connection.terminate()

        return asyncio.run(run())

    @contextmanager
    def running(self) -> Iterator[list[MatcherProcess]]:
        """Matchers that serve, and ledgers."""
        keys = (self.data_dir / "keys.json").read_bytes() if self.keys else b""
        matchers: list[MatcherProcess] = []
        with ExitStack() as ends:
            for shard_id in self.shard_ids:
                matcher = MatcherProcess(self.data_dir, self.servers.nats_url, shard_id)
                matcher.order_endpoint = self.order_endpoint.replace("{shard}", str(shard_id))
                matcher.environment["TRADEPIT_ORDER_ENDPOINT"] = matcher.order_endpoint
                matcher.log_path = self.folder / f"matcher-{shard_id}.log"
                if self.keys is None:
                    self.keys = matcher
                    keys = (self.data_dir / "keys.json").read_bytes()
                matcher.operator_key = self.keys.operator_key
                matcher.trader_keys = self.keys.trader_keys
                (self.data_dir / "keys.json").write_bytes(keys)
                matcher.start()
                ends.callback(matcher.kill)
                ledger = self._ledger(shard_id)
                asyncio.run(migrate(self.postgres_url(shard_id)))
                ledger.start()
                ends.callback(ledger.stop, CALL_TIMEOUT_S)
                matchers.append(matcher)
            yield matchers

    def _ledger(self, shard_id: int) -> Child:
        return LedgerSetting(
            shard_id,
            self.postgres_url(shard_id),
            self.servers.nats_url,
            self.servers.redis_url,
            self.folder / f"ledger-{shard_id}.log",
        ).process()


@pytest.fixture
def services(servers: Servers, redis_url: str, shard_id: int, tmp_path: Path) -> Iterator[Services]:
    assert redis_url
    made = Services(servers, tmp_path, (shard_id, shard_id + 10_000))
    made.data_dir.mkdir(mode=0o700)
    yield made
    made.drop_databases()


def test_two_shards_come_back_each_to_its_own_seq_and_nothing_old_is_continued(
    services: Services,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    backup = tmp_path / "backup"
    services.new_databases()
    with services.running() as matchers:
        for matcher, count in zip(matchers, TRADES, strict=True):
            list_market(matcher)
            for _ in range(count):
                trade_once(matcher)
        ends = {matcher.shard_id: matcher.status().seq for matcher in matchers}
        first, second = ends
        wait_until(lambda: services.applied(second)[0] == ends[second], "the second ledger")
        for name, value in services.environment.items():
            monkeypatch.setenv(name, value)
        assert main(["backup", str(backup), "--data", str(services.data_dir)]) == 0
    manifest = json.loads((backup / "manifest.json").read_text())
    assert {each["shard_id"]: each["last_seq"] for each in manifest["shards"]} == ends
    assert [each["shard_ids"] for each in manifest["databases"]] == [[first], [second]]

    # Another machine's folder, with the second shard alone: the first one stays as it was.
    part = tmp_path / "part"
    shutil.copytree(services.data_dir, part)
    shutil.rmtree(part / "journal" / f"shard-{first}")
    assert main(["backup", str(backup), "--data", str(part)]) == 0
    again = json.loads((backup / "manifest.json").read_text())
    assert again["shards"] == manifest["shards"]
    assert [each["shard_ids"] for each in again["databases"]] == [[first], [second], [second]]
    assert main(["backup", "--verify", str(backup)]) == 0

    # The first shard in full, the second to before its dumps.
    wanted = {first: ends[first], second: ends[second] - 3}
    new = tmp_path / "new"
    words = ["restore", str(backup), "--data", str(new)]
    refused(words, capsys, "holds tables")
    services.new_databases()
    monkeypatch.setenv("TRADEPIT_POSTGRES_URL", services.postgres_url())
    for shard_id in services.shard_ids:
        refused(words, capsys, f"has the stream tp-events-{shard_id} of another history")
        delete_stream(services.servers.nats_url, shard_id)
    refused(words, capsys, f"mirrors shard {first} of another history")
    with redis.Redis.from_url(services.servers.redis_url) as client:
        client.flushdb()
    words += ["--to-seq", f"{second}:{wanted[second]}"]
    assert not new.exists()
    assert main(words) == 0

    services.data_dir = new
    with services.running() as matchers:
        for matcher in matchers:
            shard_id, status = matcher.shard_id, matcher.status()
            replay = Replay(Journal(backup, shard_id), wanted[shard_id])
            replay.move_to(wanted[shard_id])
            assert (status.seq, status.digest) == (wanted[shard_id], replay.engine.digest)
            wait_until(has_applied(services, shard_id, status.seq, status.digest), "the ledger")
            trade_once(matcher)
            status = matcher.status()
            wait_until(has_applied(services, shard_id, status.seq, status.digest), "the ledger")


def refused(words: list[str], capsys: pytest.CaptureFixture[str], reason: str) -> None:
    assert main(words) == 2
    assert reason in capsys.readouterr().err


def has_applied(services: Services, shard_id: int, seq: int, digest: int) -> Callable[[], bool]:
    return lambda: services.applied(shard_id) == (seq, digest)


def test_a_matcher_that_cannot_be_asked_is_no_backup(
    matcher: MatcherProcess,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What it has written and what it has synced, nobody else knows."""
    monkeypatch.setattr("tradepit.tools.backup.source.STATUS_TIMEOUT_S", 0.5)
    monkeypatch.setenv("TRADEPIT_POSTGRES_URL", database_url)
    monkeypatch.setenv("TRADEPIT_KEYS_FILE", str(matcher.data_dir / "keys.json"))
    monkeypatch.setenv("TRADEPIT_ORDER_ENDPOINT", f"ipc://{tmp_path}/nobody")
    words = ["backup", str(tmp_path / "backup"), "--data", str(matcher.data_dir)]
    refused(words, capsys, "name the ledger's database (TRADEPIT_POSTGRES_URL)")
    asyncio.run(migrate(database_url))
    refused(words, capsys, "cannot be asked")
    assert [path.name for path in (tmp_path / "backup").iterdir()] == ["backup.lock"]
    monkeypatch.setenv("TRADEPIT_ORDER_ENDPOINT", matcher.order_endpoint)
    assert main(words) == 0
    manifest = json.loads((tmp_path / "backup" / "manifest.json").read_text())
    assert manifest["shards"][0]["last_seq"] == matcher.status().seq
