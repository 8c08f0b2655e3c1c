"""What the `secrets` service of docker-compose.yml does, without the services that wait for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.stack import SECRETS, UP_TIMEOUT_S, Stack

pytestmark = pytest.mark.containers


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stopped = Stack("secrets", tmp_path)
    stopped.compose("build", "secrets", timeout_s=UP_TIMEOUT_S)
    yield stopped
    stopped.down()


def secrets(stack: Stack, *words: str) -> str:
    """What the service prints; with `words`, what a shell in its place prints."""
    instead = ("--entrypoint", "sh") if words else ()
    arguments = ("-ec", *words) if words else ()
    run = ("run", "--pull", "never", "--rm", "--no-deps", "-T")
    return stack.compose(*run, *instead, "secrets", *arguments)


def test_an_installation_with_all_secrets_in_one_volume_keeps_them(stack: Stack) -> None:
    secrets(stack, f"tradepit secrets {SECRETS}")  # as it was before there were shares
    before = secrets(stack, f"cd {SECRETS}; sha256sum *")
    assert len(before.splitlines()) == 10
    assert "nothing, all secrets are there" in secrets(stack)
    assert secrets(stack, f"cd {SECRETS}; sha256sum *") == before
    shared = secrets(stack, "cd /run/for; sha256sum */*").splitlines()
    assert len(shared) == 16
    for line in shared:
        digest, path = line.split()
        assert f"{digest}  {Path(path).name}" in before.splitlines(), path


def test_a_secret_that_is_made_anew_reaches_its_services(stack: Stack) -> None:
    secrets(stack)
    before = secrets(stack, "cat /run/for/grafana/*")
    secrets(stack, f"rm {SECRETS}/grafana_password")
    assert "made grafana_password" in secrets(stack)
    assert secrets(stack, "cat /run/for/grafana/*") != before


def test_shares_are_readable_by_their_group_and_keys_by_their_owner(stack: Stack) -> None:
    secrets(stack)
    listed = secrets(stack, "cd /run/for; stat -c '%a %u %g %n' * */*").splitlines()
    for line in listed:
        mode, *owner, path = line.split()
        assert owner == ["10001", "10001"], path
        expected = "600" if path.endswith("keys.json") else "640" if "/" in path else "750"
        assert mode == expected, path
    assert len(listed) == 8 + 16
