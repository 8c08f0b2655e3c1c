"""Trades on a matcher that has no server beside it, kills it and looks whether it kept everything.

    python .ci/matcher.py

What a wheel can show where `tradepit up` does not run.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.matcher_process import running_matcher, trade_once

NO_BROKER = "nats://127.0.0.1:1"
TRADES = 20


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="tradepit-") as folder,
        running_matcher(Path(folder), NO_BROKER, 0) as matcher,
    ):
        for _ in range(TRADES):
            trade_once(matcher)
        before = matcher.status()
        matcher.kill()
        matcher.start()
        after = matcher.status()
        assert (after.seq, after.digest) == (before.seq, before.digest), (before, after)
        assert matcher.stop() == 0
    print(f"the matcher was killed at seq {before.seq}, and kept it")


if __name__ == "__main__":
    main()
