"""deploy.sh, load.sh and rebuild.sh against a cluster that only writes down what it is told."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are another package
from tradepit.tools.load.report import Report

from tests.kubernetes.manifests import FOLDER, ROOT, kubectl_or_skip, named
from tests.kubernetes.test_kubernetes_policies import GIVEN_SECRETS

FAKES = Path(__file__).parent / "fakes"
TIMEOUT_S = 120.0
DEV = "kind-tradepit"
PRODUCTION = "tradepit-production"


@dataclass
class Done:
    code: int
    output: str
    error: str
    calls: list[str]

    def has(self, *pieces: str) -> bool:
        """Whether there are calls with these pieces, in that order."""
        left = iter(self.calls)
        return all(any(piece in call for call in left) for piece in pieces)


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run("deploy.sh", "dev", FAKE_CONTEXT=...)`."""

    def start(
        script: str, *arguments: str, answer: str = "", folder: Path = FOLDER, **fakes: str
    ) -> Done:
        calls = tmp_path / "calls"
        calls.write_text("")
        done = subprocess.run(
            [folder / script, *arguments],
            input=answer,
            env=os.environ
            | {
                "PATH": f"{FAKES}:{os.environ['PATH']}",
                "REAL_KUBECTL": str(kubectl_or_skip()),
                "REAL_TRADEPIT": str(Path(sys.prefix) / "bin" / "tradepit"),
                "TMPDIR": str(tmp_path),
                "FAKE_CALLS": str(calls),
                "FAKE_CONTEXT": DEV,
                "FAKE_SHARDS": "",
                "FAKE_SECRETS": "",
                "FAKE_PUSHED": "",
            }
            | fakes,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        left = {path.name for path in tmp_path.iterdir()} - {"calls", "calls.applied", "logs"}
        assert left == set(), "something stayed behind"
        return Done(done.returncode, done.stdout, done.stderr, calls.read_text().splitlines())

    return start


CHANGES = re.compile(r" (apply|create|delete|patch|exec|replace) |^docker (build|push|run)|^kind ")


@pytest.mark.parametrize(
    "arguments", [(), ("staging",), ("dev", "--now"), ("dev", "--dry-run", "x")]
)
def test_wrong_arguments_are_refused_before_anything_is_asked(
    run: Run, arguments: tuple[str, ...]
) -> None:
    done = run("deploy.sh", *arguments)
    assert (done.code, done.calls) == (2, [])
    assert "usage" in done.error


@pytest.mark.parametrize(
    ("overlay", "context"),
    [
        ("dev", PRODUCTION),
        ("production", DEV),
        ("production", "tradepit-production-2"),
        ("dev", ""),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_another_cluster_than_expected_is_refused(
    run: Run, overlay: str, context: str, dry_run: bool
) -> None:
    done = run("deploy.sh", overlay, *(["--dry-run"] if dry_run else []), FAKE_CONTEXT=context)
    assert done.code == 2
    assert done.error.startswith("refused: ")
    assert done.calls == ["kubectl config current-context"]


@pytest.mark.parametrize(("overlay", "context"), [("dev", DEV), ("production", PRODUCTION)])
@pytest.mark.parametrize("shards", ["", "1"])
def test_a_dry_run_shows_the_difference_and_changes_nothing(
    run: Run, overlay: str, context: str, shards: str
) -> None:
    done = run("deploy.sh", overlay, "--dry-run", FAKE_CONTEXT=context, FAKE_SHARDS=shards)
    assert (done.code, done.error) == (0, "")
    assert not [call for call in done.calls if CHANGES.search(call)]
    assert done.has(" diff ") is bool(shards)
    assert "nothing applied" in done.output


def test_a_first_deployment_to_dev_goes_step_by_step(run: Run) -> None:
    done = run("deploy.sh", "dev")
    assert (done.code, done.error) == (0, "")
    assert done.has(
        "config current-context",
        "docker build",
        "kind load docker-image tradepit:0123456789ab --name tradepit",
        "create namespace tradepit-dev",
        "secrets /secrets",
        "create secret generic keys",
        "create secret generic redis",
        "delete job migrate seed",
        "apply -l app.kubernetes.io/component notin (matcher,ledger,ingress,migrate,seed)",
        "rollout status statefulset/nats",
        "rollout status statefulset/postgres",
        "apply -l app.kubernetes.io/component=migrate ",
        "get job migrate",
        "apply -l app.kubernetes.io/component=ledger ",
        "rollout status statefulset/ledger",
        "apply -l app.kubernetes.io/component=matcher ",
        "rollout status statefulset/matcher",
        "apply -l app.kubernetes.io/component=ingress ",
        "rollout status deployment/ingress",
        "apply -f",
        "get job seed",
        "exec deployment/ingress -c ingress -- python -m tradepit.tools.smoke --order",
    )
    for call in done.calls[1:]:
        assert not call.startswith("kubectl") or call.startswith(f"kubectl --context {DEV} "), call
    assert "rollout undo statefulset/matcher" in done.output


def test_the_secrets_of_dev_have_the_keys_that_the_manifests_read(run: Run) -> None:
    done = run("deploy.sh", "dev")
    made = {}
    for call in done.calls:
        if " create secret generic " in call:
            name, *files = call.partition(" generic ")[2].split()
            made[name] = {file.removeprefix("--from-file=").partition("=")[0] for file in files}
    assert made == GIVEN_SECRETS["dev"]


def test_secrets_that_are_there_stay(run: Run) -> None:
    done = run("deploy.sh", "dev", FAKE_SHARDS="2", FAKE_SECRETS="keys nats postgres")
    assert done.code == 0
    made = [call for call in done.calls if " create secret " in call]
    assert len(made) == 1
    assert " generic redis " in made[0]
    done = run("deploy.sh", "dev", FAKE_SHARDS="2", FAKE_SECRETS="keys nats postgres redis")
    assert done.code == 0
    assert not done.has("secrets /secrets")


def test_production_is_applied_only_once_its_name_was_typed(run: Run) -> None:
    there = {"FAKE_CONTEXT": PRODUCTION, "FAKE_SHARDS": "3", "FAKE_PUSHED": "1"}
    for answer in ("", "y\n", "prod\n"):
        done = run("deploy.sh", "production", answer=answer, **there)
        assert done.code == 2
        assert done.has(" diff ")
        assert not [call for call in done.calls if CHANGES.search(call)]
    done = run("deploy.sh", "production", answer="production\n", **there)
    assert (done.code, done.error) == (0, "")
    assert done.has(
        " diff ", "apply -l", "wait externalsecret", "get job migrate", "apply -f", " exec "
    )
    assert not done.has("create secret")
    assert not done.has("--order")
    assert not done.has("docker build")


def test_secrets_may_be_made_without_external_secrets(
    run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("own") / "ops" / "k8s"
    shutil.copytree(FOLDER, folder)
    file = folder / "overlays" / "production" / "kustomization.yaml"
    file.write_text(file.read_text().replace("  - secrets.yaml\n", ""))
    there = {"FAKE_CONTEXT": PRODUCTION, "FAKE_SHARDS": "3", "FAKE_PUSHED": "1"}
    done = run("deploy.sh", "production", answer="production\n", folder=folder, **there)
    assert (done.code, done.error) == (0, "")
    assert not done.has("externalsecret")


def test_no_shard_is_taken_away(run: Run) -> None:
    for dry_run in ((), ("--dry-run",)):
        done = run("deploy.sh", "production", *dry_run, FAKE_CONTEXT=PRODUCTION, FAKE_SHARDS="8")
        assert done.code == 2
        assert "there are 8 shards" in done.error
        assert not [call for call in done.calls if CHANGES.search(call)]


@pytest.mark.parametrize("shards", ["3", "2"])  # of three: none is new, or one
def test_an_upgrade_goes_from_who_reads_to_who_writes(run: Run, shards: str) -> None:
    there = {"FAKE_CONTEXT": PRODUCTION, "FAKE_SHARDS": shards, "FAKE_PUSHED": "1"}
    done = run("deploy.sh", "production", answer="production\n", **there)
    assert done.code == 0
    steps = [
        "rollout status statefulset/nats",
        "apply -l app.kubernetes.io/component=migrate ",
        "get job migrate",
        "apply -l app.kubernetes.io/component=ledger ",
        "rollout status statefulset/ledger",
        "apply -l app.kubernetes.io/component=matcher ",
        "rollout status statefulset/matcher",
        "apply -l app.kubernetes.io/component=ingress ",
        "rollout status deployment/ingress",
    ]
    taken = [step for call in done.calls for step in steps if step in call]
    assert taken == steps


def test_the_volumes_say_how_many_shards_there_are_where_no_stateful_set_does(run: Run) -> None:
    there = {"FAKE_CONTEXT": PRODUCTION, "FAKE_SHARDS": "3", "FAKE_ORPHANED": "1"}
    volumes = "data-nats-0 data-nats-11 data-matcher-0 data-matcher-10 data-matcher-2"
    done = run("deploy.sh", "production", "--dry-run", FAKE_VOLUMES=volumes, **there)
    assert done.code == 2
    assert "there are 11 shards" in done.error
    volumes = "data-nats-0 data-nats-11 data-matcher-0 data-matcher-2"
    done = run("deploy.sh", "production", "--dry-run", FAKE_VOLUMES=volumes, **there)
    assert (done.code, done.error) == (0, "")


@pytest.mark.parametrize("ready", ["3 2", "3 1"])
def test_no_server_of_nats_is_replaced_while_another_is_away(run: Run, ready: str) -> None:
    done = run("deploy.sh", "dev", FAKE_SHARDS="2", FAKE_NATS=ready)
    assert done.code == 2
    assert f"refused: {ready[2]} of 3 NATS servers are ready" in done.error
    assert not [call for call in done.calls if re.search(r" (apply|create|delete) ", call)]


@pytest.mark.parametrize("ready", ["3 3", "3 ", ""])
def test_nats_that_is_whole_or_away_altogether_is_deployed(run: Run, ready: str) -> None:
    done = run("deploy.sh", "dev", FAKE_SHARDS="2", FAKE_NATS=ready)
    assert (done.code, done.error) == (0, "")


@pytest.mark.parametrize(
    "answer", ["denied: requested access to the resource is denied", "dial tcp: i/o timeout"]
)
def test_a_registry_that_does_not_say_whether_the_image_is_there_ends_it(
    run: Run, answer: str
) -> None:
    there = {"FAKE_CONTEXT": PRODUCTION, "FAKE_SHARDS": "3"}
    done = run("deploy.sh", "production", answer="production\n", FAKE_REGISTRY=answer, **there)
    assert done.code == 2
    assert answer in done.error
    assert not [call for call in done.calls if CHANGES.search(call)]


def test_an_image_says_its_version_and_its_commit(run: Run) -> None:
    done = run("deploy.sh", "dev")
    (build,) = (call for call in done.calls if call.startswith("docker build"))
    assert " --build-arg VERSION=" in build
    assert re.search(r" --build-arg REVISION=[0-9a-f]{40} ", build)


def test_ledgers_do_not_start_before_their_databases_are_ready(run: Run) -> None:
    done = run("deploy.sh", "dev", FAKE_JOB="Failed")
    assert done.code == 1
    assert "the last words of the job" in done.error
    assert "rollout undo" in done.error
    assert not done.has("apply -l app.kubernetes.io/component=ledger ")
    assert not done.has("apply -f")


@pytest.mark.parametrize(
    "stuck", [{"FAKE_STUCK": "statefulset/matcher"}, {"FAKE_SMOKE": "1"}, {"FAKE_DIFF": "2"}]
)
def test_a_deployment_that_does_not_come_up_fails(run: Run, stuck: dict[str, str]) -> None:
    done = run("deploy.sh", "dev", FAKE_SHARDS="2", **stuck)
    assert done.code != 0
    assert "runs in tradepit-dev" not in done.output


def report(latency_ms: int) -> str:
    one = Report(seconds=10.0, sent=100, accepted=90)
    one.refused["busy"] = 10
    for _ in range(100):
        one.latency_ns.record(latency_ms * 1_000_000)
    return f"2026 INFO a line of the log\n{one.line()}\n"


def test_a_load_is_the_sum_of_its_pods_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for number, latency_ms in enumerate((1, 1, 100)):
        (logs / f"load-{number}").write_text(report(latency_ms))
    there = {"FAKE_SHARDS": "2", "FAKE_LOGS": str(logs)}
    done = run("load.sh", "dev", "3", "10", "50", FAKE_PODS="3", **there)
    assert done.code == 0, done.error
    assert "3 processes, 10.0 s\nsent 300, accepted 270, refused 30" in done.output
    assert re.search(r"^p50 1\.00\d ms$", done.output, re.MULTILINE)
    assert re.search(r"^p90 100\.\d+ ms$", done.output, re.MULTILINE)
    assert done.has(" apply -f", "get job load", "logs pod/load-2", " delete -f")

    applied = list(yaml.safe_load_all((tmp_path / "calls.applied").read_text()))
    job = named(applied, "Job", "load")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert (job["metadata"]["namespace"], job["spec"]["completions"]) == ("tradepit-dev", 3)
    assert job["spec"]["parallelism"] == 3
    assert container["args"] == ["--rate=50", "--seconds=10"]
    assert container["image"] == "tradepit:0123456789ab"
    assert {"name": "TRADEPIT_SHARD_COUNT", "value": "2"} in container["env"]

    done = run("load.sh", "dev", "4", FAKE_PODS="3", **there)
    assert done.code == 1
    assert "3 reports, and there should be 4" in done.error
    assert done.has("get job load", " delete -f")


def streams(size: int) -> str:
    """The page /jsz of NATS, of shard 1's stream with so many bytes."""
    details = [
        {"name": "tp-events-0", "state": {"bytes": 2**50}},
        {"name": "tp-events-1", "state": {"bytes": size}},
    ]
    return json.dumps({"account_details": [{"name": "$G", "stream_detail": details}]})


@pytest.mark.parametrize(
    ("volume", "size", "fits"),
    [
        ("200Gi", 2**30 * 181, True),
        ("200Gi", 2**30 * 182, False),
        ("1Ti", 2**30 * 930, True),
        ("1Ti", 2**30 * 931, False),
        ("100G", 10**9 * 90, True),
        ("100G", 10**9 * 91, False),
        ("1000", 909, True),
        ("1000", 910, False),
    ],
)
def test_a_volume_with_less_room_than_the_stream_needs_is_refused_before_anything_stops(
    run: Run, volume: str, size: int, fits: bool
) -> None:
    done = run(
        "rebuild.sh", "dev", "1", answer="no\n", FAKE_VOLUME=volume, FAKE_STREAMS=streams(size)
    )
    assert done.code == 2
    assert not [call for call in done.calls if CHANGES.search(call) and "nats" not in call]
    if fits:
        assert "nothing was changed" in done.error
    else:
        assert f"data-matcher-1 has {volume}; the stream has " in done.error


@pytest.mark.parametrize("answer", ["", '{"streams": 0}'])
def test_a_stream_whose_size_nobody_says_is_not_rebuilt_from(run: Run, answer: str) -> None:
    done = run("rebuild.sh", "dev", "1", answer="matcher-1\n", FAKE_STREAMS=answer)
    assert done.code == 2
    assert "NATS" in done.error
    assert not done.has("delete")


def test_a_journal_is_rebuilt_while_the_other_shards_stay(run: Run, tmp_path: Path) -> None:
    there = {"FAKE_STREAMS": streams(2**30)}
    done = run("rebuild.sh", "dev", "5", answer="matcher-5\n", **there)
    assert done.code == 2
    assert "no volume data-matcher-5" in done.error
    done = run("rebuild.sh", "dev", "1", answer="yes\n", **there)
    assert done.code == 2
    assert not done.has("delete")
    assert not done.has("apply")
    assert "not there" not in done.error
    done = run("rebuild.sh", "dev", "1", answer="matcher-1\n", **there)
    assert (done.code, done.error) == (0, "")
    assert done.has(
        "delete statefulset matcher --cascade=orphan",
        "delete pod matcher-1",
        " apply -f ",
        "get job rebuild",
        " delete -f ",
    )
    applied = list(yaml.safe_load_all((tmp_path / "calls.applied").read_text()))
    spec = named(applied, "Job", "rebuild")["spec"]["template"]["spec"]
    assert spec["containers"][0]["args"] == ["journal", "rebuild", "--shard", "1"]
    claims = [
        volume["persistentVolumeClaim"] for volume in spec["volumes"] if volume["name"] == "data"
    ]
    assert claims == [{"claimName": "data-matcher-1"}]


def test_a_rebuild_that_fails_says_what_to_do_and_can_be_run_again(run: Run) -> None:
    there = {"FAKE_STREAMS": streams(2**30)}
    done = run("rebuild.sh", "dev", "1", answer="matcher-1\n", FAKE_JOB="Failed", **there)
    assert done.code == 1
    assert "the StatefulSet matcher is not there" in done.error
    assert "ops/k8s/deploy.sh dev" in done.error
    assert "ops/k8s/rebuild.sh dev 1" in done.error
    done = run("rebuild.sh", "dev", "1", answer="matcher-1\n", FAKE_ORPHANED="1", **there)
    assert (done.code, done.error) == (0, "")
    assert done.has("delete statefulset matcher --cascade=orphan --ignore-not-found", "apply -f")
    assert "run ops/k8s/deploy.sh dev" in done.output


def test_scripts_are_sound_to_shellcheck() -> None:
    scripts = [*FOLDER.glob("*.sh"), *FAKES.iterdir(), ROOT / ".ci" / "run"]
    done = subprocess.run(
        [Path(sys.prefix) / "bin" / "shellcheck", "--external-sources", *scripts],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
