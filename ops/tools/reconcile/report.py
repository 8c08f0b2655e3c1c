"""What a reconciliation found."""

from dataclasses import dataclass, field

DIFFERENCES_SHOWN_MAX = 10


@dataclass
class Check:
    """One comparison. It holds if nothing differs."""

    name: str
    compared: str = ""
    """What was looked at, in words, with the counts."""
    differences: list[str] = field(default_factory=list)
    difference_count: int = 0

    @property
    def holds(self) -> bool:
        return self.difference_count == 0

    def differ(self, text: str) -> None:
        self.difference_count += 1
        if len(self.differences) < DIFFERENCES_SHOWN_MAX:
            self.differences.append(text)


@dataclass
class Report:
    checks: list[Check] = field(default_factory=list)
    shard_id: int = 0
    seq: int = 0
    """Of the matcher when it was asked: everything up to it was compared."""
    repaired_count: int = 0

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)

    def add(self, name: str) -> Check:
        check = Check(name)
        self.checks.append(check)
        return check
