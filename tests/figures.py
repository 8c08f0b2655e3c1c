"""What a service shows to Prometheus."""

import re
import urllib.request

TIMEOUT_S = 5.0
_SHARD = re.compile(r'\{shard="\d+"\}|,shard="\d+"|shard="\d+",')


def text_of(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_S) as answer:
        text: str = answer.read().decode()
    return text


def figures(port: int) -> dict[str, float]:
    """By name and labels, as they are written; the shard, which is the same in all of them, left out."""
    lines = text_of(port).splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {_SHARD.sub("", name): float(value) for name, value in pairs}
