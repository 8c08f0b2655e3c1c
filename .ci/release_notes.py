"""Prints what CHANGELOG.md says of the release that a tag names, such as v0.2.0. Fails if it says nothing."""

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"
TAG = re.compile(r"v(\d+\.\d+\.\d+)(?:rc\d+)?")


def notes(tag: str, changelog: str) -> str:
    """The section of the tag's version; a release candidate has that of the release to come."""
    found = TAG.fullmatch(tag)
    if found is None:
        raise SystemExit(f"{tag} is no version such as v0.2.0 or v0.2.0rc1")
    for section in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        head, _, text = section.partition("\n")
        if head.startswith(f"[{found[1]}]") and text.strip():
            return text.strip()
    raise SystemExit(f"CHANGELOG.md has no section [{found[1]}]")


if __name__ == "__main__":
    print(notes(sys.argv[1], CHANGELOG.read_text(encoding="utf-8")))
