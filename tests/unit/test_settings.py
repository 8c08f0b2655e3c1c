"""Settings: read from the environment or from files, refused with a sentence."""

import os
from pathlib import Path

import pytest
from tradepit.ingress.settings import read_settings
from tradepit.protocol import settings
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.keys import read_keys

KEYS = '{"keys": [{"key": "%s", "account_id": 0, "role": "operator"}]}' % ("0" * 64)


def test_a_setting_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("nats://u:p@host:4222\n")
    assert settings.NATS_URL.read({"TRADEPIT_NATS_URL_FILE": str(path)}) == "nats://u:p@host:4222"


def test_a_setting_and_its_file_together_are_refused(tmp_path: Path) -> None:
    both = {"TRADEPIT_NATS_URL": "nats://a", "TRADEPIT_NATS_URL_FILE": str(tmp_path)}
    with pytest.raises(ConfigurationError, match="both set"):
        settings.NATS_URL.read(both)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none, which cannot be read \(No such file"):
        settings.REDIS_URL.read({"TRADEPIT_REDIS_URL_FILE": str(tmp_path / "none")})


def test_a_wrong_value_is_quoted_but_a_secret_is_not() -> None:
    with pytest.raises(ConfigurationError, match="disk or replicated, not 'ram'"):
        settings.DURABILITY.read({"TRADEPIT_DURABILITY": "ram"})
    with pytest.raises(ConfigurationError) as raised:
        settings.REDIS_URL.read({"TRADEPIT_REDIS_URL": "redis://:pass word@host"})
    assert "pass" not in str(raised.value)


def test_every_default_is_a_value_that_would_be_accepted() -> None:
    values = [setting.read({}) for setting in settings.ALL]
    assert None not in values


def test_no_two_settings_have_one_name() -> None:
    names = [setting.name for setting in settings.ALL]
    assert len(set(names)) == len(names)


def test_the_shards_of_an_ingress_come_from_a_count_and_templates(tmp_path: Path) -> None:
    environment = {
        "TRADEPIT_SHARD_COUNT": "2",
        "TRADEPIT_ORDER_ENDPOINT": "tcp://matcher-{shard}:5555",
        "TRADEPIT_FEED_ENDPOINT": "tcp://matcher-{shard}:5556",
        "TRADEPIT_POSTGRES_URL": "postgresql://db-{shard}/tradepit",
        "TRADEPIT_KEYS_FILE": str(_keys_file(tmp_path, 0o600)),
    }
    first, second = read_settings(environment).shards
    assert (first.shard_id, first.order_endpoint) == (0, "tcp://matcher-0:5555")
    assert (second.shard_id, second.postgres_url) == (1, "postgresql://db-1/tradepit")
    with pytest.raises(ConfigurationError, match=r"must say \{shard\}"):
        read_settings({**environment, "TRADEPIT_FEED_ENDPOINT": "tcp://matcher:5556"})


@pytest.mark.parametrize("mode", [0o640, 0o660, 0o604, 0o644])
def test_our_own_keys_file_is_for_nobody_else(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_keys(_keys_file(tmp_path, mode))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.parametrize(
    ("mode", "fits"), [(0o440, True), (0o640, True), (0o660, False), (0o444, False)]
)
def test_a_mounted_secret_of_roots_may_be_read_by_our_group(
    tmp_path: Path, mode: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _keys_file(tmp_path, mode)
    monkeypatch.setattr(os, "geteuid", lambda: 10001)
    if fits:
        assert len(read_keys(path)) == 1
    else:
        with pytest.raises(ConfigurationError, match="chmod 600"):
            read_keys(path)


def _keys_file(folder: Path, mode: int) -> Path:
    path = folder / "keys.json"
    path.write_text(KEYS)
    path.chmod(mode)
    return path
