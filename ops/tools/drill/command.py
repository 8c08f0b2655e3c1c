"""The command line of `tradepit drill`: one fault, or a random sequence of them."""

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tradepit.protocol.errors import ConfigurationError, TradepitError
from tradepit.tools.drill import cold
from tradepit.tools.drill.arena import Arena
from tradepit.tools.drill.checker import Findings, check
from tradepit.tools.drill.faults import FAULTS, KILLS, Fault
from tradepit.tools.quiet import only_errors

LOAD_BEFORE_ANSWERS = 300
LOAD_AFTER_ANSWERS = 300
CHAOS_FAULTS_DEFAULT = 200
CHAOS_GAP_S_MAX = 0.5
# The supervisor gives up on a part that dies more than five times in a minute.
KILLS_PER_PART_MAX = 4
KILL_PAIRS_SHARE = 0.2
KILLS_WINDOW_S = 65.0

DESCRIPTION = """\
Breaks an exchange on purpose and shows that nothing is lost and nothing doubled. A drill starts an
exchange of its own in a temporary folder, trades on it over ZeroMQ and REST, injects a fault while
orders flow, waits until everything works again, and then holds the record of all answers against
the ledger, and journal, stream, ledger and cache against each other.
"""


@dataclass
class Result:
    """One drill. It passed if it recovered and nothing was lost or doubled."""

    fault: str
    expected: str
    expected_recovery_s: float
    recovery_s: float = 0.0
    silence_s: float = 0.0
    findings: Findings = field(default_factory=Findings)
    fault_count: int = 1
    error: str = ""

    @property
    def passed(self) -> bool:
        return not self.error and not self.findings.faults


def run(argv: list[str]) -> int:
    """Run the subcommand `drill`; the exit code: 0 passed, 1 did not."""
    arguments = _parse(argv)
    if arguments.name == "list":
        width = max(map(len, FAULTS)) + 2
        for fault in FAULTS.values():
            print(f"{fault.name:{width}}{fault.summary}\n{'':{width}}expected: {fault.expected}")
        return 0
    signal.signal(signal.SIGTERM, _stop)  # what was begun is undone, as by Ctrl-C
    seed = arguments.seed if arguments.seed is not None else random.randrange(2**32)  # noqa: S311 - no secret: a seed is to give the same run again
    chosen = list(FAULTS) if arguments.name == "all" else [arguments.name]
    results = []
    for name in chosen:
        with _folder(arguments.keep) as folder, only_errors("tradepit"):
            result = _run_one(name, folder, seed, arguments.faults)
        results.append(result)
        if not arguments.json:
            print(as_text(result), flush=True)
    passed = all(result.passed for result in results)
    if arguments.json:
        shown = [{**asdict(result), "passed": result.passed} for result in results]
        print(json.dumps({"passed": passed, "seed": seed, "drills": shown}))
    else:
        lost = sum(result.findings.lost_count for result in results)
        doubled = sum(result.findings.doubled_count for result in results)
        print(
            f"{'PASSED' if passed else 'FAILED'}: {len(results)} drill(s), seed {seed}; {lost} lost, "
            f"{doubled} doubled"
        )
    return 0 if passed else 1


def _stop(_signum: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tradepit drill",
        description=DESCRIPTION,
        epilog="`tradepit drill list` says what each does and what is expected. Exit codes: 0 passed; "
        "1 did not; 2 this machine is not fit.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name",
        choices=[*FAULTS, "all", "chaos", "list"],
        metavar="NAME",
        help=f"{', '.join(FAULTS)}; all of them (all); a random sequence (chaos); or list",
    )
    parser.add_argument("--seed", type=int, help="of orders and faults (default: a new one)")
    parser.add_argument(
        "--faults",
        type=int,
        default=CHAOS_FAULTS_DEFAULT,
        metavar="N",
        help="of `chaos`, how many (default: %(default)s)",
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="run in this folder, which is kept, logs and all"
    )
    parser.add_argument("--json", action="store_true", help="the results as JSON")
    arguments = parser.parse_args(argv)
    if arguments.faults < 1:
        parser.error("--faults: at least 1")
    return arguments


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """One that goes afterwards, or a new one in `keep`."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="tradepit-drill-") as name:
            yield Path(name)
    else:
        keep.mkdir(parents=True, exist_ok=True)
        yield Path(tempfile.mkdtemp(prefix="drill-", dir=keep.absolute()))


def _run_one(name: str, folder: Path, seed: int, fault_count: int) -> Result:
    if name == "chaos":
        with (
            cold.many_snapshots(folder, seed) as environment,
            Arena(folder, seed, environment) as arena,
        ):
            return chaos(arena, seed, fault_count)
    fault = FAULTS[name]
    with fault.setting(folder, seed) as environment, Arena(folder, seed, environment) as arena:
        return drill(arena, fault, seed)


def drill(arena: Arena, fault: Fault, seed: int) -> Result:
    """One fault under load, from start to verdict."""
    result = Result(fault.name, fault.expected, fault.expected_recovery_s)
    try:
        arena.start()
        assert arena.load is not None
        arena.wait_for_answers(LOAD_BEFORE_ANSWERS)
        started_s = time.monotonic()
        fault.inject(arena, random.Random(seed))  # noqa: S311 - no secret: a seed is to give the same run again
        arena.wait_for_answers(LOAD_AFTER_ANSWERS)
        result.recovery_s = round(time.monotonic() - started_s, 2)
        result.silence_s = round(arena.history.longest_silence_s(started_s, time.monotonic()), 2)
        arena.load.stop()
        result.findings = check(arena)
    except ConfigurationError:
        raise
    except TradepitError as error:
        result.error = str(error)
    return result


class _Deaths:
    """When a part was killed lately: the supervisor gives up on one that dies too often."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque()

    def may_die(self) -> bool:
        while self._times_s and time.monotonic() - self._times_s[0] > KILLS_WINDOW_S:
            self._times_s.popleft()
        return len(self._times_s) < KILLS_PER_PART_MAX

    def note(self) -> None:
        self._times_s.append(time.monotonic())


def chaos(arena: Arena, seed: int, fault_count: int) -> Result:
    """A sequence of faults, each as soon as the one before is over, and one verdict at the end."""
    chance = random.Random(seed)  # noqa: S311 - no secret: a seed is to give the same run again
    faults = list(FAULTS.values())
    weights = [fault.chaos_weight for fault in faults]
    kills = {part: _Deaths() for part in KILLS.values()}
    result = Result("chaos", "nothing is lost and nothing doubled", 0.0, fault_count=0)
    started_s = time.monotonic()
    try:
        arena.start()
        assert arena.load is not None
        while result.fault_count < fault_count:
            fault = chance.choices(faults, weights)[0]
            parts = [KILLS[fault.name]] if fault.name in KILLS else []
            if parts and chance.random() < KILL_PAIRS_SHARE:
                parts = chance.sample(sorted(KILLS.values()), 2)
            if not all(kills[part].may_die() for part in parts):
                continue
            for part in parts:
                kills[part].note()
            if fault.name in ("power-cut", "torn-journal"):  # a new supervisor counts anew
                kills = {part: _Deaths() for part in KILLS.values()}
            result.fault_count += 1
            print(
                f"{time.monotonic() - started_s:7.1f} s  {result.fault_count:>4}  "
                + (f"kill {' and '.join(parts)}" if parts else fault.name),
                file=sys.stderr,
                flush=True,
            )
            fault_s = time.monotonic()
            if parts:
                arena.kill(*parts)
            else:
                fault.inject(arena, chance)
            arena.wait_for_answers(1)
            result.silence_s = max(
                result.silence_s,
                round(arena.history.longest_silence_s(fault_s, time.monotonic()), 2),
            )
            time.sleep(chance.uniform(0.0, CHAOS_GAP_S_MAX))
        arena.load.stop()
        result.recovery_s = round(time.monotonic() - started_s, 2)
        result.findings = check(arena)
    except ConfigurationError:
        raise
    except TradepitError as error:
        result.error = f"after {result.fault_count} faults: {error}"
    return result


def as_text(result: Result) -> str:
    findings = result.findings
    lines = [f"{'ok  ' if result.passed else 'FAIL'} {result.fault}: {result.expected}"]
    if result.error:
        lines.append(f"     {result.error}")
    if result.fault == "chaos":
        lines.append(
            f"     {result.fault_count} faults in {result.recovery_s:.0f} s; longest time without an "
            f"answer {result.silence_s:.1f} s"
        )
    else:
        lines.append(
            f"     recovery: expected within {result.expected_recovery_s:.0f} s, measured "
            f"{result.recovery_s:.1f} s; longest time without an answer {result.silence_s:.1f} s"
        )
    lines.append(
        f"     loss: expected 0, measured {findings.lost_count} lost and {findings.doubled_count} "
        f"doubled of {findings.acknowledged_count} acknowledged orders ({findings.retry_count} sent "
        f"again, {findings.refused_count} refused) and {findings.trade_count} trades"
    )
    lines += [f"     {fault}" for fault in findings.faults]
    return "\n".join(lines)
