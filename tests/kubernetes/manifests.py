"""The overlays as the API server would get them: rendered by kubectl, as plain dicts."""

import copy
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are another package, for this one call

from tests.kubernetes.get_kubectl import NoKubectl, kubectl

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "ops" / "k8s"
OVERLAYS = ("dev", "production")
COMPONENT = "app.kubernetes.io/component"
LONG_RUNNING = ("StatefulSet", "Deployment")
RENDER_TIMEOUT_S = 60.0

Object = dict[str, Any]


class Pods(NamedTuple):
    """The pods that one object makes."""

    kind: str
    name: str
    owner: Object
    labels: dict[str, str]
    spec: Object

    @property
    def component(self) -> str:
        return self.labels.get(COMPONENT, self.name)

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def kubectl_or_skip() -> Path:
    try:
        return kubectl()
    except NoKubectl as reason:
        pytest.skip(str(reason))


def render(folder: Path) -> list[Object]:
    """What `kubectl kustomize` makes of a folder."""
    return copy.deepcopy(_render(folder))


@functools.cache
def _render(folder: Path) -> list[Object]:
    done = subprocess.run(
        [kubectl_or_skip(), "kustomize", folder],
        capture_output=True,
        text=True,
        timeout=RENDER_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def named(objects: list[Object], kind: str, name: str) -> Object:
    """The one object of that kind and name; generated names may end with a hash."""
    found = [
        each
        for each in objects
        if each["kind"] == kind
        and (each["metadata"]["name"] == name or each["metadata"]["name"][:-11] == name)
    ]
    assert len(found) == 1, (kind, name, len(found))
    return found[0]


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def all_pods(objects: list[Object]) -> Iterator[Pods]:
    for each in of_kind(objects, *LONG_RUNNING, "Job"):
        template = each["spec"]["template"]
        yield Pods(
            each["kind"],
            each["metadata"]["name"],
            each,
            template["metadata"].get("labels", {}),
            template["spec"],
        )
