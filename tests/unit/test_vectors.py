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
