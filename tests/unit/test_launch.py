"""The launcher: what it refuses, and that it gives up what it should."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tradepit.cli import launch

TIMEOUT_S = 30.0


def run(user: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), "15", user, *command],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_a_program_that_is_not_there_is_one_sentence() -> None:
    done = run("-", "/nowhere/program")
    assert done.returncode == 127
    assert done.stderr == "cannot start /nowhere/program: No such file or directory\n"


def test_a_child_of_a_parent_that_is_gone_already_does_not_start(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    done = subprocess.run(
        [sys.executable, "-I", "-S", launch.__file__, "1", "9", "-", "/usr/bin/touch", str(mark)],
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 127
    assert not mark.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("search", ["", ":search"])
def test_root_is_given_up_for_good(search: str, tmp_path: Path) -> None:
    done = run(f"65534:65534{search}", "/bin/cat", "/proc/self/status")
    assert done.returncode == 0, done.stderr
    status = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"65534"}
    assert status["Groups"].split() == []
    kept = int(status["CapEff"], 16)
    assert kept in ((1 << 1, 1 << 2) if search else (0,))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("seen")
    assert (run(f"65534:65534{search}", "/bin/cat", str(closed / "file")).stdout == "seen") == bool(
        search
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_program_finds_its_own_neighbours_below_a_folder_of_root(tmp_path: Path) -> None:
    """By access(2), as initdb looks for its server: it counts a capability only if told to."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    neighbour = closed / "postgres"
    neighbour.touch(mode=0o755)
    looked = "import os, sys; sys.exit(not os.access(sys.argv[1], os.X_OK))"
    python = os.path.realpath(sys.executable)
    done = run("65534:65534:search", python, "-I", "-S", "-c", looked, str(neighbour))
    assert done.returncode == 0, done.stderr
