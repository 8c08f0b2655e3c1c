"""The file that keeps a shard down, when there is no space for a new one."""

import errno
import os
from pathlib import Path
from typing import Any, Self

import pytest
from tradepit.matcher import halt

PATH_OPEN = Path.open


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no file can be made, and none can grow."""

    class Full:
        def __init__(self, path: Path, mode: str) -> None:
            if not path.exists():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            self._file = PATH_OPEN(path, mode)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def write(self, _text: str) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def open_(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        return Full(path, mode) if "w" in mode else PATH_OPEN(path, mode, *args, **options)

    def touch(path: Path, **_: Any) -> None:
        Full(path, "a")

    monkeypatch.setattr(Path, "open", open_)
    monkeypatch.setattr(Path, "touch", touch)


def test_a_halt_on_a_full_disk_keeps_the_shard_down_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    halt.reserve(tmp_path)
    reserve = (tmp_path / halt.RESERVE).stat()
    assert reserve.st_size == 0
    halt.refuse_if_halted(tmp_path)
    fill_the_disk(monkeypatch)
    assert "the digest differs" in str(halt.halt(tmp_path, "the digest differs", 77))
    assert "halted_file_is_incomplete" in caplog.text
    with pytest.raises(halt.ShardHalted, match=r"delete .*halted to let it start"):
        halt.refuse_if_halted(tmp_path)
    assert (tmp_path / halt.NAME).stat().st_ino == reserve.st_ino


def test_a_halt_writes_into_the_reserve_while_there_is_room(tmp_path: Path) -> None:
    halt.reserve(tmp_path)
    halt.halt(tmp_path, "the digest differs", 77)
    with pytest.raises(halt.ShardHalted, match="reason: the digest differs; committed_seq: 77"):
        halt.refuse_if_halted(tmp_path)
    halt.reserve(tmp_path)
    assert (tmp_path / halt.RESERVE).exists()


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
