"""`tradepit secrets`: everything once, and nothing over what is there."""

import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tradepit.cli.main import main
from tradepit.cli.secrets import make_secrets
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.keys import read_keys


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_a_second_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "secrets"
    assert main(["secrets", str(folder)]) == 0
    before = contents(folder)
    assert main(["secrets", str(folder)]) == 0
    assert contents(folder) == before
    shown = capsys.readouterr().out
    assert "all secrets are there" in shown
    for name, text in before.items():
        assert name in shown
        assert text.strip() not in shown


def test_two_folders_have_no_secret_in_common(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_secrets(tmp_path / name)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert one.keys() == two.keys()
    for name, text in one.items():
        assert text != two[name], name


def test_services_may_read_the_keys_and_nobody_else(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    names = {key.name for key in read_keys(tmp_path / "keys.json")}
    assert {"operator", "demo"} < names
    for path in tmp_path.iterdir():
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o600 if path.name == "keys.json" else 0o640), path.name


@pytest.mark.parametrize("server", ["postgres", "nats", "redis"])
def test_a_url_that_is_gone_is_made_again_with_the_password_that_is_there(
    server: str, tmp_path: Path
) -> None:
    make_secrets(tmp_path)
    before = contents(tmp_path)
    (tmp_path / f"{server}_url").unlink()
    assert make_secrets(tmp_path) == [f"{server}_url"]
    assert contents(tmp_path) == before
    url = urlsplit(before[f"{server}_url"].strip())
    assert (url.hostname, url.password) == (server, before[f"{server}_password"].strip())


@pytest.mark.parametrize("server", ["nats", "redis"])
def test_a_server_asks_for_the_password_that_its_url_has(server: str, tmp_path: Path) -> None:
    make_secrets(tmp_path)
    found = contents(tmp_path)
    assert found[f"{server}_password"].strip() in found[f"{server}_users.conf"]


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot keep secrets in"):
        make_secrets(tmp_path / "file")
