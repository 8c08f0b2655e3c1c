"""What one process saw of a load, as a line of JSON, and the sum of several."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tradepit.tools.load.histogram import Histogram

KIND = "tradepit_load"
PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99)
NS_PER_MS = 1e6


class NotAReport(ValueError):
    """A line is not what `Report.line` makes."""


@dataclass
class Report:
    """`latency_ns` is of each answered order, from when it was due: what a late sender or a full queue
    adds is in it.
    """

    processes: int = 1
    seconds: float = 0.0
    sent: int = 0
    accepted: int = 0
    fills: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By reason."""
    unknown: int = 0
    """Sent, and no answer came."""
    not_sent: int = 0
    """Due while nothing could be sent."""
    latency_ns: Histogram = field(default_factory=Histogram)

    def line(self) -> str:
        return json.dumps(
            {
                "kind": KIND,
                "processes": self.processes,
                "seconds": self.seconds,
                "sent": self.sent,
                "accepted": self.accepted,
                "fills": self.fills,
                "refused": self.refused,
                "unknown": self.unknown,
                "not_sent": self.not_sent,
                "latency_ns": sorted(self.latency_ns.counts.items()),
            }
        )

    @classmethod
    def from_line(cls, line: str) -> "Report":
        """Raises NotAReport."""
        try:
            document = json.loads(line)
            if document.pop("kind") != KIND:
                raise NotAReport(line[:80])
            counts = document.pop("latency_ns")
            refused = document.pop("refused")
            report = cls(
                **document, refused=Counter(refused), latency_ns=Histogram(Counter(dict(counts)))
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise NotAReport(line[:80]) from error
        return report

    def add(self, other: "Report") -> None:
        """The processes ran beside each other: counts are summed, the longest time is the time."""
        self.processes += other.processes
        self.seconds = max(self.seconds, other.seconds)
        self.sent += other.sent
        self.accepted += other.accepted
        self.fills += other.fills
        self.refused.update(other.refused)
        self.unknown += other.unknown
        self.not_sent += other.not_sent
        self.latency_ns.add(other.latency_ns)

    def text(self) -> str:
        """For a person."""
        rate = self.latency_ns.count / self.seconds if self.seconds else 0.0
        lines = [
            f"{self.processes} processes, {self.seconds:.1f} s",
            f"sent {self.sent}, accepted {self.accepted}, refused {self.refused.total()}",
            f"unknown {self.unknown}, not sent {self.not_sent}, fills {self.fills}",
            f"{rate:,.0f} answers a second",
            *(f"refused {reason}: {count}" for reason, count in self.refused.most_common()),
            *(
                f"p{percent:g} {self.latency_ns.percentile(percent) / NS_PER_MS:.3f} ms"
                for percent in PERCENTILES
            ),
            f"max {self.latency_ns.highest / NS_PER_MS:.3f} ms",
        ]
        return "\n".join(lines)


def add_up(lines: Iterable[str]) -> Report:
    """The sum of the reports among these lines; other lines are passed over."""
    total = Report(processes=0)
    for line in lines:
        try:
            report = Report.from_line(line)
        except NotAReport:
            continue
        total.add(report)
    return total
