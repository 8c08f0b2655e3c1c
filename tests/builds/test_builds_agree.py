"""The same commands give the same bytes from every compiler and at every optimization.

The commands are recorded from the property test's CommandSource and changed from there, so they
cover every rule that is known to it; the digests cover every event and every report.
"""

from pathlib import Path

import pytest

from tests.cpp_build import run
from tests.fuzz.builds import BUILDS, CLANG, NO_CLANG, soak_program
from tests.fuzz.recorded import write_streams

SEED, COMMANDS = 1, 60_000


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_streams(tmp_path_factory.mktemp("streams"), range(1, 17), 200)


@pytest.fixture(scope="module")
def expected(streams: list[Path]) -> str:
    return run(soak_program("gcc -O3"), SEED, COMMANDS, *streams)


def test_the_streams_reach_every_event(expected: str) -> None:
    seen = {line.split()[0] for line in expected.splitlines()}
    assert {"trade", "order_canceled", "order_replaced", "order_triggered"} <= seen
    assert {"self_trade_prevented", "mass_canceled", "balance_changed"} <= seen


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", [name for name in BUILDS if name != "gcc -O3"])
def test_another_build_comes_to_the_same_digests(
    streams: list[Path], expected: str, name: str
) -> None:
    if name.startswith("clang") and CLANG is None:
        pytest.skip(NO_CLANG)
    assert run(soak_program(name), SEED, COMMANDS, *streams) == expected
