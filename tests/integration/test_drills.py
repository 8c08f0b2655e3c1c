"""`tradepit drill`, for the faults that no other test injects."""

import contextlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tradepit.cli.main import main
from tradepit.tools.drill.faults import FAULTS

pytestmark = pytest.mark.embedded

SEED = 11
CHAOS_FAULTS = 6


def check_drill(*words: str) -> dict[str, object]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(["drill", *words, "--json", "--seed", str(SEED)])
    report = json.loads(printed.getvalue())
    (result,) = report["drills"]
    assert report["passed"] == (code == 0)
    assert result["passed"], result
    assert result["findings"]["acknowledged_count"] > 0
    return result  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "name", ["power-cut", "flip-journal", "unruly-deliveries", "clock-jump", "wipe-stream"]
)
def test_nothing_is_lost_or_doubled(name: str) -> None:
    check_drill(name)


def test_a_full_disk_stops_orders_and_room_lets_them_go_on(tmp_path: Path) -> None:
    mount, umount = shutil.which("mount"), shutil.which("umount")
    words = ["-t", "tmpfs", "-o", "size=1m", "tradepit-test", str(tmp_path)]
    if not mount or not umount or subprocess.run([mount, *words], check=False).returncode != 0:
        pytest.skip("this user, or this container, may not mount a file system")
    subprocess.run([umount, tmp_path], check=True)
    check_drill("fill-disk")


def test_a_random_sequence_is_one_drill() -> None:
    result = check_drill("chaos", "--faults", str(CHAOS_FAULTS))
    assert result["fault_count"] == CHAOS_FAULTS


def test_the_list_names_every_drill_with_what_is_expected() -> None:
    listed = subprocess.run(
        [sys.executable, "-P", "-m", "tradepit.cli.main", "drill", "list"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for fault in FAULTS.values():
        assert fault.name in listed
        assert fault.expected in listed
