"""The ledger's settings, and migrations as files."""

from pathlib import Path

import pytest
from tradepit.ledger.migrate import Migration, pending, read_migrations
from tradepit.ledger.settings import Settings
from tradepit.protocol.errors import ConfigurationError


def test_settings_have_defaults() -> None:
    settings = Settings.from_environment({})
    assert (settings.shard_id, settings.metrics_port) == (0, 0)
    assert settings.nats_url == "nats://127.0.0.1:4222"


@pytest.mark.parametrize("text", ["", "-1", "32768", "1.5", "one", "\u0663"])
def test_a_wrong_shard_id_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="TRADEPIT_SHARD_ID"):
        Settings.from_environment({"TRADEPIT_SHARD_ID": text})


def test_migrations_count_from_one_without_a_gap(tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text("SELECT 1")
    (tmp_path / "0003_third.sql").write_text("SELECT 1")
    with pytest.raises(ConfigurationError, match="without a gap"):
        read_migrations(tmp_path)


def test_a_migration_is_named_by_number_and_purpose(tmp_path: Path) -> None:
    (tmp_path / "first.sql").write_text("SELECT 1")
    with pytest.raises(ConfigurationError, match="0001_what_it_does"):
        read_migrations(tmp_path)


def test_the_projects_own_migrations_are_in_order() -> None:
    assert [migration.number for migration in read_migrations()][:1] == [1]


def test_only_what_has_not_run_is_pending() -> None:
    first, second = Migration(1, "a", "SELECT 1"), Migration(2, "b", "SELECT 2")
    assert pending([first, second], [(1, first.checksum)]) == [second]
    with pytest.raises(ConfigurationError, match="changed after it ran"):
        pending([first, second], [(1, second.checksum)])
    with pytest.raises(ConfigurationError, match="newer program"):
        pending([first], [(1, first.checksum), (2, second.checksum)])
