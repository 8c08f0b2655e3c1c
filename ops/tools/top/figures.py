"""What a service's /metrics said twice, and what follows from that: rates and quantiles."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Sample:
    """One line of Prometheus text."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass(frozen=True)
class Scrape:
    """All of them, and when that was, on a clock that nobody sets."""

    at_s: float
    samples: dict[str, list[Sample]]


def parse(text: str, at_s: float) -> Scrape:
    """Raises ValueError for what is not Prometheus text."""
    samples = defaultdict[str, list[Sample]](list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name].append(Sample(sample.name, sample.labels, sample.value))
    return Scrape(at_s, dict(samples))


class Change:
    """A scrape and the one before it, if there was one. What is not known is None."""

    def __init__(self, earlier: Scrape | None, now: Scrape) -> None:
        self._earlier = earlier
        self._now = now

    def series(self, name: str) -> list[Sample]:
        """All samples of that name."""
        return self._now.samples.get(name, [])

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of all series of that name with those labels."""
        values = [sample.value for sample in _matching(self._now, name, labels)]
        return sum(values) if values else None

    def label(self, name: str, label: str) -> str:
        """That label of a metric's first series; empty without one."""
        return next((one.labels.get(label, "") for one in _matching(self._now, name, {})), "")

    def rate(self, name: str, **labels: str) -> float | None:
        """By how much a counter, or the sum of several, grew in a second."""
        return sum(self.rates(name, "", **labels).values()) if self._spans(name) else None

    def rates(self, name: str, by: str, **labels: str) -> dict[str, float]:
        """The same for each value of the label `by`; nothing if there is only one scrape."""
        if not self._spans(name):
            return {}
        assert self._earlier is not None
        seconds = self._now.at_s - self._earlier.at_s
        grown = _grown(self._earlier, self._now, name, by, labels)
        return {value: growth / seconds for value, growth in grown.items()}

    def quantile(self, share: float, histogram: str, **labels: str) -> float | None:
        """Between the scrapes, as Prometheus estimates it; None if nothing was counted."""
        name = f"{histogram}_bucket"
        if not self._spans(name):
            return None
        assert self._earlier is not None
        grown = _grown(self._earlier, self._now, name, "le", labels)
        buckets = sorted((float(bound), count) for bound, count in grown.items())
        total = buckets[-1][1] if buckets else 0.0
        if total <= 0:
            return None
        rank = share * total
        below_bound, below_count = 0.0, 0.0
        for bound, count in buckets:
            if count >= rank:
                if math.isinf(bound):
                    return below_bound
                part = (rank - below_count) / (count - below_count) if count > below_count else 1.0
                return below_bound + (bound - below_bound) * part
            below_bound, below_count = bound, count
        return below_bound

    def _spans(self, name: str) -> bool:
        return (
            self._earlier is not None
            and self._now.at_s > self._earlier.at_s
            and name in self._now.samples
        )


def _matching(scrape: Scrape, name: str, labels: dict[str, str]) -> Iterator[Sample]:
    for sample in scrape.samples.get(name, ()):
        if all(sample.labels.get(label) == value for label, value in labels.items()):
            yield sample


def _grown(
    earlier: Scrape, now: Scrape, name: str, by: str, labels: dict[str, str]
) -> dict[str, float]:
    """By how much the counters grew, summed by a label. One that fell began anew at 0."""
    before = {
        tuple(sorted(sample.labels.items())): sample.value
        for sample in _matching(earlier, name, labels)
    }
    grown = defaultdict[str, float](float)
    for sample in _matching(now, name, labels):
        old = before.get(tuple(sorted(sample.labels.items())), 0.0)
        grown[sample.labels.get(by, "")] += (
            sample.value - old if sample.value >= old else sample.value
        )
    return dict(grown)
