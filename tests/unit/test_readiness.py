"""When a matcher says that it could take an order, with a core and a clock that do as they are told."""

from dataclasses import dataclass, field

from tradepit.matcher.readiness import HANG_S_MAX, UNCOMMITTED_S_MAX, Readiness


@dataclass
class Core:
    has_failed: bool = False
    is_open: bool = True
    now_s: float = 1000.0
    stream: tuple[bool, int] = (True, 0)
    shown: dict[str, int] = field(
        default_factory=lambda: {"turns": 1, "committed_seq": 5, "sequenced_seq": 5}
    )

    def counters(self) -> dict[str, int]:
        return dict(self.shown)

    def pass_time(self, readiness: Readiness, seconds: float, **per_look: int) -> None:
        """Look four times a second; the counters grow by so much each time."""
        for _ in range(round(4 * seconds)):
            self.now_s += 0.25
            for name, more in per_look.items():
                self.shown[name] += more
            readiness.look()


def readiness_of(core: Core, *, is_replicated: bool = False) -> Readiness:
    stream = (lambda: core.stream) if is_replicated else None
    readiness = Readiness(core, lambda: core.is_open, stream, lambda: core.now_s)
    readiness.look()
    return readiness


def test_an_idle_matcher_whose_loop_turns_is_ready() -> None:
    core = Core()
    readiness = readiness_of(core)
    core.pass_time(readiness, 100, turns=1)
    assert readiness.why_not_ready() == ""
    assert readiness.uncommitted_s == 0


def test_a_loop_that_does_not_turn_is_not_ready() -> None:
    core = Core()
    readiness = readiness_of(core)
    core.pass_time(readiness, HANG_S_MAX + 1)
    assert "has not turned" in readiness.why_not_ready()
    core.pass_time(readiness, 0.25, turns=1)
    assert readiness.why_not_ready() == ""


def test_commands_that_wait_for_their_commit_for_long_are_told() -> None:
    core = Core()
    readiness = readiness_of(core)
    core.shown["sequenced_seq"] = 9
    core.pass_time(readiness, UNCOMMITTED_S_MAX + 1, turns=1)
    assert "waiting for their commit" in readiness.why_not_ready()
    assert readiness.uncommitted_s > UNCOMMITTED_S_MAX
    core.shown["committed_seq"] = 9
    core.pass_time(readiness, 0.25, turns=1)
    assert readiness.why_not_ready() == ""
    assert readiness.uncommitted_s == 0


def test_a_busy_matcher_always_has_something_to_commit_and_is_ready() -> None:
    core = Core()
    core.shown["sequenced_seq"] = 50
    readiness = readiness_of(core)
    core.pass_time(readiness, 60, turns=1, committed_seq=10, sequenced_seq=10)
    assert readiness.why_not_ready() == ""


def test_where_answers_wait_for_the_stream_it_must_answer_and_move() -> None:
    core = Core(stream=(True, 5))
    readiness = readiness_of(core, is_replicated=True)
    assert readiness.why_not_ready() == ""
    core.shown |= {"committed_seq": 9, "sequenced_seq": 9}
    core.pass_time(readiness, UNCOMMITTED_S_MAX + 1, turns=1)
    assert "waiting for their commit" in readiness.why_not_ready()
    core.stream = (True, 9)
    core.pass_time(readiness, 0.25, turns=1)
    assert readiness.why_not_ready() == ""
    core.stream = (False, 9)
    assert "stream" in readiness.why_not_ready()


def test_what_is_closed_or_broken_or_full_is_not_ready() -> None:
    core = Core(is_open=False)
    readiness = readiness_of(core)
    assert readiness.why_not_ready() == "not open for orders"
    core.is_open = True
    core.shown["refuses_for_space"] = 1
    assert "storage_full" in readiness.why_not_ready()
    core.has_failed = True
    assert readiness.why_not_ready() == "the journal failed"
