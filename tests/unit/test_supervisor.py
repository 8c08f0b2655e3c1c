"""The supervisor with children that are one line of shell."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tradepit.cli.child import Child, ChildFailed, is_gone, wait_until_gone
from tradepit.cli.supervisor import (
    RESTARTS_MAX,
    Part,
    StopRequested,
    Supervisor,
    TooManyRestarts,
)

TIMEOUT_S = 30.0

MakePart = Callable[..., Part]


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def supervisor(lines: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(report=lines.append)
    yield made
    made.stop([])
    made.close()


@pytest.fixture
def make_part(tmp_path: Path) -> MakePart:
    def make(name: str, script: str, stop_timeout_s: float = TIMEOUT_S) -> Part:
        started = tmp_path / f"{name}.started"
        child = Child(
            name=name,
            command=["/bin/sh", "-c", script],
            log_path=tmp_path / f"{name}.log",
            environment={"STARTED": str(started)},
        )
        return Part(child=child, is_ready=started.exists, stop_timeout_s=stop_timeout_s)

    return make


SERVE = 'echo up >&2; touch "$STARTED"; exec sleep 1000'


def test_a_child_that_dies_is_reported_and_started_again(
    supervisor: Supervisor, make_part: MakePart, lines: list[str]
) -> None:
    part = make_part("worker", SERVE)
    supervisor.start(part)
    supervisor.wait_until_ready(["worker"], TIMEOUT_S)
    first = part.child.pid
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + TIMEOUT_S
    while "worker serves again" not in lines:
        supervisor.turn()
        assert time.monotonic() < deadline, lines
    assert part.child.pid != first
    assert "worker ended (signal SIGKILL); starting it again (1 of at most 5" in lines[0]


def test_a_child_that_keeps_dying_stops_the_run_and_shows_why(
    supervisor: Supervisor, make_part: MakePart, lines: list[str]
) -> None:
    part = make_part("worker", 'touch "$STARTED"; sleep 0.1; echo the disk is full >&2; exit 3')
    supervisor.start(part)
    supervisor.wait_until_ready(["worker"], TIMEOUT_S)
    with pytest.raises(TooManyRestarts, match=r"worker ended 6 times.*exit code 3(.|\n)*disk is f"):
        supervisor.run()
    assert sum("starting it again" in line for line in lines) == RESTARTS_MAX


def test_a_child_that_never_served_is_not_tried_again(
    supervisor: Supervisor, make_part: MakePart
) -> None:
    supervisor.start(make_part("worker", "echo no such setting >&2; exit 2"))
    with pytest.raises(
        ChildFailed, match=r"worker did not start \(exit code 2\)(.|\n)*no such set"
    ):
        supervisor.wait_until_ready(["worker"], TIMEOUT_S)


def test_parts_are_stopped_in_order_and_the_stubborn_are_killed(
    supervisor: Supervisor, make_part: MakePart, lines: list[str], tmp_path: Path
) -> None:
    ends = tmp_path / "ends"
    for name in ("first", "second", "third"):
        script = f"trap 'echo {name} >> {ends}; kill $!; exit 0' TERM; touch \"$STARTED\"; sleep 1000 & wait"
        supervisor.start(make_part(name, script))
    supervisor.start(
        make_part("deaf", 'trap "" TERM; touch "$STARTED"; while :; do sleep 0.1; done', 0.2)
    )
    supervisor.wait_until_ready(["first", "second", "third", "deaf"], TIMEOUT_S)
    pids = [part.child.pid for part in supervisor.parts.values()]
    supervisor.stop(["second", "first"])
    assert ends.read_text().split() == ["second", "first", "third"]
    assert lines == ["deaf did not end in 0 s and was killed"]
    assert all(is_gone(pid) for pid in pids)


def test_a_stop_request_interrupts_the_start(supervisor: Supervisor, make_part: MakePart) -> None:
    supervisor.start(make_part("slow", f"kill -TERM {os.getpid()}; exec sleep 1000"))
    with pytest.raises(StopRequested):
        supervisor.wait_until_ready(["slow"], TIMEOUT_S)


def test_a_stop_request_ends_the_run(supervisor: Supervisor, make_part: MakePart) -> None:
    supervisor.start(
        make_part(
            "worker", f'touch "$STARTED"; sleep 0.1; kill -INT {os.getpid()}; exec sleep 1000'
        )
    )
    supervisor.run()
    assert supervisor.stop_requested


def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    """A parent that is killed has no chance to tidy up; the kernel does it."""
    pid_file = tmp_path / "pid"
    code = f"""
import time
from pathlib import Path
from tradepit.cli.child import Child
child = Child(name="c", command=["/bin/sleep", "1000"], log_path=Path({str(tmp_path / "c.log")!r}))
child.start()
Path({str(pid_file)!r}).write_text(str(child.pid) + "\\n")
time.sleep(1000)
"""
    parent = Child(
        name="parent", command=[sys.executable, "-c", code], log_path=tmp_path / "parent.log"
    )
    parent.start()
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while not (pid_file.exists() and pid_file.read_text().endswith("\n")):
            assert parent.alive, parent.log_tail()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        child_pid = int(pid_file.read_text())
        # The kernel's word counts only once launch.py has asked for it, which it does before exec.
        while "sleep" not in Path(f"/proc/{child_pid}/comm").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        parent.kill()
    assert wait_until_gone(child_pid, TIMEOUT_S)
