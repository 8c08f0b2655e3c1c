"""One frame: tables of the matchers, ledgers and ingresses, and what needs a look."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from tradepit.tools.top.concerns import commands_behind, concerns
from tradepit.tools.top.figures import Change
from tradepit.tools.top.services import Service

STAGES = ("receive", "risk", "match", "journal", "sync", "publish", "reply")
QUANTILES = (("0.5", "p50"), ("0.99", "p99"), ("0.999", "p99.9"), ("1", "longest"))
REASONS_SHOWN_MAX = 5
UNKNOWN = "-"
WIDE = 110  # columns from which on everything is shown

Show = Callable[[Change], str]


class Column(NamedTuple):
    title: str
    show: Show
    is_extra: bool = False
    """Left out on a narrow screen."""


def seconds(value: float | None) -> str:
    """Three digits and a unit, such as 118 us."""
    if value is None:
        return UNKNOWN
    for unit, size in (("us", 1e-6), ("ms", 1e-3)):
        if value < 999.5 * size:
            scaled = value / size
            return f"{scaled:.0f} {unit}" if scaled >= 100 else f"{scaled:.3g} {unit}"
    return f"{value:.3g} s"


def number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def per_second(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 9.95 or value == 0 else f"{value:.1f}"


def _recent(stage: str, quantile: str) -> Show:
    return lambda change: seconds(
        change.value("tradepit_stage_recent_seconds", stage=stage, quantile=quantile)
    )


def _rate(name: str, **labels: str) -> Show:
    return lambda change: per_second(change.rate(name, **labels))


def _number(name: str) -> Show:
    return lambda change: number(change.value(name))


def _refusals(change: Change) -> str:
    rejected = change.rate("tradepit_rejected_commands_total")
    refused = change.rate("tradepit_refused_records_total")
    return per_second(None if rejected is None else rejected + (refused or 0.0))


def _orders_quantile(share: float) -> Show:
    return lambda change: seconds(
        change.quantile(
            share, "tradepit_ingress_request_seconds", method="POST", route="/v1/orders"
        )
    )


MATCHER = (
    Column("commands\n/s", _rate("tradepit_commands_total")),
    Column("trades\n/s", _rate("tradepit_trades_total"), is_extra=True),
    Column("rejects\n/s", _refusals),
    Column("open\norders", _number("tradepit_open_orders"), is_extra=True),
    Column("sessions", _number("tradepit_sessions"), is_extra=True),
    *(
        Column(f"reply\n{name}", _recent("reply", quantile), is_extra=name == "p99.9")
        for quantile, name in QUANTILES[:3]
    ),
    Column("sync\np99", _recent("sync", "0.99")),
    Column("to\nstream", _number("tradepit_publish_lag")),
    Column("seq", _number("tradepit_committed_seq")),
)
LEDGER = (
    Column("commands\n/s", _rate("tradepit_ledger_commands_total")),
    Column("events\n/s", _rate("tradepit_ledger_events_total"), is_extra=True),
    Column("lag\np50", lambda it: seconds(it.quantile(0.5, "tradepit_ledger_lag_seconds"))),
    Column("lag\np99", lambda it: seconds(it.quantile(0.99, "tradepit_ledger_lag_seconds"))),
    Column("commit\np99", lambda it: seconds(it.quantile(0.99, "tradepit_ledger_commit_seconds"))),
    Column("waiting", _number("tradepit_ledger_pending_messages"), is_extra=True),
    Column("seq", _number("tradepit_ledger_applied_seq")),
    Column(
        "cache", lambda it: "whole" if it.value("tradepit_ledger_cache_complete") else "incomplete"
    ),
)
INGRESS = (
    Column("requests\n/s", _rate("tradepit_ingress_request_seconds_count")),
    Column("4xx\n/s", _rate("tradepit_ingress_request_seconds_count", status="4xx")),
    Column("5xx\n/s", _rate("tradepit_ingress_request_seconds_count", status="5xx")),
    Column("orders\np50", _orders_quantile(0.5)),
    Column("orders\np99", _orders_quantile(0.99)),
    Column("connections", _number("tradepit_ingress_connections"), is_extra=True),
    Column("watchers", _number("tradepit_ingress_watchers"), is_extra=True),
    Column("outstanding", _number("tradepit_ingress_outstanding")),
)


def frame(services: Sequence[Service], title: str, width: int) -> RenderableType:
    """All there is to see now, as far as it fits into `width` columns."""
    found = concerns(services)
    parts: list[RenderableType] = [_head(services, title, len(found)), Text()]
    behind = {shard: number(count) for shard, count in commands_behind(services).items()}
    parts += _tables(services, "matcher", _fitting(MATCHER, width), {})
    parts += _tables(services, "ledger", _fitting(LEDGER, width), {"behind": behind})
    parts += _tables(services, "ingress", _fitting(INGRESS, width), {})
    parts += _tables(services, "", (), {})
    parts += [*_stages(services), _reasons(services), Text(), _concerns(found)]
    return Group(*parts)


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    return [column for column in columns if width >= WIDE or not column.is_extra]


def _head(services: Sequence[Service], title: str, concern_count: int) -> Text:
    down = sum(bool(service.trouble) for service in services)
    state = Text(f"{down} down", "bold red") if down else Text("all answer", "green")
    looks = Text("nothing to look at", "green")
    if concern_count:
        looks = Text(f"{concern_count} to look at", "bold yellow")
    when = time.strftime("%H:%M:%S")
    return Text("  ").join([Text(f"tradepit top  {when}", "bold"), Text(title), state, looks])


def _tables(
    services: Sequence[Service],
    kind: str,
    columns: Sequence[Column],
    of_shard: dict[str, dict[str, str]],
) -> list[RenderableType]:
    """A table of the services of that kind; none if there are none. Those of the kind "" have not
    said what they are.
    """
    rows = sorted(
        (service for service in services if service.kind == kind),
        key=lambda service: (int(service.shard or 0), service.url),
    )
    if not rows:
        return []
    table = _table()
    table.add_column(kind or "service", style="bold", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for title in (*of_shard, *(column.title for column in columns)):
        table.add_column(title, justify="right", no_wrap=True)
    for service in rows:
        cells = [texts.get(service.shard, UNKNOWN) for texts in of_shard.values()]
        change = service.change
        if service.trouble or change is None:
            cells += [""] * len(columns)
        else:
            cells += [column.show(change) for column in columns]
        table.add_row(service.shard or service.where, _state(service), *cells)
    return [table, Text()]


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def _state(service: Service) -> Text:
    if service.trouble or service.change is None:
        return Text("down", "bold red")
    if service.change.value("tradepit_ledger_parked"):
        return Text("parked", "bold red")
    if not service.change.value("tradepit_ready"):
        return Text("not ready", "bold red")
    return Text("ready", "green")


def _stages(services: Sequence[Service]) -> list[RenderableType]:
    """The worst of all shards, stage by stage, in about the last minute."""
    shown = [service.change for service in services if service.change and not service.trouble]
    table = _table()
    table.add_column("last minute", style="bold")
    for stage in STAGES:
        table.add_column(stage, justify="right", no_wrap=True)
    is_empty = True
    for quantile, name in QUANTILES:
        cells = []
        for stage in STAGES:
            values = [
                value
                for change in shown
                if (
                    value := change.value(
                        "tradepit_stage_recent_seconds", stage=stage, quantile=quantile
                    )
                )
                is not None
            ]
            is_empty = is_empty and not values
            cells.append(seconds(max(values, default=None)))
        table.add_row(name, *cells)
    return [] if is_empty else [table, Text()]


def _reasons(services: Sequence[Service]) -> RenderableType:
    """The most frequent reasons of refusals, of all shards."""
    rates = defaultdict[str, float](float)
    for service in services:
        if service.change is None or service.trouble:
            continue
        for name in ("tradepit_rejected_commands_total", "tradepit_refused_records_total"):
            for reason, rate in service.change.rates(name, "reason").items():
                rates[reason] += rate
    most = sorted(rates.items(), key=lambda item: -item[1])[:REASONS_SHOWN_MAX]
    shown = [f"{reason} {per_second(rate)}/s" for reason, rate in most if rate]
    return Text(f"rejects  {', '.join(shown)}") if shown else Text("rejects  none")


def _concerns(found: Sequence[tuple[str, str]]) -> RenderableType:
    lines = [Text(f"! {text}  (docs/runbooks/{alert}.md)", "yellow") for text, alert in found]
    return Group(*lines)
