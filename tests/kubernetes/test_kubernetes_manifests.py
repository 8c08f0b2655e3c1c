"""The overlays render, fit the API's schemas, and have their number of shards from one place."""

import re
import shutil
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]  # ships no stubs
import pytest
from tradepit.ingress.ledger_reads import CONNECTIONS_MAX

from tests.kubernetes.manifests import (
    FOLDER,
    OVERLAYS,
    Object,
    all_pods,
    named,
    of_kind,
    render,
)
from tests.kubernetes.network import Edge, edges, outside
from tests.kubernetes.policies import PROBES

VERSIONS = ("1.31", "1.37")  # the oldest that README.md promises, and the newest that is known here
OF_OTHERS = {"ExternalSecret"}  # kinds of operators, which the API server learns from them
SHARDS = "TRADEPIT_SHARD_COUNT"
DNS = {
    ("Egress", "kube-system", 53),
    ("Egress", "169.254.20.10/32", 53),
}
EDGES = {
    Edge("ingress", "matcher", 5555),
    Edge("ingress", "matcher", 5556),
    Edge("matcher", "nats", 4222),
    Edge("matcher", "nats", 8222),
    Edge("ledger", "nats", 4222),
    Edge("nats", "nats", 6222),
}
EDGES_OF_DEV = {
    *(Edge(source, "postgres", 5432) for source in ("matcher", "ledger", "migrate", "ingress")),
    *(Edge(source, "redis", 6379) for source in ("matcher", "ledger", "ingress")),
    Edge("seed", "matcher", 5555),
}
TOOLS_CONNECTIONS = 20  # migrations, reconcile, backup, and those that PostgreSQL reserves
SCRAPED = {
    ("matcher", "Ingress", "monitoring", 9100),
    ("ledger", "Ingress", "monitoring", 9100),
    ("ingress", "Ingress", "monitoring", 8000),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "folder", [*(f"overlays/{name}" for name in OVERLAYS), "load", "rebuild", "asleep"]
)
def test_every_object_fits_the_schema_of_the_api(folder: str, version: str) -> None:
    objects = [each for each in render(FOLDER / folder) if each["kind"] not in OF_OTHERS]
    assert objects
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)  # raises, and says where


def test_a_field_that_does_not_exist_is_found() -> None:
    matcher = named(render(FOLDER / "overlays" / "dev"), "StatefulSet", "matcher")
    matcher["spec"]["podManagmentPolicy"] = "Parallel"
    with pytest.raises(kubernetes_validate.ValidationError, match="podManagmentPolicy"):
        kubernetes_validate.validate(matcher, VERSIONS[-1], strict=True)


def shard_numbers(objects: list[Object]) -> list[int]:
    migrate = named(objects, "Job", "migrate")["spec"]
    return [
        int(named(objects, "ConfigMap", "shards")["data"][SHARDS]),
        named(objects, "StatefulSet", "matcher")["spec"]["replicas"],
        named(objects, "StatefulSet", "ledger")["spec"]["replicas"],
        migrate["completions"],
        migrate["parallelism"],
    ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_one_number_says_how_many_shards_there_are(overlay: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "k8s")
    file = tmp_path / "k8s" / "overlays" / overlay / "kustomization.yaml"
    text = file.read_text()
    assert len(re.findall(rf"{SHARDS}=[0-9]+", text)) == 1
    before = shard_numbers(render(FOLDER / "overlays" / overlay))
    file.write_text(re.sub(rf"{SHARDS}=[0-9]+", f"{SHARDS}=7", text))
    assert len(set(before)) == 1
    assert before != shard_numbers(render(file.parent)) == [7, 7, 7, 7, 7]


def test_another_number_of_shards_restarts_no_matcher_and_no_ledger(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "k8s")
    file = tmp_path / "k8s" / "overlays" / "production" / "kustomization.yaml"
    file.write_text(re.sub(rf"{SHARDS}=[0-9]+", f"{SHARDS}=7", file.read_text()))
    before, after = render(FOLDER / "overlays" / "production"), render(file.parent)
    changed = {
        name
        for kind, name in (
            ("StatefulSet", "matcher"),
            ("StatefulSet", "ledger"),
            ("StatefulSet", "nats"),
            ("Deployment", "ingress"),
        )
        if named(before, kind, name)["spec"]["template"]
        != named(after, kind, name)["spec"]["template"]
    }
    assert changed == {"ingress"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_shard_is_a_pod_that_knows_its_number(overlay: str) -> None:
    objects = render(FOLDER / "overlays" / overlay)
    for name in ("matcher", "ledger"):
        (container,) = named(objects, "StatefulSet", name)["spec"]["template"]["spec"]["containers"]
        variables = {each["name"]: each for each in container["env"]}
        assert variables["TRADEPIT_SHARD_ID"]["valueFrom"] == {
            "fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}
        }
    matcher = named(objects, "StatefulSet", "matcher")["spec"]
    assert matcher["podManagementPolicy"] == "Parallel"  # updates are in order all the same
    assert matcher["updateStrategy"]["type"] == "RollingUpdate"
    assert matcher["template"]["spec"]["terminationGracePeriodSeconds"] >= 60
    (claim,) = matcher["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert set(matcher["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_pod_that_holds_the_journal_can_reach_all_that_reconcile_compares(overlay: str) -> None:
    objects = render(FOLDER / "overlays" / overlay)
    pod = named(objects, "StatefulSet", "matcher")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {each["name"]: each.get("value", "") for each in container["env"]}
    (secrets,) = (each["projected"] for each in pod["volumes"] if each["name"] == "secrets")
    files = {
        f"/run/secrets/tradepit/{item['path']}"
        for source in secrets["sources"]
        for item in source["secret"]["items"]
    }
    assert secrets["defaultMode"] == 0o440
    for name in ("NATS_URL", "POSTGRES_URL", "REDIS_URL", "KEYS"):
        assert variables[f"TRADEPIT_{name}_FILE"] in files


def test_the_volumes_of_production_have_the_sizes_of_its_own_file_and_are_otherwise_the_same() -> (
    None
):
    dev, production = (render(FOLDER / "overlays" / overlay) for overlay in OVERLAYS)
    for name, size in (("matcher", "200Gi"), ("nats", "500Gi")):
        (claim,) = named(production, "StatefulSet", name)["spec"]["volumeClaimTemplates"]
        (of_dev,) = named(dev, "StatefulSet", name)["spec"]["volumeClaimTemplates"]
        assert claim["spec"]["resources"]["requests"]["storage"] == size
        claim["spec"]["resources"] = of_dev["spec"]["resources"]
        assert claim == of_dev


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_network_has_exactly_these_edges(overlay: str) -> None:
    objects = render(FOLDER / "overlays" / overlay)
    found, halves = edges(objects)
    assert halves == set()
    assert found == EDGES | (EDGES_OF_DEV if overlay == "dev" else set())
    names = {(pods.component, *edge) for pods in all_pods(objects) for edge in DNS}
    public = {("ingress", "Ingress", "ingress-nginx", 8000)} if overlay == "production" else set()
    found_outside = outside(objects)
    servers = found_outside - names - SCRAPED - public
    assert {(who, port) for who, _, _, port in servers} == (
        {
            ("matcher", 5432),
            ("ledger", 5432),
            ("migrate", 5432),
            ("ingress", 5432),
            ("matcher", 6379),
            ("ledger", 6379),
            ("ingress", 6379),
        }
        if overlay == "production"
        else set()
    )
    assert all(direction == "Egress" for _, direction, _, _ in servers)
    assert names | SCRAPED | public <= found_outside


def test_matchers_that_sleep_are_those_of_production_in_all_else() -> None:
    awake, asleep = (render(FOLDER / folder) for folder in ("overlays/production", "asleep"))
    pod = named(asleep, "StatefulSet", "matcher")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container.pop("command"), container["args"]) == (["tini", "--", "sleep"], ["infinity"])
    (of_production,) = named(awake, "StatefulSet", "matcher")["spec"]["template"]["spec"][
        "containers"
    ]
    container["args"] = of_production["args"]
    for probe in PROBES:
        container[probe] = of_production[probe]
    assert asleep == awake


def test_only_the_api_its_pages_and_nothing_else_is_public() -> None:
    (public,) = of_kind(render(FOLDER / "overlays" / "production"), "Ingress")
    (rule,) = public["spec"]["rules"]
    paths = {(path["path"], path["pathType"]) for path in rule["http"]["paths"]}
    assert paths == {("/v1", "Prefix"), ("/docs", "Prefix"), ("/", "Exact")}
    times = public["metadata"]["annotations"]
    for name in ("proxy-read-timeout", "proxy-send-timeout"):
        assert int(times[f"nginx.ingress.kubernetes.io/{name}"]) >= 3600


def test_production_answers_when_three_servers_have_it_and_asks_them_to_sync() -> None:
    objects = render(FOLDER / "overlays" / "production")
    (container,) = named(objects, "StatefulSet", "matcher")["spec"]["template"]["spec"][
        "containers"
    ]
    values = {each["name"]: each.get("value") for each in container["env"]}
    assert values["TRADEPIT_DURABILITY"] == "replicated"
    nats = named(objects, "StatefulSet", "nats")["spec"]["replicas"]
    assert len(values["TRADEPIT_NATS_MONITOR_URLS"].split(",")) == nats == 3


def test_the_load_is_sent_once_or_fails() -> None:
    job = named(render(FOLDER / "load"), "Job", "load")["spec"]
    assert (job["completionMode"], job["backoffLimit"]) == ("Indexed", 0)
    assert job["template"]["spec"]["restartPolicy"] == "Never"


def assert_enough_connections(objects: list[Object], connections: int) -> None:
    """For as many ingresses as the autoscaler may start, one ledger a shard, and some tools."""
    shards, *_ = shard_numbers(objects)
    autoscaler = named(objects, "HorizontalPodAutoscaler", "ingress")
    ingresses = autoscaler["spec"]["maxReplicas"]
    assert connections >= shards * (ingresses * CONNECTIONS_MAX + 1) + TOOLS_CONNECTIONS


def test_postgresql_of_dev_takes_the_connections_of_every_ingress() -> None:
    objects = render(FOLDER / "overlays" / "dev")
    (container,) = named(objects, "StatefulSet", "postgres")["spec"]["template"]["spec"][
        "containers"
    ]
    (setting,) = (word for word in container["args"] if word.startswith("max_connections="))
    assert_enough_connections(objects, int(setting.removeprefix("max_connections=")))


def test_cloudnativepg_takes_the_place_of_a_server_outside(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "k8s")
    file = tmp_path / "k8s" / "overlays" / "production" / "kustomization.yaml"
    file.write_text(f"{file.read_text()}components: [../../cloudnativepg]\n")
    objects = render(file.parent)
    cluster = named(objects, "Cluster", "postgres")
    assert cluster["metadata"]["namespace"] == "tradepit"
    parameters = cluster["spec"]["postgresql"].get("parameters", {})
    assert_enough_connections(objects, int(parameters.get("max_connections", "100")))
    (rule,) = named(objects, "NetworkPolicy", "to-postgres")["spec"]["egress"]
    assert rule["to"] == [{"podSelector": {"matchLabels": {"cnpg.io/cluster": "postgres"}}}]
