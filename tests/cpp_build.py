"""Builds the C++ targets of tests/cpp and tests/bench; only what changed is built anew."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD_TIMEOUT_S = 900.0


def build(folder: str, target: str, *settings: str) -> Path:
    """The program `target`, in build/<folder>; `make cpp` shares the folder `cpp`.

    Raises RuntimeError with the compiler's words if it does not build.
    """
    path = ROOT / "build" / folder
    # The environment's own cmake and ninja come first, as in the Makefile.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    options = ["-DTRADEPIT_PYTHON=OFF", "-DTRADEPIT_TESTS=ON", *settings]
    for command in (
        ["cmake", "-S", str(ROOT / "engine_ext"), "-B", str(path), "-G", "Ninja", *options],
        ["cmake", "--build", str(path), "--target", target],
    ):
        done = subprocess.run(
            ["/usr/bin/env", *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stdout)
    return path / target
