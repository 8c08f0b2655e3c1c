"""Writes the wire's C++ header, Python codec and protocol tables from schema.toml.

    python engine_ext/protocol/generate.py            write the three files
    python engine_ext/protocol/generate.py --check    exit 1 if a committed file differs

Needs nothing but Python's standard library.
"""

import re
import struct
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCHEMA = HERE / "schema.toml"
WIRE_HPP = ROOT / "engine_ext/include/tradepit/wire.hpp"
WIRE_PY = HERE / "wire.py"
PROTOCOL_MD = ROOT / "docs/protocol.md"

NOTICE = "Generated from engine_ext/protocol/schema.toml by generate.py. Do not edit."
MARK_BEGIN = "<!-- generated: begin -->"
MARK_END = "<!-- generated: end -->"

SCALARS = {
    "u8": ("B", "std::uint8_t"),
    "u16": ("H", "std::uint16_t"),
    "u32": ("I", "std::uint32_t"),
    "u64": ("Q", "std::uint64_t"),
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
class Layout:
    """A message or a container with its fields placed."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    size: int
    type: int = 0
    family: str = ""
    admin: bool = False

    @property
    def constant(self) -> str:
        return snake(self.name).upper()


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
    )


def value_of(spec: Any) -> int:
    return int(spec["value"] if isinstance(spec, dict) else spec)


def doc_of(spec: Any) -> str:
    return str(spec.get("doc", "")) if isinstance(spec, dict) else ""


def load() -> tuple[dict[str, Any], list[Layout], list[Layout]]:
    schema = tomllib.loads(SCHEMA.read_text())
    messages = [place(name, spec, HEADER_SIZE) for name, spec in schema["messages"].items()]
    containers = [place(name, spec, 0) for name, spec in schema["containers"].items()]
    types = [message.type for message in messages]
    if types != sorted(set(types)):
        raise SystemExit("message types must be unique and ascending")
    return schema, messages, containers


# --- C++ ---------------------------------------------------------------------------------------


def cpp_enum(name: str, base: str, values: dict[str, Any]) -> list[str]:
    lines = [f"enum class {name} : {base} {{"]
    for value_name, spec in values.items():
        doc = doc_of(spec) or (spec.get("text", "") if isinstance(spec, dict) else "")
        comment = f"  ///< {doc}" if doc else ""
        lines.append(f"  {value_name} = {value_of(spec)},{comment}")
    return [*lines, "};", ""]


def cpp_struct(layout: Layout, flags: set[str]) -> list[str]:
    lines = [f"/// {layout.doc}", f"struct {layout.name} {{"]
    if layout.family:
        lines.append(f"  static constexpr MessageType type = MessageType::{snake(layout.name)};")
        lines.append(
            f"  Header header{{version, static_cast<std::uint8_t>(type), {layout.size}, 0}};"
        )
    for field in layout.fields:
        comment = f"  ///< {field.doc}" if field.doc else ""
        if field.base in ("char", "bytes"):
            ctype = "char" if field.is_text else "std::uint8_t"
            lines.append(f"  {ctype} {field.name}[{field.count}]{{}};{comment}")
        else:
            ctype = SCALARS[field.base][1]
            if field.enum and field.enum not in flags:
                ctype = field.enum
            lines.append(f"  {ctype} {field.name}{{}};{comment}")
    lines.append("};")
    lines.append(f"static_assert(is_wire_layout<{layout.name}, {layout.size}>);")
    for field in layout.fields:
        lines.append(f"static_assert(offsetof({layout.name}, {field.name}) == {field.offset});")
    return [*lines, ""]


def flag_sets(schema: dict[str, Any]) -> set[str]:
    return {name for name in schema["enums"] if name.endswith("Flag")}


def write_hpp(schema: dict[str, Any], messages: list[Layout], containers: list[Layout]) -> str:
    flags = flag_sets(schema)
    out = [
        "#pragma once",
        f"// {NOTICE}",
        "// clang-format off",
        "#include <bit>",
        "#include <cstddef>",
        "#include <cstdint>",
        "#include <type_traits>",
        "",
        "namespace tradepit::wire {",
        "",
        'static_assert(std::endian::native == std::endian::little, "the wire is little-endian");',
        "",
        f"inline constexpr std::uint8_t version = {schema['version']};",
        "",
    ]
    for name, spec in schema["limits"].items():
        out.append(f"inline constexpr std::int64_t {name} = {value_of(spec)};  ///< {doc_of(spec)}")
    out.append("")
    out += cpp_enum(
        "MessageType", "std::uint8_t", {snake(message.name): message.type for message in messages}
    )
    for name, values in schema["enums"].items():
        if name in flags:
            out.append(f"/// Bits of {name}.")
            out.append(f"namespace {snake(name)} {{")
            for value_name, spec in values.items():
                doc = f"  ///< {doc_of(spec)}" if doc_of(spec) else ""
                out.append(f"inline constexpr std::uint8_t {value_name} = {value_of(spec)};{doc}")
            known = sum(value_of(spec) for spec in values.values())
            out += [f"inline constexpr std::uint8_t known = {known};", "}", ""]
        else:
            out += cpp_enum(name, "std::uint8_t", values)
    out += cpp_enum("Reason", "std::uint16_t", schema["reasons"])
    out += [
        "/// Opens every record. `length` counts the whole record; `request_id` is the requester's own,",
        "/// echoed in what answers it.",
        "struct Header {",
        "  std::uint8_t version;",
        "  std::uint8_t type;",
        "  std::uint16_t length;",
        "  std::uint32_t request_id;",
        "};",
        "static_assert(sizeof(Header) == 8);",
        "",
        "template <typename T, std::size_t size>",
        "inline constexpr bool is_wire_layout =",
        "    sizeof(T) == size && alignof(T) <= 8 && std::is_trivially_copyable_v<T> &&",
        "    std::is_standard_layout_v<T> && std::has_unique_object_representations_v<T>;",
        "",
    ]
    for layout in messages:
        out += cpp_struct(layout, flags)
    for layout in containers:
        out += cpp_struct(layout, flags)
    out += [
        "/// Size of a record of `type`, or 0 if there is no such type.",
        "[[nodiscard]] constexpr std::size_t size_of(MessageType type) noexcept {",
        "  switch (type) {",
    ]
    out += [f"    case MessageType::{snake(m.name)}: return sizeof({m.name});" for m in messages]
    out += ["  }", "  return 0;", "}", ""]
    for title, predicate in (
        ("command", "sequenced by a matcher"),
        ("request", "answered without being sequenced"),
        ("event", "emitted by the engine"),
    ):
        out.append(f"/// True for a record that is {predicate}.")
        out.append(f"[[nodiscard]] constexpr bool is_{title}(MessageType type) noexcept {{")
        out.append("  switch (type) {")
        for message in messages:
            if message.family == title:
                out.append(f"    case MessageType::{snake(message.name)}:")
        out += ["      return true;", "    default:", "      return false;", "  }", "}", ""]
    out.append("/// True for a command that only an operator's session may send.")
    out.append("[[nodiscard]] constexpr bool is_administrative(MessageType type) noexcept {")
    out.append("  switch (type) {")
    out += [f"    case MessageType::{snake(m.name)}:" for m in messages if m.admin]
    out += ["      return true;", "    default:", "      return false;", "  }", "}", ""]
    out.append(
        "/// True if every reserved byte of the record at `bytes` is zero; `bytes` holds size_of(type)."
    )
    out.append(
        "[[nodiscard]] inline bool is_reserved_zero(MessageType type, const std::byte* bytes) noexcept {"
    )
    out.append("  switch (type) {")
    for message in messages:
        offsets = [
            offset
            for field in message.fields
            if field.is_reserved
            for offset in range(field.offset, field.offset + field.size)
        ]
        if offsets:
            terms = " | ".join(f"bytes[{offset}]" for offset in offsets)
            out.append(
                f"    case MessageType::{snake(message.name)}: return ({terms}) == std::byte{{0}};"
            )
    out += ["    default: return true;", "  }", "}", "", "}  // namespace tradepit::wire", ""]
    return "\n".join(out)


# --- Python ------------------------------------------------------------------------------------


def py_enum(name: str, base: str, values: dict[str, Any]) -> list[str]:
    lines = [f"class {name}({base}):"]
    lines += [f"    {value_name.upper()} = {value_of(spec)}" for value_name, spec in values.items()]
    return [*lines, "", ""]


def py_record(layout: Layout) -> list[str]:
    shown = [field for field in layout.fields if not field.is_reserved]
    code = "".join(field.python_code for field in layout.fields)
    lines = [f'_{layout.constant} = Struct("<{HEADER_FORMAT}{code}")']
    lines += [f'_{layout.constant}_BODY = Struct("<4xI{code}")', "", ""]
    lines += [f"class {layout.name}(NamedTuple):", f'    """{wrap(layout.doc)}"""', ""]
    lines.append("    request_id: int = 0")
    for field in shown:
        # A tuple has methods of these names, which a field may hide: nobody counts in a record.
        hides = "  # type: ignore[assignment]" if field.name in ("count", "index") else ""
        lines.append(f"    {field.name}: {field.python_type} = {field.python_default}{hides}")
    head = f"VERSION, {layout.type}, {layout.size}"
    lines += ["", "    def encode(self) -> bytes:"]
    if any(field.is_text for field in shown):
        values = ", ".join(
            f"_text(self.{field.name}, {field.count})" if field.is_text else f"self.{field.name}"
            for field in shown
        )
        lines.append("        return pack_record(")
        lines.append(f"            _{layout.constant},")
        lines.append(f"            ({head}, self.request_id, {values}),")
        lines.append("        )")
    else:
        lines.append(f"        return pack_record(_{layout.constant}, ({head}, *self))")
    return [*lines, "", ""]


def wrap(text: str) -> str:
    words, lines, line = text.split(), [], ""
    for word in words:
        if len(line) + len(word) > 88:
            lines.append(line.rstrip())
            line = ""
        line += word + " "
    lines.append(line.rstrip())
    return "\n    ".join(lines) + ("\n    " if len(lines) > 1 else "")


def write_py(schema: dict[str, Any], messages: list[Layout], containers: list[Layout]) -> str:
    flags = flag_sets(schema)
    out = [
        f'"""The wire in Python. {NOTICE}',
        "",
        "Each record is a NamedTuple with an `encode()`; `decode` and `decode_all` read them back.",
        "Enum fields hold plain ints, which compare equal to the members of the enums below.",
        '"""',
        "",
        "import struct",
        "from enum import IntEnum, IntFlag",
        "from struct import Struct",
        "from typing import Any, NamedTuple",
        "",
        "from tradepit.protocol.errors import MalformedRecord",
        "",
        f"VERSION = {schema['version']}",
        f"HEADER_SIZE = {HEADER_SIZE}",
        "",
    ]
    out += [f"{name.upper()} = {value_of(spec)}" for name, spec in schema["limits"].items()]
    out += ["", ""]
    out += py_enum(
        "MessageType", "IntEnum", {snake(message.name): message.type for message in messages}
    )
    for name, values in schema["enums"].items():
        out += py_enum(name, "IntFlag" if name in flags else "IntEnum", values)
    out += py_enum("Reason", "IntEnum", schema["reasons"])
    out.append("REASON_TEXT: dict[Reason, str] = {")
    out += [
        f'    Reason.{name.upper()}: "{spec["text"]}",' for name, spec in schema["reasons"].items()
    ]
    out += ["}", "", "REASON_HTTP_STATUS: dict[Reason, int] = {"]
    out += [
        f"    Reason.{name.upper()}: {spec['http']}," for name, spec in schema["reasons"].items()
    ]
    out += [
        "}",
        "",
        "",
        "def _text(value: str, size: int) -> bytes:",
        "    data = value.encode()",
        "    if len(data) > size:",
        '        raise ValueError(f"{value!r} is longer than {size} bytes")',
        "    return data",
        "",
        "",
        "def pack_record(layout: Struct, values: tuple[Any, ...]) -> bytes:",
        '    """Pack; a value that its field cannot hold is a ValueError."""',
        "    try:",
        "        return layout.pack(*values)",
        "    except struct.error as error:",
        '        raise ValueError(f"a field does not fit: {error}") from error',
        "",
        "",
    ]
    for layout in messages:
        out += py_record(layout)
    for layout in containers:
        shown = [field for field in layout.fields if not field.is_reserved]
        code = "".join(field.python_code for field in layout.fields)
        out += [
            f'{layout.constant}_LAYOUT = Struct("<{code}")',
            "",
            "",
            f"class {layout.name}(NamedTuple):",
            f'    """{wrap(layout.doc)}"""',
            "",
        ]
        out += [f"    {f.name}: {f.python_type} = {f.python_default}" for f in shown]
        out += ["", "    def encode(self) -> bytes:"]
        out += [f"        return pack_record({layout.constant}_LAYOUT, self)", "", ""]
    out.append("type_of_record: dict[type[Any], MessageType] = {")
    out += [f"    {m.name}: MessageType.{m.constant}," for m in messages]
    out += ["}", "record_of_type: dict[int, type[Any]] = {"]
    out += [f"    {m.type}: {m.name}," for m in messages]
    out += [
        "}",
        "",
        "# Which enum a numeric field holds: for people-readable output.",
        "ENUM_FIELDS: dict[type[Any], dict[str, type[IntEnum] | type[IntFlag]]] = {",
    ]
    for message in messages:
        pairs = [f'"{f.name}": {f.enum}' for f in message.fields if f.enum]
        if pairs:
            out.append(f"    {message.name}: {{")
            out += [f"        {pair}," for pair in pairs]
            out.append("    },")
    out += ["}", "", "COMMANDS: tuple[type[Any], ...] = ("]
    out += [f"    {m.name}," for m in messages if m.family == "command"]
    out += [")", "EVENTS: tuple[type[Any], ...] = ("]
    out += [f"    {m.name}," for m in messages if m.family == "event"]
    out += [")", "", "_BODIES: dict[int, tuple[Struct, int, Any, tuple[int, ...]]] = {"]
    for message in messages:
        shown = [field for field in message.fields if not field.is_reserved]
        texts = tuple(index + 1 for index, field in enumerate(shown) if field.is_text)
        out.append(
            f"    {message.type}: (_{message.constant}_BODY, {message.size}, "
            f"{message.name}._make, {texts!r}),"
        )
    out += [
        "}",
        "",
        "",
        "def layout_of(record_type: int) -> Struct:",
        '    """A record\'s layout for hot loops: its fields in order, request_id first, texts as bytes."""',
        "    return _BODIES[record_type][0]",
        "",
        "",
        "def decode(buffer: bytes | memoryview, offset: int = 0) -> tuple[Any, int]:",
        '    """One record at `offset`, and the offset after it. Raises MalformedRecord."""',
        "    if len(buffer) - offset < HEADER_SIZE:",
        '        raise MalformedRecord(f"{len(buffer) - offset} bytes at {offset}: no header")',
        "    if buffer[offset] != VERSION:",
        '        raise MalformedRecord(f"version {buffer[offset]} at {offset}, not {VERSION}")',
        "    body = _BODIES.get(buffer[offset + 1])",
        "    if body is None:",
        '        raise MalformedRecord(f"unknown type {buffer[offset + 1]} at {offset}")',
        "    layout, size, make, texts = body",
        "    length = buffer[offset + 2] | buffer[offset + 3] << 8",
        "    if length != size or len(buffer) - offset < size:",
        '        raise MalformedRecord(f"length {length} at {offset}, not {size}, or cut short")',
        "    values = layout.unpack_from(buffer, offset)",
        "    if texts:",
        "        fields = list(values)",
        "        for index in texts:",
        "            try:",
        '                fields[index] = fields[index].rstrip(b"\\0").decode()',
        "            except UnicodeDecodeError as error:",
        '                raise MalformedRecord(f"text at {offset} is not UTF-8") from error',
        "        return make(fields), offset + size",
        "    return make(values), offset + size",
        "",
        "",
        "def decode_all(buffer: bytes | memoryview) -> list[Any]:",
        '    """Every record of the buffer, in order. Raises MalformedRecord."""',
        "    records, offset, end = [], 0, len(buffer)",
        "    while offset < end:",
        "        record, offset = decode(buffer, offset)",
        "        records.append(record)",
        "    return records",
        "",
    ]
    return "\n".join(out)


# --- protocol.md -------------------------------------------------------------------------------


def md_table(layout: Layout) -> list[str]:
    lines = ["| offset | size | type | field | meaning |", "| ---: | ---: | --- | --- | --- |"]
    for field in layout.fields:
        lines.append(
            f"| {field.offset} | {field.size} | {field.shown_type} | `{field.name}` | {field.doc} |"
        )
    return [*lines, ""]


def write_md(schema: dict[str, Any], messages: list[Layout], containers: list[Layout]) -> str:
    out = [MARK_BEGIN, "", "## Limits", "", "| name | value | meaning |", "| --- | ---: | --- |"]
    out += [
        f"| `{name}` | {value_of(spec)} | {doc_of(spec)} |"
        for name, spec in schema["limits"].items()
    ]
    out += ["", "## Enums", ""]
    for name, values in schema["enums"].items():
        out += [f"**{name}**" + (" (bit set)" if name in flag_sets(schema) else ""), ""]
        out += ["| value | name | meaning |", "| ---: | --- | --- |"]
        out += [f"| {value_of(s)} | `{n}` | {doc_of(s)} |" for n, s in values.items()]
        out.append("")
    out += ["## Reasons", "", "| value | name | REST | meaning |", "| ---: | --- | ---: | --- |"]
    out += [
        f"| {spec['value']} | `{name}` | {spec['http']} | {spec['text']} |"
        for name, spec in schema["reasons"].items()
    ]
    out.append("")
    titles = {
        "command": "Commands",
        "request": "Requests",
        "event": "Events",
        "reply": "Replies",
        "feed": "Market data",
    }
    for family, title in titles.items():
        out += [f"## {title}", ""]
        for message in messages:
            if message.family == family:
                admin = " Operators only." if message.admin else ""
                out += [f"### {message.name}", ""]
                out += [f"Type {message.type}, {message.size} bytes. {message.doc}{admin}", ""]
                out += md_table(message) if message.fields else ["The header alone.", ""]
    out += ["## Containers", ""]
    for layout in containers:
        out += [f"### {layout.name}", "", f"{layout.size} bytes. {layout.doc}", ""]
        out += md_table(layout)
    out.append(MARK_END)
    text = PROTOCOL_MD.read_text() if PROTOCOL_MD.exists() else f"{MARK_BEGIN}{MARK_END}"
    before, _, rest = text.partition(MARK_BEGIN)
    _, _, after = rest.partition(MARK_END)
    return before + "\n".join(out) + after


def main() -> None:
    schema, messages, containers = load()
    outputs = {
        WIRE_HPP: write_hpp(schema, messages, containers),
        WIRE_PY: write_py(schema, messages, containers),
        PROTOCOL_MD: write_md(schema, messages, containers),
    }
    if "--check" in sys.argv[1:]:
        stale = [path for path, text in outputs.items() if path.read_text() != text]
        for path in stale:
            print(f"{path.relative_to(ROOT)} differs: run python {Path(__file__).name}")
        sys.exit(1 if stale else 0)
    for path, text in outputs.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
