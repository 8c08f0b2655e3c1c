"""Writes wire.hpp: the wire in C++."""

from typing import Any

from schema import NOTICE, SCALARS, Layout, doc_of, flag_sets, snake, value_of


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
            if field.enum and field.enum not in flags and field.base != "u32":
                ctype = field.enum
            lines.append(f"  {ctype} {field.name}{{}};{comment}")
    if layout.repeats is not None:
        lines.append(f"  using Repeated = {layout.repeats.group};  ///< {layout.repeats.doc}")
        lines.append(f"  static constexpr std::size_t repeated_max = {layout.repeats.count_max};")
    lines.append("};")
    lines.append(f"static_assert(is_wire_layout<{layout.name}, {layout.size}>);")
    for field in layout.fields:
        lines.append(f"static_assert(offsetof({layout.name}, {field.name}) == {field.offset});")
    return [*lines, ""]


def write_hpp(
    schema: dict[str, Any],
    groups: list[Layout],
    messages: list[Layout],
    containers: list[Layout],
) -> str:
    flags = flag_sets(schema)
    sizes = {group.name: group.size for group in groups}
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
    for layout in (*groups, *messages, *containers):
        out += cpp_struct(layout, flags)
    longest = max(
        m.size + (m.repeats.count_max * sizes[m.repeats.group] if m.repeats else 0)
        for m in messages
    )
    out += [
        "/// The longest record.",
        f"inline constexpr std::size_t record_bytes_max = {longest};",
        "",
        "/// Size of a record of `type` without what it repeats, or 0 if there is no such type.",
        "[[nodiscard]] constexpr std::size_t size_of(MessageType type) noexcept {",
        "  switch (type) {",
    ]
    out += [f"    case MessageType::{snake(m.name)}: return sizeof({m.name});" for m in messages]
    out += ["  }", "  return 0;", "}", ""]
    out += [
        "/// Whether a record of `type` may have `length` bytes.",
        "[[nodiscard]] constexpr bool is_length_valid(MessageType type, std::size_t length) noexcept {",
        "  const std::size_t fixed = size_of(type);",
        "  std::size_t item = 1;",
        "  std::size_t item_count_max = 0;",
        "  switch (type) {",
    ]
    for m in messages:
        if m.repeats is not None:
            out.append(f"    case MessageType::{snake(m.name)}:")
            out.append(f"      item = sizeof({m.repeats.group});")
            out.append(f"      item_count_max = {m.repeats.count_max};")
            out.append("      break;")
    out += [
        "    default:",
        "      break;",
        "  }",
        "  return fixed != 0 && length >= fixed && (length - fixed) % item == 0 &&",
        "         (length - fixed) / item <= item_count_max;",
        "}",
        "",
    ]
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
    out.append("/// True for a command that the matcher makes itself and no session may send.")
    out.append("[[nodiscard]] constexpr bool is_internal(MessageType type) noexcept {")
    out.append("  switch (type) {")
    out += [f"    case MessageType::{snake(m.name)}:" for m in messages if m.internal]
    out += ["      return true;", "    default:", "      return false;", "  }", "}", ""]
    out.append("/// True for an event that answers the command as it is; the last such event does.")
    out.append(
        "[[nodiscard]] constexpr bool is_answer(MessageType command, MessageType event) noexcept {"
    )
    out.append("  switch (command) {")
    for m in messages:
        if m.answered_by:
            events = " || ".join(f"event == MessageType::{snake(name)}" for name in m.answered_by)
            out.append(f"    case MessageType::{snake(m.name)}: return {events};")
    out += ["    default: return false;", "  }", "}", ""]
    out.append(
        "/// True if every reserved byte of the record at `bytes` is zero; `bytes` holds size_of(type)."
    )
    out.append(
        "[[nodiscard, gnu::noinline]] inline bool is_reserved_zero(MessageType type, const std::byte* bytes) noexcept {"
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
