"""The command line: help, unknown words, missing parts, and the small pieces of `tradepit up`."""

import importlib
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from tradepit.cli import main, up
from tradepit.cli.data_folder import DataFolder
from tradepit.cli.files import read_json, write_json
from tradepit.cli.logs import LINES_PER_WINDOW_MAX, LogFollower
from tradepit.protocol.errors import ConfigurationError, Unreachable


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--help"]) == 0
    printed = capsys.readouterr().out
    for name, command in main.COMMANDS.items():
        assert f"  {name} " in printed
        assert command.summary in printed


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["sell-everything"]) == 2
    assert "no command 'sell-everything'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(ConfigurationError("mend it"), 2), (Unreachable("away"), 1)]
)
def test_an_error_is_one_sentence_and_an_exit_code(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_argv: list[str]) -> int:
        raise error

    monkeypatch.setattr(up, "run", run)
    assert main.main(["up"]) == code
    assert capsys.readouterr().err == f"tradepit up: {error}\n"


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("litestar", "pip install 'tradepit[ingress]'"),
        ("tradepit.engine._core", "make build"),
        ("tradepit.ingress", "no tradepit.ingress"),
    ],
)
def test_a_missing_part_comes_with_its_remedy(
    missing: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_name: str) -> None:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(importlib, "import_module", refuse)
    assert main.main(["ingress"]) == 2
    assert words in capsys.readouterr().err


def test_the_command_imports_no_service_before_it_is_told_which() -> None:
    code = (
        "import sys, tradepit.cli.main; "
        "print([m for m in ('zmq', 'litestar', 'asyncpg', 'nats', 'rich') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "module", ["tradepit.cli.main", "tradepit.protocol.errors", "tradepit.cli.supervisor"]
)
def test_ctrl_c_while_it_imports_itself_ends_it_quietly(module: str) -> None:
    (script,) = entry_points(group="console_scripts", name="tradepit")
    code = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, CtrlC())
from {script.module} import {script.attr} as main
sys.argv = ["tradepit", "up", "--help"]
sys.exit(main())
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_url_is_shown_without_its_password() -> None:
    url = "postgresql://user:p%40ss@127.0.0.1:5432/tradepit"
    assert up.without_password(url) == "postgresql://127.0.0.1:5432/tradepit"
    assert up.without_password("redis://127.0.0.1:6379/0") == "redis://127.0.0.1:6379/0"


def test_a_second_user_of_a_data_folder_is_told_who_has_it(tmp_path: Path) -> None:
    with (
        DataFolder(tmp_path),
        pytest.raises(ConfigurationError, match=r"in use by another `tradepit up` \(process \d+\)"),
    ):
        DataFolder(tmp_path).__enter__()
    with DataFolder(tmp_path):
        pass


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.write_text("mine")
    with pytest.raises(ConfigurationError, match="--data"):
        DataFolder(place).__enter__()
    assert place.read_text() == "mine"


def test_ports_stay_as_long_as_they_are_free(tmp_path: Path) -> None:
    with DataFolder(tmp_path) as folder:
        assert folder.ports() == folder.ports()


def test_a_damaged_state_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"keys": [')
    with pytest.raises(ConfigurationError, match=r"keys\.json"):
        read_json(path)
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.json"]


def test_only_important_new_lines_are_shown_and_not_too_many(tmp_path: Path) -> None:
    path = tmp_path / "ledger.log"
    path.write_text("t ERROR ledger old\n")
    shown: list[str] = []
    follower = LogFollower(shown.append)
    follower.follow(path)
    with path.open("a") as log:
        log.write(
            "7:M 22 Nov # WARNING overcommit\nt INFO ledger ready\nt WARNING ledger behind\nt ERROR led"
        )
    follower.poll()
    assert shown == ["t WARNING ledger behind"]
    with path.open("a") as log:
        log.write("ger failed\n" + "t ERROR ledger flood\n" * 100)
    follower.poll()
    assert shown[1] == "t ERROR ledger failed"
    assert len(shown) == LINES_PER_WINDOW_MAX + 1
    assert shown[-1].startswith("... more in")


def test_a_folder_that_a_restore_left_half_done_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "restoring").mkdir()
    with pytest.raises(ConfigurationError, match="was cut off: remove the folder"):
        DataFolder(tmp_path).__enter__()
