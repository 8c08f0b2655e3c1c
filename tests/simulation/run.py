"""Runs the simulation: one seed, many, or for some minutes.

    python -m tests.simulation.run --seed 7            one, with what happened in it
    python -m tests.simulation.run --seeds 1:1000
    python -m tests.simulation.run --minutes 10 [--from 5000]

Exit code 1 at a seed that fails; it prints the seed, everything that the seed expands to, and the end
of what happened.
"""

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator

from tests.simulation.options import expand
from tests.simulation.world import World, simulate

NOTES_SHOWN = 40


def report(seed: int, error: BaseException) -> None:
    world: World | None = getattr(error, "world", None)
    print(f"\nFAILED seed {seed}: {type(error).__name__}: {error}")
    print(f"options: {expand(seed).text()}")
    if world is not None:
        print("\n".join(world.notes[-NOTES_SHOWN:]))
    traceback.print_exception(error, limit=-4, file=sys.stdout)
    print(f"again: python -m tests.simulation.run --seed {seed}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="simulate the exchange with everything that fails")
    parser.add_argument("--seed", type=int, help="one run")
    parser.add_argument("--seeds", metavar="FROM:TO", help="TO is not run")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--from", type=int, default=None, dest="first", help="first seed")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a failure")
    arguments = parser.parse_args()
    began_s = time.monotonic()
    began_cpu_s = time.process_time()

    def seeds() -> Iterator[int]:
        if arguments.seed is not None:
            yield arguments.seed
        elif arguments.seeds:
            first, _, last = arguments.seeds.partition(":")
            yield from range(int(first), int(last))
        else:
            seed = int(time.time()) % 1_000_000_000 if arguments.first is None else arguments.first
            while time.monotonic() - began_s < 60 * arguments.minutes:
                yield seed
                seed += 1

    seen: Counter[str] = Counter()
    count = command_count = recovery_count = torn_count = refusal_count = 0
    failed = []
    for seed in seeds():
        try:
            world = simulate(expand(seed))
        except KeyboardInterrupt:
            break
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed goes with it
            report(seed, error)
            failed.append(seed)
            if not arguments.keep_going:
                break
            continue
        count += 1
        command_count += world.database.position.seq
        recovery_count += world.matcher.recoveries
        seen.update(world.seen)
        torn_count += world.matcher.torn_count
        refusal_count += world.checkers.refusal_count
        if arguments.seed is not None:
            print(f"options: {world.options.text()}")
            print("\n".join(world.notes))
    for what in sorted(seen):
        print(f"{seen[what]:8} {what}")
    cpu_s = time.process_time() - began_cpu_s
    print(
        f"{count} seeds passed, {len(failed)} failed {failed}; {command_count} commands, "
        f"{recovery_count} starts of the matcher, {torn_count} with a torn tail, {refusal_count} "
        f"refused; {3600 * count / cpu_s:.0f} seeds an hour of a processor"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
