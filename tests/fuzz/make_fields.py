"""Writes the C++ table of every command's and query's fields, from schema.toml.

    python tests/fuzz/make_fields.py OUT.hpp

The mutator changes records field by field, so a rule that adds a message or a field is fuzzed
without anyone naming it here: what a field may hold is read from its name and its enum.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

GENERATOR = Path(__file__).parents[2] / "engine_ext" / "protocol" / "generate.py"
ID_KINDS = ("account", "client_order", "order", "transfer", "instrument", "asset")
KINDS = ("price", "lots", "units", *ID_KINDS, "time", "text", "choice", "flags", "number")
QUERIES = ("instruments_query", "book_query", "order_query", "open_orders_query", "balances_query")


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


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


def write(generator: ModuleType) -> str:
    schema, messages, _ = generator.load()

    def highest(field: Any) -> int:
        values = [generator.value_of(spec) for spec in schema["enums"].get(field.enum, {}).values()]
        return sum(values) if field.enum.endswith("Flag") else max(values, default=0)

    chosen = [
        message
        for message in messages
        if message.family == "command" or generator.snake(message.name) in QUERIES
    ]
    commands = [message for message in chosen if message.family == "command"]
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
    ]
    for message in chosen:
        rows = [
            f"  {{{field.offset}, {field.size}, FieldKind::{kind_of(field)}, "
            f"{min(highest(field), 255)}}},"
            for field in message.fields
            if not field.is_reserved
        ]
        name = generator.snake(message.name)
        out += [f"inline constexpr Field {name}_fields[] = {{", *rows, "};"] if rows else []
    types = ", ".join(f"tradepit::wire::MessageType::{generator.snake(m.name)}" for m in commands)
    out += [
        f"inline constexpr tradepit::wire::MessageType command_types[] = {{{types}}};",
        "constexpr std::span<const Field> fields_of(tradepit::wire::MessageType type) {",
        "  switch (type) {",
    ]
    for message in chosen:
        name = generator.snake(message.name)
        if any(not field.is_reserved for field in message.fields):
            out.append(f"    case tradepit::wire::MessageType::{name}: return {name}_fields;")
    out += ["    default: return {};", "  }", "}"]
    queries = [generator.snake(message.name) for message in chosen if message not in commands]
    tests = " || ".join(f"type == tradepit::wire::MessageType::{name}" for name in queries)
    out += [f"constexpr bool is_query(tradepit::wire::MessageType type) {{ return {tests}; }}"]
    out += [
        "constexpr const char* name_of(tradepit::wire::MessageType type) {",
        "  switch (type) {",
    ]
    for message in messages:
        name = generator.snake(message.name)
        out.append(f'    case tradepit::wire::MessageType::{name}: return "{name}";')
    out += ['    default: return "unknown";', "  }", "}", "}  // namespace fuzz"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(write(load_generator()))
