"""docs/matching.md: its examples do what it says, through what `tradepit engine run` runs."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tradepit.cli.engine import run_lines

PAGE = (Path(__file__).parents[2] / "docs" / "matching.md").read_text()


def blocks(kind: str) -> list[list[str]]:
    """The lines of each fenced block of this kind."""
    return [
        text.splitlines() for text in re.findall(rf"```jsonl {kind}\n(.*?)```", PAGE, re.DOTALL)
    ]


def titles() -> list[str]:
    """For each example, the heading above it and its number."""
    names = []
    for index, found in enumerate(re.finditer("```jsonl commands", PAGE)):
        heading = re.findall(r"^## (.*)$", PAGE[: found.start()], re.MULTILINE)[-1]
        names.append(f"{index} {heading}")
    return names


(SETTING,) = blocks("setting")
EXAMPLES = list(zip(blocks("commands"), blocks("events"), strict=True))


def events_of(commands: list[str]) -> list[dict[str, Any]]:
    out = io.StringIO()
    assert run_lines([line.encode() for line in commands], "the page", out) == 0
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(("commands", "expected"), EXAMPLES, ids=titles())
def test_an_example_of_the_page_does_what_it_says(commands: list[str], expected: list[str]) -> None:
    found = events_of(SETTING + commands)[len(SETTING) :]
    wanted = [json.loads(line) for line in expected]
    shown = [
        {name: value for name, value in event.items() if name in want}
        for event, want in zip(found, wanted, strict=False)
    ]
    assert shown == wanted
    assert len(found) == len(wanted)
