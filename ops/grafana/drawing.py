"""A panel as SVG: lines or a number, an axis, a legend."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLORS = ("#5a9e3f", "#d9a514", "#3fa7c4", "#e0752d", "#d0342c", "#1f60c4", "#a352b5", "#5f4b9c")
NAMED_COLORS = {"green": "#3a8a2e", "orange": "#e08400", "red": "#d0342c"}
INK, FAINT, GRID = "#24292e", "#6a737d", "#e1e4e8"
AXIS_WIDTH, TITLE_HEIGHT, TIME_HEIGHT, LEGEND_LINE = 58, 26, 18, 14
LEGEND_LINES_MAX = 6
LEGEND_CHARACTERS = 27
TICKS = 4
SECONDS = (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0))
BYTES = (("B", 1.0), ("KiB", 2.0**10), ("MiB", 2.0**20), ("GiB", 2.0**30), ("TiB", 2.0**40))
PLAIN = (("", 1.0), (" K", 1e3), (" M", 1e6), (" G", 1e9))
SUFFIXES = {"ops": "/s", "reqps": "/s"}


@dataclass(frozen=True)
class Series:
    """Points of time and value, and what the legend calls them."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Box:
    """Where a panel goes, in pixels."""

    x: float
    y: float
    width: float
    height: float


def show(value: float, unit: str) -> str:
    """A value as Grafana would write it, nearly."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    units = {"s": SECONDS, "bytes": BYTES, "Bps": BYTES}.get(unit, PLAIN)
    smallest = units[0]
    name, size = next((it for it in reversed(units) if abs(value) >= it[1]), smallest)
    if value == 0 and unit == "s":
        name, size = "s", 1.0
    digits = f"{value / size:.3g}" if abs(value / size) < 1000 else f"{value / size:,.0f}"
    gap = " " if name and not name.startswith(" ") else ""
    suffix = "/s" if unit == "Bps" else SUFFIXES.get(unit, "")
    return f"{digits}{gap}{name}{' ' if suffix and not name else ''}{suffix}"


def graph(
    box: Box,
    title: str,
    series: Sequence[Series],
    unit: str,
    span: tuple[float, float],
    steps: Sequence[tuple[float, str]],
    *,
    stacked: bool,
) -> list[str]:
    """Lines over time."""
    parts = _frame(box, title)
    if not any(one.points for one in series):
        return [*parts, _text(box.x + box.width / 2, box.y + box.height / 2, "no data", FAINT)]
    legend_lines = min(math.ceil(len(series) / 2), LEGEND_LINES_MAX)
    plot = Box(
        box.x + AXIS_WIDTH,
        box.y + TITLE_HEIGHT + 6,
        box.width - AXIS_WIDTH - 12,
        box.height - TITLE_HEIGHT - TIME_HEIGHT - 12 - legend_lines * LEGEND_LINE,
    )
    drawn = _stack(series) if stacked else [list(one.points) for one in series]
    top = _nice_top(max((value for points in drawn for _, value in points), default=0.0), unit)

    def place(at_s: float, value: float) -> tuple[float, float]:
        x = plot.x + (at_s - span[0]) / (span[1] - span[0]) * plot.width
        return round(x, 1), round(plot.y + (1 - min(value, top) / top) * plot.height, 1)

    parts += _axes(plot, top, unit, span)
    for value, color in steps:
        if value <= top:
            y = place(span[0], value)[1]
            parts.append(
                f'<line x1="{plot.x}" y1="{y}" x2="{plot.x + plot.width}" y2="{y}" '
                f'stroke="{NAMED_COLORS[color]}" stroke-dasharray="5 4"/>'
            )
    for number, points in reversed(list(enumerate(drawn))):
        color = COLORS[number % len(COLORS)]
        line = " ".join(f"{x:g},{y:g}" for x, y in (place(*point) for point in points))
        if stacked and points:
            floor = plot.y + plot.height
            first, last = place(*points[0])[0], place(*points[-1])[0]
            parts.append(
                f'<polygon points="{first:g},{floor:g} {line} {last:g},{floor:g}" '
                f'fill="{color}" fill-opacity="0.25"/>'
            )
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.4"/>')
    return parts + _legend(box, series, unit, legend_lines)


def number(
    box: Box, title: str, value: float | None, text: str, color: str, past: Sequence[float]
) -> list[str]:
    """One number, and in the background how it was."""
    ink = NAMED_COLORS.get(color, INK)
    parts = _frame(box, title)
    if past and max(past) > 0:
        step = (box.width - 2) / max(len(past) - 1, 1)
        top, height = max(past), box.height * 0.35
        line = " ".join(
            f"{box.x + 1 + step * index:.1f},{box.y + box.height - 1 - height * value / top:.1f}"
            for index, value in enumerate(past)
        )
        floor = box.y + box.height - 1
        parts.append(
            f'<polygon points="{box.x + 1},{floor} {line} {box.x + box.width - 1},{floor}" '
            f'fill="{ink}" fill-opacity="0.13"/>'
        )
    shown = "no data" if value is None else text
    x, y = box.x + box.width / 2, box.y + box.height / 2 + 18
    parts.append(_text(x, y, shown, ink, size=26, anchor="middle", weight="bold"))
    return parts


def heading(x: float, y: float, text: str, size: int = 14) -> str:
    return _text(x, y, text, INK, size=size, weight="bold")


def _frame(box: Box, title: str) -> list[str]:
    rectangle = (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="3" '
        f'fill="#fff" stroke="{GRID}"/>'
    )
    return [
        rectangle,
        _text(box.x + 10, box.y + 18, title, INK, size=12, weight="bold"),
    ]


def _axes(plot: Box, top: float, unit: str, span: tuple[float, float]) -> list[str]:
    parts = []
    for tick in range(TICKS + 1):
        y = round(plot.y + plot.height * (1 - tick / TICKS), 1)
        parts.append(
            f'<line x1="{plot.x}" y1="{y}" x2="{plot.x + plot.width}" y2="{y}" stroke="{GRID}"/>'
        )
        value = show(top * tick / TICKS, unit) if tick else "0"
        parts.append(_text(plot.x - 6, y + 3.5, value, FAINT, anchor="end"))
    minutes = (span[1] - span[0]) / 60
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        x = plot.x + plot.width * share
        text = "now" if share == 1 else f"-{minutes * (1 - share):.3g} min"
        parts.append(_text(x, plot.y + plot.height + 14, text, FAINT, anchor=anchor))
    return parts


def _legend(box: Box, series: Sequence[Series], unit: str, lines: int) -> list[str]:
    parts = []
    room = 2 * lines
    shown = series if len(series) <= room else series[: room - 1]
    top = box.y + box.height - lines * LEGEND_LINE
    width = (box.width - 20) / 2
    for index, one in enumerate(shown):
        x, y = box.x + 10 + width * (index % 2), top + LEGEND_LINE * (index // 2)
        last = show(one.points[-1][1], unit) if one.points else "-"
        name = one.name
        if len(name) > LEGEND_CHARACTERS:
            name = f"{name[: LEGEND_CHARACTERS - 1]}…"
        parts.append(
            f'<rect x="{x}" y="{y}" width="10" height="3" fill="{COLORS[index % len(COLORS)]}"/>'
        )
        parts.append(_text(x + 15, y + 5, f"{name}: {last}", FAINT))
    if len(shown) < len(series):
        x = box.x + 10 + width
        y = top + LEGEND_LINE * (lines - 1)
        parts.append(_text(x + 15, y + 5, f"and {len(series) - len(shown)} more", FAINT))
    return parts


def _stack(series: Sequence[Series]) -> list[list[tuple[float, float]]]:
    below: dict[float, float] = {}
    stacked = []
    for one in series:
        points = [(at_s, below.get(at_s, 0.0) + value) for at_s, value in one.points]
        below |= dict(points)
        stacked.append(points)
    return stacked


def _nice_top(value: float, unit: str) -> float:
    """The end of the axis: the next round number, so that its quarters are round as well."""
    if value <= 0:
        return 0.02 if unit == "percentunit" else 1.0
    base = 2.0 if unit in ("bytes", "Bps") else 10.0
    power = base ** math.floor(math.log(value, base))
    factors = (1, 2) if base == 2 else (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10)
    return next((power * factor for factor in factors if power * factor >= value), power * base)


def _text(
    x: float,
    y: float,
    text: str,
    color: str,
    *,
    size: int = 10,
    anchor: str = "start",
    weight: str = "normal",
) -> str:
    weights = "" if weight == "normal" else f' font-weight="{weight}"'
    anchors = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{color}"{anchors}{weights}>'
        f"{escape(text)}</text>"
    )
