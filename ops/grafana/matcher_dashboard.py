"""The dashboard of matcher and journal."""

from panels import RED, YELLOW, Dashboard, Row, graph, number
from queries import (
    NO_YES,
    SHARD,
    SYNC,
    YES_NO,
    each,
    grown,
    of,
    per_second,
    process,
    recent,
    refusals,
    reply,
    runbook,
    stream_behind,
)

SYNCS = per_second("tradepit_stage_seconds_count", SYNC)
STAGES_P99 = f'tradepit_stage_recent_seconds{{{SHARD}, quantile="0.99"}}'
SINCE = "tradepit_committed_seq{%s} - %s{%s}"

ORDERS = Row(
    title="Orders",
    lines=[
        [
            graph(
                "Commands, queries, trades",
                "ops",
                each(per_second("tradepit_commands_total"), "commands"),
                each(per_second("tradepit_queries_total"), "queries"),
                each(per_second("tradepit_trades_total"), "trades"),
            ),
            graph(
                "Open orders and price levels",
                "short",
                each(of("tradepit_open_orders"), "orders"),
                each(of("tradepit_book_levels"), "levels"),
            ),
            graph("Sessions", "short", each(of("tradepit_sessions"))),
        ],
        [
            refusals(),
            graph(
                "Sent again, dropped",
                "ops",
                each(per_second("tradepit_replayed_answers_total"), "answered as before"),
                each(per_second("tradepit_messages_dropped_total"), "dropped"),
            ),
            graph(
                "Answers that wait",
                "bytes",
                each(of("tradepit_waiting_reply_bytes"), "for their commit"),
                each(of("tradepit_unread_reply_bytes"), "for their reader"),
            ),
        ],
    ],
)

TIME = Row(
    title="Time",
    lines=[
        [
            reply(),
            graph(
                "p99 of each stage",
                "s",
                each(STAGES_P99, "{{stage}}"),
                about="What a stage is: docs/metrics.md.",
            ),
            graph(
                "Write and fdatasync of a commit",
                "s",
                *recent("sync"),
                steps=[(0.02, YELLOW)],
                about=runbook("TradepitSyncSlow"),
            ),
        ],
        [
            graph("Commits", "ops", each(SYNCS)),
            graph(
                "Commands in a commit",
                "short",
                each(f"{per_second('tradepit_commands_total')} / on (shard) {SYNCS}"),
            ),
            graph(
                "Waiting for a commit",
                "s",
                each(of("tradepit_uncommitted_seconds")),
                steps=[(1, RED)],
                about=runbook("TradepitCommitsStalled"),
            ),
        ],
    ],
)

JOURNAL = Row(
    title="Journal and snapshots",
    lines=[
        [
            graph(
                "Journal, bytes written", "Bps", each(per_second("tradepit_journal_bytes_total"))
            ),
            graph(
                "Journal, on disk",
                "bytes",
                each(of("tradepit_journal_size_bytes"), "segments"),
                each(of("tradepit_journal_free_bytes"), "free"),
                about=runbook("TradepitStorageFillsSoon", "TradepitStorageFull"),
            ),
            graph(
                "Commands since",
                "short",
                each(SINCE % (SHARD, "tradepit_snapshot_seq", SHARD), "the snapshot"),
                each(SINCE % (SHARD, "tradepit_verified_seq", SHARD), "the last one compared"),
                about=runbook("TradepitSnapshotTooOld", "TradepitSnapshotterRestarts"),
            ),
        ],
        [
            number("Segments", f"sum({of('tradepit_journal_segments')})"),
            number(
                "Hot loop, turns",
                f"min({per_second('tradepit_hot_loop_turns_total')})",
                "ops",
                about=runbook("TradepitHotLoopStalled"),
            ),
            number(
                "Disk full",
                f"max({of('tradepit_storage_full')})",
                texts=NO_YES,
                about=runbook("TradepitStorageFull"),
            ),
            number(
                "Halted",
                f"max({of('tradepit_halted')})",
                texts=NO_YES,
                about=runbook("TradepitShardHalted"),
            ),
        ],
    ],
)

STREAM = Row(
    title="Stream",
    lines=[
        [
            stream_behind(),
            graph("From commit to JetStream's acknowledgement", "s", *recent("publish")),
            graph(
                "Batches in flight, interruptions",
                "short",
                each(of("tradepit_publish_batches_in_flight"), "in flight"),
                each(grown("tradepit_publish_interruptions_total"), "interruptions"),
            ),
        ],
        [
            number(
                "JetStream answers",
                f"min({of('tradepit_stream_connected')})",
                texts=YES_NO,
                about=runbook("TradepitNatsDown"),
            ),
            number(
                "Messages that the stream has lost",
                f"max({of('tradepit_stream_lost_messages')})",
                steps=[(1, RED)],
                about=runbook("TradepitStreamLostMessages"),
            ),
        ],
    ],
)

MATCHER = Dashboard(
    uid="tradepit-matcher",
    title="Tradepit: matcher and journal",
    about="One shard: what comes in, where the time goes, what is on disk and in the stream.",
    rows=[ORDERS, TIME, JOURNAL, STREAM, process("matcher")],
)
