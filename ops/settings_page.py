"""Writes docs/configuration.md from the settings' own definitions; with --check, says if it is stale.

Needs nothing but the package itself: `python ops/settings_page.py [--check]`.
"""

import sys
from pathlib import Path

from tradepit.protocol import settings

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
HEAD = """\
# Configuration

Services are set by environment variables, read once at their start. A wrong value is refused, with
exit code 2 and a sentence that names the variable.

- **Secrets by file.** Each variable can be given as a file: `NAME_FILE=/run/secrets/name` names a file
  with the value of `NAME`. Both at once are refused. Passwords in URLs belong in such files.
- **Several shards.** `{shard}` in an endpoint or in the database's URL stands for the shard's id, so that
  one text serves every process: `tcp://matcher-{shard}.matcher:5555`.
- `tradepit up` sets all of them for the parts that it starts, except those that say `up` below: they
  name a server that runs already, which it then uses instead of starting its own. A folder's journal and
  its stream belong together: a journal never continues on a stream that knows more than it does.
- `tools` are backup, restore, reconcile and journal, where the folder does not tell them.
- `tradepit COMMAND --help` shows what one service reads.

| variable | value | default | read by | meaning |
| --- | --- | --- | --- | --- |
"""
FOOT = """
This page is made from `engine_ext/protocol/settings.py` by `ops/settings_page.py`; `make lint` compares.
"""


def page() -> str:
    """The whole page, in Markdown."""
    rows = [
        f"| `{setting.name}` | {setting.kind.text} | {_default(setting)} | {setting.read_by} | "
        f"{setting.meaning} |"
        for setting in settings.ALL
    ]
    return HEAD + "\n".join(rows) + "\n" + FOOT


def _default(setting: settings.Setting[object]) -> str:
    return setting.shown_default or f"`{setting.default}`"


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        if PAGE.read_text(encoding="utf-8") == page():
            return 0
        print(f"{PAGE.name} is stale: python ops/settings_page.py", file=sys.stderr)
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
