"""Writes the C++ table of every command's and query's fields, from schema.toml.

    python tests/fuzz/make_fields.py OUT.hpp

The mutator changes records field by field, so a rule that adds a message or a field is fuzzed
without anyone naming it here: what a field may hold is read from its name and its enum.
"""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

PROTOCOL = Path(__file__).parents[2] / "engine_ext" / "protocol"
ID_KINDS = ("account", "client_order", "order", "transfer", "instrument", "asset")
KINDS = ("price", "lots", "units", *ID_KINDS, "time", "text", "choice", "flags", "number")
QUERIES = ("instruments_query", "book_query", "order_query", "open_orders_query", "balances_query")


def load_schema_module() -> ModuleType:
    sys.path.insert(0, str(PROTOCOL))
    return import_module("schema")


def kind_of(field: Any) -> str:
    if field.base in ("char", "bytes"):
        return "text"
    if field.enum:
        return "flags" if field.enum.endswith("Flag") else "choice"
    if field.name.endswith("_ticks") or field.name.endswith(("ticks_min", "ticks_max")):
        return "price"
    if "_lots" in field.name:
        return "lots"
    if field.name.endswith("_units"):
        return "units"
    if field.name.endswith("_ns"):
        return "time"
    for kind in ID_KINDS:
        if field.name.endswith(f"{kind}_id"):
            return kind
    return "number"


def field_rows(schema_module: ModuleType, enums: dict[str, Any], layout: Any) -> list[str]:
    def highest(field: Any) -> int:
        values = [schema_module.value_of(spec) for spec in enums.get(field.enum, {}).values()]
        return sum(values) if field.enum.endswith("Flag") else max(values, default=0)

    rows = [
        f"  {{{field.offset}, {field.size}, FieldKind::{kind_of(field)}, {min(highest(field), 255)}}},"
        for field in layout.fields
        if not field.is_reserved
    ]
    name = schema_module.snake(layout.name)
    return [f"inline constexpr Field {name}_fields[] = {{", *rows, "};"] if rows else []


def cases(answers: dict[str, str], fallback: str) -> list[str]:
    return [
        "  switch (type) {",
        *(
            f"    case tradepit::wire::MessageType::{name}: return {answer};"
            for name, answer in answers.items()
        ),
        f"    default: return {fallback};",
        "  }",
        "}",
    ]


def write(schema_module: ModuleType) -> str:
    schema, groups, messages, _ = schema_module.load()
    snake = schema_module.snake
    group_named = {group.name: group for group in groups}
    chosen = [
        message
        for message in messages
        if message.family == "command" or snake(message.name) in QUERIES
    ]
    commands = [snake(message.name) for message in chosen if message.family == "command"]
    queries = [snake(message.name) for message in chosen if snake(message.name) not in commands]
    out = [
        "#pragma once",
        "#include <cstdint>",
        "#include <span>",
        '#include "tradepit/wire.hpp"',
        "namespace fuzz {",
        f"enum class FieldKind : std::uint8_t {{ {', '.join(KINDS)} }};",
        "struct Field {",
        "  std::uint16_t offset;",
        "  std::uint8_t size;",
        "  FieldKind kind;",
        "  std::uint8_t highest;  // of its enum",
        "};",
        "struct Repeated {",
        "  std::size_t size = 0;",
        "  std::size_t count_max = 0;",
        "  std::span<const Field> fields;",
        "};",
    ]
    for layout in (*groups, *chosen):
        out += field_rows(schema_module, schema["enums"], layout)
    type_list = ", ".join(f"tradepit::wire::MessageType::{name}" for name in commands)
    out.append(f"inline constexpr tradepit::wire::MessageType command_types[] = {{{type_list}}};")
    out.append("constexpr std::span<const Field> fields_of(tradepit::wire::MessageType type) {")
    with_fields = [m for m in chosen if any(not field.is_reserved for field in m.fields)]
    out += cases({snake(m.name): f"{snake(m.name)}_fields" for m in with_fields}, "{}")
    out.append("constexpr Repeated repeated_of(tradepit::wire::MessageType type) {")
    repeated = {}
    for message in chosen:
        if message.repeats:
            group = group_named[message.repeats.group]
            count_max = message.repeats.count_max
            repeated[snake(message.name)] = (
                f"{{{group.size}, {count_max}, {snake(group.name)}_fields}}"
            )
    out += cases(repeated, "{}")
    tests = " || ".join(f"type == tradepit::wire::MessageType::{name}" for name in queries)
    out.append(f"constexpr bool is_query(tradepit::wire::MessageType type) {{ return {tests}; }}")
    out.append("constexpr const char* name_of(tradepit::wire::MessageType type) {")
    names = [snake(message.name) for message in messages]
    out += cases({name: f'"{name}"' for name in names}, '"unknown"')
    return "\n".join([*out, "}  // namespace fuzz"]) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(write(load_schema_module()))
