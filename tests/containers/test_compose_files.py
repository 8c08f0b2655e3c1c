"""What the Compose files promise, read from them as Compose reads them."""

import re
from typing import Any

import pytest

from tests.compose import VARIANTS, configuration, services

pytestmark = pytest.mark.containers

EVERY_VARIANT = pytest.mark.parametrize("variant", VARIANTS)
PUBLISHED = {
    "one-shard": {("ingress", 8000), ("matcher-0", 5555)},
    "three-shards": {("ingress", 8000), *((f"matcher-{shard}", 5555) for shard in range(3))},
    "nats-cluster": {("ingress", 8000), ("matcher-0", 5555)},
}
SHOWN = {("prometheus", 9090), ("grafana", 3000)}
ONE_SHOTS = re.compile(r"secrets|migrate-\d")


@EVERY_VARIANT
@pytest.mark.parametrize("profiles", [(), ("observability",)])
def test_only_what_users_talk_to_is_published_and_only_on_loopback(
    variant: str, profiles: tuple[str, ...]
) -> None:
    ports = [
        (name, port)
        for name, service in services(variant, *profiles).items()
        for port in service.get("ports", [])
    ]
    assert {port["host_ip"] for _, port in ports} == {"127.0.0.1"}
    expected = PUBLISHED[variant] | (SHOWN if profiles else set())
    assert {(name, port["target"]) for name, port in ports} == expected
    assert len({port["published"] for _, port in ports}) == len(ports)


@EVERY_VARIANT
def test_every_service_may_do_only_what_it_must(variant: str) -> None:
    for name, service in services(variant, "observability").items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert not service.get("cap_add"), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        limits = service["deploy"]["resources"]["limits"]
        assert int(limits["memory"]) > 0, name
        assert limits["pids"] > 0, name
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name


@EVERY_VARIANT
def test_what_serves_is_started_again_and_what_is_done_once_is_not(variant: str) -> None:
    for name, service in services(variant, "observability").items():
        once = ONE_SHOTS.fullmatch(name) is not None
        assert service["restart"] == ("on-failure:3" if once else "unless-stopped"), name


@EVERY_VARIANT
def test_every_server_is_waited_for_until_it_is_ready(variant: str) -> None:
    found = services(variant, "observability")
    for name, service in found.items():
        for needed, how in service.get("depends_on", {}).items():
            once = ONE_SHOTS.fullmatch(needed) is not None
            expected = "service_completed_successfully" if once else "service_healthy"
            assert how["condition"] == expected, (name, needed)
            # `up --wait` fails over a container that has ended, unless somebody waits for its end.
    for name in found:
        if ONE_SHOTS.fullmatch(name):
            assert any(name in each.get("depends_on", {}) for each in found.values()), name


@EVERY_VARIANT
def test_whatever_serves_says_whether_it_is_ready(variant: str) -> None:
    for name, service in services(variant, "observability").items():
        serves = ONE_SHOTS.fullmatch(name) is None and name != "demo"
        if service["image"].startswith("tradepit:"):  # the image has a check
            assert service.get("healthcheck") == (None if serves else {"disable": True}), name
        else:
            assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name


@EVERY_VARIANT
def test_all_secrets_are_in_one_service_and_the_others_have_a_share_to_read(variant: str) -> None:
    mounted = {
        name: {
            volume["source"]: (volume["target"], volume.get("read_only", False))
            for volume in service.get("volumes", [])
            if volume["source"].startswith("secrets")
        }
        for name, service in services(variant, "observability").items()
    }
    given = mounted.pop("secrets")
    assert given.pop("secrets") == ("/run/tradepit", False)
    assert mounted.pop("prometheus") == {}
    for name, shares in mounted.items():
        kind = re.sub(r"-\d$", "", name).replace("migrate", "ledger")
        assert shares == {f"secrets-{kind}": ("/run/tradepit", True)}, name
    assert set(given) == {share for shares in mounted.values() for share in shares}


@EVERY_VARIANT
def test_secrets_are_named_by_file(variant: str) -> None:
    def words(service: dict[str, Any]) -> list[str]:
        return [*map(str, service.get("environment", {}).values()), *(service["command"] or [])]

    for name, service in services(variant, "observability").items():
        for word in words(service):
            assert not re.search(r"://[^/]*@|password=|[0-9a-f]{32}", word), (name, word)
        for variable in service.get("environment", {}):
            secret = re.search(r"PASSWORD|KEY|POSTGRES_URL|NATS_URL|REDIS_URL", variable)
            assert secret is None or variable.endswith("_FILE"), (name, variable)


def test_a_shard_has_a_matcher_a_ledger_a_database_and_a_journal_of_its_own() -> None:
    found = services("three-shards")
    journals = set()
    for shard in range(3):
        for kind in ("matcher", "ledger", "migrate"):
            environment = found[f"{kind}-{shard}"]["environment"]
            assert environment["TRADEPIT_SHARD_ID"] == str(shard)
        (journal,) = (
            volume["source"]
            for volume in found[f"matcher-{shard}"]["volumes"]
            if volume["target"] == "/var/lib/tradepit"
        )
        journals.add(journal)
        assert f"migrate-{shard}" in found[f"ledger-{shard}"]["depends_on"]
    assert len(journals) == 3
    for name in ("ingress", "demo"):
        assert found[name]["environment"]["TRADEPIT_SHARD_COUNT"] == "3"


def test_variants_do_not_share_volumes() -> None:
    assert len({configuration(variant)["name"] for variant in VARIANTS}) == len(VARIANTS)
