"""A report as a file that the node exporter's textfile collector picks up."""

import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from tradepit.protocol.errors import ConfigurationError
from tradepit.tools.reconcile.report import Report


def write(path: Path, report: Report, duration_s: float) -> None:
    """Write it under another name first, so that nobody reads half of it. Raises ConfigurationError."""
    registry = CollectorRegistry()
    shard = str(report.shard_id)
    for name, text, value in (
        ("seq", "Everything up to this command was compared", report.seq),
        ("end_time_seconds", "When it ended, in Unix time", time.time()),
        ("duration_seconds", "How long it took", duration_s),
    ):
        gauge = Gauge(f"tradepit_reconcile_{name}", text, ["shard"], registry=registry)
        gauge.labels(shard).set(value)
    labels = ["shard", "check"]
    holds = Gauge("tradepit_reconcile_holds", "1 if nothing differs", labels, registry=registry)
    differences = Gauge(
        "tradepit_reconcile_differences",
        "How many differences the check found",
        labels,
        registry=registry,
    )
    for check in report.checks:
        holds.labels(shard, check.name).set(check.holds)
        differences.labels(shard, check.name).set(check.difference_count)
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
