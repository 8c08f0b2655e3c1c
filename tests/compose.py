"""docker-compose.yml and its variants, as Docker Compose reads them."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
VARIANTS = {
    "one-shard": "docker-compose.yml",
    "three-shards": "docker-compose.yml:ops/docker/three-shards.yml",
    "nats-cluster": "docker-compose.yml:ops/docker/nats-cluster.yml",
}
"""What COMPOSE_FILE may be."""
TIMEOUT_S = 60


@cache
def configuration(variant: str = "one-shard", *profiles: str) -> dict[str, Any]:
    """The whole file, with everything merged and filled in. Raises AssertionError if it is invalid."""
    files = [word for name in VARIANTS[variant].split(":") for word in ("--file", name)]
    chosen = [word for profile in profiles for word in ("--profile", profile)]
    done = subprocess.run(
        ["docker", "compose", *files, *chosen, "config", "--format", "json"],  # noqa: S607 - Docker is where the machine has it
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def services(variant: str = "one-shard", *profiles: str) -> dict[str, Any]:
    found: dict[str, Any] = configuration(variant, *profiles)["services"]
    return found


def why_no_engine() -> str:
    """Empty if a Docker engine answers and Compose is there."""
    for command in (["docker", "version"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode != 0:
            return done.stderr.strip() or f"{' '.join(command)} fails"
    return ""
