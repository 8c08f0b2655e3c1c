"""Builds and runs the C++ tests, plain and with sanitizers."""

from pathlib import Path

import pytest

from tests.cpp_build import build, build_sanitized, run

VECTORS = Path(__file__).parents[1] / "vectors" / "wire.json"


@pytest.mark.timeout(1200)
def test_the_cpp_tests_pass_and_a_sanitized_build_comes_to_the_same_digest() -> None:
    plain = run(build("cpp", "engine_tests", "-DCMAKE_BUILD_TYPE=Release"), VECTORS)
    sanitized = run(build_sanitized("engine_tests"), VECTORS)
    assert "digest" in plain
    assert plain == sanitized
