"""Builds the pages of this tree into build/site: `make docs`.

Pages stay where they are, so that links between them work on the site, in an editor and on a code
host alike. They are gathered in build/pages, with what they link to, and mkdocs.yml says the rest.
Fails on a link that leads nowhere, a page that the site's navigation forgets, and a page that would
load anything from elsewhere.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "build" / "pages"
SITE = ROOT / "build" / "site"
GATHERED = ("*.md", "docs/**/*.md", "*/README.md", "ops/*/README.md", "tests/*/README.md")
LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
LOADED = re.compile(
    r"<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=\"?((?:https?:)?//[^\s\">]+)"
)
TIMEOUT_S = 300.0


def pages() -> set[Path]:
    found = {path for pattern in GATHERED for path in ROOT.glob(pattern)}
    return {path for path in found if path.relative_to(ROOT).parts[0][0] != "."}


def linked_files(page: Path) -> Iterator[Path]:
    """What a page shows or links to that is no page: images, examples, sources."""
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / link).resolve()
        if "://" not in link and target.is_file() and target.is_relative_to(ROOT):
            yield target


def gather() -> None:
    shutil.rmtree(PAGES, ignore_errors=True)
    found = pages()
    for path in found | {target for page in found for target in linked_files(page)}:
        copy = PAGES / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def loaded_from_elsewhere() -> list[str]:
    return [
        f"{path.relative_to(SITE)} loads {found}"
        for path in sorted(SITE.rglob("*.html"))
        for found in LOADED.findall(path.read_text(encoding="utf-8"))
    ]


def main() -> None:
    gather()
    subprocess.run(
        [Path(sys.executable).with_name("mkdocs"), "build", "--strict", "--quiet"],
        cwd=ROOT,
        timeout=TIMEOUT_S,
        check=True,
    )
    if found := loaded_from_elsewhere():
        raise SystemExit("\n".join(found))
    print(f"{len(list(SITE.rglob('*.html')))} pages in {SITE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
