"""What the dashboards show. generate.py makes Grafana's JSON of it."""

from collections.abc import Sequence

from matcher_dashboard import MATCHER
from panels import RED, YELLOW, Dashboard, Row, graph, number
from queries import (
    LEDGER_BEHIND,
    NO_YES,
    REQUESTS,
    SHARD,
    YES_NO,
    each,
    failing_requests,
    grown,
    ledger_behind,
    ledger_late,
    of,
    orders_over_rest,
    per_second,
    process,
    quantile,
    refusals,
    reply,
    runbook,
    spread,
    stream_behind,
)

ANSWER_P99 = f'tradepit_stage_recent_seconds{{{SHARD}, stage="reply", quantile="0.99"}}'
READY = 'sum(tradepit_ready{job="matcher"})'

OVERVIEW = Dashboard(
    uid="tradepit-overview",
    title="Tradepit: exchange",
    about="Is it well, how much does it do, how fast, and what is behind.",
    rows=[
        Row(
            title="Now",
            lines=[
                [
                    number("Shards ready", READY, about=runbook("TradepitNotReady")),
                    number(
                        "Shards not ready",
                        f'count(up{{job="matcher"}}) - {READY}',
                        steps=[(1, RED)],
                        about=runbook("TradepitShardDown", "TradepitNotReady"),
                    ),
                    number(
                        "Alerts firing",
                        'count(ALERTS{alertstate="firing"}) or vector(0)',
                        steps=[(1, RED)],
                        about="Each has a page in docs/runbooks.",
                    ),
                    number("Commands", f"sum({per_second('tradepit_commands_total')})", "ops"),
                    number("Trades", f"sum({per_second('tradepit_trades_total')})", "ops"),
                    number(
                        "Answer, p99",
                        f"max({ANSWER_P99})",
                        "s",
                        steps=[(0.01, YELLOW), (0.25, RED)],
                        about="Of the slowest shard. " + runbook("TradepitReplySlow"),
                    ),
                    number(
                        "Ledger behind",
                        f"max({LEDGER_BEHIND})",
                        steps=[(200_000, RED)],
                        about="Commands older than 10 seconds. " + runbook("TradepitLedgerLag"),
                    ),
                    number(
                        "Journal, free",
                        f"min({of('tradepit_journal_free_bytes')})",
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
                    graph(
                        "Commands",
                        "ops",
                        each(per_second("tradepit_commands_total")),
                        stacked=True,
                    ),
                    graph("Trades", "ops", each(per_second("tradepit_trades_total")), stacked=True),
                    refusals(),
                ],
                [reply(), orders_over_rest(), failing_requests()],
            ],
        ),
        Row(
            title="What follows the journal",
            lines=[[stream_behind(), ledger_behind(), ledger_late()]],
        ),
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
                    number(
                        "Follows",
                        f"min({of('tradepit_ledger_following')})",
                        texts=YES_NO,
                        about=runbook(
                            "TradepitLedgerDown", "TradepitPostgresDown", "TradepitNatsDown"
                        ),
                    ),
                    number(
                        "Parked",
                        f"max({of('tradepit_ledger_parked')})",
                        texts=NO_YES,
                        about=runbook("TradepitLedgerParked"),
                    ),
                    number(
                        "Redis holds every position",
                        f"min({of('tradepit_ledger_cache_complete')})",
                        texts=YES_NO,
                        about=runbook("TradepitCacheIncomplete"),
                    ),
                    number(
                        "Behind, commands",
                        f"max({LEDGER_BEHIND})",
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
                    ledger_behind(),
                    ledger_late(),
                    graph(
                        "Messages that the stream still has",
                        "short",
                        each(of("tradepit_ledger_pending_messages")),
                    ),
                ],
                [
                    graph(
                        "Commands and events stored",
                        "ops",
                        each(per_second("tradepit_ledger_commands_total"), "commands"),
                        each(per_second("tradepit_ledger_events_total"), "events"),
                    ),
                    graph(
                        "Transaction, to the end of COMMIT",
                        "s",
                        *spread("tradepit_ledger_commit_seconds"),
                    ),
                    graph(
                        "Commands in a transaction",
                        "short",
                        each(
                            f"{per_second('tradepit_ledger_commands_total')} / on (shard) "
                            + per_second("tradepit_ledger_commit_seconds_count")
                        ),
                    ),
                ],
                [
                    graph(
                        "Decoding of a transaction's messages",
                        "s",
                        *spread("tradepit_ledger_fold_seconds"),
                    ),
                    graph(
                        "Servers that went away",
                        "short",
                        each(grown("tradepit_ledger_interruptions_total"), "{{server}}"),
                        about=runbook("TradepitPostgresDown", "TradepitCacheIncomplete"),
                    ),
                    graph(
                        "Repeats and gaps",
                        "short",
                        each(grown("tradepit_ledger_repeats_total"), "repeats"),
                        each(grown("tradepit_ledger_gaps_total"), "gaps"),
                        about="Repeats are skipped and do no harm; gaps make it read again.",
                    ),
                ],
            ],
        ),
        Row(
            title="Cache",
            lines=[
                [
                    graph(
                        "Redis behind PostgreSQL, commands",
                        "short",
                        each(
                            f"{of('tradepit_ledger_applied_seq')}"
                            f" - {of('tradepit_ledger_cached_seq')}"
                        ),
                        about=runbook("TradepitCacheIncomplete"),
                    ),
                    graph("Writing to Redis", "s", *spread("tradepit_ledger_cache_seconds")),
                ]
            ],
        ),
        process("ledger"),
    ],
)

INGRESS = Dashboard(
    uid="tradepit-ingress",
    title="Tradepit: ingress",
    about="REST: requests, answers, and the way to the matchers.",
    rows=[
        Row(
            title="Requests",
            lines=[
                [
                    graph(
                        "Requests by class of their answer",
                        "reqps",
                        (per_second(f"{REQUESTS}_count", "", "status"), "{{status}}"),
                        stacked=True,
                    ),
                    graph(
                        "Requests by route",
                        "reqps",
                        (
                            per_second(f"{REQUESTS}_count", "", "method, route"),
                            "{{method}} {{route}}",
                        ),
                    ),
                    failing_requests(),
                ],
                [
                    orders_over_rest(),
                    graph(
                        "p99 of each route",
                        "s",
                        (quantile(0.99, REQUESTS, "", "method, route"), "{{method}} {{route}}"),
                    ),
                    graph(
                        "Problems by code",
                        "ops",
                        (
                            f"{per_second('tradepit_ingress_problems_total', '', 'code')} > 0",
                            "{{code}}",
                        ),
                    ),
                ],
            ],
        ),
        Row(
            title="Connections",
            lines=[
                [
                    graph(
                        "Clients",
                        "short",
                        ("tradepit_ingress_connections", "connections {{instance}}"),
                        ("tradepit_ingress_watchers", "event streams {{instance}}"),
                    ),
                    graph(
                        "Matchers that answer",
                        "short",
                        (of("tradepit_ingress_matcher_up"), "shard {{shard}} from {{instance}}"),
                        about=runbook("TradepitMatcherUnreachable"),
                    ),
                    graph(
                        "Requests without an answer, logons",
                        "short",
                        each(of("tradepit_ingress_outstanding"), "outstanding"),
                        each(grown("tradepit_ingress_logons_total"), "logons"),
                    ),
                ]
            ],
        ),
        process("ingress"),
    ],
)

DASHBOARDS: Sequence[Dashboard] = (OVERVIEW, MATCHER, LEDGER, INGRESS)
