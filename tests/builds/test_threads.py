"""The C++ tests under the thread sanitizer: the journal, its follower and the hot loop."""

import os
from pathlib import Path

import pytest

from tests.cpp_build import ROOT, build_sanitized, run

MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - real syncs add minutes and no interleavings


@pytest.mark.timeout(1200)
def test_the_threads_of_the_journal_and_the_hot_loop_do_not_race(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if MEMORY_DISK.is_dir() and os.access(MEMORY_DISK, os.W_OK):
        monkeypatch.setenv("TMPDIR", str(MEMORY_DISK))
    output = run(
        build_sanitized("engine_tests", "thread"), ROOT / "tests" / "vectors" / "wire.json"
    )
    assert "clients_the_loop_the_journal_and_its_readers_run_at_once" in output
    assert "tests passed" in output
