"""Writes wire.py: the wire in Python."""

from typing import Any

from schema import (
    HEADER_FORMAT,
    HEADER_SIZE,
    NOTICE,
    Field,
    Layout,
    Repeats,
    constant_of,
    flag_sets,
    snake,
    value_of,
)


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
    if layout.repeats is not None:
        return [*lines, *py_repeated(layout, layout.repeats, shown), "", ""]
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


def make_of(message: Layout) -> str:
    """What makes the record of its fixed part: the repeated field keeps its default."""
    return f"lambda values: {message.name}(*values)" if message.repeats else f"{message.name}._make"


def py_container(layout: Layout) -> list[str]:
    shown = [field for field in layout.fields if not field.is_reserved]
    code = "".join(field.python_code for field in layout.fields)
    return [
        f'{layout.constant}_LAYOUT = Struct("<{code}")',
        "",
        "",
        f"class {layout.name}(NamedTuple):",
        f'    """{wrap(layout.doc)}"""',
        "",
        *(f"    {f.name}: {f.python_type} = {f.python_default}" for f in shown),
        "",
        "    def encode(self) -> bytes:",
        f"        return pack_record({layout.constant}_LAYOUT, self)",
        "",
        "",
    ]


def py_repeated(layout: Layout, repeats: Repeats, shown: list[Field]) -> list[str]:
    """The repeated field, which stands last, and the encoding of a record that has one."""
    values = ", ".join(f"self.{field.name}" for field in shown)
    return [
        f"    {repeats.name}: tuple[{repeats.group}, ...] = ()",
        "",
        "    def encode(self) -> bytes:",
        f"        if len(self.{repeats.name}) > {repeats.count_max}:",
        f'            raise ValueError("at most {repeats.count_max} {repeats.name}")',
        f'        items = b"".join(item.encode() for item in self.{repeats.name})',
        "        return (",
        "            pack_record(",
        f"                _{layout.constant},",
        f"                (VERSION, {layout.type}, {layout.size} + len(items), self.request_id, {values}),",
        "            )",
        "            + items",
        "        )",
    ]


def wrap(text: str) -> str:
    words, lines, line = text.split(), [], ""
    for word in words:
        if len(line) + len(word) > 88:
            lines.append(line.rstrip())
            line = ""
        line += word + " "
    lines.append(line.rstrip())
    return "\n    ".join(lines) + ("\n    " if len(lines) > 1 else "")


def write_py(
    schema: dict[str, Any],
    groups: list[Layout],
    messages: list[Layout],
    containers: list[Layout],
) -> str:
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
    for layout in groups:
        out += py_container(layout)
    for layout in messages:
        out += py_record(layout)
    for layout in containers:
        out += py_container(layout)
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
    for message in (*groups, *messages):
        pairs = [f'"{f.name}": {f.enum}' for f in message.fields if f.enum]
        if pairs:
            out.append(f"    {message.name}: {{")
            out += [f"        {pair}," for pair in pairs]
            out.append("    },")
    out += [
        "}",
        "",
        "# What follows the fixed part of a record: the field, its items, how many there can be.",
        "REPEATS: dict[type[Any], tuple[str, type[Any], int]] = {",
    ]
    out += [
        f'    {m.name}: ("{m.repeats.name}", {m.repeats.group}, {m.repeats.count_max}),'
        for m in messages
        if m.repeats is not None
    ]
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
            f"{make_of(message)}, {texts!r}),"
        )
    out += ["}", "_REPEATED: dict[int, tuple[str, Any, int, Struct]] = {"]
    out += [
        f'    {m.type}: ("{m.repeats.name}", {m.repeats.group}, {m.repeats.count_max}, '
        f"{constant_of(m.repeats.group)}_LAYOUT),"
        for m in messages
        if m.repeats is not None
    ]
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
        "    if length > size and buffer[offset + 1] in _REPEATED:",
        "        return _decode_repeated(buffer, offset, length)",
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
        "def _decode_repeated(",
        "    buffer: bytes | memoryview, offset: int, length: int",
        ") -> tuple[Any, int]:",
        "    layout, size, make, _ = _BODIES[buffer[offset + 1]]",
        "    name, item, count_max, item_layout = _REPEATED[buffer[offset + 1]]",
        "    count, rest = divmod(length - size, item_layout.size)",
        "    if rest or count > count_max or len(buffer) - offset < length:",
        '        raise MalformedRecord(f"length {length} at {offset} does not fit, or cut short")',
        "    items = item_layout.iter_unpack(buffer[offset + size : offset + length])",
        "    fixed = make(layout.unpack_from(buffer, offset))",
        "    return fixed._replace(**{name: tuple(map(item._make, items))}), offset + length",
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
