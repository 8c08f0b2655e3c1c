"""The doctor on healthy and on broken machines and folders."""

import json
import socket
from pathlib import Path

import pytest
from tradepit.cli import doctor, ports, up
from tradepit.protocol.errors import ConfigurationError

KEY = "ab" * 32


def key_file(key: str, role: str) -> str:
    account_id = 0 if role == "operator" else 1
    return json.dumps({"keys": [{"key": key, "account_id": account_id, "role": role}]})


def levels(found: list[doctor.Finding]) -> list[str]:
    return [finding.level for finding in found]


def test_a_folder_that_can_be_used_is_praised(tmp_path: Path) -> None:
    found = list(doctor.check_data_folder(tmp_path / "not" / "yet" / "there"))
    assert levels(found)[0] in ("ok", "warn")  # warn: a slow disk
    assert "fdatasync takes" in found[0].what
    assert not (tmp_path / "not").exists()


def test_a_file_in_place_of_the_folder_fails_with_a_remedy(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.write_text("")
    (finding,) = doctor.check_data_folder(place)
    assert finding.level == "fail"
    assert "--data" in finding.remedy


def test_a_port_in_use_fails(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, 0))
        taken.listen()
        (finding,) = doctor.check_port(taken.getsockname()[1], tmp_path)
    assert finding.level == "fail"
    assert "--port" in finding.remedy


def test_a_port_of_root_s_is_not_said_to_be_in_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Refused(socket.socket):
        def bind(self, _address: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket", Refused)
    (finding,) = doctor.check_port(80, tmp_path)
    assert finding.what == "port 80 may not be used by this user"
    with pytest.raises(ConfigurationError, match="port 80 may not be used by this user: choose"):
        up.http_port(80)


@pytest.mark.parametrize(
    ("text", "mode", "level", "words"),
    [
        (key_file(KEY, "operator"), 0o600, "ok", "1 in"),
        (key_file(KEY, "operator"), 0o640, "fail", "others may read it"),
        (key_file(KEY, "trader"), 0o600, "fail", "operator"),
        (key_file("abcd", "operator"), 0o600, "fail", "64 lower-case hex"),
        (key_file("zz", "operator"), 0o600, "fail", "64 lower-case hex"),
        ("[]", 0o600, "fail", "is not a keys file"),
        ("{", 0o600, "fail", "is not a keys file"),
    ],
)
def test_a_keys_file_is_checked(
    tmp_path: Path, text: str, mode: int, level: str, words: str
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    path.chmod(mode)
    (finding,) = doctor.check_keys(tmp_path)
    assert finding.level == level
    assert words in finding.what


def test_a_configured_server_that_does_not_answer_fails_and_its_password_stays_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (port,) = ports.choose({}, ["nobody"]).values()
    monkeypatch.setenv("TRADEPIT_NATS_URL", f"nats://user:secret@127.0.0.1:{port}")
    assert doctor.run(["--data", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert f"fail  TRADEPIT_NATS_URL names 127.0.0.1:{port}" in printed
    assert "secret" not in printed


@pytest.mark.parametrize(
    "url", ["here", "http://u:secret@127.0.0.1:1", "nats://u:secret@h:99999", "nats://u:secret@h:x"]
)
def test_a_url_that_is_none_is_told_with_its_form(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEPIT_NATS_URL", url)
    found = [finding for finding in doctor.check_servers() if finding.level == "fail"]
    assert [finding.what for finding in found] == [
        "TRADEPIT_NATS_URL is not the URL of a server: write it like nats://user:password@host:port"
    ]


def test_a_port_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        doctor.run(["--port", "65536"])
    assert "from 0 to 65535" in capsys.readouterr().err


def test_every_line_begins_with_its_level(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    doctor.run(["--data", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 10
    assert all(line.split()[0] in ("ok", "warn", "fail") for line in lines)


def test_keys_made_at_the_first_start_please_the_doctor(tmp_path: Path) -> None:
    from tradepit.cli.data_folder import DataFolder

    with DataFolder(tmp_path) as folder:
        made = folder.keys()
        assert folder.keys() == made
    (finding,) = doctor.check_keys(tmp_path)
    assert finding.level == "ok"
    assert len({str(key["key"]) for key in made}) == len(made)
    assert json.loads((tmp_path / "keys.json").read_text()) == {"keys": made}
