"""Reads the golden bytes of every record in Python, as tests/cpp does in C++."""

import json
from pathlib import Path
from typing import Any

import pytest
from tradepit.protocol import wire

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors" / "wire.json"


def read_vectors() -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads(VECTORS.read_text())
    return vectors


def test_every_record_type_has_golden_bytes() -> None:
    assert {vector["type"] for vector in read_vectors()} == {
        type_.name.lower() for type_ in wire.MessageType
    }


def value_of(kind: Any, name: str, value: Any) -> Any:
    default = kind._field_defaults[name]
    if isinstance(default, tuple):
        _, item, _ = wire.REPEATS[kind]
        return tuple(item(**fields) for fields in value)
    return bytes.fromhex(value) if isinstance(default, bytes) else value


@pytest.mark.parametrize("vector", read_vectors(), ids=lambda vector: str(vector["type"]))
def test_golden_bytes_are_read_and_written(vector: dict[str, Any]) -> None:
    kind = wire.record_of_type[wire.MessageType[vector["type"].upper()]]
    fields = {name: value_of(kind, name, value) for name, value in vector["fields"].items()}
    data = bytes.fromhex(vector["hex"])
    assert kind(**fields).encode() == data
    assert wire.decode(data) == (kind(**fields), len(data))
