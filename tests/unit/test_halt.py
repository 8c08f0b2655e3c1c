"""The file that keeps a shard down, when there is no space for a new one."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from tradepit.matcher import halt

PATH_OPEN = Path.open


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no file can be made, and none can grow."""

    def open_(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if "w" in mode:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return PATH_OPEN(path, mode, *args, **options)

    monkeypatch.setattr(Path, "open", open_)


def test_a_halt_on_a_full_disk_is_written_into_the_space_that_was_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halt.reserve(tmp_path)
    reserve = (tmp_path / halt.RESERVE).stat()
    assert reserve.st_size == halt.RESERVE_BYTES
    assert reserve.st_blocks > 0  # not a hole
    halt.refuse_if_halted(tmp_path)
    fill_the_disk(monkeypatch)
    halt.halt(tmp_path, "the digest differs " + "x" * 2 * halt.RESERVE_BYTES, 77)
    with pytest.raises(halt.ShardHalted, match="the digest differs"):
        halt.refuse_if_halted(tmp_path)
    written = tmp_path / halt.NAME
    assert written.stat().st_ino == reserve.st_ino
    assert written.stat().st_size <= halt.RESERVE_BYTES
    assert "committed_seq: 77\n" in written.read_text()


def test_a_halt_without_a_reserve_is_written_all_the_same(tmp_path: Path) -> None:
    halt.halt(tmp_path, "the digest differs", 77)
    assert (tmp_path / halt.NAME).read_text().startswith("reason: the digest differs\ncommitted_")
    assert not (tmp_path / halt.RESERVE).exists()


def test_a_disk_that_is_full_at_the_start_is_no_reason_not_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fill_the_disk(monkeypatch)
    halt.reserve(tmp_path)
    assert "halted_file_not_reserved" in caplog.text
