"""Today's program goes on with what each recorded version wrote (see make.py, docs/reliability.md).

A test that fails here says that a format has changed. Either it is not to change, or its version number
grows and the version before stays readable, at least for one release.
"""

import json
import re
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tradepit.cli.main import main
from tradepit.cli.running import RunningExchange
from tradepit.engine import JOURNAL_VERSION, Engine, MatcherCore
from tradepit.protocol import wire
from tradepit.tools.journal.files import Journal
from tradepit.tools.journal.snapshots import restored, snapshots_of

from tests.exchange_checks import check_everything, query
from tests.releases.make import INSTRUMENT, SEGMENT_MIB, SETTINGS, trade
from tests.unit.test_vectors import value_of

HERE = Path(__file__).parent
VERSIONS = sorted(path.parent.name for path in HERE.glob("*/release.json"))
ENGINE_VERSION_AT = 24  # in an engine's snapshot, behind magic, checksum and size


class Release:
    def __init__(self, version: str, folder: Path) -> None:
        self.found: dict[str, Any] = json.loads((HERE / version / "release.json").read_text())
        self.vectors = json.loads((HERE / version / "wire.json").read_text())
        with tarfile.open(HERE / version / "backup.tar.xz") as archive:
            archive.extractall(folder, filter="data")
        self.backup = folder / "backup"
        self.journal = Journal(self.backup, 0)

    @property
    def end(self) -> tuple[int, int]:
        return self.found["last_seq"], int(self.found["digest"], 16)


@pytest.fixture(scope="module", params=VERSIONS)
def release(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Release:
    return Release(request.param, tmp_path_factory.mktemp("release"))


def copied_journal(release: Release, folder: Path) -> Path:
    return Path(shutil.copytree(release.journal.directory, folder / "shard-0"))


def recover(directory: Path) -> tuple[MatcherCore, int]:
    """A matcher's core, and the snapshot that it began with."""
    core = MatcherCore(str(directory), 0, wire.Durability.DISK, SEGMENT_MIB << 20)
    recovery = core.recover()
    assert recovery.refusals == []
    assert recovery.torn_bytes == 0
    return core, recovery.snapshot_seq


def test_every_release_that_the_changelog_speaks_of_is_recorded() -> None:
    changelog = (HERE.parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
    assert VERSIONS
    assert set(re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)) <= set(VERSIONS)


def test_a_journal_is_replayed_to_the_recorded_digest(release: Release, tmp_path: Path) -> None:
    """Every command gives the events that were recorded."""
    directory = copied_journal(release, tmp_path)
    for snapshot in directory.glob("*.snapshot"):
        snapshot.unlink()
    core, snapshot_seq = recover(directory)
    assert (core.committed_seq, core.digest, snapshot_seq) == (*release.end, 0)


def test_a_snapshot_is_taken_and_the_rest_replayed(release: Release, tmp_path: Path) -> None:
    core, snapshot_seq = recover(copied_journal(release, tmp_path))
    assert (core.committed_seq, core.digest) == release.end
    assert snapshot_seq == release.found["snapshot_seq"] < core.committed_seq


def test_a_format_that_has_kept_its_version_is_written_the_same(release: Release) -> None:
    for snapshot in snapshots_of(release.journal):
        data = snapshot.path.read_bytes()
        header = wire.SnapshotFileHeader(*wire.SNAPSHOT_FILE_HEADER_LAYOUT.unpack_from(data))
        body = data[wire.SNAPSHOT_FILE_HEADER_LAYOUT.size :][: header.body_bytes]
        engine_bytes = body[: header.body_bytes - header.places_bytes]
        engine = restored(snapshot)
        assert engine is not None
        today = engine.snapshot()
        if version_of(today) == version_of(engine_bytes):
            assert today == engine_bytes
            assert replayed(release, snapshot.seq).snapshot() == engine_bytes
    segment = release.journal.segments[0].header
    if segment.version == JOURNAL_VERSION:
        for entry in release.journal.entries():
            for record in (entry.command, entry.events):
                again = b"".join(each.encode() for each in wire.decode_all(record))
                assert again == record, f"seq {entry.seq}"


def version_of(engine_bytes: bytes) -> int:
    return int.from_bytes(engine_bytes[ENGINE_VERSION_AT:][:4], "little")


def replayed(release: Release, seq: int) -> Engine:
    engine = Engine()
    for entry in release.journal.entries(1, seq):
        engine.apply(entry.command)
    return engine


def test_the_wire_is_read_and_written_as_it_was(release: Release) -> None:
    for vector in release.vectors:
        kind = wire.record_of_type[wire.MessageType[vector["type"].upper()]]
        fields = {name: value_of(kind, name, value) for name, value in vector["fields"].items()}
        data = bytes.fromhex(vector["hex"])
        record, size = wire.decode(data)
        assert size == len(data)
        assert {name: getattr(record, name) for name in fields} == fields, vector["type"]
        if release.found["wire_version"] == wire.VERSION:
            assert kind(**fields).encode() == data, vector["type"]


def test_an_exchange_goes_on_from_its_backup(release: Release, tmp_path: Path) -> None:
    """Its tables are brought up to date with the rows in them, and all parts agree."""
    data_dir = tmp_path / "data"
    assert main(["backup", "--verify", str(release.backup)]) == 0
    assert main(["restore", str(release.backup), "--data", str(data_dir)]) == 0
    with RunningExchange(data_dir, "--no-demo", environment=SETTINGS) as exchange:
        status = check_everything(exchange)
        assert (status.seq, status.digest) == release.end
        assert main(["reconcile", "--data", str(data_dir)]) == 0
        for table, count in release.found["rows"].items():
            (row,) = query(exchange, f"SELECT count(*) FROM {table}")  # noqa: S608 - recorded names
            assert row["count"] == count, table
        trades = "SELECT count(*) FROM trades WHERE instrument_id = $1"
        (before,) = query(exchange, trades, INSTRUMENT)
        trade(exchange, 2)
        check_everything(exchange)
        assert main(["reconcile", "--data", str(data_dir)]) == 0
        (after,) = query(exchange, trades, INSTRUMENT)
        assert after["count"] == before["count"] + 2
