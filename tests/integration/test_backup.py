"""`tradepit backup` and `tradepit restore`: what was acknowledged comes back, at any seq, and runs on."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from tradepit.cli.main import main
from tradepit.cli.running import RunningExchange
from tradepit.client import Client, Order, new_order
from tradepit.engine import MatcherCore
from tradepit.protocol import wire
from tradepit.tools.journal.files import Journal
from tradepit.tools.journal.replay import Replay

from tests.exchange_checks import check_everything, key_of, operator, query

pytestmark = pytest.mark.embedded

BTC_USD = 1
MAKER = 101
SEGMENT_MIB = 16
SNAPSHOT_COMMANDS = 5_000
BATCH_ORDERS = 500
TIMEOUT_S = 90.0
SETTINGS = {
    "TRADEPIT_SEGMENT_MIB": str(SEGMENT_MIB),
    "TRADEPIT_SNAPSHOT_COMMANDS": str(SNAPSHOT_COMMANDS),
}
NOTHING_KEPT = {**SETTINGS, "TRADEPIT_JOURNAL_RETENTION_HOURS": "0"}


class Trader:
    """Orders in a thread of its own, and every answer."""

    def __init__(self, exchange: RunningExchange, first_name: int = 1) -> None:
        self.answers: list[tuple[wire.NewOrder, Order]] = []
        self._name = first_name
        self._client = Client(exchange.order_endpoint, MAKER, key_of(exchange, f"maker-{MAKER}"))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trader")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.answers) >= count, f"{count} answers")

    def _run(self) -> None:
        with self._client as client:
            while not self._stop.is_set():
                orders = []
                for name in range(self._name, self._name + BATCH_ORDERS):
                    orders.append(
                        new_order(
                            instrument_id=BTC_USD,
                            side=wire.Side.SELL if name % 3 else wire.Side.BUY,
                            price_ticks=5_000 + name % 7,
                            quantity_lots=1 + name % 5,
                            time_in_force=wire.TimeInForce.IOC
                            if name % 3
                            else wire.TimeInForce.GTC,
                            client_order_id=name,
                        )
                    )
                self._name += BATCH_ORDERS
                self.answers += zip(orders, client.submit_many(orders), strict=True)


class Story:
    """An exchange that was backed up while it traded: into `first` with all of its journal, into
    `second` once more when the first segment had gone.
    """

    def __init__(self, exchange: RunningExchange, folder: Path) -> None:
        self.exchange = exchange
        self.first, self.second = folder / "first", folder / "second"
        self.before_first: list[tuple[wire.NewOrder, Order]] = []
        self.before_second: list[tuple[wire.NewOrder, Order]] = []


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("backup")
    data_dir = folder / "data"
    journal_dir = data_dir / "journal" / "shard-0"
    with RunningExchange(data_dir, "--no-demo", environment=SETTINGS) as exchange:
        story = Story(exchange, folder)
        with Trader(exchange) as trader:
            wait_until(lambda: bool(list(journal_dir.glob("*.snapshot"))), "a snapshot")
            trader.wait_for(SNAPSHOT_COMMANDS)
            story.before_first = list(trader.answers)
            assert main(["backup", str(story.first), "--data", str(data_dir)]) == 0
            wait_until(lambda: len(list(journal_dir.glob("*.journal"))) == 2, "a second segment")
    shutil.copytree(story.first, story.second)
    assert main(["backup", str(story.second), "--data", str(data_dir)]) == 0
    with RunningExchange(data_dir, "--no-demo", environment=NOTHING_KEPT) as exchange:
        story.exchange = exchange
        with Trader(exchange, first_name=10**6) as trader:
            trader.wait_for(2 * SNAPSHOT_COMMANDS)
        # Nobody trades meanwhile: retirement looks every few seconds, and could take the next one, too.
        wait_until(lambda: len(list(journal_dir.glob("*.journal"))) == 1, "no first segment")
        with Trader(exchange, first_name=2 * 10**6) as trader:
            trader.wait_for(2 * BATCH_ORDERS)
            story.before_second = list(trader.answers)
            assert main(["backup", str(story.second), "--data", str(data_dir)]) == 0
            trader.wait_for(len(story.before_second) + 2 * BATCH_ORDERS)
        yield story


def manifest_of(backup: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((backup / "manifest.json").read_text())
    return document


def last_seq_of(backup: Path) -> int:
    return int(manifest_of(backup)["shards"][0]["last_seq"])


def applied_seqs(backup: Path) -> list[int]:
    return [each["applied"]["0"]["seq"] for each in manifest_of(backup)["databases"]]


def digest_by_replay(backup: Path, seq: int) -> int:
    replay = Replay(Journal(backup, 0), seq)
    replay.move_to(seq)
    assert replay.engine.seq == seq
    return replay.engine.digest


def recovered(data_dir: Path) -> tuple[int, int]:
    """Seq and digest of a restored journal, as a matcher finds them."""
    core = MatcherCore(
        str(data_dir / "journal" / "shard-0"), 0, wire.Durability.DISK, SEGMENT_MIB << 20
    )
    assert core.recover().torn_bytes == 0
    return core.committed_seq, core.digest


def restore(backup: Path, data_dir: Path, *words: str) -> int:
    return main(["restore", str(backup), "--data", str(data_dir), *words])


def check_serves(data_dir: Path) -> wire.ShardStatus:
    """An exchange comes up on the folder, all of its parts agree, and it trades on."""
    with RunningExchange(data_dir, "--no-demo", environment=SETTINGS) as exchange:
        assert main(["reconcile", "--data", str(data_dir)]) == 0
        status = check_everything(exchange)
        with Trader(exchange) as trader:
            trader.wait_for(2 * BATCH_ORDERS)
        assert main(["reconcile", "--data", str(data_dir)]) == 0
    return status


def test_everything_acknowledged_before_a_backup_is_there_and_is_answered_the_same(
    story: Story, tmp_path: Path
) -> None:
    assert main(["backup", "--verify", str(story.first)]) == 0
    last_seq = last_seq_of(story.first)
    assert last_seq >= max(order.seq for _, order in story.before_first)
    assert restore(story.first, tmp_path / "data") == 0
    with RunningExchange(tmp_path / "data", "--no-demo", environment=SETTINGS) as exchange:
        status = check_everything(exchange)
        assert (status.seq, status.digest) == (last_seq, digest_by_replay(story.first, last_seq))
        again = story.before_first[:: len(story.before_first) // 400]
        with Client(exchange.order_endpoint, MAKER, key_of(exchange, f"maker-{MAKER}")) as client:
            answers = client.submit_many([request for request, _ in again])
        assert any(order.fills for order in answers)
        for (_, first), answer in zip(again, answers, strict=True):
            assert answer.is_replayed
            assert (answer.order_id, answer.status, answer.fills) == (
                first.order_id,
                first.status,
                first.fills,
            )
        assert main(["reconcile", "--data", str(exchange.data_dir)]) == 0


def test_a_second_backup_keeps_what_the_exchange_has_retired(story: Story, tmp_path: Path) -> None:
    assert main(["backup", "--verify", str(story.second)]) == 0
    first_dump, second_dump, third_dump = applied_seqs(story.second)
    assert first_dump == applied_seqs(story.first)[0] < second_dump < third_dump
    assert Journal(story.exchange.data_dir, 0).first_seq > last_seq_of(story.first) > 1
    assert last_seq_of(story.second) >= max(order.seq for _, order in story.before_second)
    seq = third_dump - 1
    assert restore(story.second, tmp_path / "data", "--to-seq", str(seq)) == 0
    status = check_serves(tmp_path / "data")
    assert (status.seq, status.digest) == (seq, digest_by_replay(story.second, seq))


def points(backup: Path) -> dict[str, int]:
    """Seqs that something begins, ends or happens at."""
    journal = Journal(backup, 0)
    last_seq = last_seq_of(backup)
    second_segment = journal.segments[-1].header.first_seq
    snapshot = max(int(path.stem) for path in journal.directory.glob("*.snapshot"))
    middle = (second_segment + last_seq) // 2
    in_a_group = next(
        entry.seq for entry in journal.entries(middle) if entry.seq > entry.commit_first_seq
    )
    return {
        "nothing": 0,
        "the first command": 1,
        "the last of a segment": second_segment - 1,
        "the first of a segment": second_segment,
        "a snapshot": snapshot,
        "right before a snapshot": snapshot - 1,
        "the middle of a group in the open segment": in_a_group,
    }


@pytest.mark.parametrize(
    "point",
    [
        *("nothing", "the first command", "the last of a segment", "the first of a segment"),
        *("a snapshot", "right before a snapshot", "the middle of a group in the open segment"),
    ],
)
def test_a_restore_ends_at_exactly_the_seq_and_digest_of_a_replay(
    story: Story, tmp_path: Path, point: str
) -> None:
    seq = points(story.second)[point]
    assert restore(story.second, tmp_path / "data", "--to-seq", str(seq)) == 0
    assert recovered(tmp_path / "data") == (seq, digest_by_replay(story.second, seq))
    for path in (tmp_path / "data").rglob("*.snapshot"):
        assert int(path.stem) <= seq
    assert (tmp_path / "data" / "keys.json").stat().st_mode & 0o777 == 0o600


def test_an_exchange_goes_on_from_before_its_first_dump(story: Story, tmp_path: Path) -> None:
    seq = applied_seqs(story.second)[0] // 2
    assert restore(story.second, tmp_path / "data", "--to-seq", str(seq)) == 0
    status = check_serves(tmp_path / "data")
    assert (status.seq, status.digest) == (seq, digest_by_replay(story.second, seq))


def test_a_backup_without_the_beginning_is_restored_as_far_back_as_it_can_be(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first backup of an exchange whose first segment has gone."""
    backup = tmp_path / "backup"
    assert main(["backup", str(backup), "--data", str(story.exchange.data_dir)]) == 0
    (shard,) = manifest_of(backup)["shards"]
    (dump_seq,) = applied_seqs(backup)
    oldest = min(int(path.stem) for path in backup.rglob("*.snapshot"))
    assert 1 < shard["first_seq"] <= oldest < dump_seq <= shard["last_seq"]
    for seq, reason in (
        (oldest - 1, f"any seq from {oldest} to {shard['last_seq']}"),
        (oldest, f"there is no database for seq {oldest}"),
    ):
        assert restore(backup, tmp_path / "data", "--to-seq", str(seq)) == 2
        assert reason in capsys.readouterr().err
    assert restore(backup, tmp_path / "data", "--to-seq", str(dump_seq)) == 0
    with RunningExchange(tmp_path / "data", "--no-demo", environment=SETTINGS) as exchange:
        with operator(exchange) as client:
            status = client.status()
        assert (status.seq, status.digest) == (dump_seq, digest_by_replay(backup, dump_seq))
        with Trader(exchange, first_name=5 * 10**6) as trader:
            trader.wait_for(2 * BATCH_ORDERS)
        assert main(["reconcile", "--data", str(exchange.data_dir)]) == 0


def test_another_history_is_not_added_to_a_backup(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of an exchange that was restored, and has got further than the backup by another way."""
    shutil.copytree(story.first, tmp_path / "backup")
    last_seq = last_seq_of(story.first)
    assert restore(story.first, tmp_path / "data", "--to-seq", str(last_seq - 100)) == 0
    with RunningExchange(tmp_path / "data", "--no-demo", environment=SETTINGS) as exchange:
        with Trader(exchange) as trader:
            trader.wait_for(2 * BATCH_ORDERS)
        code = main(["backup", str(tmp_path / "backup"), "--data", str(exchange.data_dir)])
    assert code == 1
    assert "another history" in capsys.readouterr().err
    assert main(["backup", "--verify", str(tmp_path / "backup")]) == 0


def test_a_stopped_exchange_is_backed_up_to_its_last_command(story: Story, tmp_path: Path) -> None:
    assert restore(story.first, tmp_path / "data") == 0
    with RunningExchange(tmp_path / "data", "--no-demo", environment=SETTINGS) as exchange:
        with Trader(exchange) as trader:
            trader.wait_for(BATCH_ORDERS)
        status = check_everything(exchange)
    assert main(["backup", str(tmp_path / "backup"), "--data", str(tmp_path / "data")]) == 0
    (shard,) = manifest_of(tmp_path / "backup")["shards"]
    assert (shard["last_seq"], int(shard["digest"], 16)) == (status.seq, status.digest)
    assert applied_seqs(tmp_path / "backup") == [status.seq]
    assert main(["backup", "--verify", str(tmp_path / "backup")]) == 0


def damage(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("what", ["journal", "snapshot", "database", "keys", "cut", "missing"])
def test_a_damaged_backup_is_refused_and_the_place_is_named(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(story.first, backup)
    entry = next(Journal(backup, 0).entries(last_seq_of(backup) // 2))
    snapshot = next(backup.rglob("*.snapshot"))
    (dump,) = backup.rglob("*.dump")
    if what == "journal":
        damage(entry.path, entry.offset + 40)
        expected = f"{entry.path.name} offset {entry.offset} seq {entry.seq}"
    elif what == "snapshot":
        damage(snapshot, 5000)
        expected = f"{snapshot.name} cannot be restored"
    elif what == "database":
        damage(dump, dump.stat().st_size // 2)
        expected = f"{dump.name}: bytes 0 to {dump.stat().st_size} have another checksum"
    elif what == "keys":
        damage(backup / "0001" / "keys.json", 20)
        expected = "keys.json: bytes 0 to"
    elif what == "cut":
        with dump.open("r+b") as file:
            file.truncate(1000)
        expected = f"{dump.name} ends at offset 1000"
    else:
        snapshot.unlink()
        expected = f"{snapshot.name} is missing"
    for words in (["backup", "--verify"], ["restore", "--data", str(tmp_path / "data")]):
        assert main([*words, str(backup)]) == 1
        assert expected in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_damaged_journal_is_not_backed_up(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir, backup = tmp_path / "data", tmp_path / "backup"
    assert restore(story.first, data_dir) == 0
    entry = next(Journal(data_dir, 0).entries(last_seq_of(story.first) // 2))
    damage(entry.path, entry.offset + 40)
    assert main(["backup", str(backup), "--data", str(data_dir)]) == 1
    assert f"{entry.path} offset {entry.offset} seq {entry.seq}" in capsys.readouterr().err
    assert [path.name for path in backup.iterdir()] == ["backup.lock"]


def dumping(backup: Path) -> list[str]:
    """Processes that write into the backup."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            if b"pg_dump" in (arguments := path.read_bytes()) and bytes(backup) in arguments:
                found.append(path.parent.name)
    return found


def start_backup_and_kill_it(story: Story, backup: Path) -> None:
    """While PostgreSQL does not answer it, so that it is not through."""
    postgres = story.exchange.pids["postgres"]
    command = [sys.executable, "-P", "-m", "tradepit.cli.main", "backup", str(backup)]
    known = len(list(backup.glob("*/*.dump")))
    os.kill(postgres, signal.SIGSTOP)
    try:
        child = subprocess.Popen([*command, "--data", str(story.exchange.data_dir)])
        wait_until(lambda: len(list(backup.glob("*/*.dump"))) > known, "the dump begins")
        child.kill()
        assert child.wait(TIMEOUT_S) == -signal.SIGKILL
        wait_until(lambda: not dumping(backup), "pg_dump has ended, too")
    finally:
        os.kill(postgres, signal.SIGCONT)


def test_a_killed_backup_is_none_and_an_earlier_one_stays_sound(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start_backup_and_kill_it(story, tmp_path / "new")
    assert not (tmp_path / "new" / "manifest.json").exists()
    for words in (
        ["backup", "--verify", str(tmp_path / "new")],
        ["restore", str(tmp_path / "new"), "--data", str(tmp_path / "data")],
        ["backup", str(tmp_path / "new"), "--data", str(story.exchange.data_dir)],
    ):
        assert main(words) == 2
        assert "manifest.json" in capsys.readouterr().err
    earlier = tmp_path / "earlier"
    shutil.copytree(story.second, earlier)
    start_backup_and_kill_it(story, earlier)
    assert main(["backup", "--verify", str(earlier)]) == 0
    assert main(["backup", str(earlier), "--data", str(story.exchange.data_dir)]) == 0
    assert main(["backup", "--verify", str(earlier)]) == 0
    assert last_seq_of(earlier) > last_seq_of(story.second)
    assert len(list(earlier.glob("*/*.dump"))) == 4


def test_what_a_cut_off_backup_has_added_does_not_harm_the_earlier_one(
    story: Story, tmp_path: Path
) -> None:
    """Segments are added to before the manifest says so: the older manifest goes with newer files."""
    backup = tmp_path / "backup"
    shutil.copytree(story.second, backup)
    shutil.copy(story.first / "manifest.json", backup)
    assert main(["backup", "--verify", str(backup)]) == 0
    assert restore(backup, tmp_path / "data") == 0
    seq = last_seq_of(story.first)
    assert recovered(tmp_path / "data") == (seq, digest_by_replay(story.first, seq))


def test_a_database_with_a_shard_whose_journal_is_elsewhere_is_not_backed_up(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its rows could be ahead of whatever journal they meet again."""
    query(story.exchange, "INSERT INTO applied SELECT 7, seq, stream_seq, digest FROM applied")
    try:
        words = ["backup", str(tmp_path / "half"), "--data", str(story.exchange.data_dir)]
        assert main(words) == 2
        assert "holds shard 7 as well" in capsys.readouterr().err
    finally:
        query(story.exchange, "DELETE FROM applied WHERE shard_id = 7")


def test_mistakes_are_refused_and_said(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusal(*words: object) -> str:
        assert main([str(word) for word in words]) == 2
        return capsys.readouterr().err

    first, new = story.first, tmp_path / "new"
    last_seq = last_seq_of(first)
    full = tmp_path / "full"
    full.mkdir()
    (full / "note").touch()
    assert "is not empty (note" in refusal("restore", first, "--data", full)
    assert "is not empty (note" in refusal("backup", full, "--data", story.exchange.data_dir)
    assert "is not empty" in refusal("restore", first, "--data", story.exchange.data_dir)
    text = refusal("restore", first, "--data", new, "--to-seq", last_seq + 1)
    assert f"any seq from 0 to {last_seq}" in text
    assert "no shard 7" in refusal("restore", first, "--data", new, "--to-seq", "7:1")
    with pytest.raises(SystemExit, match="2"):
        main(["restore", str(first), "--data", str(new), "--to-seq", "soon"])
    assert "SHARD:NUMBER" in capsys.readouterr().err
    assert "holds no manifest.json" in refusal("restore", new, "--data", tmp_path / "other")
    assert "name the data folder" in refusal("backup", new, "--data", tmp_path / "nowhere")
    (new / "restoring").mkdir(parents=True)
    assert "was cut off" in refusal("restore", first, "--data", new)
