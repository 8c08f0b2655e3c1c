"""The programs of this folder as different compilers and optimizations build them."""

import shutil
from pathlib import Path

from tests.cpp_build import build

CLANG = shutil.which("clang++")
NO_CLANG = "clang++ is not installed: apt-get install clang"
# What a build is called: its folder, its compiler, its flags.
BUILDS = {
    "gcc -O3": ("cpp", "", "-O3"),
    "gcc -O0": ("cpp-O0", "", "-O0"),
    "clang -O3": ("clang-O3", "clang++", "-O3"),
    "clang -O0": ("clang-O0", "clang++", "-O0"),
}
SANITIZED = ("-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g")


def soak_program(name: str) -> Path:
    """fuzz_soak, built as BUILDS says."""
    folder, compiler, optimization = BUILDS[name]
    settings = ["-DCMAKE_BUILD_TYPE=Release"]
    if optimization != "-O3":
        settings = ["-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_CXX_FLAGS_DEBUG={optimization}"]
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
