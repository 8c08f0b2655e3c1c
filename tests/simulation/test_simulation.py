"""A bounded number of seeds, those that once found something, and that a seed says what happens."""

import subprocess
import sys
from collections import Counter

import pytest

from tests.cpp_build import ROOT
from tests.simulation.options import Options, expand
from tests.simulation.regressions import REGRESSIONS
from tests.simulation.world import World, simulate

SEEDS_PER_TEST = 80
SEEDS = 240
DETERMINISTIC_SEEDS = (3, 8)
SITUATIONS = {
    "broker: 10071",
    "broker: late publish",
    "broker: lost acknowledged messages",
    "broker: no stream",
    "client: BUSY",
    "client: DUPLICATE_TRANSFER",
    "client: NOT_LOGGED_ON",
    "client: REPLAYED",
    "client: STORAGE_FULL",
    "database: lost after COMMIT",
    "database: lost before COMMIT",
    "database: lost under way COMMIT",
    "database: read-only",
    "ledger: Fenced",
    "ledger: gap read again",
    "matcher: a second segment",
    "matcher: dies with a group handed over",
    "matcher: dies with a group written",
    "matcher: dies with commands behind that group",
    "matcher: refused, damage",
    "matcher: torn tail",
    "redis: away",
}
"""A simulation in which nothing happens passes too."""


def check_seeds(first: int) -> Counter[str]:
    """Runs them; the seed stands in the failure's text. Returns which situations they met."""
    seen: Counter[str] = Counter()
    for seed in range(first, first + SEEDS_PER_TEST):
        try:
            seen.update(simulate(expand(seed)).seen)
        except Exception as error:
            error.add_note(f"python -m tests.simulation.run --seed {seed}")
            error.add_note(f"options: {expand(seed).text()}")
            raise
    return seen


@pytest.mark.parametrize("first", range(1, SEEDS, SEEDS_PER_TEST))
def test_seeds_keep_every_promise_in_every_situation(first: int) -> None:
    assert +check_seeds(first) >= Counter(dict.fromkeys(SITUATIONS, 1))


@pytest.mark.parametrize("name", REGRESSIONS)
def test_what_was_found_once_stays_mended(name: str) -> None:
    assert simulate(REGRESSIONS[name]).database.position.seq > 0


def test_without_faults_everything_is_answered_at_once() -> None:
    world = simulate(Options(seed=1))
    assert world.matcher.recoveries == 1
    assert world.ledgers[0].stops == []
    assert all(client.told for client in world.clients)


def story(world: World) -> str:
    core = world.matcher.core
    assert core is not None
    return f"{core.digest:016x} {world.loop.time()!r} {world.notes!r}"


@pytest.mark.parametrize("seed", DETERMINISTIC_SEEDS)
def test_a_seed_tells_one_story_in_every_process(seed: int) -> None:
    code = (
        "from tests.simulation.options import expand\n"
        "from tests.simulation.world import simulate\n"
        "from tests.simulation.test_simulation import story\n"
        f"print(story(simulate(expand({seed}))))\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    told.add(story(simulate(expand(seed))))
    assert len(told) == 1
