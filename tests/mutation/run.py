"""Plants each bug of mutants.py in a copy of the C++ sources and shows that a test notices.

    python -m tests.mutation.run [--quick] [--only NAME ...]

Needs one compiler run and the quick tests for each; ccache makes a second run cheap. Exit code 1 if
a bug survives, or if its text is no longer found in the sources exactly once.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pybind11

from tests.cpp_build import ROOT
from tests.mutation.journal_mutants import JOURNAL_MUTANTS
from tests.mutation.mutants import MUTANTS, Mutant

WORK = ROOT / "build" / "mutation"
SOURCES = WORK / "engine_ext"
FOLDERS = ("src", "include")
CORE = WORK / "cmake" / f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"
# Quick and sharp first. Each stops at its first failure.
SUITES = (
    ("tests/unit", "-k", "test_engine and not material and not cpp and not command"),
    ("tests/unit/test_matching_page.py", "tests/unit/test_defects_of_others.py"),
    ("tests/property/test_engine_equals_reference.py",),
)
# Where nothing but a simulated disk shows the bug.
SIMULATION = (("tests/simulation/test_simulation.py", "-k", "seeds or mended"),)
# Of the plain sources, where all of it has just run.
QUICK = (
    ("tests/unit/test_engine_rules.py",),
    ("tests/simulation/test_simulation.py", "-k", "mended"),
)
SUITE_TIMEOUT_S = 300  # an endless loop is noticed too


def source_files(root: Path) -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.?pp"))


def place_of(mutant: Mutant, root: Path) -> Path:
    """The one file that holds the mutant's text; ValueError if it is not there exactly once."""
    found = [(path, path.read_text().count(mutant.old)) for path in source_files(root)]
    places = [path for path, count in found for _ in range(count)]
    if len(places) != 1:
        raise ValueError(f"{mutant.name}: its text stands in the sources {len(places)} times")
    return places[0]


def copy_sources() -> None:
    """As rsync would: files that are the same keep their time, so that little is rebuilt."""
    for path in [*source_files(ROOT / "engine_ext"), ROOT / "engine_ext" / "CMakeLists.txt"]:
        copy = SOURCES / path.relative_to(ROOT / "engine_ext")
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            shutil.copy(path, copy)
    for copy in source_files(SOURCES):
        if not (ROOT / "engine_ext" / copy.relative_to(SOURCES)).exists():
            copy.unlink()


def call(*command: str | Path, timeout_s: float | None = None) -> tuple[int, str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TRADEPIT_CORE": str(CORE),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(WORK / "hypothesis"),
    }
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, "FAILED it never ends"
    return done.returncode, done.stdout


def configure() -> None:
    launcher = shutil.which("ccache")
    code, text = call(
        *("/usr/bin/env", "cmake", "-S", SOURCES, "-B", WORK / "cmake", "-G", "Ninja"),
        "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_CXX_FLAGS_RELEASE=-O1",
        "-DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        f"-DPython_EXECUTABLE={sys.executable}",
        *([f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}"] if launcher else []),
    )
    if code != 0:
        raise RuntimeError(text)


def compile_core() -> str:
    """Empty, or what the compiler said."""
    code, text = call("/usr/bin/env", "cmake", "--build", WORK / "cmake", "--target", "_core")
    return "" if code == 0 else text


def first_failure(suites: tuple[tuple[str, ...], ...] = SUITES) -> str:
    """The first test that fails, or nothing."""
    pytest = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.mutation.use_core")
    plain = (
        "--no-header",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=--import-mode=importlib",
    )
    for suite in suites:
        present = [part for part in suite if not part.endswith(".py") or (ROOT / part).exists()]
        code, text = call(*pytest, *plain, *present, timeout_s=SUITE_TIMEOUT_S)
        if code != 0:
            named = re.search(r"^(?:FAILED|ERROR) \S*?([\w.]+\.py::\S+)", text, re.MULTILINE)
            return named[1] if named else "the process ended" if code < 0 else text[-300:]
    return ""


def run(mutants: list[Mutant], plain_suites: tuple[tuple[str, ...], ...]) -> int:
    copy_sources()
    configure()
    broken = compile_core() or first_failure(plain_suites)
    if broken:
        print(f"the sources as they are do not pass: {broken}")
        return 1
    survivors = []
    print("| bug | known from | killed by | s |\n| --- | --- | --- | --- |", flush=True)
    for mutant in mutants:
        began = time.monotonic()
        path = place_of(mutant, SOURCES)
        original = path.read_text()
        path.write_text(original.replace(mutant.old, mutant.new))
        try:
            error = compile_core()
            suites = SIMULATION if mutant in JOURNAL_MUTANTS else SUITES
            killer = first_failure(suites) if not error else f"does not compile: {error[-1_500:]}"
        finally:
            path.write_text(original)
        if error or not killer:
            survivors.append(mutant.name)
        killer = killer or "NOTHING: it survives"
        seconds = time.monotonic() - began
        print(f"| {mutant.name} | {mutant.known_from} | {killer} | {seconds:.0f} |", flush=True)
    # Tests that somebody changes meanwhile would kill what they never saw.
    broken = compile_core() or first_failure(plain_suites)
    if broken:
        print(f"the sources as they were pass no longer, so none of this counts: {broken}")
        return 1
    print(f"\n{len(mutants) - len(survivors)} of {len(mutants)} killed")
    if survivors:
        print("survivors: " + ", ".join(survivors))
    return 1 if survivors else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="plant bugs and see whether a test notices")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="words of the names")
    parser.add_argument("--quick", action="store_true", help="trust that the plain sources pass")
    options = parser.parse_args()
    chosen = [
        mutant
        for mutant in MUTANTS + JOURNAL_MUTANTS
        if not options.only or any(word in mutant.name for word in options.only)
    ]
    for mutant in chosen:
        place_of(mutant, ROOT / "engine_ext")
    return run(chosen, QUICK if options.quick else SUITES + SIMULATION)


if __name__ == "__main__":
    sys.exit(main())
