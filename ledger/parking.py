"""What no second try can mend does not end the ledger: it parks, loudly, in front of it.

Nothing is skipped and nothing behind it is stored. It looks again every few seconds, so that it goes on
by itself once the stream was made anew, the tables were mended or the program was replaced.
"""

import asyncio
import time

from tradepit.ledger.errors import Fenced, LedgerStopped
from tradepit.ledger.metrics import Metrics
from tradepit.ledger.writer import Writer
from tradepit.protocol.log import get_logger
from tradepit.protocol.waiting import wait_for_event

log = get_logger(__name__)

LOOK_AGAIN_S = 5.0
SAY_AGAIN_S = 60.0


class Parking:
    """Runs a writer; `reason` says why it is parked, and is empty while it is not."""

    def __init__(self, writer: Writer, metrics: Metrics) -> None:
        self.reason = ""
        self._writer = writer
        self._metrics = metrics
        self._said = ""
        self._said_s = 0.0

    async def write_until(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Raises Fenced: two ledgers must not take turns."""
        while not stop.is_set():
            try:
                await self._writer.write_until(stop)
            except Fenced:
                raise
            except LedgerStopped as error:
                self._park(str(error))
                await wait_for_event(stop, LOOK_AGAIN_S)

    def note_progress(self) -> None:
        """What there was has been read, and stored unless it had been: it is parked no longer."""
        if self.reason:
            log.warning("goes_on", after=self.reason)
        self.reason = ""
        self._metrics.parked.set(0)

    def _park(self, reason: str) -> None:
        self.reason = reason
        self._metrics.parked.set(1)
        now_s = time.monotonic()
        if reason != self._said or now_s - self._said_s > SAY_AGAIN_S:
            log.critical(
                "parked",
                nothing_is_stored_until_it_is_mended=1,
                look_again_s=round(LOOK_AGAIN_S),
                reason=reason,
            )
            self._said, self._said_s = reason, now_s
