"""Alerts, runbooks and dashboards as files: they name what exists, and each other."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are another package, for this one call
from tradepit.cli.main import COMMANDS

from tests.prometheus import CONFIGURATION, ROOT, RULES, WHY_NOT, alert_rules, promtool

RUNBOOKS = ROOT / "docs" / "runbooks"
RULE_TESTS = sorted((RULES.parent / "tests").glob("*.yml"))
DASHBOARDS = sorted((ROOT / "ops" / "grafana" / "dashboards").glob("*.json"))
PROVISIONING = ROOT / "ops" / "grafana" / "provisioning"
TOP = sorted((ROOT / "ops" / "tools" / "top").glob("*.py"))
TIMEOUT_S = 120.0
GRID_WIDTH = 24
SECTIONS = [
    "What it means",
    "What users notice",
    "How to look",
    "How to mend it",
    "It is mended when",
    "Escalate",
]
METRIC = re.compile(r"\b(?:tradepit|process)_[a-z0-9_]+")
# `tradepit` as a command; not a namespace, a user, a database or an image.
COMMAND = re.compile(r"(?<!-n )(?<!-U )(?<!-d )\btradepit ([a-z]+)")
NO_METRICS = {"tradepit_0"}  # a database

needs_promtool = pytest.mark.skipif(promtool is None, reason=WHY_NOT)


def documented_metrics() -> set[str]:
    """The series that the page of metrics promises."""
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `(\w+)` \| (gauge|counter|histogram) \|", page, re.MULTILINE)
    names = {name for name, _ in found}
    for name, kind in found:
        if kind == "histogram":
            names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return names


def panels(path: Path) -> list[dict[str, Any]]:
    document = json.loads(path.read_text(encoding="utf-8"))
    found = document["panels"]
    assert isinstance(found, list)
    return found


def check(*command: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_accepts_configuration_and_rules() -> None:
    assert promtool is not None
    check(promtool, "check", "config", str(CONFIGURATION))
    check(promtool, "check", "rules", str(RULES))


@needs_promtool
@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_every_alert_fires_when_it_should_and_only_then(path: Path) -> None:
    assert promtool is not None
    check(promtool, "test", "rules", str(path))


def test_each_alert_is_seen_firing_and_silent() -> None:
    silent: set[str] = set()
    firing: set[str] = set()
    for path in RULE_TESTS:
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            alert = case["name"].partition(":")[0]
            for look in case["promql_expr_test"]:
                labels = " ".join(sample["labels"] for sample in look["exp_samples"])
                (firing if f'alertname="{alert}"' in labels else silent).add(alert)
    alerts = {rule["alert"] for rule in alert_rules()}
    assert firing == alerts
    assert silent == alerts


def test_every_severity_of_an_alert_is_seen_firing() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in RULE_TESTS)
    for rule in alert_rules():
        severity = rule["labels"]["severity"]
        pattern = rf'alertname="{rule["alert"]}"[^}}]*severity="{severity}"'
        assert re.search(pattern, text), f"{rule['alert']} {severity}"


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    rules = alert_rules()
    for rule in rules:
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in rules}


def test_every_runbook_says_what_a_person_needs_at_night() -> None:
    severities: dict[str, set[str]] = {}
    for rule in alert_rules():
        severities.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    for alert, expected in severities.items():
        text = (RUNBOOKS / f"{alert}.md").read_text(encoding="utf-8")
        assert text.startswith(f"# {alert}\n")
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS, alert
        lead = text.split("\n## ")[0]
        assert {word for word in ("critical", "warning") if word in lead} == expected, alert


def test_the_runbooks_name_commands_that_exist() -> None:
    named = set()
    for path in RUNBOOKS.glob("*.md"):
        named |= set(COMMAND.findall(path.read_text(encoding="utf-8")))
    assert {"reconcile", "journal", "doctor"} <= named
    assert named <= COMMANDS.keys()


def test_the_index_lists_every_runbook() -> None:
    listed = re.findall(r"\]\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text(encoding="utf-8"))
    assert sorted(set(listed)) == sorted({rule["alert"] for rule in alert_rules()})


@pytest.mark.parametrize(
    "path", [RULES, *DASHBOARDS, *TOP, *sorted(RUNBOOKS.glob("*.md"))], ids=lambda path: path.name
)
def test_only_documented_metrics_are_named(path: Path) -> None:
    named = set(METRIC.findall(path.read_text(encoding="utf-8"))) - NO_METRICS
    assert named - documented_metrics() == set()


def test_the_dashboards_are_as_the_generator_makes_them() -> None:
    check(sys.executable, "ops/grafana/generate.py", "--check")


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_panels_of_a_dashboard_lie_side_by_side(path: Path) -> None:
    found = panels(path)
    assert len({panel["id"] for panel in found}) == len(found)
    places = [panel["gridPos"] for panel in found]
    for place in places:
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= GRID_WIDTH
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_names_what_is_there(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["uid"] == path.stem
    assert [variable["name"] for variable in document["templating"]["list"]] == ["shard"]
    source = (PROVISIONING / "datasources" / "prometheus.yml").read_text(encoding="utf-8")
    uid = yaml.safe_load(source)["datasources"][0]["uid"]
    for panel in panels(path):
        if panel["type"] == "row":
            continue
        assert panel["datasource"]["uid"] == uid
        assert panel["fieldConfig"]["defaults"]["unit"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) >= 1
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == uid
            variables = set(re.findall(r"\$(\w+)", target["expr"]))
            assert variables <= {"shard", "__rate_interval"}
            assert target["legendFormat"] or panel["type"] == "stat"
        for alert in re.findall(r"docs/runbooks/(\w+)\.md", panel["description"]):
            assert (RUNBOOKS / f"{alert}.md").is_file(), alert


def test_the_dashboards_lead_to_nearly_every_runbook() -> None:
    """Those of alerts that no panel shows are named."""
    shown = set()
    for path in DASHBOARDS:
        shown |= set(re.findall(r"docs/runbooks/(\w+)\.md", path.read_text(encoding="utf-8")))
    without_panel = {
        "TradepitFilesRunOut",
        "TradepitIngressDown",
        "TradepitNatsStorageFillsSoon",
        "TradepitReconcileDiffers",
        "TradepitReconcileNotRun",
        "TradepitRestarts",
    }
    assert {rule["alert"] for rule in alert_rules()} - shown == without_panel


def test_what_tradepit_top_points_to_exists() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in TOP)
    alerts = set(re.findall(r'"(Tradepit[A-Z]\w+)"', text)) - {"TradepitError"}
    assert len(alerts) > 10
    assert alerts <= {rule["alert"] for rule in alert_rules()}


def test_every_workflow_that_checks_brings_what_the_checks_skip_without() -> None:
    """`.ci/run` installs it as root only, and a skipped test is green."""
    checked = 0
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            scripts = [step.get("run", "") for step in job["steps"]]
            if ".ci/run" in scripts:
                before = "".join(scripts[: scripts.index(".ci/run")])
                assert re.search(r"sudo apt-get install .* prometheus clang$", before, re.MULTILINE)
                checked += 1
    assert checked == 2
