"""What a panel and a dashboard are, and the JSON that Grafana wants of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "tradepit-prometheus"}
SCHEMA_VERSION = 39
GRID_WIDTH = 24
STAT_HEIGHT, GRAPH_HEIGHT, ROW_HEIGHT = 4, 8, 1
GREEN, YELLOW, RED = "green", "orange", "red"

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture. `targets` are queries with the legend of what they return. `steps` are values from
    which on it is drawn in a colour, the lowest first; below the first it is green.
    """

    title: str
    targets: Sequence[tuple[str, str]]
    unit: str = "short"
    about: str = ""
    steps: Sequence[tuple[float, str]] = ()
    is_stat: bool = False
    texts: Sequence[tuple[str, str, str]] = ()
    """Of a stat: a value, what is shown instead of it, and its colour."""
    stacked: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """A heading, and lines of panels below it. The panels of a line are equally wide."""

    title: str
    lines: Sequence[Sequence[Panel]]


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    uid: str
    title: str
    about: str
    rows: Sequence[Row]


def number(title: str, query: str, unit: str = "short", **more: Any) -> Panel:
    """A single number."""
    return Panel(title=title, targets=[(query, "")], unit=unit, is_stat=True, **more)


def graph(title: str, unit: str, *targets: tuple[str, str], **more: Any) -> Panel:
    """Lines over time."""
    return Panel(title=title, targets=targets, unit=unit, **more)


def document(dashboard: Dashboard) -> Json:
    """As Grafana reads it from a file."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["tradepit"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "utc",
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "Tradepit",
                "tags": ["tradepit"],
                "asDropdown": False,
                "keepTime": True,
                "includeVars": True,
            }
        ],
        "templating": {"list": [_shard_variable()]},
        "panels": _panels(dashboard.rows),
    }


def _shard_variable() -> Json:
    query = "label_values(tradepit_committed_seq, shard)"
    return {
        "name": "shard",
        "label": "Shard",
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": "shard"},
        "definition": query,
        "refresh": 2,
        "sort": 3,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(rows: Sequence[Row]) -> list[Json]:
    panels: list[Json] = []
    top = 0
    for row in rows:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": top, "w": GRID_WIDTH, "h": ROW_HEIGHT},
            }
        )
        top += ROW_HEIGHT
        for line in row.lines:
            height = STAT_HEIGHT if line[0].is_stat else GRAPH_HEIGHT
            width = GRID_WIDTH // len(line)
            for number, panel in enumerate(line):
                place = {"x": number * width, "y": top, "w": width, "h": height}
                panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel)})
            top += height
    return panels


def _panel(panel: Panel) -> Json:
    return {
        "type": "stat" if panel.is_stat else "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "targets": [
            {
                "refId": "ABCDEFGH"[number],
                "datasource": DATASOURCE,
                "expr": query,
                "legendFormat": legend,
                "range": True,
            }
            for number, (query, legend) in enumerate(panel.targets)
        ],
        "fieldConfig": {
            "defaults": _stat_defaults(panel) if panel.is_stat else _graph_defaults(panel),
            "overrides": [],
        },
        "options": _stat_options() if panel.is_stat else _graph_options(),
    }


def _thresholds(panel: Panel) -> Json:
    steps: list[Json] = [{"color": GREEN, "value": None}]
    steps += [{"color": color, "value": value} for value, color in panel.steps]
    return {"mode": "absolute", "steps": steps}


def _stat_defaults(panel: Panel) -> Json:
    options = {value: {"text": text, "color": color} for value, text, color in panel.texts}
    return {
        "unit": panel.unit,
        "color": {"mode": "thresholds"},
        "thresholds": _thresholds(panel),
        "mappings": [{"type": "value", "options": options}] if options else [],
        "noValue": "-",
    }


def _graph_defaults(panel: Panel) -> Json:
    return {
        "unit": panel.unit,
        "min": 0,
        "color": {"mode": "palette-classic"},
        "thresholds": _thresholds(panel),
        "mappings": [],
        "custom": {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 30 if panel.stacked else 8,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
        },
    }


def _stat_options() -> Json:
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area",
        "textMode": "value",
        "justifyMode": "center",
    }


def _graph_options() -> Json:
    return {
        "legend": {
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
            "calcs": ["lastNotNull", "max"],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
