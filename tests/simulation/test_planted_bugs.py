"""The simulation finds each planted bug within a bounded number of seeds."""

import pytest

from tests.simulation.bugs import BUGS, Bug, changed, seeds_to_find

SEEDS_MAX = 60
"""Three times what the slowest takes, or more."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    assert all(changed(change) for change in bug.changes)
    count, how = seeds_to_find(bug, SEEDS_MAX)
    assert count > 0, f"{SEEDS_MAX} seeds do not find it"
    assert how
