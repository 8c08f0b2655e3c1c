"""Who may import whom: imports point down, and services meet only on the wire."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "protocol": "engine_ext/protocol",
    "engine": "engine_ext/engine",
    "client": "client",
    "matcher": "matcher",
    "ledger": "ledger",
    "ingress": "ingress",
    "cli": "ops/cli",
    "tools": "ops/tools",
}
BELOW = {
    "protocol": set[str](),
    "engine": {"protocol"},
    "client": {"protocol"},
    "matcher": {"protocol", "engine"},
    "ledger": {"protocol", "engine"},
    "ingress": {"protocol", "engine"},
    "cli": set(FOLDERS),
    "tools": set(FOLDERS),
}


def imported_packages(source: str) -> set[str]:
    """The `x` of every `tradepit.x` that the file imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("tradepit.")}
    return found


@pytest.mark.parametrize("package", FOLDERS)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    for path in sorted((ROOT / FOLDERS[package]).rglob("*.py")):
        wrong = imported_packages(path.read_text(encoding="utf-8")) - BELOW[package] - {package}
        assert not wrong, f"{path.relative_to(ROOT)} imports tradepit.{min(wrong)}"


def test_the_engine_library_knows_no_python() -> None:
    for path in sorted((ROOT / "engine_ext").rglob("*.[ch]pp")):
        if not path.name.startswith("bind"):
            text = path.read_text(encoding="utf-8")
            assert "pybind11" not in text, path
            assert "Python.h" not in text, path


def test_an_import_is_seen_wherever_it_stands() -> None:
    source = "def f():\n    from tradepit import ledger\n    import tradepit.cli.main\n"
    assert imported_packages(source) == {"ledger", "cli"}
