"""What NetworkPolicies let through, computed as the API defines it: an edge exists if the pod that opens
it may (egress) and the pod that takes it lets it (ingress).
"""

from typing import Any, NamedTuple

from tests.kubernetes.manifests import Object, Pods, all_pods, of_kind


class Edge(NamedTuple):
    source: str
    target: str
    port: int


def selects(selector: Object | None, labels: dict[str, str]) -> bool:
    """An empty selector selects everything, one that is missing nothing."""
    if selector is None:
        return False
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", []):
        is_among = labels.get(rule["key"]) in rule.get("values", [])
        is_met = {
            "In": is_among,
            "NotIn": not is_among,
            "Exists": rule["key"] in labels,
            "DoesNotExist": rule["key"] not in labels,
        }[rule["operator"]]
        if not is_met:
            return False
    return True


def _rules(objects: list[Object], pods: Pods, direction: str) -> list[Any]:
    """The rules of that direction that hold for these pods; None if no policy restricts them."""
    policies = [
        each["spec"]
        for each in of_kind(objects, "NetworkPolicy")
        if selects(each["spec"]["podSelector"], pods.labels)
        and direction in each["spec"]["policyTypes"]
    ]
    if not policies:
        return [None]
    return [rule for spec in policies for rule in spec.get(direction.lower(), [])]


def allows(objects: list[Object], pods: Pods, direction: str, peer: Pods, port: int) -> bool:
    """Whether these pods may open (Egress) or take (Ingress) a connection with the peer's."""
    side = "to" if direction == "Egress" else "from"
    for rule in _rules(objects, pods, direction):
        if rule is None:
            return True
        peers = rule.get(side)
        is_peer = peers is None or any(
            "namespaceSelector" not in each and selects(each.get("podSelector"), peer.labels)
            for each in peers
        )
        ports = rule.get("ports")
        if is_peer and (ports is None or any(each.get("port") == port for each in ports)):
            return True
    return False


def edges(objects: list[Object]) -> tuple[set[Edge], set[str]]:
    """Those that exist within the namespace, and what stands at one end only."""
    found, halves = set(), set()
    everything = list(all_pods(objects))
    for source in everything:
        for target in everything:
            for port in container_ports(target).values():
                opens = allows(objects, source, "Egress", target, port)
                takes = allows(objects, target, "Ingress", source, port)
                edge = Edge(source.component, target.component, port)
                if opens and takes:
                    found.add(edge)
                elif opens or takes:
                    end = "opened" if opens else "taken"
                    halves.add(f"{edge.source} -> {edge.target}:{port} is {end} at one end only")
    return found, halves


def outside(objects: list[Object]) -> set[tuple[str, str, str, int]]:
    """(component, direction, who, port) of each edge to or from another namespace or an address."""
    found = set()
    for pods in all_pods(objects):
        for direction, side in (("Egress", "to"), ("Ingress", "from")):
            for rule in _rules(objects, pods, direction):
                for peer in (rule or {}).get(side, [{"ipBlock": {"cidr": "anywhere"}}]):
                    if "ipBlock" in peer:
                        who = peer["ipBlock"]["cidr"]
                    elif "namespaceSelector" in peer:
                        who = next(iter(peer["namespaceSelector"]["matchLabels"].values()))
                    else:
                        continue
                    for port in (rule or {}).get("ports", [{"port": 0}]):
                        found.add((pods.component, direction, who, port["port"]))
    return found


def container_ports(pods: Pods) -> dict[str, int]:
    return {
        port["name"]: port["containerPort"]
        for container in pods.containers
        for port in container.get("ports", [])
    }
