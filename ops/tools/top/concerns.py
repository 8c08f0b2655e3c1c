"""What a person should look at now: the conditions of the alerts, as far as one moment shows them."""

from collections.abc import Iterator, Sequence

from tradepit.tools.top.services import Service

REPLY_S_MAX = 0.01
SYNC_S_MAX = 0.02
UNCOMMITTED_S_MAX = 1.0
FREE_BYTES_MIN = 2e9
BEHIND_COMMANDS_MAX = 200_000
ERROR_SHARE_MAX = 0.01


def concerns(services: Sequence[Service]) -> list[tuple[str, str]]:
    """A sentence, and the alert whose page in docs/runbooks says more."""
    found: list[tuple[str, str]] = []
    for service in services:
        if service.trouble:
            alert = {
                "matcher": "TradepitShardDown",
                "ledger": "TradepitLedgerDown",
                "ingress": "TradepitIngressDown",
            }.get(service.kind, "TradepitShardDown")
            found.append((f"{service.name} does not answer ({service.trouble})", alert))
        else:
            found += ((f"{service.name}: {text}", alert) for text, alert in _of(service))
    behind = commands_behind(services)
    found += (
        (f"ledger {shard} is {count:,.0f} commands behind", "TradepitLedgerLag")
        for shard, count in behind.items()
        if count > BEHIND_COMMANDS_MAX
    )
    return found


def commands_behind(services: Sequence[Service]) -> dict[str, float]:
    """By shard, how many durable commands its ledger lacks."""
    applied: dict[str, float] = {}
    committed: dict[str, float] = {}
    for service in services:
        if service.change is None or service.trouble:
            continue
        for seqs, name in (
            (committed, "tradepit_committed_seq"),
            (applied, "tradepit_ledger_applied_seq"),
        ):
            seq = service.change.value(name)
            if seq is not None:
                seqs[service.shard] = seq
    return {
        shard: max(seq - applied[shard], 0.0)
        for shard, seq in committed.items()
        if shard in applied
    }


def _of(service: Service) -> Iterator[tuple[str, str]]:
    change = service.change
    assert change is not None

    def value(name: str, **labels: str) -> float:
        return change.value(name, **labels) or 0.0

    if change.value("tradepit_ready") == 0:
        yield "not ready; /health/ready says why", "TradepitNotReady"
    if value("tradepit_halted"):
        yield "halted: two engines disagree", "TradepitShardHalted"
    if value("tradepit_uncommitted_seconds") > UNCOMMITTED_S_MAX:
        yield "commands wait for their commit", "TradepitCommitsStalled"
    if change.rate("tradepit_hot_loop_turns_total") == 0:
        yield "the hot loop does not turn", "TradepitHotLoopStalled"
    if value("tradepit_stage_recent_seconds", stage="sync", quantile="0.99") > SYNC_S_MAX:
        yield "the journal's disk is slow", "TradepitSyncSlow"
    if value("tradepit_stage_recent_seconds", stage="reply", quantile="0.99") > REPLY_S_MAX:
        yield "answers are slow", "TradepitReplySlow"
    if value("tradepit_storage_full"):
        yield "the journal's disk is full", "TradepitStorageFull"
    elif (
        free := change.value("tradepit_journal_free_bytes")
    ) is not None and free < FREE_BYTES_MIN:
        yield "the journal's disk is nearly full", "TradepitStorageFillsSoon"
    if change.value("tradepit_stream_connected") == 0:
        yield "JetStream does not answer", "TradepitNatsDown"
    if value("tradepit_stream_lost_messages"):
        yield "the stream has lost messages", "TradepitStreamLostMessages"
    if value("tradepit_ledger_parked"):
        yield "parked: something is in the way", "TradepitLedgerParked"
    elif change.value("tradepit_ledger_following") == 0:
        yield "PostgreSQL or the stream does not answer", "TradepitPostgresDown"
    if change.value("tradepit_ledger_cache_complete") == 0:
        yield "Redis does not hold every position", "TradepitCacheIncomplete"
    requests = change.rate("tradepit_ingress_request_seconds_count")
    if requests:
        failed = change.rate("tradepit_ingress_request_seconds_count", status="5xx") or 0.0
        if failed / requests > ERROR_SHARE_MAX:
            yield f"{failed / requests:.0%} of requests fail", "TradepitIngressErrors"
    for shard in _shards_away(service):
        yield f"cannot reach shard {shard}", "TradepitMatcherUnreachable"


def _shards_away(service: Service) -> list[str]:
    assert service.change is not None
    return [
        sample.labels.get("shard", "")
        for sample in service.change.series("tradepit_ingress_matcher_up")
        if sample.value == 0
    ]
