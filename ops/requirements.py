"""Prints what pyproject.toml asks for, one requirement a line, for `make lock`.

    python ops/requirements.py run     # the package, all its extras, and what builds it
    python ops/requirements.py dev     # what working on it needs besides

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


def requirements(kind: str) -> list[str]:
    document = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    if kind == "dev":
        return sorted(set(group(document, "dev")))
    project = document["project"]
    found = [*project["dependencies"], *group(document, "build")]
    for extra in project["optional-dependencies"].values():
        found += [entry for entry in extra if not entry.startswith(f"{project['name']}[")]
    return sorted(set(found))


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1])))
