"""The house rules that no linter knows."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parents[1]
LINES_MAX = 600
GENERATED = {"engine_ext/include/tradepit/wire.hpp", "engine_ext/protocol/wire.py"}
CODE = {".py", ".pyi", ".cpp", ".hpp", ".sql", ".sh", ".js", ".css"}
TEXT = CODE | {".md", ".toml", ".yaml", ".yml", ".txt", ".lock", ".html", ""}
PACKAGES = ["client", "ingress", "ledger", "matcher", "ops/cli", "ops/tools"]
PACKAGES += ["engine_ext/engine", "engine_ext/protocol"]
FOLDERS_WITH_README = ["client", "engine_ext", "ingress", "ledger", "matcher", "ops", "tests"]
# A home folder, or where this happens to be checked out: right on one machine only.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|Users)/\w+|" + re.escape(str(ROOT)) + r"(?![\w-])")
LOG_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
UNOWNED = re.compile(r"\b(?:TODO|FIXME|XXX)\b")  # say what is missing where users look for it


def tracked_files() -> list[Path]:
    """What git knows, or everything outside the ignored folders where there is no git."""
    done = subprocess.run(
        ["/usr/bin/env", "git", "ls-files"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 0:
        paths = [ROOT / name for name in done.stdout.splitlines()]
    else:
        ignored = {".git", ".venv", "build", "dist", "data"}
        paths = [
            path for path in ROOT.rglob("*") if not ignored & set(path.relative_to(ROOT).parts)
        ]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


FILES = tracked_files()
PYTHON = [path for path in FILES if path.suffix == ".py"]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_file_is_too_long_to_be_read() -> None:
    for path in FILES:
        if path.suffix in CODE and name(path) not in GENERATED:
            lines = path.read_text(encoding="utf-8").count("\n")
            assert lines <= LINES_MAX, f"{name(path)} has {lines} lines: split it"


def test_no_note_to_self_is_left() -> None:
    for path in FILES:
        if path.suffix in CODE and path != Path(__file__):
            found = UNOWNED.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{name(path)}: {found[0]}"


def test_no_file_knows_where_it_was_written() -> None:
    for path in FILES:
        if path.suffix in TEXT and path != Path(__file__):
            found = MACHINE_PATH.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{name(path)}: {found[0]}"


@pytest.mark.parametrize("folder", PACKAGES)
def test_every_package_is_typed_and_visible_to_the_type_checker(folder: str) -> None:
    assert (ROOT / folder / "py.typed").is_file()
    link = ROOT / "ops" / "typings" / "tradepit" / Path(folder).name
    assert link.resolve() == ROOT / folder


@pytest.mark.parametrize("folder", FOLDERS_WITH_README)
def test_every_folder_says_why_it_exists(folder: str) -> None:
    assert (ROOT / folder / "README.md").is_file()


def test_generated_files_are_as_the_generator_makes_them() -> None:
    done = subprocess.run(
        [sys.executable, "engine_ext/protocol/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_lock_files_name_versions_and_no_registry() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock", "requirements-docs.lock"):
        lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
        assert lines
        for line in lines:
            assert re.fullmatch(r"[a-z0-9.-]+==[\w.]+", line), f"{lock}: {line}"


def test_a_task_has_a_name_and_somebody_who_awaits_it() -> None:
    """A task that nobody holds can vanish, and its exception with it. A TaskGroup holds its own."""
    for path in PYTHON:
        if "tests" in path.relative_to(ROOT).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if is_create_task(node):
                assert any(word.arg == "name" for word in node.keywords), (
                    f"{name(path)}:{node.lineno}"
                )
            if isinstance(node, ast.Expr) and is_create_task(node.value):
                function = ast.unparse(node.value.func)
                assert "loop" not in function, f"{name(path)}:{node.lineno}"
                assert not function.startswith("asyncio."), f"{name(path)}:{node.lineno}"


def test_a_log_line_is_an_events_name_and_fields() -> None:
    """Values within the name can be neither counted nor searched for."""
    for path in PYTHON:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LOG_LEVELS
                and ast.unparse(node.func.value) == "log"
            ):
                event = ", ".join(map(ast.unparse, node.args))
                assert re.fullmatch("'[a-z0-9_]+'", event), f"{name(path)}:{node.lineno}: {event}"


def is_create_task(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "create_task"
    )


def test_every_test_asserts_something() -> None:
    """Directly, through `raises`, through a helper whose name says so, or by waiting for it."""
    checks = re.compile(
        r"\bassert\b|\braises\(|\b(?:assert|check|expect|wait|until)\w*\(|\bwhile\b"
    )
    for path in PYTHON:
        if not (path.name.startswith("test_") and "tests" in path.relative_to(ROOT).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and node.name.startswith("test_")
                and not any("fixture" in ast.unparse(mark) for mark in node.decorator_list)
            ):
                assert checks.search(ast.unparse(node)), f"{name(path)}: {node.name}"


def test_scripts_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
