"""The schema as objects: every record with its fields placed. Read by generate.py."""

import re
import struct
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).resolve().with_name("schema.toml")
NOTICE = "Generated from engine_ext/protocol/schema.toml by generate.py. Do not edit."

SCALARS = {
    "u8": ("B", "std::uint8_t"),
    "u16": ("H", "std::uint16_t"),
    "u32": ("I", "std::uint32_t"),
    "u64": ("Q", "std::uint64_t"),
    "i32": ("i", "std::int32_t"),
    "i64": ("q", "std::int64_t"),
}
HEADER_FORMAT = "BBHI"
HEADER_SIZE = 8


@dataclass(frozen=True)
class Field:
    """One field of a record: where it stands and how each language spells it."""

    name: str
    base: str  # u8 .. i64, char or bytes
    count: int  # bytes of char and bytes, else 1
    enum: str  # "" if the field is a plain number
    doc: str
    offset: int

    @property
    def is_text(self) -> bool:
        return self.base == "char"

    @property
    def is_reserved(self) -> bool:
        return self.name.startswith("reserved")

    @property
    def size(self) -> int:
        return self.count if self.base in ("char", "bytes") else struct.calcsize(self.code)

    @property
    def code(self) -> str:
        return f"{self.count}s" if self.base in ("char", "bytes") else SCALARS[self.base][0]

    @property
    def python_code(self) -> str:
        return f"{self.size}x" if self.is_reserved else self.code

    @property
    def python_type(self) -> str:
        return {"char": "str", "bytes": "bytes"}.get(self.base, "int")

    @property
    def python_default(self) -> str:
        return {"char": '""', "bytes": f"bytes({self.count})"}.get(self.base, "0")

    @property
    def shown_type(self) -> str:
        if self.base in ("char", "bytes"):
            return f"{self.base}[{self.count}]"
        return f"{self.base} {self.enum}".strip()


@dataclass(frozen=True)
class Repeats:
    """What follows a message's fixed part, as often as its length says."""

    name: str
    group: str
    count_max: int
    doc: str


@dataclass(frozen=True)
class Layout:
    """A message, a group or a container with its fields placed."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    size: int
    type: int = 0
    family: str = ""
    admin: bool = False
    internal: bool = False
    answered_by: tuple[str, ...] = ()
    repeats: Repeats | None = None

    @property
    def constant(self) -> str:
        return constant_of(self.name)


def constant_of(name: str) -> str:
    return snake(name).upper()


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def place(name: str, spec: dict[str, Any], start: int) -> Layout:
    """Lays the fields out and refuses padding: every field on its own alignment, size % 8 == 0."""
    offset, fields = start, []
    for field_name, type_text, doc in spec["fields"]:
        base, _, enum = type_text.partition(":")
        match = re.fullmatch(r"(char|bytes)\[(\d+)\]", base)
        base, count = (match[1], int(match[2])) if match else (base, 1)
        field = Field(field_name, base, count, enum, doc, offset)
        alignment = 1 if match else field.size
        if offset % alignment:
            raise SystemExit(
                f"{name}.{field_name}: offset {offset} is not a multiple of {alignment}"
            )
        fields.append(field)
        offset += field.size
    if offset % 8:
        raise SystemExit(f"{name}: size {offset} is not a multiple of 8")
    return Layout(
        name=name,
        doc=spec["doc"],
        fields=tuple(fields),
        size=offset,
        type=spec.get("type", 0),
        family=spec.get("family", ""),
        admin=spec.get("admin", False),
        internal=spec.get("internal", False),
        answered_by=tuple(spec.get("answered_by", ())),
        repeats=Repeats(*spec["repeats"]) if "repeats" in spec else None,
    )


def value_of(spec: Any) -> int:
    return int(spec["value"] if isinstance(spec, dict) else spec)


def doc_of(spec: Any) -> str:
    return str(spec.get("doc", "")) if isinstance(spec, dict) else ""


def load() -> tuple[dict[str, Any], list[Layout], list[Layout], list[Layout]]:
    schema = tomllib.loads(SCHEMA.read_text())
    groups = [place(name, spec, 0) for name, spec in schema.get("groups", {}).items()]
    messages = [place(name, spec, HEADER_SIZE) for name, spec in schema["messages"].items()]
    containers = [place(name, spec, 0) for name, spec in schema["containers"].items()]
    for group in groups:
        if any(field.is_reserved or field.is_text for field in group.fields):
            raise SystemExit(f"{group.name}: a group has neither text nor reserved fields")
    types = [message.type for message in messages]
    if types != sorted(set(types)):
        raise SystemExit("message types must be unique and ascending")
    return schema, groups, messages, containers


def flag_sets(schema: dict[str, Any]) -> set[str]:
    return {name for name in schema["enums"] if name.endswith("Flag")}
