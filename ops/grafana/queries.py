"""Queries that several dashboards ask. $shard is the variable of all of them; names of metrics are those of
docs/metrics.md.
"""

from panels import GREEN, RED, YELLOW, Panel, Row, graph

SHARD = 'shard=~"$shard"'
RATE = "[$__rate_interval]"
SYNC = f'{SHARD}, stage="sync"'
POST_ORDERS = 'method="POST", route="/v1/orders"'
REQUESTS = "tradepit_ingress_request_seconds"
YES_NO = (("0", "no", RED), ("1", "yes", GREEN))
NO_YES = (("0", "no", GREEN), ("1", "yes", RED))

# The two are scraped apart: what is sequenced between must not count.
LEDGER_BEHIND = (
    f"clamp_min(max by (shard) (tradepit_committed_seq{{{SHARD}}} offset 10s)"
    f" - on (shard) max by (shard) (tradepit_ledger_applied_seq{{{SHARD}}}), 0)"
)
ERROR_SHARE = (
    f'(sum(rate({REQUESTS}_count{{status="5xx"}}{RATE})) or vector(0))'
    f" / sum(rate({REQUESTS}_count{RATE}))"
)


def runbook(*alerts: str) -> str:
    """Where to read on, for a panel's description."""
    return "Runbook: " + ", ".join(f"docs/runbooks/{alert}.md" for alert in alerts)


def each(query: str, what: str = "") -> tuple[str, str]:
    """A target with one line a shard."""
    return query, f"{what}, shard {{{{shard}}}}" if what else "shard {{shard}}"


def of(metric: str) -> str:
    """A gauge as it is."""
    return f"{metric}{{{SHARD}}}"


def per_second(counter: str, labels: str = SHARD, by: str = "shard") -> str:
    return f"sum by ({by}) (rate({counter}{{{labels}}}{RATE}))"


def grown(counter: str) -> str:
    return f"increase({counter}{{{SHARD}}}{RATE})"


def quantile(value: float, histogram: str, labels: str = SHARD, by: str = "shard") -> str:
    buckets = f"sum by ({by}, le) (rate({histogram}_bucket{{{labels}}}{RATE}))"
    return f"histogram_quantile({value}, {buckets})"


def spread(histogram: str) -> list[tuple[str, str]]:
    return [each(quantile(0.5, histogram), "p50"), each(quantile(0.99, histogram), "p99")]


def recent(stage: str) -> list[tuple[str, str]]:
    """The matcher's own quantiles of the last minute, which are exact to 1 %."""
    metric = f'tradepit_stage_recent_seconds{{{SHARD}, stage="{stage}", quantile="%s"}}'
    names = (("0.5", "p50"), ("0.99", "p99"), ("0.999", "p99.9"), ("1", "longest"))
    return [each(metric % value, name) for value, name in names]


def reply() -> Panel:
    return graph(
        "Answer, from request to durable reply",
        "s",
        *recent("reply"),
        steps=[(0.01, YELLOW)],
        about=runbook("TradepitReplySlow"),
    )


def refusals() -> Panel:
    rejected = per_second("tradepit_rejected_commands_total", by="reason")
    refused = per_second("tradepit_refused_records_total", by="reason")
    return graph(
        "Rejected and refused, by reason",
        "ops",
        (f"{rejected} > 0", "{{reason}}"),
        (f"{refused} > 0", "{{reason}} (not sequenced)"),
        about=runbook("TradepitShardBusy"),
    )


def stream_behind() -> Panel:
    return graph(
        "Stream behind, commands",
        "short",
        each(of("tradepit_publish_lag")),
        about=runbook("TradepitPublishLag", "TradepitNatsDown"),
    )


def ledger_behind() -> Panel:
    return graph(
        "Ledger behind, commands",
        "short",
        each(LEDGER_BEHIND),
        about="Those older than 10 seconds. "
        + runbook("TradepitLedgerLag", "TradepitLedgerParked"),
    )


def ledger_late() -> Panel:
    return graph(
        "From command to COMMIT",
        "s",
        *spread("tradepit_ledger_lag_seconds"),
        steps=[(10, YELLOW)],
        about=runbook("TradepitLedgerLag"),
    )


def orders_over_rest() -> Panel:
    return graph(
        "POST /v1/orders",
        "s",
        *(
            (quantile(value, REQUESTS, POST_ORDERS, "instance"), f"{name} {{{{instance}}}}")
            for value, name in ((0.5, "p50"), (0.99, "p99"))
        ),
        steps=[(0.1, YELLOW)],
        about=runbook("TradepitIngressSlow"),
    )


def failing_requests() -> Panel:
    return graph(
        "Requests that fail (5xx)",
        "percentunit",
        (ERROR_SHARE, "of all"),
        steps=[(0.01, RED)],
        about=runbook("TradepitIngressErrors"),
    )


def process(job: str) -> Row:
    """What every service shows of itself."""
    of_job = f'job="{job}"'
    late = quantile(0.99, "tradepit_event_loop_lag_seconds", of_job, "instance")
    logged = f"increase(tradepit_log_records_total{{{of_job}}}{RATE})"
    line = [
        graph(
            "Processor time",
            "percentunit",
            (f"rate(process_cpu_seconds_total{{{of_job}}}{RATE})", "{{instance}}"),
            about="100 % is one core.",
        ),
        graph("Memory", "bytes", (f"process_resident_memory_bytes{{{of_job}}}", "{{instance}}")),
        graph(
            "Event loop, late by",
            "s",
            (late, "p99 {{instance}}"),
            steps=[(0.25, RED)],
            about=runbook("TradepitEventLoopLag"),
        ),
        graph(
            "Warnings and errors logged",
            "short",
            (f"sum by (instance, level) ({logged})", "{{level}} {{instance}}"),
            stacked=True,
        ),
    ]
    return Row(title="Process", lines=[line])
