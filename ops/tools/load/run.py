"""The load of one process: orders at a fixed rate to one shard."""

import asyncio
import itertools
import random
import time

from tradepit.client import AsyncClient
from tradepit.client.results import Listing
from tradepit.protocol import wire
from tradepit.protocol.errors import OutcomeUnknown, Refused, TradepitError, Unreachable
from tradepit.tools.load.report import Report

TICK_S = 0.002  # orders that are due within one go out together
TIMEOUT_S = 5.0
IN_FLIGHT_MAX = 20_000
SPREAD_TICKS = 5  # prices lie this far around the middle at most
PRICE_TICKS_OF_EMPTY_BOOK = 100_000
QUANTITY_LOTS_MAX = 5


class Load:
    """One session, open loop: an order is sent when it is due, whatever has become of those before
    it, and its latency counts from then. So a server that stalls shows in every order it held up.
    """

    def __init__(
        self, endpoint: str, account_id: int, key: str, *, rate: float, seconds: float, seed: int
    ) -> None:
        self.report = Report()
        self._client = AsyncClient(
            endpoint, account_id, key, timeout_s=TIMEOUT_S, on_report=lambda _: None
        )
        self._rate = rate
        self._seconds = seconds
        self._chance = random.Random(seed)  # noqa: S311 - a load, no secret
        # Names of this process alone, though another may trade for the same account.
        self._names = itertools.count((time.time_ns() << 8 | seed & 0xFF) & (2**63 - 1))
        self._in_flight: set[asyncio.Task[None]] = set()

    async def run(self) -> Report:
        """Raises the SDK's errors if it cannot log on or nothing is listed."""
        async with self._client:
            middles = await self._middles(await self._client.instruments())
            begin_s = time.monotonic()
            for number in range(int(self._rate * self._seconds)):
                due_s = begin_s + number / self._rate
                if due_s > time.monotonic():
                    await asyncio.sleep(max(TICK_S, due_s - time.monotonic()))
                self._send(self._chance.choice(middles), due_s)
            if self._in_flight:  # each ends by itself, at its time-out
                await asyncio.wait(self._in_flight)
            self.report.seconds = time.monotonic() - begin_s
            await self._client.mass_cancel()
        return self.report

    async def _middles(self, listing: Listing) -> list[tuple[wire.InstrumentChanged, int]]:
        """Each instrument, and the price around which its orders lie."""
        found = []
        for instrument in listing.instruments:
            book = await self._client.book(instrument.instrument_id, 1)
            best = [side[0].price_ticks for side in (book.bids, book.asks) if side]
            middle = sum(best) // len(best) if best else PRICE_TICKS_OF_EMPTY_BOOK
            found.append((instrument, middle))
        if not found:
            raise Unreachable("the shard lists no instrument: tradepit demo --seed-only")
        return found

    def _send(self, market: tuple[wire.InstrumentChanged, int], due_s: float) -> None:
        if len(self._in_flight) >= IN_FLIGHT_MAX:
            self.report.not_sent += 1
            return
        task = asyncio.get_running_loop().create_task(
            self._order(*market, due_s), name="load.order"
        )
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _order(self, instrument: wire.InstrumentChanged, middle: int, due_s: float) -> None:
        chance, report = self._chance, self.report
        step = instrument.tick_size
        price_ticks = (middle // step + chance.randint(-SPREAD_TICKS, SPREAD_TICKS)) * step
        try:
            order = await self._client.submit(
                instrument_id=instrument.instrument_id,
                side=chance.choice((wire.Side.BUY, wire.Side.SELL)),
                price_ticks=min(
                    max(price_ticks, instrument.price_ticks_min), instrument.price_ticks_max
                ),
                quantity_lots=instrument.quantity_lots_min + chance.randint(0, QUANTITY_LOTS_MAX),
                time_in_force=chance.choice((wire.TimeInForce.GTC, wire.TimeInForce.IOC)),
                client_order_id=next(self._names),
            )
        except OutcomeUnknown:
            report.sent += 1
            report.unknown += 1
            return
        except Refused as refused:
            report.refused[wire.Reason(refused.reason).name.lower()] += 1
        except TradepitError:
            report.not_sent += 1
            return
        else:
            report.accepted += 1
            report.fills += len(order.fills)
        report.sent += 1
        report.latency_ns.record(max(0, int((time.monotonic() - due_s) * 1e9)))
