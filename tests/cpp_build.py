"""Builds the C++ targets of tests/cpp and tests/bench; only what changed is built anew."""

import fcntl
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
    path.mkdir(parents=True, exist_ok=True)
    with (path / "lock").open("w") as lock:  # of those who want it at once, one builds
        fcntl.flock(lock, fcntl.LOCK_EX)
        _build(path, target, settings)
    return path / target


def _build(path: Path, target: str, settings: tuple[str, ...]) -> None:
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


def build_sanitized(target: str, sanitizers: str = "address,undefined") -> Path:
    """The program under sanitizers, quick to build and to run; without what only Linux has, but for
    the thread sanitizer, which is to see what runs here.
    """
    is_of_threads = sanitizers == "thread"
    return build(
        "cpp-thread" if is_of_threads else "cpp-sanitized",
        target,
        f"-DTRADEPIT_SANITIZE={sanitizers}",
        f"-DTRADEPIT_PORTABLE={'OFF' if is_of_threads else 'ON'}",
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS_DEBUG=-O1",
    )


def run(program: Path | str, *arguments: Path | str | int, timeout_s: float = 300.0) -> str:
    """What the program prints; fails the test with it if the program fails."""
    done = subprocess.run(
        [str(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={
            **os.environ,
            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
            "TSAN_OPTIONS": "halt_on_error=1:exitcode=66",
        },
    )
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-20_000:]
    return done.stdout
