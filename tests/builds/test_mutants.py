"""Planted bugs are found: each still applies, and a few are built and killed.

`make mutants` does it with all of them.
"""

import sys

import pytest

from tests.cpp_build import ROOT, run
from tests.mutation.journal_mutants import JOURNAL_MUTANTS
from tests.mutation.mutants import MUTANTS, Mutant
from tests.mutation.run import place_of

FEW = (
    "trades are at the taker's price",
    "a cascade triggers one stop order",
    "a reply leaves before its sync",
)


@pytest.mark.parametrize("mutant", MUTANTS + JOURNAL_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_has_one_place_in_the_sources(mutant: Mutant) -> None:
    assert place_of(mutant, ROOT / "engine_ext").suffix in (".cpp", ".hpp")
    assert mutant.old != mutant.new


@pytest.mark.timeout(1200)
def test_a_few_planted_bugs_are_killed() -> None:
    command = ("-m", "tests.mutation.run", "--quick", "--only", *FEW)
    output = run(sys.executable, *command, timeout_s=1_000.0)
    assert f"{len(FEW)} of {len(FEW)} killed" in output
