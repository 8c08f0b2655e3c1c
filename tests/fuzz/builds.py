"""The programs of this folder as different compilers and optimizations build them."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.cpp_build import build

CLANG = shutil.which("clang++")
NO_CLANG = "clang++ is not installed: apt-get install clang"
NO_LIBFUZZER = "clang++ has no libFuzzer: install clang and its runtime (libclang-rt-*-dev)"
# What a build is called: its folder, its compiler, its flags.
BUILDS = {
    "gcc -O3": ("cpp", "", "-O3"),
    "gcc -O0": ("cpp-O0", "", "-O0"),  # verifies every invariant after each command
    "clang -O3": ("clang-O3", "clang++", "-O3"),
    "clang -O0": ("clang-O0", "clang++", "-O0"),
}
SANITIZED = ("-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g")


def has_libfuzzer() -> bool:
    """Whether clang is here, and the runtime that it links for libFuzzer."""
    if CLANG is None:
        return False
    library = f"libclang_rt.fuzzer-{os.uname().machine}.a"
    done = subprocess.run(
        [CLANG, f"-print-file-name={library}"], capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip()).is_file()


def soak_program(name: str) -> Path:
    """fuzz_soak, built as BUILDS says."""
    folder, compiler, optimization = BUILDS[name]
    settings = ["-DCMAKE_BUILD_TYPE=Release"]
    if optimization != "-O3":
        settings = ["-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_CXX_FLAGS_DEBUG={optimization}"]
    if name == "gcc -O0":
        settings.append("-DTRADEPIT_CHECKED=ON")
    if compiler:
        settings.append(f"-DCMAKE_CXX_COMPILER={compiler}")
    return build(folder, "fuzz_soak", *settings)


def libfuzzer_program(target: str) -> Path:
    """fuzz_<target> with libFuzzer and the sanitizers; needs clang."""
    return build(
        "fuzz",
        f"fuzz_{target}",
        "-DCMAKE_CXX_COMPILER=clang++",
        "-DTRADEPIT_LIBFUZZER=ON",
        "-DTRADEPIT_SANITIZE=address,undefined",
        *SANITIZED,
    )
