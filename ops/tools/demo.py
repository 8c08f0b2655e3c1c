"""`tradepit demo`: a listing, and a small market on it.

`seed` lists three assets against USD, spread over the shards, opens the demo accounts and gives them
funds, once. `serve` keeps quotes in the books and trades now and then, from a few trader accounts,
through the SDK. It is there to look at, so it stays gentle: some twenty requests a second.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from tradepit.client import AsyncClient, Client, Refused, TradepitError
from tradepit.protocol import settings, wire
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.keys import keys_file, read_keys
from tradepit.protocol.log import get_logger, setup_logging
from tradepit.protocol.wire import Reason, Side, TimeInForce

log = get_logger(__name__)

OPERATOR_ACCOUNT_ID = 0  # as the keys file has it
DEMO_ACCOUNT_ID = 1
MAKER_ACCOUNT_IDS = (101, 102, 103)
TAKER_ACCOUNT_IDS = (111, 112)

USD, BTC, ETH, SOL = 1, 2, 3, 4
ASSETS = (
    wire.SetAsset(symbol="USD", asset_id=USD, decimals=6),
    wire.SetAsset(symbol="BTC", asset_id=BTC, decimals=8),
    wire.SetAsset(symbol="ETH", asset_id=ETH, decimals=8),
    wire.SetAsset(symbol="SOL", asset_id=SOL, decimals=6),
)
MAKER_FEE_PPM = 0
TAKER_FEE_PPM = 500

# Whole units of each asset, by kind of account.
DEMO_FUNDS = {USD: 1_000_000, BTC: 20, ETH: 400, SOL: 10_000}
MAKER_FUNDS = {USD: 1_000_000_000, BTC: 20_000, ETH: 400_000, SOL: 10_000_000}
TAKER_FUNDS = {USD: 100_000_000, BTC: 2_000, ETH: 40_000, SOL: 1_000_000}

MAKER_PAUSE_S = 0.9  # between two looks of one maker at one book, on average
TAKER_PAUSE_S = 1.5
RETRY_S = 1.0  # after the shard was out of reach
SEED = 20_120_621


class Market(NamedTuple):
    """An instrument, and how its demo prices move. Moves are fractions of the price."""

    terms: wire.SetInstrument
    start_ticks: int
    step: float  # of the random walk, at each look
    half_spread: float  # of the tightest maker
    size_lots: int


def _terms(
    instrument_id: int,
    symbol: str,
    base_asset_id: int,
    price_decimals: int,
    lot_size_units: int,
    price_ticks_max: int,
) -> wire.SetInstrument:
    return wire.SetInstrument(
        symbol=symbol,
        tick_size=1,
        lot_size_units=lot_size_units,
        price_ticks_min=1,
        price_ticks_max=price_ticks_max,
        quantity_lots_min=1,
        quantity_lots_max=1_000_000_000,
        instrument_id=instrument_id,
        base_asset_id=base_asset_id,
        quote_asset_id=USD,
        maker_fee_ppm=MAKER_FEE_PPM,
        taker_fee_ppm=TAKER_FEE_PPM,
        price_decimals=price_decimals,
        trading_state=wire.TradingState.CONTINUOUS,
    )


MARKETS = (
    Market(_terms(1, "BTC-USD", BTC, 2, 10_000, 1_000_000_000), 6_400_000, 2e-4, 1e-4, 2_500),
    Market(_terms(2, "ETH-USD", ETH, 2, 100_000, 100_000_000), 310_000, 3e-4, 2e-4, 4_000),
    Market(_terms(3, "SOL-USD", SOL, 3, 10_000, 100_000_000), 145_000, 4e-4, 3e-4, 8_000),
)


def markets_of(shard_id: int, shard_count: int) -> tuple[Market, ...]:
    """Those that live on a shard; on all of them, if it is the only one."""
    return MARKETS[shard_id::shard_count]


def seed(order_endpoint: str, operator_key: str, markets: Sequence[Market] = MARKETS) -> None:
    """List the demo's assets and these instruments on a shard, open its accounts and credit them.

    What is there already stays as it is, and a credit counts once, so that it can be repeated. Raises
    the SDK's errors.
    """
    with Client(order_endpoint, 0, operator_key) as operator:
        listing = operator.instruments()
        for asset in ASSETS:
            if listing.asset(asset.symbol) is None:
                operator.set_asset(asset)
        for market in markets:
            if listing.instrument(market.terms.symbol) is None:
                operator.set_instrument(market.terms)
        for account_ids, funds in (
            ((DEMO_ACCOUNT_ID,), DEMO_FUNDS),
            (MAKER_ACCOUNT_IDS, MAKER_FUNDS),
            (TAKER_ACCOUNT_IDS, TAKER_FUNDS),
        ):
            for account_id in account_ids:
                _open_account(operator, account_id, funds)


def _open_account(operator: Client, account_id: int, funds: Mapping[int, int]) -> None:
    try:
        operator.balances(account_id=account_id)
    except Refused as refused:
        if refused.reason != Reason.UNKNOWN_ACCOUNT:
            raise
        operator.set_account(account_id)
    for asset in ASSETS:
        try:
            operator.credit(
                account_id=account_id,
                asset_id=asset.asset_id,
                amount_units=funds[asset.asset_id] * 10**asset.decimals,
                transfer_id=account_id * 1_000 + asset.asset_id,
            )
        except Refused as refused:
            if refused.reason != Reason.DUPLICATE_TRANSFER:
                raise


@dataclass
class Price:
    """A random walk that its start pulls back."""

    market: Market
    ticks: float = field(init=False)

    def __post_init__(self) -> None:
        self.ticks = float(self.market.start_ticks)

    def move(self, chance: random.Random) -> float:
        """One step; the price in ticks."""
        pull = 0.002 * (self.market.start_ticks / self.ticks - 1)
        self.ticks *= 1 + pull + chance.gauss(0, self.market.step)
        return self.ticks


class Maker:
    """Quotes one bid and one ask in every market, a step wider than the maker before it."""

    def __init__(self, client: AsyncClient, prices: list[Price], width: int) -> None:
        self._client = client
        self._prices = prices
        self._width = width
        self._order_ids: dict[tuple[int, int], int] = {}  # (instrument, side)
        self._sessions_seen = 0

    async def turn(self, chance: random.Random) -> None:
        """Requote one market. Raises the SDK's errors except refusals."""
        if self._sessions_seen != self._client.logon_count:
            # A new session: fills, and orders of unknown outcome, may have gone by unseen.
            await self._client.mass_cancel()
            self._order_ids.clear()
            self._sessions_seen = self._client.logon_count
        price = chance.choice(self._prices)
        market = price.market
        fair = price.move(chance)
        half = max(1.0, fair * market.half_spread * self._width)
        lots = max(1, int(market.size_lots * chance.uniform(0.5, 1.5)))
        for side, ticks in ((Side.BUY, int(fair - half)), (Side.SELL, int(fair + half) + 1)):
            await self._quote(market.terms.instrument_id, side, ticks, lots)

    async def _quote(self, instrument_id: int, side: int, ticks: int, lots: int) -> None:
        order_id = self._order_ids.pop((instrument_id, side), 0)
        if order_id:
            try:
                order = await self._client.replace(order_id=order_id, price_ticks=ticks)
                if order.is_open:
                    self._order_ids[instrument_id, side] = order_id
                return
            except Refused as refused:
                if refused.reason == Reason.POST_ONLY_WOULD_TRADE:
                    self._order_ids[instrument_id, side] = order_id
                    return
                if refused.reason != Reason.UNKNOWN_ORDER:
                    raise
        try:
            order = await self._client.submit(
                instrument_id=instrument_id,
                side=side,
                quantity_lots=lots,
                price_ticks=ticks,
                post_only=True,
            )
            self._order_ids[instrument_id, side] = order.order_id
        except Refused as refused:
            if refused.reason != Reason.POST_ONLY_WOULD_TRADE:
                raise


class Taker:
    """Hits a quote now and then, and rather the way that brings its own trades back to nothing."""

    def __init__(self, client: AsyncClient, markets: Sequence[Market]) -> None:
        self._client = client
        self._markets = markets
        self._bought_lots: dict[int, int] = {}

    async def turn(self, chance: random.Random) -> None:
        """One market order. Raises the SDK's errors."""
        market = chance.choice(self._markets)
        instrument_id = market.terms.instrument_id
        bought_lots = self._bought_lots.get(instrument_id, 0)
        lean = max(-0.3, min(0.3, bought_lots / (40 * market.size_lots)))
        side = Side.BUY if chance.random() > 0.5 + lean else Side.SELL
        order = await self._client.submit(
            instrument_id=instrument_id,
            side=side,
            quantity_lots=max(1, int(market.size_lots * chance.uniform(0.02, 0.8))),
            time_in_force=TimeInForce.IOC,
        )
        sign = 1 if side == Side.BUY else -1
        self._bought_lots[instrument_id] = bought_lots + sign * order.filled_lots


async def keep_trading(trader: Maker | Taker, name: str, pause_s: float, number: int) -> None:
    """Turn after turn, until cancelled; trouble is logged when it begins and when it ends."""
    chance = random.Random(SEED + number)  # noqa: S311 (a market to look at, not a secret)
    trouble = ""
    while True:
        try:
            await trader.turn(chance)
            if trouble:
                log.info("trading_again", trader=name)
            trouble = ""
        except TradepitError as error:
            if type(error).__name__ != trouble:
                log.warning("cannot_trade", trader=name, error=error)
            trouble = type(error).__name__
            await asyncio.sleep(RETRY_S)
        await asyncio.sleep(pause_s * chance.uniform(0.5, 1.5))


async def serve(order_endpoints: Sequence[str], keys: Mapping[int, str]) -> None:
    """Trade on every shard until SIGTERM or SIGINT. `keys` are by account."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with AsyncExitStack() as clients:
        traders: list[tuple[Maker | Taker, str, float]] = []
        for shard_id, endpoint in enumerate(order_endpoints):
            markets = markets_of(shard_id, len(order_endpoints))
            if not markets:
                continue
            prices = [Price(market) for market in markets]
            for width, account_id in enumerate(MAKER_ACCOUNT_IDS, 1):
                client = await clients.enter_async_context(_client(endpoint, account_id, keys))
                name, pause_s = f"maker-{account_id}", MAKER_PAUSE_S / len(markets)
                traders.append((Maker(client, prices, width), name, pause_s))
            for account_id in TAKER_ACCOUNT_IDS:
                client = await clients.enter_async_context(_client(endpoint, account_id, keys))
                name, pause_s = f"taker-{account_id}", TAKER_PAUSE_S * len(MARKETS) / len(markets)
                traders.append((Taker(client, markets), name, pause_s))
        tasks = [
            loop.create_task(keep_trading(trader, name, pause_s, number), name=name)
            for number, (trader, name, pause_s) in enumerate(traders)
        ]
        log.info("ready", traders=len(traders), shards=len(order_endpoints))
        stopped = loop.create_task(stop.wait(), name="stop")
        await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in [stopped, *tasks]:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


def _client(endpoint: str, account_id: int, keys: Mapping[int, str]) -> AsyncClient:
    # Nobody reads the reports: a trader that lost count of its orders cancels them all.
    return AsyncClient(endpoint, account_id, keys[account_id], on_report=lambda _: None)


def main(argv: Sequence[str] = ()) -> int:
    """Seed and trade. Exit code 0 after a signal, 2 for settings, 1 for the rest."""
    parser = argparse.ArgumentParser(
        prog="tradepit demo",
        description="Lists a few instruments with funded accounts, once, and then trades gently on them.",
        epilog=settings.help_text("demo"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--seed-only", action="store_true", help="list and fund, then exit")
    parts.add_argument("--trade-only", action="store_true", help="what is listed already")
    arguments = parser.parse_args(argv)
    try:
        setup_logging("demo")
        endpoints = settings.of_each_shard(settings.ORDER_ENDPOINT, os.environ)
        path = keys_file(os.environ)
        keys = {key.account_id: key.key for key in read_keys(path)}
        missing = {*MAKER_ACCOUNT_IDS, *TAKER_ACCOUNT_IDS} - keys.keys()
        if missing:
            raise ConfigurationError(f"{path} has no key for account {min(missing)}")
        if not arguments.trade_only:
            for shard_id, endpoint in enumerate(endpoints):
                seed(endpoint, keys[OPERATOR_ACCOUNT_ID], markets_of(shard_id, len(endpoints)))
            log.info("seeded", shards=len(endpoints))
        if not arguments.seed_only:
            asyncio.run(serve(endpoints, keys))
    except ConfigurationError as error:
        log.critical("fatal", error=error)
        return 2
    except TradepitError as error:
        log.critical("fatal", error=error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
