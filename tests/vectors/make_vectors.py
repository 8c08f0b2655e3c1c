"""Writes wire.json: one record of every type, as field values and as bytes.

The file is committed and changes only with the wire's version: it is what a client in another
language is tested against. Run this only then: `python tests/vectors/make_vectors.py`.
"""

import json
from pathlib import Path
from typing import Any

from tradepit.protocol import wire

PATH = Path(__file__).with_name("wire.json")


def value_of(kind: Any, index: int, name: str) -> Any:
    """A value that no neighbour has, and that shows a wrong offset, size or sign."""
    default = kind._field_defaults[name]
    if isinstance(default, tuple):
        _, item, count_max = wire.REPEATS[kind]
        return tuple(
            item(*(value_of(item, 7 * number + i, n) for i, n in enumerate(item._fields)))
            for number in range(min(count_max, 3))
        )
    if isinstance(default, bytes):
        return bytes((index * 7 + offset) % 256 for offset in range(len(default)))
    if isinstance(default, str):
        return "BTC-USD.\u00e9"
    enums = wire.ENUM_FIELDS.get(kind, {})
    if name in enums:
        return max(member.value for member in enums[name])
    if name in ("time_ns", "delta_units"):
        return -(2**62) - index
    for value in (0x8182838485868700, 0x7172737475767700, 0xC1C2C300, -0x3E3D3D00, 0xA0):
        candidate = value + index
        try:
            kind(**{name: candidate}).encode()
        except ValueError:
            continue
        return candidate
    raise AssertionError(name)


def shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return [item._asdict() for item in value]
    return value.hex() if isinstance(value, bytes) else value


def make() -> list[dict[str, Any]]:
    vectors = []
    for kind, type_ in sorted(wire.type_of_record.items(), key=lambda item: item[1]):
        record = kind(**{n: value_of(kind, i, n) for i, n in enumerate(kind._fields)})
        fields = {name: shown(value) for name, value in record._asdict().items()}
        vectors.append({"type": type_.name.lower(), "fields": fields, "hex": record.encode().hex()})
    return vectors


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(vector) for vector in make())
    PATH.write_text(f"[\n{lines}\n]\n")
