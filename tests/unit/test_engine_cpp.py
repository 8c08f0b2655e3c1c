"""Builds and runs the C++ tests, plain and with sanitizers, and reads the golden bytes in Python."""

import json
from pathlib import Path
from typing import Any

import pytest
from tradepit.protocol import wire

from tests.cpp_build import build, build_sanitized, run

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors" / "wire.json"


@pytest.mark.timeout(1200)
def test_the_cpp_tests_pass_and_a_sanitized_build_comes_to_the_same_digest() -> None:
    plain = run(build("cpp", "engine_tests", "-DCMAKE_BUILD_TYPE=Release"), VECTORS)
    sanitized = run(build_sanitized("engine_tests"), VECTORS)
    assert "digest" in plain
    assert plain == sanitized


def read_vectors() -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads(VECTORS.read_text())
    return vectors


def test_every_record_type_has_golden_bytes() -> None:
    assert {vector["type"] for vector in read_vectors()} == {
        type_.name.lower() for type_ in wire.MessageType
    }


@pytest.mark.parametrize("vector", read_vectors(), ids=lambda vector: str(vector["type"]))
def test_golden_bytes_are_read_and_written(vector: dict[str, Any]) -> None:
    kind = wire.record_of_type[wire.MessageType[vector["type"].upper()]]
    fields = {
        name: bytes.fromhex(value) if isinstance(kind._field_defaults[name], bytes) else value
        for name, value in vector["fields"].items()
    }
    data = bytes.fromhex(vector["hex"])
    assert kind(**fields).encode() == data
    assert wire.decode(data) == (kind(**fields), len(data))
