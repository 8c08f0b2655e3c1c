"""Writes the tables of docs/protocol.md."""

from pathlib import Path
from typing import Any

from schema import Layout, doc_of, flag_sets, value_of

MARK_BEGIN = "<!-- generated: begin -->"
MARK_END = "<!-- generated: end -->"
PROTOCOL_MD = Path(__file__).resolve().parents[2] / "docs/protocol.md"


def md_table(layout: Layout) -> list[str]:
    lines = ["| offset | size | type | field | meaning |", "| ---: | ---: | --- | --- | --- |"]
    for field in layout.fields:
        lines.append(
            f"| {field.offset} | {field.size} | {field.shown_type} | `{field.name}` | {field.doc} |"
        )
    return [*lines, ""]


def write_md(
    schema: dict[str, Any],
    groups: list[Layout],
    messages: list[Layout],
    containers: list[Layout],
) -> str:
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
                if message.internal:
                    admin = " Made by the matcher: no session may send it."
                out += [f"### {message.name}", ""]
                out += [f"Type {message.type}, {message.size} bytes. {message.doc}{admin}", ""]
                out += md_table(message) if message.fields else ["The header alone.", ""]
                if message.repeats is not None:
                    group = next(g for g in groups if g.name == message.repeats.group)
                    out += [
                        f"Then `{message.repeats.name}`, up to {message.repeats.count_max} of them as "
                        + f"`length` says, {group.size} bytes each: {message.repeats.doc}",
                        "",
                        *md_table(group),
                    ]
    out += ["## Containers", ""]
    for layout in containers:
        out += [f"### {layout.name}", "", f"{layout.size} bytes. {layout.doc}", ""]
        out += md_table(layout)
    out.append(MARK_END)
    text = PROTOCOL_MD.read_text() if PROTOCOL_MD.exists() else f"{MARK_BEGIN}{MARK_END}"
    before, _, rest = text.partition(MARK_BEGIN)
    _, _, after = rest.partition(MARK_END)
    return before + "\n".join(out) + after
