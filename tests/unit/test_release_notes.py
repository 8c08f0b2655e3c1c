"""What a release says of itself."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "release_notes.py"
CHANGELOG = """# Changelog

## [Unreleased]

- Not yet.

## [0.2.0] - 2027-01-01

### Added

- A thing.

## [0.1.0] - 2026-12-01

- The first.
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release_notes", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_notes_of_a_release_are_its_section_of_the_changelog(script: ModuleType) -> None:
    assert script.notes("v0.2.0", CHANGELOG) == "### Added\n\n- A thing."


def test_a_release_candidate_has_the_notes_of_the_release_to_come(script: ModuleType) -> None:
    assert script.notes("v0.1.0rc2", CHANGELOG) == "- The first."


@pytest.mark.parametrize("tag", ["v0.3.0", "0.2.0", "v0.2", "latest", "vUnreleased"])
def test_what_the_changelog_does_not_speak_of_is_not_released(script: ModuleType, tag: str) -> None:
    with pytest.raises(SystemExit):
        script.notes(tag, CHANGELOG)
