"""Writes ops/grafana/dashboards/*.json from dashboards.py; with --check, says which are stale.

Standard library only: `python ops/grafana/generate.py [--check]`.
"""

import json
import sys
from pathlib import Path

from dashboards import DASHBOARDS
from panels import document

FOLDER = Path(__file__).parent / "dashboards"


def files() -> dict[Path, str]:
    """Each dashboard's file, and what belongs into it."""
    return {
        FOLDER / f"{dashboard.uid}.json": json.dumps(document(dashboard), indent=1) + "\n"
        for dashboard in DASHBOARDS
    }


def main(arguments: list[str]) -> int:
    wanted = files()
    if arguments == ["--check"]:
        found = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
        stale = sorted(
            path.name
            for path in wanted.keys() | found.keys()
            if wanted.get(path) != found.get(path)
        )
        if stale:
            print(f"stale: {', '.join(stale)}: python ops/grafana/generate.py", file=sys.stderr)
        return 1 if stale else 0
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
