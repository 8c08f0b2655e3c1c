"""ops/prometheus/kubernetes.yml against the pods that the overlays make."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are another package

from tests.kubernetes.manifests import OVERLAYS, ROOT, Pods, all_pods, render
from tests.kubernetes.network import container_ports

FILE = ROOT / "ops" / "prometheus" / "kubernetes.yml"


def discovered(pods: Pods) -> Iterator[dict[str, str]]:
    """The targets that role `pod` finds: one for each pod and port."""
    count = pods.owner["spec"].get("replicas", 1)
    for index in range(count):
        labels = dict(pods.labels)
        if pods.kind == "StatefulSet":
            labels["apps.kubernetes.io/pod-index"] = str(index)
        for port_name, port in container_ports(pods).items():
            yield {
                f"__meta_kubernetes_pod_label_{re.sub(r'[^a-zA-Z0-9_]', '_', name)}": value
                for name, value in labels.items()
            } | {
                "job": "tradepit",
                "__address__": f"10.0.0.1:{port}",
                "__meta_kubernetes_pod_name": f"{pods.name}-{index}",
                "__meta_kubernetes_pod_container_port_name": port_name,
                "__meta_kubernetes_pod_phase": "Running",
            }


def relabelled(target: dict[str, str], rules: list[dict[str, Any]]) -> dict[str, str] | None:
    """As Prometheus does it, for the actions that the file uses. None if the target is dropped."""
    labels = dict(target)
    for rule in rules:
        text = ";".join(labels.get(name, "") for name in rule["source_labels"])
        matches = re.fullmatch(rule.get("regex", "(.*)"), text) is not None
        match rule.get("action", "replace"):
            case "keep" | "drop" as action:
                if matches is (action == "drop"):
                    return None
            case "replace":
                labels[rule["target_label"]] = text
            case other:
                raise AssertionError(f"this test does not know the action {other}")
    return {name: value for name, value in labels.items() if value and name[:6] != "__meta"}


def by_name(labels: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(labels.items())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_prometheus_finds_each_service_under_the_labels_that_the_alerts_use(overlay: str) -> None:
    (job,) = yaml.safe_load(FILE.read_text())["scrape_configs"]
    pods = list(all_pods(render(ROOT / "ops" / "k8s" / "overlays" / overlay)))
    found = [
        relabelled(target, job["relabel_configs"]) for each in pods for target in discovered(each)
    ]
    shards = next(each.owner["spec"]["replicas"] for each in pods if each.name == "matcher")
    wanted = [
        {
            "job": name,
            "shard": str(shard),
            "instance": f"{name}-{shard}",
            "__address__": "10.0.0.1:9100",
        }
        for name in ("matcher", "ledger")
        for shard in range(shards)
    ] + [{"job": "ingress", "instance": "ingress-0", "__address__": "10.0.0.1:8000"}]
    targets = [target for target in found if target is not None]
    assert sorted(map(by_name, targets)) == sorted(map(by_name, wanted))
