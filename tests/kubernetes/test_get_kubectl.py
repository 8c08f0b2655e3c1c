"""Where kubectl comes from when there is none."""

import io
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.kubernetes import get_kubectl


def wheel_of(folder: Path, inner_name: str, content: bytes) -> Path:
    """An archive in an archive in an archive, as the package is made."""
    layer = io.BytesIO()
    with zipfile.ZipFile(layer, "w") as archive:
        archive.writestr(inner_name, content)
    package = io.BytesIO()
    with tarfile.open(fileobj=package, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/lib/layer.zip")
        member.size = len(layer.getvalue())
        archive.addfile(member, io.BytesIO(layer.getvalue()))
    wheel = folder / "package.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("aws_cdk/_jsii/package.tgz", package.getvalue())
    return wheel


@pytest.fixture
def empty_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without kubectl."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    get_kubectl.kubectl.cache_clear()
    return tmp_path


def stand_in(minor: str) -> bytes:
    return f"""#!/bin/sh
echo '{{"clientVersion": {{"minor": "{minor}"}}}}'
""".encode()


def test_it_is_unpacked_into_the_virtual_environment(
    empty_prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        get_kubectl, "_download", lambda folder: wheel_of(folder, "kubectl/kubectl", stand_in("35"))
    )
    installed = get_kubectl.kubectl()
    assert installed == empty_prefix / "bin" / "kubectl"
    assert installed.read_bytes() == stand_in("35")
    get_kubectl.kubectl.cache_clear()
    monkeypatch.setattr(get_kubectl, "_download", lambda _: pytest.fail("had it already"))
    assert get_kubectl.kubectl() == installed
    get_kubectl.kubectl.cache_clear()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("kubectl/kubectl", stand_in("20"), "does not run here"),
        ("kubectl/kubectl", b"not a program", "does not run here"),
        ("helm/helm", b"", "is not made as expected"),
    ],
)
def test_what_is_no_use_is_not_installed_and_says_why(
    empty_prefix: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, reason: str
) -> None:
    monkeypatch.setattr(get_kubectl, "_download", lambda folder: wheel_of(folder, name, content))
    with pytest.raises(get_kubectl.NoKubectl, match=reason):
        get_kubectl.kubectl()
    assert list((empty_prefix / "bin").iterdir()) == []
