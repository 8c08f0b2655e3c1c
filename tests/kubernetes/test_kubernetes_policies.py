"""Our own rules over the rendered objects; and each rule finds the fault that it is for."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tradepit.protocol import settings

from tests.kubernetes.manifests import FOLDER, OVERLAYS, Object, all_pods, named, of_kind, render
from tests.kubernetes.network import Edge, edges
from tests.kubernetes.policies import breaches

# What deploy.sh makes in dev (test_kubernetes_scripts.py compares).
GIVEN_SECRETS = {
    "dev": {
        "keys": {"keys.json"},
        "nats": {"url", "users.conf"},
        "postgres": {"url", "password"},
        "redis": {"url", "users.conf"},
    }
}


def secrets_of(overlay: str, objects: list[Object]) -> dict[str, set[str]]:
    """The secrets that come from elsewhere: of production, those that its ExternalSecrets declare."""
    if overlay in GIVEN_SECRETS:
        return GIVEN_SECRETS[overlay]
    return {
        each["spec"]["target"]["name"]: set(
            each["spec"]["target"].get("template", {}).get("data", {})
            or [entry["secretKey"] for entry in each["spec"]["data"]]
        )
        for each in of_kind(objects, "ExternalSecret")
    }


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> tuple[str, list[Object]]:
    return request.param, render(FOLDER / "overlays" / request.param)


def test_every_rule_is_kept(overlay: tuple[str, list[Object]]) -> None:
    name, objects = overlay
    assert breaches(objects, secrets_of(name, objects)) == []


@pytest.mark.parametrize("folder", ["load", "rebuild"])
def test_what_runs_on_demand_keeps_the_rules_too(
    folder: str, overlay: tuple[str, list[Object]]
) -> None:
    name, objects = overlay
    added = render(FOLDER / folder)
    for each in added:
        each["metadata"]["namespace"] = of_kind(objects, "Namespace")[0]["metadata"]["name"]
    objects = [*objects, *added]
    assert breaches(objects, secrets_of(name, objects)) == []
    target = {"load": Edge("load", "matcher", 5555), "rebuild": Edge("rebuild", "nats", 4222)}
    assert target[folder] in edges(objects)[0]


def test_every_setting_that_is_set_exists_and_has_a_value_that_it_may_have(
    overlay: tuple[str, list[Object]],
) -> None:
    known = {
        each.name: each for each in vars(settings).values() if isinstance(each, settings.Setting)
    }
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(overlay[1], "ConfigMap")}
    seen = set()
    for pods in all_pods(overlay[1]):
        for container in pods.containers:
            given = {each["name"]: each.get("value") for each in container.get("env", [])}
            for source in container.get("envFrom", []):
                given |= maps[source["configMapRef"]["name"]]
            mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
            for name, value in given.items():
                if name.endswith("_FILE") and name.removesuffix("_FILE") in known:
                    assert str(Path(value).parent) in mounts, f"{pods}: {name}"
                elif name.startswith("TRADEPIT_"):
                    assert name in known, f"{pods}: {name}"
                    if value is not None:  # else the API server puts it in
                        known[name].read({name: value})  # raises, and says what is wrong
                    seen.add(name)
    assert {"TRADEPIT_SHARD_ID", "TRADEPIT_SHARD_COUNT", "TRADEPIT_DURABILITY"} <= seen


def container_of(objects: list[Object], kind: str, name: str) -> Any:
    return named(objects, kind, name)["spec"]["template"]["spec"]["containers"][0]


def policy_of(objects: list[Object], name: str) -> Any:
    return named(objects, "NetworkPolicy", name)["spec"]


def pod_of(objects: list[Object], kind: str, name: str) -> Any:
    return named(objects, kind, name)["spec"]["template"]["spec"]


Fault = Callable[[list[Object]], Any]
FAULTS: dict[str, tuple[Fault, str]] = {
    "runs as root": (
        lambda o: pod_of(o, "StatefulSet", "matcher")["securityContext"].pop("runAsNonRoot"),
        "StatefulSet/matcher may run as root",
    ),
    "container runs as root": (
        lambda o: container_of(o, "Job", "migrate")["securityContext"].update(runAsUser=0),
        "Job/migrate migrate may run as root",
    ),
    "no seccomp": (
        lambda o: pod_of(o, "Deployment", "ingress")["securityContext"].pop("seccompProfile"),
        "Deployment/ingress has no seccomp profile",
    ),
    "host's network": (
        lambda o: pod_of(o, "StatefulSet", "nats").update(hostNetwork=True),
        "StatefulSet/nats has hostNetwork",
    ),
    "a folder of the host": (
        lambda o: pod_of(o, "StatefulSet", "ledger")["volumes"].append(
            {"name": "host", "hostPath": {"path": "/"}}
        ),
        "a volume of a kind that is not allowed",
    ),
    "writable root": (
        lambda o: container_of(o, "Deployment", "ingress")["securityContext"].pop(
            "readOnlyRootFilesystem"
        ),
        "Deployment/ingress ingress can write its root",
    ),
    "a capability": (
        lambda o: container_of(o, "StatefulSet", "matcher")["securityContext"].update(
            capabilities={"drop": ["ALL"], "add": ["SYS_NICE"]}
        ),
        "StatefulSet/matcher matcher keeps capabilities",
    ),
    "privileges": (
        lambda o: container_of(o, "StatefulSet", "nats")["securityContext"].pop(
            "allowPrivilegeEscalation"
        ),
        "StatefulSet/nats nats may gain privileges",
    ),
    "latest": (
        lambda o: container_of(o, "StatefulSet", "ledger").update(
            image="a.example/tradepit:latest"
        ),
        "StatefulSet/ledger ledger has no fixed image",
    ),
    "no tag": (
        lambda o: container_of(o, "StatefulSet", "nats").update(image="a.example:5000/nats"),
        "StatefulSet/nats nats has no fixed image",
    ),
    "a tag that moves": (
        lambda o: container_of(o, "StatefulSet", "nats").update(image="nats:2.15-alpine3"),
        "StatefulSet/nats nats moves with every patch: nats:2.15-alpine3",
    ),
    "no limit": (
        lambda o: container_of(o, "StatefulSet", "ledger")["resources"]["limits"].pop("memory"),
        "StatefulSet/ledger ledger has no memory request or limit",
    ),
    "burstable matcher": (
        lambda o: container_of(o, "StatefulSet", "matcher")["resources"]["limits"].update(
            memory="64Gi"
        ),
        "is not of the Guaranteed class: memory",
    ),
    "half a CPU": (
        lambda o: container_of(o, "StatefulSet", "matcher").update(
            resources={
                "requests": {"cpu": "1500m", "memory": "1Gi"},
                "limits": {"cpu": "1500m", "memory": "1Gi"},
            }
        ),
        "cannot have CPUs of its own: 1500m is not whole",
    ),
    "no startup probe": (
        lambda o: container_of(o, "StatefulSet", "matcher").pop("startupProbe"),
        "StatefulSet/matcher matcher startupProbe is missing",
    ),
    "a replay that is cut off": (
        lambda o: container_of(o, "StatefulSet", "matcher")["startupProbe"].update(
            failureThreshold=450
        ),
        "StatefulSet/matcher matcher is killed after 900 s of a start",
    ),
    "a copy that is cut off": (
        lambda o: container_of(o, "StatefulSet", "nats")["startupProbe"].update(
            failureThreshold=90
        ),
        "StatefulSet/nats nats is killed after 450 s of a start",
    ),
    "probe of no port": (
        lambda o: container_of(o, "Deployment", "ingress")["readinessProbe"]["httpGet"].update(
            port="metrics"
        ),
        "readinessProbe asks a port that is not there: metrics",
    ),
    "killed for being unready": (
        lambda o: container_of(o, "StatefulSet", "ledger").update(
            livenessProbe=container_of(o, "StatefulSet", "ledger")["readinessProbe"]
        ),
        "is killed for what makes it unready",
    ),
    "a token": (
        lambda o: pod_of(o, "StatefulSet", "matcher").pop("automountServiceAccountToken"),
        "StatefulSet/matcher is given a service account token",
    ),
    "default account": (
        lambda o: pod_of(o, "Deployment", "ingress").pop("serviceAccountName"),
        "Deployment/ingress runs as the default service account",
    ),
    "unknown account": (
        lambda o: pod_of(o, "Deployment", "ingress").update(serviceAccountName="nobody"),
        "there is no ServiceAccount nobody",
    ),
    "unknown priority": (
        lambda o: pod_of(o, "StatefulSet", "ledger").update(priorityClassName="urgent"),
        "there is no PriorityClass urgent",
    ),
    "unbounded scratch space": (
        lambda o: pod_of(o, "StatefulSet", "matcher")["volumes"][-1].update(emptyDir={}),
        "may fill its node",
    ),
    "a volume for two": (
        lambda o: named(o, "StatefulSet", "matcher")["spec"]["volumeClaimTemplates"][0][
            "spec"
        ].update(accessModes=["ReadWriteOnce"]),
        "can be mounted by two pods",
    ),
    "a store as large as its volume": (
        lambda o: named(o, "StatefulSet", "nats")["spec"]["volumeClaimTemplates"][0]["spec"][
            "resources"
        ]["requests"].update(storage="18Gi"),
        "StatefulSet/nats may store ",
    ),
    "a store without a limit": (
        lambda o: container_of(o, "StatefulSet", "nats").pop("env"),
        "StatefulSet/nats may store 0 of its ",
    ),
    "memory that Go does not know of": (
        lambda o: container_of(o, "StatefulSet", "nats")["resources"]["limits"].update(
            memory="16Gi"
        ),
        "MiB of its 16Gi",
    ),
    "a mount of nothing": (
        lambda o: container_of(o, "StatefulSet", "matcher")["volumeMounts"][0].update(name="disk"),
        "mounts disk, which is not there",
    ),
    "not spread": (
        lambda o: pod_of(o, "StatefulSet", "matcher").pop("topologySpreadConstraints"),
        "StatefulSet/matcher is not spread over zones",
    ),
    "all on one node": (
        lambda o: pod_of(o, "StatefulSet", "nats").pop("affinity"),
        "StatefulSet/nats may be on one node altogether",
    ),
    "unknown secret": (
        lambda o: pod_of(o, "StatefulSet", "ledger")["volumes"][0]["projected"]["sources"][0][
            "secret"
        ].update(name="nts"),
        "StatefulSet/ledger: there is no secret nts",
    ),
    "unknown key of a secret": (
        lambda o: pod_of(o, "StatefulSet", "ledger")["volumes"][0]["projected"]["sources"][0][
            "secret"
        ]["items"][0].update(key="uri"),
        "secret nats has no uri",
    ),
    "unknown settings": (
        lambda o: o.remove(named(o, "ConfigMap", "shards")),
        "Deployment/ingress: there is no configMap shards-",
    ),
    "a secret in the environment": (
        lambda o: container_of(o, "StatefulSet", "ledger")["env"].append(
            {"name": "X", "valueFrom": {"secretKeyRef": {"name": "redis", "key": "url"}}}
        ),
        "X puts a secret into the environment",
    ),
    "a committed secret": (
        lambda o: o.append(
            {
                "kind": "Secret",
                "metadata": {
                    "name": "keys",
                    "namespace": of_kind(o, "Namespace")[0]["metadata"]["name"],
                },
            }
        ),
        "a Secret is committed: keys",
    ),
    "a lax namespace": (
        lambda o: of_kind(o, "Namespace")[0]["metadata"].pop("labels"),
        "does not enforce the restricted pod security",
    ),
    "another namespace": (
        lambda o: named(o, "Service", "matcher")["metadata"].update(namespace="default"),
        "Service/matcher is in namespace default",
    ),
    "a service of nothing": (
        lambda o: named(o, "Service", "matcher")["spec"]["selector"].update({"shard": "0"}),
        "Service/matcher selects nothing",
    ),
    "a service's port": (
        lambda o: named(o, "Service", "ingress")["spec"]["ports"][0].update(targetPort="web"),
        "Service/ingress leads to a port that Deployment/ingress has not: web",
    ),
    "no service for the pods' names": (
        lambda o: named(o, "StatefulSet", "matcher")["spec"].update(serviceName="matchers"),
        "StatefulSet/matcher has no Service",
    ),
    "replicas set twice": (
        lambda o: named(o, "Deployment", "ingress")["spec"].update(replicas=3),
        "has replicas that the autoscaler sets, too",
    ),
    "nothing denied": (
        lambda o: o.remove(named(o, "NetworkPolicy", "default-deny")),
        "not everything is denied by default",
    ),
    "a door with nobody before it": (
        lambda o: policy_of(o, "matcher")["ingress"][0]["from"][0]["podSelector"][
            "matchLabels"
        ].update({"app.kubernetes.io/component": "ledger"}),
        "ingress -> matcher:5555 is opened at one end only",
    ),
    "a way to a closed door": (
        lambda o: policy_of(o, "ledger")["egress"][0]["ports"].append({"port": 8222}),
        "ledger -> nats:8222 is opened at one end only",
    ),
    "a policy for nobody": (
        lambda o: policy_of(o, "nats")["podSelector"]["matchLabels"].update(x="y"),
        "NetworkPolicy/nats selects nothing",
    ),
    "a budget that stops drains": (
        lambda o: named(o, "PodDisruptionBudget", "matcher")["spec"].update(maxUnavailable=0),
        "PodDisruptionBudget/matcher can stop a drain",
    ),
    "a budget for broken pods": (
        lambda o: named(o, "PodDisruptionBudget", "nats")["spec"].pop("unhealthyPodEvictionPolicy"),
        "PodDisruptionBudget/nats lets a broken pod stop a drain",
    ),
    "no budget": (
        lambda o: o.remove(named(o, "PodDisruptionBudget", "nats")),
        "StatefulSet/nats has 0 disruption budgets",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str, overlay: tuple[str, list[Object]]) -> None:
    plant, sentence = FAULTS[name]
    objects = copy.deepcopy(overlay[1])
    plant(objects)
    found = breaches(objects, secrets_of(*overlay))
    assert any(sentence in each for each in found), found


def test_no_file_here_holds_a_secret() -> None:
    for path in FOLDER.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert "kind: Secret\n" not in text, path
            assert "BEGIN " not in text, path
