"""Counts by size of value, as HDR histograms keep them: exact to 1/128, and they can be added up.

A percentile of several processes comes from their summed counts. The mean of their percentiles is the
percentile of nothing.
"""

from collections import Counter
from dataclasses import dataclass, field

SUB_BUCKET_BITS = 7  # each power of two is cut into 128 buckets


@dataclass
class Histogram:
    """Counts of whole numbers from 0, by bucket."""

    counts: Counter[int] = field(default_factory=Counter)

    def record(self, value: int) -> None:
        assert value >= 0
        self.counts[_bucket(value)] += 1

    def add(self, other: "Histogram") -> None:
        """Afterwards it is as if it had seen the other's values, too."""
        self.counts.update(other.counts)

    @property
    def count(self) -> int:
        return self.counts.total()

    def percentile(self, percent: float) -> int:
        """The value that `percent` of all do not exceed: the upper end of its bucket; 0 if there is
        none.
        """
        rank = max(1, -(-self.count * percent // 100))
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return _highest(bucket)
        return 0

    @property
    def highest(self) -> int:
        return _highest(max(self.counts)) if self.counts else 0


def _bucket(value: int) -> int:
    shift = max(0, value.bit_length() - SUB_BUCKET_BITS - 1)
    return (shift << SUB_BUCKET_BITS) + (value >> shift)


def _highest(bucket: int) -> int:
    """The largest value in a bucket."""
    shift = max(0, (bucket >> SUB_BUCKET_BITS) - 1)
    return ((bucket - (shift << SUB_BUCKET_BITS) + 1) << shift) - 1
