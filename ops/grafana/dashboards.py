"""What the dashboards show. generate.py makes Grafana's JSON of it.

$shard is the variable of every dashboard; names of metrics are those of docs/metrics.md.
"""

from collections.abc import Sequence

from panels import GREEN, RED, YELLOW, Dashboard, Panel, Row, stat

SHARD = 'shard=~"$shard"'
RATE = "[$__rate_interval]"
QUANTILES = (("0.5", "p50"), ("0.99", "p99"), ("0.999", "p99.9"), ("1", "longest"))
JOBS = 'job=~"matcher|ledger|ingress"'


def runbook(*alerts: str) -> str:
    """Where to read on, for a panel's description."""
    return "Runbook: " + ", ".join(f"docs/runbooks/{alert}.md" for alert in alerts)


def per_second(counter: str, labels: str = SHARD, by: str = "shard") -> str:
    return f"sum by ({by}) (rate({counter}{{{labels}}}{RATE}))"


def quantile(value: float, histogram: str, labels: str = SHARD, by: str = "shard") -> str:
    return (
        f"histogram_quantile({value}, "
        f"sum by ({by}, le) (rate({histogram}_bucket{{{labels}}}{RATE})))"
    )


def recent(stage: str) -> list[tuple[str, str]]:
    """The matcher's own quantiles, which are exact to 1 %."""
    return [
        (
            f'tradepit_stage_recent_seconds{{{SHARD}, stage="{stage}", quantile="{quantile}"}}',
            f"{name} shard {{{{shard}}}}",
        )
        for quantile, name in QUANTILES
    ]


def spread(histogram: str) -> list[tuple[str, str]]:
    return [
        (quantile(0.5, histogram), "p50 shard {{shard}}"),
        (quantile(0.99, histogram), "p99 shard {{shard}}"),
    ]


BEHIND = (
    f"max by (shard) (tradepit_committed_seq{{{SHARD}}})"
    f" - on (shard) max by (shard) (tradepit_ledger_applied_seq{{{SHARD}}})"
)
ORDER_ROUTE = 'method="POST", route="/v1/orders"'
ERROR_RATIO = (
    f'(sum(rate(tradepit_ingress_request_seconds_count{{status="5xx"}}{RATE})) or vector(0))'
    f" / sum(rate(tradepit_ingress_request_seconds_count{RATE}))"
)
YES_NO = (("0", "no", RED), ("1", "yes", GREEN))


def process(job: str) -> Row:
    """What every service shows of itself."""
    of_job = f'job="{job}"'
    name = "{{instance}}"
    return Row(
        title="Process",
        lines=[
            [
                Panel(
                    title="Processor time",
                    targets=[(f"rate(process_cpu_seconds_total{{{of_job}}}{RATE})", name)],
                    unit="percentunit",
                    about="1 is one core.",
                ),
                Panel(
                    title="Memory",
                    targets=[(f"process_resident_memory_bytes{{{of_job}}}", name)],
                    unit="bytes",
                ),
                Panel(
                    title="Event loop, late by",
                    targets=[
                        (
                            quantile(0.99, "tradepit_event_loop_lag_seconds", of_job, "instance"),
                            f"p99 {name}",
                        )
                    ],
                    unit="s",
                    steps=[(0.25, RED)],
                    about=runbook("TradepitEventLoopLag"),
                ),
                Panel(
                    title="Warnings and errors logged",
                    targets=[
                        (
                            f"sum by (instance, level) (increase(tradepit_log_records_total{{{of_job}}}{RATE}))",
                            f"{{{{level}}}} {name}",
                        )
                    ],
                    stacked=True,
                ),
            ]
        ],
    )


OVERVIEW = Dashboard(
    uid="tradepit-overview",
    title="Tradepit: exchange",
    about="Is it well, how much does it do, how fast, and what is behind.",
    rows=[
        Row(
            title="Now",
            lines=[
                [
                    stat(
                        "Shards ready",
                        'sum(tradepit_ready{job="matcher"})',
                        steps=[],
                        about=runbook("TradepitShardDown", "TradepitNotReady"),
                    ),
                    stat(
                        "Shards not ready",
                        'count(up{job="matcher"}) - sum(tradepit_ready{job="matcher"})',
                        steps=[(1, RED)],
                        about=runbook("TradepitShardDown", "TradepitNotReady"),
                    ),
                    stat(
                        "Alerts firing",
                        'count(ALERTS{alertstate="firing"}) or vector(0)',
                        steps=[(1, RED)],
                        about="Each has a page in docs/runbooks.",
                    ),
                    stat(
                        "Commands",
                        f"sum(rate(tradepit_commands_total{{{SHARD}}}{RATE}))",
                        "ops",
                    ),
                    stat("Trades", f"sum(rate(tradepit_trades_total{{{SHARD}}}{RATE}))", "ops"),
                    stat(
                        "Answer, p99 of the slowest shard",
                        f'max(tradepit_stage_recent_seconds{{{SHARD}, stage="reply", quantile="0.99"}})',
                        "s",
                        steps=[(0.01, YELLOW), (0.25, RED)],
                        about=runbook("TradepitReplySlow"),
                    ),
                    stat(
                        "Ledger behind, commands",
                        f"max({BEHIND})",
                        steps=[(200_000, RED)],
                        about=runbook("TradepitLedgerLag"),
                    ),
                    stat(
                        "Least space for a journal",
                        f"min(tradepit_journal_free_bytes{{{SHARD}}})",
                        "bytes",
                        about=runbook("TradepitStorageFillsSoon"),
                    ),
                ]
            ],
        ),
        Row(
            title="Orders",
            lines=[
                [
                    Panel(
                        title="Commands",
                        targets=[(per_second("tradepit_commands_total"), "shard {{shard}}")],
                        unit="ops",
                        stacked=True,
                    ),
                    Panel(
                        title="Trades",
                        targets=[(per_second("tradepit_trades_total"), "shard {{shard}}")],
                        unit="ops",
                        stacked=True,
                    ),
                    Panel(
                        title="Rejected and refused, by reason",
                        targets=[
                            (
                                f"{per_second('tradepit_rejected_commands_total', by='reason')} > 0",
                                "{{reason}}",
                            ),
                            (
                                f"{per_second('tradepit_refused_records_total', by='reason')} > 0",
                                "{{reason}} (not sequenced)",
                            ),
                        ],
                        unit="ops",
                        about=runbook("TradepitShardBusy"),
                    ),
                ],
                [
                    Panel(
                        title="Answer, from request to durable reply",
                        targets=recent("reply"),
                        unit="s",
                        steps=[(0.01, YELLOW)],
                        about=runbook("TradepitReplySlow"),
                    ),
                    Panel(
                        title="POST /v1/orders",
                        targets=[
                            (
                                quantile(
                                    0.5, "tradepit_ingress_request_seconds", ORDER_ROUTE, "instance"
                                ),
                                "p50 {{instance}}",
                            ),
                            (
                                quantile(
                                    0.99, "tradepit_ingress_request_seconds", ORDER_ROUTE, "instance"
                                ),
                                "p99 {{instance}}",
                            ),
                        ],
                        unit="s",
                        steps=[(0.1, YELLOW)],
                        about=runbook("TradepitIngressSlow"),
                    ),
                    Panel(
                        title="REST requests that fail (5xx)",
                        targets=[(ERROR_RATIO, "of all")],
                        unit="percentunit",
                        steps=[(0.01, RED)],
                        about=runbook("TradepitIngressErrors"),
                    ),
                ],
            ],
        ),
        Row(
            title="What follows the journal",
            lines=[
                [
                    Panel(
                        title="Stream behind, commands",
                        targets=[(f"tradepit_publish_lag{{{SHARD}}}", "shard {{shard}}")],
                        about=runbook("TradepitPublishLag", "TradepitNatsDown"),
                    ),
                    Panel(
                        title="Ledger behind, commands",
                        targets=[(BEHIND, "shard {{shard}}")],
                        about=runbook("TradepitLedgerLag", "TradepitLedgerParked"),
                    ),
                    Panel(
                        title="From command to COMMIT",
                        targets=spread("tradepit_ledger_lag_seconds"),
                        unit="s",
                        about=runbook("TradepitLedgerLag"),
                    ),
                ]
            ],
        ),
    ],
)

MATCHER = Dashboard(
    uid="tradepit-matcher",
    title="Tradepit: matcher and journal",
    about="One shard: what comes in, where the time goes, what is on disk and in the stream.",
    rows=[
        Row(
            title="Orders",
            lines=[
                [
                    Panel(
                        title="Commands, queries, trades",
                        targets=[
                            (per_second("tradepit_commands_total"), "commands, shard {{shard}}"),
                            (per_second("tradepit_queries_total"), "queries, shard {{shard}}"),
                            (per_second("tradepit_trades_total"), "trades, shard {{shard}}"),
                        ],
                        unit="ops",
                    ),
                    Panel(
                        title="Open orders and price levels",
                        targets=[
                            (f"tradepit_open_orders{{{SHARD}}}", "orders, shard {{shard}}"),
                            (f"tradepit_book_levels{{{SHARD}}}", "levels, shard {{shard}}"),
                        ],
                    ),
                    Panel(
                        title="Sessions",
                        targets=[(f"tradepit_sessions{{{SHARD}}}", "shard {{shard}}")],
                    ),
                ],
                [
                    Panel(
                        title="Rejected and refused, by reason",
                        targets=[
                            (
                                f"{per_second('tradepit_rejected_commands_total', by='reason')} > 0",
                                "{{reason}}",
                            ),
                            (
                                f"{per_second('tradepit_refused_records_total', by='reason')} > 0",
                                "{{reason}} (not sequenced)",
                            ),
                        ],
                        unit="ops",
                        about=runbook("TradepitShardBusy"),
                    ),
                    Panel(
                        title="Sent again, dropped",
                        targets=[
                            (
                                per_second("tradepit_replayed_answers_total"),
                                "answered as before, shard {{shard}}",
                            ),
                            (
                                per_second("tradepit_messages_dropped_total"),
                                "dropped, shard {{shard}}",
                            ),
                        ],
                        unit="ops",
                    ),
                    Panel(
                        title="Answers that wait",
                        targets=[
                            (
                                f"tradepit_waiting_reply_bytes{{{SHARD}}}",
                                "for their commit, shard {{shard}}",
                            ),
                            (
                                f"tradepit_unread_reply_bytes{{{SHARD}}}",
                                "for their reader, shard {{shard}}",
                            ),
                        ],
                        unit="bytes",
                    ),
                ],
            ],
        ),
        Row(
            title="Time",
            lines=[
                [
                    Panel(
                        title="Answer, from request to durable reply",
                        targets=recent("reply"),
                        unit="s",
                        steps=[(0.01, YELLOW)],
                        about=runbook("TradepitReplySlow"),
                    ),
                    Panel(
                        title="p99 of each stage",
                        targets=[
                            (
                                f'tradepit_stage_recent_seconds{{{SHARD}, quantile="0.99"}}',
                                "{{stage}} shard {{shard}}",
                            )
                        ],
                        unit="s",
                        about="What a stage is: docs/metrics.md.",
                    ),
                    Panel(
                        title="Write and fdatasync of a commit",
                        targets=recent("sync"),
                        unit="s",
                        steps=[(0.02, YELLOW)],
                        about=runbook("TradepitSyncSlow"),
                    ),
                ],
                [
                    Panel(
                        title="Commits",
                        targets=[
                            (
                                per_second("tradepit_stage_seconds_count", f'{SHARD}, stage="sync"'),
                                "shard {{shard}}",
                            )
                        ],
                        unit="ops",
                    ),
                    Panel(
                        title="Commands in a commit",
                        targets=[
                            (
                                f"{per_second('tradepit_commands_total')} / on (shard) "
                                + per_second(
                                    "tradepit_stage_seconds_count", f'{SHARD}, stage="sync"'
                                ),
                                "shard {{shard}}",
                            )
                        ],
                    ),
                    Panel(
                        title="Waiting for a commit",
                        targets=[
                            (f"tradepit_uncommitted_seconds{{{SHARD}}}", "shard {{shard}}")
                        ],
                        unit="s",
                        steps=[(1, RED)],
                        about=runbook("TradepitCommitsStalled"),
                    ),
                ],
            ],
        ),
        Row(
            title="Journal and snapshots",
            lines=[
                [
                    Panel(
                        title="Journal, bytes written",
                        targets=[(per_second("tradepit_journal_bytes_total"), "shard {{shard}}")],
                        unit="Bps",
                    ),
                    Panel(
                        title="Journal, on disk",
                        targets=[
                            (f"tradepit_journal_size_bytes{{{SHARD}}}", "segments, shard {{shard}}"),
                            (f"tradepit_journal_free_bytes{{{SHARD}}}", "free, shard {{shard}}"),
                        ],
                        unit="bytes",
                        about=runbook("TradepitStorageFillsSoon", "TradepitStorageFull"),
                    ),
                    Panel(
                        title="Commands since",
                        targets=[
                            (
                                f"tradepit_committed_seq{{{SHARD}}} - tradepit_snapshot_seq{{{SHARD}}}",
                                "the snapshot, shard {{shard}}",
                            ),
                            (
                                f"tradepit_committed_seq{{{SHARD}}} - tradepit_verified_seq{{{SHARD}}}",
                                "the last one compared, shard {{shard}}",
                            ),
                        ],
                        about=runbook("TradepitSnapshotTooOld", "TradepitSnapshotterRestarts"),
                    ),
                ],
                [
                    stat(
                        "Segments",
                        f"sum(tradepit_journal_segments{{{SHARD}}})",
                    ),
                    stat(
                        "Hot loop, turns",
                        f"min({per_second('tradepit_hot_loop_turns_total')})",
                        "ops",
                        about=runbook("TradepitHotLoopStalled"),
                    ),
                    stat(
                        "Disk full",
                        f"max(tradepit_storage_full{{{SHARD}}})",
                        texts=(("0", "no", GREEN), ("1", "yes", RED)),
                        about=runbook("TradepitStorageFull"),
                    ),
                    stat(
                        "Halted",
                        f"max(tradepit_halted{{{SHARD}}})",
                        texts=(("0", "no", GREEN), ("1", "yes", RED)),
                        about=runbook("TradepitShardHalted"),
                    ),
                ],
            ],
        ),
        Row(
            title="Stream",
            lines=[
                [
                    Panel(
                        title="Stream behind, commands",
                        targets=[(f"tradepit_publish_lag{{{SHARD}}}", "shard {{shard}}")],
                        about=runbook("TradepitPublishLag"),
                    ),
                    Panel(
                        title="From commit to JetStream's acknowledgement",
                        targets=recent("publish"),
                        unit="s",
                    ),
                    Panel(
                        title="Batches in flight, interruptions",
                        targets=[
                            (
                                f"tradepit_publish_batches_in_flight{{{SHARD}}}",
                                "in flight, shard {{shard}}",
                            ),
                            (
                                f"increase(tradepit_publish_interruptions_total{{{SHARD}}}{RATE})",
                                "interruptions, shard {{shard}}",
                            ),
                        ],
                    ),
                ],
                [
                    stat(
                        "JetStream answers",
                        f"min(tradepit_stream_connected{{{SHARD}}})",
                        texts=YES_NO,
                        about=runbook("TradepitNatsDown"),
                    ),
                    stat(
                        "Messages that the stream has lost",
                        f"max(tradepit_stream_lost_messages{{{SHARD}}})",
                        steps=[(1, RED)],
                        about=runbook("TradepitStreamLostMessages"),
                    ),
                ],
            ],
        ),
        process("matcher"),
    ],
)

LEDGER = Dashboard(
    uid="tradepit-ledger",
    title="Tradepit: ledger and cache",
    about="From the stream to PostgreSQL and Redis.",
    rows=[
        Row(
            title="Now",
            lines=[
                [
                    stat(
                        "Follows",
                        f"min(tradepit_ledger_following{{{SHARD}}})",
                        texts=YES_NO,
                        about=runbook("TradepitPostgresDown", "TradepitNatsDown"),
                    ),
                    stat(
                        "Parked",
                        f"max(tradepit_ledger_parked{{{SHARD}}})",
                        texts=(("0", "no", GREEN), ("1", "yes", RED)),
                        about=runbook("TradepitLedgerParked"),
                    ),
                    stat(
                        "Redis holds every position",
                        f"min(tradepit_ledger_cache_complete{{{SHARD}}})",
                        texts=YES_NO,
                        about=runbook("TradepitCacheIncomplete"),
                    ),
                    stat(
                        "Behind, commands",
                        f"max({BEHIND})",
                        steps=[(200_000, RED)],
                        about=runbook("TradepitLedgerLag"),
                    ),
                ]
            ],
        ),
        Row(
            title="Ledger",
            lines=[
                [
                    Panel(
                        title="Behind, commands",
                        targets=[(BEHIND, "shard {{shard}}")],
                        about=runbook("TradepitLedgerLag"),
                    ),
                    Panel(
                        title="From command to COMMIT",
                        targets=spread("tradepit_ledger_lag_seconds"),
                        unit="s",
                        steps=[(10, YELLOW)],
                        about=runbook("TradepitLedgerLag"),
                    ),
                    Panel(
                        title="Messages that the stream still has",
                        targets=[(f"tradepit_ledger_pending_messages{{{SHARD}}}", "shard {{shard}}")],
                    ),
                ],
                [
                    Panel(
                        title="Commands and events stored",
                        targets=[
                            (
                                per_second("tradepit_ledger_commands_total"),
                                "commands, shard {{shard}}",
                            ),
                            (per_second("tradepit_ledger_events_total"), "events, shard {{shard}}"),
                        ],
                        unit="ops",
                    ),
                    Panel(
                        title="Transaction, to the end of COMMIT",
                        targets=spread("tradepit_ledger_commit_seconds"),
                        unit="s",
                    ),
                    Panel(
                        title="Commands in a transaction",
                        targets=[
                            (
                                f"{per_second('tradepit_ledger_commands_total')} / on (shard) "
                                + per_second("tradepit_ledger_commit_seconds_count"),
                                "shard {{shard}}",
                            )
                        ],
                    ),
                ],
                [
                    Panel(
                        title="Decoding of a transaction's messages",
                        targets=spread("tradepit_ledger_fold_seconds"),
                        unit="s",
                    ),
                    Panel(
                        title="Servers that went away",
                        targets=[
                            (
                                f"increase(tradepit_ledger_interruptions_total{{{SHARD}}}{RATE})",
                                "{{server}} shard {{shard}}",
                            )
                        ],
                        about=runbook("TradepitPostgresDown", "TradepitCacheIncomplete"),
                    ),
                    Panel(
                        title="Repeats and gaps",
                        targets=[
                            (
                                f"increase(tradepit_ledger_repeats_total{{{SHARD}}}{RATE})",
                                "repeats, shard {{shard}}",
                            ),
                            (
                                f"increase(tradepit_ledger_gaps_total{{{SHARD}}}{RATE})",
                                "gaps, shard {{shard}}",
                            ),
                        ],
                        about="Repeats are skipped and do no harm; gaps make it read again.",
                    ),
                ],
            ],
        ),
        Row(
            title="Cache",
            lines=[
                [
                    Panel(
                        title="Redis behind PostgreSQL, commands",
                        targets=[
                            (
                                f"tradepit_ledger_applied_seq{{{SHARD}}} - tradepit_ledger_cached_seq{{{SHARD}}}",
                                "shard {{shard}}",
                            )
                        ],
                        about=runbook("TradepitCacheIncomplete"),
                    ),
                    Panel(
                        title="Writing to Redis",
                        targets=spread("tradepit_ledger_cache_seconds"),
                        unit="s",
                    ),
                ]
            ],
        ),
        process("ledger"),
    ],
)


def requests(labels: str, by: str) -> str:
    return per_second("tradepit_ingress_request_seconds_count", labels, by)


def slowest(value: float) -> str:
    return quantile(value, "tradepit_ingress_request_seconds", "", "method, route")


INGRESS = Dashboard(
    uid="tradepit-ingress",
    title="Tradepit: ingress",
    about="REST: requests, answers, and the way to the matchers.",
    rows=[
        Row(
            title="Requests",
            lines=[
                [
                    Panel(
                        title="Requests by class of their answer",
                        targets=[(requests("", "status"), "{{status}}")],
                        unit="reqps",
                        stacked=True,
                    ),
                    Panel(
                        title="Requests by route",
                        targets=[(requests("", "method, route"), "{{method}} {{route}}")],
                        unit="reqps",
                    ),
                    Panel(
                        title="Requests that fail (5xx)",
                        targets=[(ERROR_RATIO, "of all")],
                        unit="percentunit",
                        steps=[(0.01, RED)],
                        about=runbook("TradepitIngressErrors"),
                    ),
                ],
                [
                    Panel(
                        title="POST /v1/orders",
                        targets=[
                            (
                                quantile(
                                    value, "tradepit_ingress_request_seconds", ORDER_ROUTE, "instance"
                                ),
                                f"{name} {{{{instance}}}}",
                            )
                            for value, name in ((0.5, "p50"), (0.99, "p99"))
                        ],
                        unit="s",
                        steps=[(0.1, YELLOW)],
                        about=runbook("TradepitIngressSlow"),
                    ),
                    Panel(
                        title="p99 of each route",
                        targets=[(slowest(0.99), "{{method}} {{route}}")],
                        unit="s",
                    ),
                    Panel(
                        title="Problems by code",
                        targets=[
                            (
                                f"{per_second('tradepit_ingress_problems_total', '', 'code')} > 0",
                                "{{code}}",
                            )
                        ],
                        unit="ops",
                    ),
                ],
            ],
        ),
        Row(
            title="Connections",
            lines=[
                [
                    Panel(
                        title="Clients",
                        targets=[
                            ("tradepit_ingress_connections", "connections {{instance}}"),
                            ("tradepit_ingress_watchers", "event streams {{instance}}"),
                        ],
                    ),
                    Panel(
                        title="Matchers that answer",
                        targets=[
                            (
                                f"tradepit_ingress_matcher_up{{{SHARD}}}",
                                "shard {{shard}} from {{instance}}",
                            )
                        ],
                        about=runbook("TradepitMatcherUnreachable"),
                    ),
                    Panel(
                        title="Requests without an answer, logons",
                        targets=[
                            (
                                f"tradepit_ingress_outstanding{{{SHARD}}}",
                                "outstanding, shard {{shard}}",
                            ),
                            (
                                f"increase(tradepit_ingress_logons_total{{{SHARD}}}{RATE})",
                                "logons, shard {{shard}}",
                            ),
                        ],
                    ),
                ]
            ],
        ),
        process("ingress"),
    ],
)

DASHBOARDS: Sequence[Dashboard] = (OVERVIEW, MATCHER, LEDGER, INGRESS)
