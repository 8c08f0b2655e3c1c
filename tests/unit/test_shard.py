"""How a shard waits for its stream before it opens, and what makes it wait longer."""

import asyncio
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from tradepit.matcher import shard
from tradepit.protocol import wire

from tests.journal_builder import build_journal

SHARD_ID = 3


def doubts_of(folder: Path) -> list[str]:
    settings: Any = SimpleNamespace(
        journal_dir=folder,
        shard_id=SHARD_ID,
        durability=wire.Durability.DISK,
        segment_bytes=16 << 20,
    )
    return shard._recover(settings)[1]


def test_a_sound_journal_and_a_new_one_are_not_doubted(tmp_path: Path) -> None:
    build_journal(tmp_path / "old", SHARD_ID, Random(1))
    assert doubts_of(tmp_path / "old") == []
    (tmp_path / "new").mkdir()
    assert doubts_of(tmp_path / "new") == []
    assert doubts_of(tmp_path / "new") == []  # beside the mark of one that was closed empty


def test_a_torn_tail_and_a_refused_snapshot_are_doubts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    built = build_journal(tmp_path, SHARD_ID, Random(1))
    (tmp_path / f"{9:020}.snapshot").write_bytes(b"not one")
    segment = tmp_path / f"{built.segment_seqs[-1]:020}.journal"
    data = segment.read_bytes()
    end = len(data.rstrip(b"\0")) + 64
    segment.write_bytes(data[:end] + b"torn" + data[end + 4 :])
    assert doubts_of(tmp_path) == ["torn_tail_cut", "snapshot_refused"]
    saved = f"saved_as=torn-{built.last_seq + 1:020}.bytes"
    assert f"of=a_group_that_nothing_proves_synced {saved}" in caplog.text
    assert "acknowledged" not in caplog.text


def test_an_empty_journal_beside_traces_of_another_is_a_doubt(tmp_path: Path) -> None:
    (tmp_path / f"torn-{9:020}.bytes").touch()
    assert doubts_of(tmp_path) == ["empty_journal_beside_traces_of_another"]


def wait(doubts: list[str], synchronized_after_s: float | None = None) -> None:
    async def run() -> None:
        publisher: Any = SimpleNamespace(is_synchronized=asyncio.Event())
        publishing = asyncio.create_task(asyncio.sleep(600))
        if synchronized_after_s is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(synchronized_after_s, publisher.is_synchronized.set)
        try:
            async with asyncio.timeout(20):
                await shard._wait_for_stream(publisher, publishing, asyncio.Event(), doubts)
        finally:
            publishing.cancel()

    asyncio.run(run())


def test_without_doubts_it_opens_soon(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shard, "STREAM_CHECK_TIMEOUT_S", 0.05)
    wait([])
    assert "opening_anyway" in caplog.text
    assert "because_of" not in caplog.text


def test_with_doubts_it_says_why_and_waits_for_the_stream(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shard, "STREAM_CHECK_TIMEOUT_S", 0.05)
    wait(["torn_tail_cut", "snapshot_refused"], synchronized_after_s=0.3)
    assert "because_of=torn_tail_cut,snapshot_refused" in caplog.text
    assert "opening_anyway" not in caplog.text
    caplog.clear()
    monkeypatch.setattr(shard, "DOUBTED_STREAM_CHECK_TIMEOUT_S", 0.1)
    wait(["torn_tail_cut"])
    assert "opening_anyway" in caplog.text
