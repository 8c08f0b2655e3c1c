"""What the documentation shows: its commands and programs run, its links lead somewhere."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tradepit.cli.running import RunningExchange
from tradepit.protocol import wire

from tests.lobster_day import write_day

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
TIMEOUT_S = 60.0
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("ops/*/README.md")),
    *sorted(path for path in ROOT.glob("*/README.md") if path.parent.name[0] != "."),
]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
OUTSIDE = ("http://", "https://")


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of each program of a page."""
    return [(found[1], found[2]) for found in BLOCK.finditer((ROOT / page).read_text())]


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.fixture(scope="module")
def checkout(exchange: RunningExchange, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the reader's checkout while `make up` serves."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "data").symlink_to(exchange.data_dir)
    (folder / "docs").symlink_to(ROOT / "docs")
    (folder / ".venv").symlink_to(sys.prefix)
    messages, book = write_day(folder)
    messages.rename(folder / "AMZN_message.csv")
    book.rename(folder / "AMZN_orderbook.csv")
    return folder


RUN = [
    (page, language, text)
    for page in (
        *("README.md", "client/README.md", "ingress/README.md", "engine_ext/README.md"),
        "docs/backup.md",
    )
    for language, text in blocks(page)
    if not text.startswith("make ")
]


def run_block(language: str, text: str, exchange: RunningExchange, checkout: Path) -> str:
    """What the program of a page prints; it must not fail."""
    for program in ("bash", "curl"):
        if language == "sh" and shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    text = text.replace("http://127.0.0.1:8000", exchange.ingress_url)
    interpreter = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-P", "-c"]}
    done = subprocess.run(
        [*interpreter[language], text],
        cwd=checkout,
        env={name: value for name, value in os.environ.items() if "TRADEPIT" not in name},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("page", "language", "text"),
    RUN,
    ids=[f"{page}-{n}-{language}" for n, (page, language, _) in enumerate(RUN)],
)
def test_what_a_page_shows_runs(
    page: str, language: str, text: str, exchange: RunningExchange, checkout: Path
) -> None:
    printed = run_block(language, text, exchange, checkout)
    assert '"code":' not in printed  # curl is content with a refusal


def test_the_quickstart_ends_with_a_trade_in_the_ledger(
    exchange: RunningExchange, checkout: Path
) -> None:
    """Its programs, one after the other, as a reader types them."""
    shown = [block for block in blocks("docs/quickstart.md") if not block[1].startswith("make ")]
    trade, ledger, proof = [run_block(*block, exchange, checkout) for block in shown]
    assert trade.count('"status":"filled"') + trade.count('"status": "filled"') == 1
    assert ledger.count("'entry_kind': 'trade'") >= 4  # both legs of both assets
    assert ledger.count("'sum': Decimal('0')") >= 4  # USD, BTC, ETH, SOL
    assert proof.splitlines()


def test_there_is_something_to_run() -> None:
    shown = "".join(text for _, _, text in RUN)
    for promised in ("curl", "Client(", "replay lobster", "engine run"):
        assert promised in shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_within_the_tree_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith(OUTSIDE):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_the_example_has_every_command_and_the_events_it_says() -> None:
    commands = (EXAMPLES / "orders.jsonl").read_text()
    kinds = {json.loads(line)["type"] for line in commands.splitlines() if line}
    assert kinds == {wire.type_of_record[kind].name.lower() for kind in wire.COMMANDS}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tradepit.cli.main", "engine", "run", "-"],
        input=commands,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (EXAMPLES / "orders.events.jsonl").read_text()
