"""What must hold in every rendered overlay. Each rule yields a sentence for each breach of it."""

import re
from collections.abc import Iterator
from fractions import Fraction

from tests.kubernetes.manifests import LONG_RUNNING, Object, Pods, all_pods, of_kind
from tests.kubernetes.network import container_ports, edges, selects

VOLUME_KINDS = {"configMap", "secret", "projected", "emptyDir", "persistentVolumeClaim"}
NAMESPACED_NOT = {"Namespace", "PriorityClass"}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
OURS = "tradepit"
VERSION_PARTS = {"postgres": 2}  # of a release; of all others it is three
REPLAYS = {"matcher", "nats"}  # before they serve, and for as long as what they hold is large
REPLAY_MIN_S = 4 * 3600
MEMORY_SHARE_MIN = Fraction(4, 5)
SHARE_MAX = Fraction(9, 10)  # of NATS's volume; the rest is the file system's and for the alert


def breaches(objects: list[Object], secrets: dict[str, set[str]]) -> list[str]:
    """All of them. `secrets` are made elsewhere: the keys of each."""
    found: list[str] = []
    for pods in all_pods(objects):
        for rule in (
            _identity,
            _restricted,
            _images,
            _resources,
            _probes,
            _writable,
            _spread,
            _limits_of_nats,
        ):
            found += rule(pods)
        found += _references(pods, objects, secrets)
    found += _namespace(objects)
    found += _services(objects)
    found += _network(objects)
    found += _disruptions(objects)
    found += [
        f"a Secret is committed: {each['metadata']['name']}" for each in of_kind(objects, "Secret")
    ]
    return found


def _identity(pods: Pods) -> Iterator[str]:
    if pods.spec.get("serviceAccountName", "default") == "default":
        yield f"{pods} runs as the default service account"
    if pods.spec.get("automountServiceAccountToken") is not False:
        yield f"{pods} is given a service account token"


def _restricted(pods: Pods) -> Iterator[str]:
    """Pod Security `restricted`, and a root that nobody can write."""
    context = pods.spec.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser", 0):
        yield f"{pods} may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{pods} has no seccomp profile"
    for name in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        if pods.spec.get(name):
            yield f"{pods} has {name}"
    for volume in pods.spec.get("volumes", []):
        if not set(volume) - {"name"} <= VOLUME_KINDS:
            yield f"{pods} has a volume of a kind that is not allowed: {volume}"
    for container in pods.containers:
        context = container.get("securityContext", {})
        name = f"{pods} {container['name']}"
        if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
            yield f"{name} may gain privileges"
        if context.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{name} keeps capabilities"
        if context.get("readOnlyRootFilesystem") is not True:
            yield f"{name} can write its root"
        if context.get("runAsUser", 1) == 0 or context.get("runAsNonRoot", True) is not True:
            yield f"{name} may run as root"
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"{name} takes a port of its node"


def _images(pods: Pods) -> Iterator[str]:
    for container in pods.containers:
        image = container["image"]
        tag = image.rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in image and tag in ("", "latest"):
            yield f"{pods} {container['name']} has no fixed image: {image}"
        name = image.rpartition("/")[2].partition(":")[0]
        parts = VERSION_PARTS.get(name, 3)
        if (
            "@sha256:" not in image
            and name != OURS
            and len(re.findall(r"\d+", tag.partition("-")[0])) < parts
        ):
            yield f"{pods} {container['name']} moves with every patch: {image}"


def _resources(pods: Pods) -> Iterator[str]:
    for container in pods.containers:
        resources = container.get("resources", {})
        name = f"{pods} {container['name']}"
        for kind in ("cpu", "memory"):
            request = resources.get("requests", {}).get(kind)
            limit = resources.get("limits", {}).get(kind)
            if request is None or limit is None:
                yield f"{name} has no {kind} request or limit"
            elif quantity(request) > quantity(limit):
                yield f"{name} requests more {kind} than its limit"
            elif pods.component == "matcher" and request != limit:
                yield f"{name} is not of the Guaranteed class: {kind} {request}, at most {limit}"
        cpu = resources.get("requests", {}).get("cpu", "1")
        if pods.component == "matcher" and quantity(cpu).denominator != 1:
            yield f"{name} cannot have CPUs of its own: {cpu} is not whole"


def _probes(pods: Pods) -> Iterator[str]:
    if pods.kind not in LONG_RUNNING:
        return
    for container in pods.spec["containers"]:
        for probe in PROBES:
            name = f"{pods} {container['name']} {probe}"
            if probe not in container:
                yield f"{name} is missing"
                continue
            request = container[probe].get("httpGet")
            if request is not None and request["port"] not in container_ports(pods):
                yield f"{name} asks a port that is not there: {request['port']}"
        start = container.get("startupProbe", {})
        start_s = start.get("periodSeconds", 10) * start.get("failureThreshold", 3)
        if pods.component in REPLAYS and start_s < REPLAY_MIN_S:
            yield f"{pods} {container['name']} is killed after {start_s} s of a start"
        if container.get("readinessProbe") == container.get("livenessProbe"):
            yield f"{pods} {container['name']} is killed for what makes it unready"


def _writable(pods: Pods) -> Iterator[str]:
    volumes = {volume["name"]: volume for volume in pods.spec.get("volumes", [])}
    claims = pods.owner["spec"].get("volumeClaimTemplates", [])
    for name, volume in volumes.items():
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            yield f"{pods} volume {name} may fill its node"
    for claim in claims:
        if claim["spec"]["accessModes"] != ["ReadWriteOncePod"]:
            yield f"{pods} volume {claim['metadata']['name']} can be mounted by two pods"
    known = {*volumes, *(claim["metadata"]["name"] for claim in claims)}
    for container in pods.containers:
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in known:
                yield f"{pods} {container['name']} mounts {mount['name']}, which is not there"


def _limits_of_nats(pods: Pods) -> Iterator[str]:
    """It is told of both: where it stops before its volume is full, and what memory it has."""
    if pods.component != "nats":
        return
    (claim,) = pods.owner["spec"]["volumeClaimTemplates"]
    volume = claim["spec"]["resources"]["requests"]["storage"]
    for container in pods.containers:
        given = {each["name"]: each.get("value", "0") for each in container.get("env", [])}
        limit = given.get("MAX_FILE_STORE", "0")
        if not 0 < quantity(limit) <= SHARE_MAX * quantity(volume):
            yield f"{pods} may store {limit} of its {volume}"
        memory, known = container["resources"]["limits"]["memory"], given.get("GOMEMLIMIT", "0")
        share = quantity(known.removesuffix("B")) / quantity(memory)
        if not MEMORY_SHARE_MIN <= share <= SHARE_MAX:
            yield f"{pods} knows of {known} of its {memory}"


def _spread(pods: Pods) -> Iterator[str]:
    """Wherever there may be several of a kind. The databases of dev are one each."""
    if pods.kind not in LONG_RUNNING or pods.owner["spec"].get("replicas", 2) == 1:
        return
    for rule in pods.spec.get("topologySpreadConstraints", []):
        if selects(rule["labelSelector"], pods.labels):
            break
    else:
        yield f"{pods} is not spread over zones"
    affinity = pods.spec.get("affinity", {}).get("podAntiAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", [])
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution", [])
    terms = [*required, *(each["podAffinityTerm"] for each in preferred)]
    if not any(selects(term["labelSelector"], pods.labels) for term in terms):
        yield f"{pods} may be on one node altogether"


def _references(pods: Pods, objects: list[Object], secrets: dict[str, set[str]]) -> Iterator[str]:
    names = {(each["kind"], each["metadata"]["name"]) for each in objects}
    settings = {
        each["metadata"]["name"]: set(each.get("data", {}))
        for each in of_kind(objects, "ConfigMap")
    }
    for kind, field in (
        ("ServiceAccount", "serviceAccountName"),
        ("PriorityClass", "priorityClassName"),
    ):
        if (kind, pods.spec.get(field)) not in names:
            yield f"{pods}: there is no {kind} {pods.spec.get(field)}"
    sources = [
        source
        for volume in pods.spec.get("volumes", [])
        for source in volume.get("projected", {}).get("sources", [volume])
    ]
    for source in sources:
        for kind, known in (("configMap", settings), ("secret", secrets)):
            wanted = source.get(kind, {})
            name = wanted.get("secretName", wanted.get("name"))
            if kind in source and name not in known:
                yield f"{pods}: there is no {kind} {name}"
            elif kind in source:
                for item in wanted.get("items", []):
                    if item["key"] not in known[name]:
                        yield f"{pods}: {kind} {name} has no {item['key']}"
    for container in pods.containers:
        for source in container.get("envFrom", []):
            if source["configMapRef"]["name"] not in settings:
                yield f"{pods}: there is no configMap {source['configMapRef']['name']}"
        for variable in container.get("env", []):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                yield f"{pods}: {variable['name']} puts a secret into the environment"


def _namespace(objects: list[Object]) -> Iterator[str]:
    spaces = of_kind(objects, "Namespace")
    if len(spaces) != 1:
        yield f"there are {len(spaces)} namespaces"
        return
    labels = spaces[0]["metadata"].get("labels", {})
    if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        yield "the namespace does not enforce the restricted pod security"
    for each in objects:
        space = each["metadata"].get("namespace")
        if each["kind"] not in NAMESPACED_NOT and space != spaces[0]["metadata"]["name"]:
            yield f"{each['kind']}/{each['metadata']['name']} is in namespace {space}"


def _services(objects: list[Object]) -> Iterator[str]:
    """Every name leads to pods, and every port to one that they have."""
    names = {(each["kind"], each["metadata"]["name"]) for each in objects}
    everything = list(all_pods(objects))
    ports: dict[str, set[str]] = {}
    for service in of_kind(objects, "Service"):
        name = service["metadata"]["name"]
        ports[name] = {port["name"] for port in service["spec"]["ports"]}
        targets = [
            pods
            for pods in everything
            if selects({"matchLabels": service["spec"]["selector"]}, pods.labels)
        ]
        if not targets:
            yield f"Service/{name} selects nothing"
        for pods in targets:
            for port in service["spec"]["ports"]:
                if port["targetPort"] not in container_ports(pods):
                    yield f"Service/{name} leads to a port that {pods} has not: {port['targetPort']}"
    for each in of_kind(objects, "StatefulSet"):
        if ("Service", each["spec"]["serviceName"]) not in names:
            yield f"StatefulSet/{each['metadata']['name']} has no Service"
    for each in of_kind(objects, "HorizontalPodAutoscaler"):
        target = each["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) not in names:
            yield f"the autoscaler's {target['kind']} {target['name']} is not there"
        elif any(
            "replicas" in pods.owner["spec"] for pods in everything if pods.name == target["name"]
        ):
            yield f"{target['kind']}/{target['name']} has replicas that the autoscaler sets, too"
    for each in of_kind(objects, "Ingress"):
        if not each["spec"].get("tls"):
            yield f"Ingress/{each['metadata']['name']} has no TLS"
        for rule in each["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                if backend["port"]["name"] not in ports.get(backend["name"], set()):
                    yield f"Ingress/{each['metadata']['name']} leads to nothing: {backend}"


def _network(objects: list[Object]) -> Iterator[str]:
    denies = [
        each["spec"]
        for each in of_kind(objects, "NetworkPolicy")
        if each["spec"]["podSelector"] == {} and not {"ingress", "egress"} & set(each["spec"])
    ]
    if not any(sorted(spec["policyTypes"]) == ["Egress", "Ingress"] for spec in denies):
        yield "not everything is denied by default"
    _, halves = edges(objects)
    yield from sorted(halves)
    everything = list(all_pods(objects))
    for each in of_kind(objects, "NetworkPolicy"):
        if not any(selects(each["spec"]["podSelector"], pods.labels) for pods in everything):
            yield f"NetworkPolicy/{each['metadata']['name']} selects nothing"


def _disruptions(objects: list[Object]) -> Iterator[str]:
    """A budget for everything that there are several of, and none that stops a drain for good."""
    budgets = of_kind(objects, "PodDisruptionBudget")
    for pods in all_pods(objects):
        several = pods.kind in LONG_RUNNING and pods.owner["spec"].get("replicas", 2) > 1
        held = [each for each in budgets if selects(each["spec"]["selector"], pods.labels)]
        if several and len(held) != 1:
            yield f"{pods} has {len(held)} disruption budgets"
    for each in budgets:
        name, spec = each["metadata"]["name"], each["spec"]
        if spec.get("maxUnavailable", 0) in (0, "0", "0%") or "minAvailable" in spec:
            yield f"PodDisruptionBudget/{name} can stop a drain"
        if spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"PodDisruptionBudget/{name} lets a broken pod stop a drain"
        if not any(selects(spec["selector"], pods.labels) for pods in all_pods(objects)):
            yield f"PodDisruptionBudget/{name} selects nothing"


def quantity(text: str | int) -> Fraction:
    """A Kubernetes quantity as a number."""
    found = re.fullmatch(r"([0-9.]+)(m|Ki|Mi|Gi|Ti)?", str(text))
    assert found, text
    scale = {None: 1, "m": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}[found[2]]
    return Fraction(found[1]) * scale / (1000 if found[2] == "m" else 1)
