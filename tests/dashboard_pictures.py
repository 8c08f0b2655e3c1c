"""Makes the pictures of docs/monitoring.md: an exchange, a little load, Prometheus, every panel's query.

python -m tests.dashboard_pictures --minutes 10 --out docs/images
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tradepit.cli.running import RunningExchange

from tests.gentle_load import GentleLoad
from tests.prometheus import ROOT, RunningPrometheus


def main() -> int:
    parser = argparse.ArgumentParser(description="Draws the dashboards from a run of their own.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningExchange(Path(folder) / "data") as exchange,
        RunningPrometheus(
            Path(folder) / "prometheus", exchange.document["metrics_urls"], interval="5s"
        ) as prometheus,
        GentleLoad(exchange),
    ):
        time.sleep(arguments.minutes * 60)
        command = [sys.executable, str(ROOT / "ops" / "grafana" / "render.py")]
        command += ["--prometheus", prometheus.url, "--minutes", str(arguments.minutes)]
        return subprocess.run([*command, "--out", str(arguments.out)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
