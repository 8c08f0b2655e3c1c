"""Prints what pyproject.toml asks for, one requirement a line, for `make lock` and the image.

    python ops/requirements.py run                # the package, all its extras, and what builds it
    python ops/requirements.py build              # what builds it
    python ops/requirements.py dev                # what working on it needs besides
    python ops/requirements.py matcher ledger     # the package with these extras

Needs nothing but Python, so that a lock can be made before anything is installed.
"""

import sys
import tomllib
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def group(document: dict[str, Any], name: str) -> list[str]:
    """The requirements of a dependency group, those that it includes too."""
    found: list[str] = []
    for entry in document["dependency-groups"][name]:
        found += [entry] if isinstance(entry, str) else group(document, entry["include-group"])
    return found


def package(document: dict[str, Any], extras: list[str]) -> list[str]:
    """The requirements of the package with these extras."""
    project = document["project"]
    found = list(project["dependencies"])
    for extra in extras:
        entries = project["optional-dependencies"][extra]
        found += [entry for entry in entries if not entry.startswith(f"{project['name']}[")]
    return found


def requirements(kinds: list[str]) -> list[str]:
    document = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    if kinds == ["run"]:
        extras = list(document["project"]["optional-dependencies"])
        found = package(document, extras) + group(document, "build")
    elif kinds[0] in document["dependency-groups"]:
        (name,) = kinds
        found = group(document, name)
    else:
        found = package(document, kinds)
    return sorted(set(found))


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1:])))
