"""What the fuzzer starts from and what it once found, replayed under sanitizers.

The corpus in the repository may be older than the wire: what no longer is a command is passed over.
So that every rule of today is replayed too, the same seeds are written anew.
"""

from pathlib import Path

import pytest

from tests.cpp_build import build_sanitized, run
from tests.fuzz.recorded import write_corpus

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"
TARGETS = ("records", "commands", "snapshot", "journal")
CORPUS_BYTES_MAX = 40_000  # of a target: it is read by people who clone the repository


@pytest.fixture(scope="module")
def replay() -> Path:
    return build_sanitized("fuzz_replay")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_breaks_no_promise(replay: Path, tmp_path: Path, target: str) -> None:
    write_corpus(tmp_path, stream_count=12, command_count=60)
    output = run(replay, target, CORPUS / target, tmp_path / target)
    assert f"{12 + len(list((CORPUS / target).iterdir()))} inputs" in output


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_stays_small(target: str) -> None:
    sizes = [path.stat().st_size for path in (CORPUS / target).iterdir()]
    assert 0 < sum(sizes) <= CORPUS_BYTES_MAX
