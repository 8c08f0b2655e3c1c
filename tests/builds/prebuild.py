"""Builds what the tests of this folder will want, one program after the other and with low priority.

    python -m tests.builds.prebuild

A test run starts it when it begins and comes to this folder last: the compilers use the time in which
the other tests wait for servers. A program that does not build is left to its test to report.
"""

import contextlib
import os

from tests.cpp_build import build_sanitized
from tests.fuzz.builds import BUILDS, CLANG, soak_program

NICENESS = 5


def main() -> None:
    os.nice(NICENESS)
    os.environ["CMAKE_BUILD_PARALLEL_LEVEL"] = "1"
    with contextlib.suppress(RuntimeError):
        for target in ("engine_tests", "fuzz_replay"):
            build_sanitized(target)
        build_sanitized("engine_tests", "thread")
        for name in BUILDS:
            if CLANG is not None or not name.startswith("clang"):
                soak_program(name)


if __name__ == "__main__":
    main()
