"""Draws the dashboards from a running Prometheus, without Grafana, as SVG files.

    python ops/grafana/render.py --prometheus http://127.0.0.1:9090 --minutes 10 --out docs/images

It asks each panel's own query of dashboards/*.json and draws what comes. It is for documentation, and to see
that a dashboard shows something; Grafana's own pictures look different. Standard library only.
"""

import argparse
import json
import math
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from drawing import Box, Series, graph, heading, number, show

FOLDER = Path(__file__).parent / "dashboards"
COLUMN, LINE, GAP = 54, 30, 6  # pixels
HEAD_HEIGHT = 44
POINTS_MAX = 120
RATE_INTERVAL = "30s"
TIMEOUT_S = 30.0

Json = dict[str, Any]


class Prometheus:
    """Its HTTP API, over one span of time."""

    def __init__(self, url: str, minutes: float) -> None:
        end = time.time()
        self.span = (end - minutes * 60, end)
        self._url = url.rstrip("/")
        self._step_s = max(minutes * 60 / POINTS_MAX, 1.0)

    def series(self, query: str, legend: str) -> list[Series]:
        """What a target shows. Raises OSError with what Prometheus says of an error."""
        parameters = {
            "query": expand(query),
            "start": f"{self.span[0]:.3f}",
            "end": f"{self.span[1]:.3f}",
            "step": f"{self._step_s:.3f}",
        }
        url = f"{self._url}/api/v1/query_range?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - http
                result = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise OSError(f"{query}: {error.read().decode(errors='replace')}") from None
        return [
            Series(
                legend_text(legend, one["metric"]),
                [
                    (float(at_s), float(value))
                    for at_s, value in one["values"]
                    if math.isfinite(float(value))
                ],
            )
            for one in result
        ]


def expand(query: str) -> str:
    """As Grafana fills in its variables, with all shards chosen."""
    return query.replace("$__rate_interval", RATE_INTERVAL).replace("$shard", ".*")


def legend_text(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), legend)


def draw(dashboard: Json, prometheus: Prometheus) -> str:
    """The whole dashboard."""
    parts = [heading(GAP, 28, dashboard["title"], size=18)]
    bottom = 0.0
    for panel in dashboard["panels"]:
        grid = panel["gridPos"]
        box = Box(
            grid["x"] * COLUMN + GAP,
            grid["y"] * LINE + HEAD_HEIGHT,
            grid["w"] * COLUMN - GAP,
            grid["h"] * LINE - GAP,
        )
        bottom = max(bottom, box.y + box.height + GAP)
        if panel["type"] == "row":
            parts.append(heading(box.x, box.y + 18, panel["title"]))
        elif panel["type"] == "stat":
            parts += _number(panel, box, prometheus)
        else:
            parts += _graph(panel, box, prometheus)
    width = 24 * COLUMN + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom:g}" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="#f4f5f7"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _targets(panel: Json, prometheus: Prometheus) -> list[Series]:
    return [
        series
        for target in panel["targets"]
        for series in prometheus.series(target["expr"], target["legendFormat"])
    ]


def _steps(panel: Json) -> list[tuple[float, str]]:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return [(step["value"], step["color"]) for step in steps if step["value"] is not None]


def _graph(panel: Json, box: Box, prometheus: Prometheus) -> list[str]:
    defaults = panel["fieldConfig"]["defaults"]
    return graph(
        box,
        panel["title"],
        _targets(panel, prometheus),
        defaults["unit"],
        prometheus.span,
        _steps(panel),
        stacked=defaults["custom"]["stacking"]["mode"] == "normal",
    )


def _number(panel: Json, box: Box, prometheus: Prometheus) -> list[str]:
    defaults = panel["fieldConfig"]["defaults"]
    series = _targets(panel, prometheus)
    past = [value for _, value in series[0].points] if series else []
    value = past[-1] if past else None
    color = "green"
    for step, name in _steps(panel):
        if value is not None and value >= step:
            color = name
    text = "" if value is None else show(value, defaults["unit"])
    for mapping in defaults["mappings"]:
        shown = mapping["options"].get(f"{value:g}" if value is not None else "")
        if shown:
            text, color = shown["text"], shown["color"]
    return number(box, panel["title"], value, text, color, past)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--prometheus", metavar="URL", default="http://127.0.0.1:9090")
    parser.add_argument("--minutes", type=float, default=10.0, help="how far back")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), metavar="DIR")
    arguments = parser.parse_args()
    prometheus = Prometheus(arguments.prometheus, arguments.minutes)
    for path in sorted(FOLDER.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        name = path.stem.removeprefix("tradepit-")
        picture = arguments.out / f"dashboard-{name}.svg"
        try:
            picture.write_text(draw(dashboard, prometheus), encoding="utf-8")
        except OSError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            return 1
        print(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
