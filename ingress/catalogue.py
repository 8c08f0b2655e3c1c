"""What is listed: assets and instruments as the matcher describes them, kept per worker."""

import asyncio
from typing import NamedTuple

from tradepit.ingress.errors import Problem
from tradepit.ingress.router import MatcherLink, Router
from tradepit.protocol import wire
from tradepit.protocol.errors import TradepitError
from tradepit.protocol.log import get_logger
from tradepit.protocol.units import InstrumentUnits

log = get_logger(__name__)

REFRESH_INTERVAL_S = 1.0  # an unknown symbol asks the matcher no more often than this
FOLLOW_INTERVAL_S = 0.05


class Asset(NamedTuple):
    """`decimals`: the smallest unit is 10^-decimals."""

    asset_id: int
    symbol: str
    decimals: int


class Instrument(NamedTuple):
    """An instrument, its shard, and the scales that turn its text into integers and back."""

    instrument_id: int
    symbol: str
    shard_id: int
    base: Asset
    quote: Asset
    units: InstrumentUnits
    terms: wire.InstrumentChanged
    fee_tiers: tuple[wire.FeeTerms, ...] = ()
    price_bands: tuple[wire.PriceBand, ...] = ()


class Catalogue:
    """Instruments by symbol and by id, assets by id. Empty until the matcher has answered once."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._loaded_epochs: dict[int, int] = {}
        self._loading: asyncio.Task[None] | None = None
        self._loaded_s = float("-inf")
        self._trouble: BaseException | None = None  # why a shard was not loaded, the last time
        self.loaded = asyncio.Event()  # set when every shard has answered at one time
        self.assets: dict[int, Asset] = {}
        self.by_symbol: dict[str, Instrument] = {}
        self.by_id: dict[int, Instrument] = {}

    async def follow(self) -> None:
        """Load at the first logon and again at each later one: a new matcher may list more."""
        while True:
            if any(
                link.up and self._loaded_epochs.get(link.shard_id) != link.epoch
                for link in self._router.all()
            ):
                try:
                    await self.refresh()
                except (TradepitError, Problem) as error:
                    log.warning("instruments_not_loaded", error=type(error).__name__)
                    await asyncio.sleep(REFRESH_INTERVAL_S)
            await asyncio.sleep(FOLLOW_INTERVAL_S)

    async def find(self, symbol: str) -> Instrument:
        """The instrument, after asking the matcher if it is not known here.

        Raises Problem(unknown_instrument), and what a request to the matcher raises.
        """
        found = self.by_symbol.get(symbol)
        if found is None:
            await self.refresh(age_s_max=REFRESH_INTERVAL_S)
            found = self.by_symbol.get(symbol)
        if found is None:
            raise Problem(
                "unknown_instrument",
                "symbol names no instrument: GET /v1/instruments lists them",
                field="symbol",
            )
        return found

    async def of_id(self, instrument_id: int) -> Instrument:
        """The instrument of an id that the matcher or the ledger named."""
        if instrument_id not in self.by_id:
            await self.refresh(age_s_max=REFRESH_INTERVAL_S)
        if instrument_id not in self.by_id:  # the ledger can be older than this matcher's data
            raise Problem("unknown_instrument", f"instrument {instrument_id} is not listed")
        return self.by_id[instrument_id]

    async def refresh(self, age_s_max: float = 0.0) -> None:
        """Ask every shard, unless that was done less than `age_s_max` ago. Callers at one time
        share one question. Raises what came of it while a shard's answer is missing.
        """
        loop = asyncio.get_running_loop()
        if loop.time() - self._loaded_s >= age_s_max:
            if self._loading is None or self._loading.done():
                self._loading = loop.create_task(self._load(), name="ingress.catalogue")
            # Bounded by the requests' own deadlines. Shielded: one caller's end is not the others'.
            await asyncio.shield(self._loading)
        if self._trouble is not None:
            raise self._trouble.with_traceback(None)

    async def refresh_if_possible(self) -> None:
        """What a shard listed stands for as long as it does not answer. Raises what `refresh` does
        if nothing is known at all.
        """
        try:
            await self.refresh(age_s_max=REFRESH_INTERVAL_S)
        except (TradepitError, Problem):
            if not self.by_id:
                raise

    async def _load(self) -> None:
        """A shard that does not answer keeps nobody from the instruments of the others."""
        links = self._router.all()
        outcomes = await asyncio.gather(
            *(self._load_shard(link) for link in links), return_exceptions=True
        )
        self._trouble = next((outcome for outcome in outcomes if outcome is not None), None)
        self._loaded_s = asyncio.get_running_loop().time()
        if self._trouble is None:
            self.loaded.set()

    async def _load_shard(self, link: MatcherLink) -> None:
        epoch = link.epoch
        answer = await link.request(wire.InstrumentsQuery)
        if not isinstance(answer[-1], wire.QueryEnd):
            raise Problem("matcher_unreachable", "the matcher refused to list its instruments")
        for record in answer:
            if isinstance(record, wire.AssetChanged):
                self._note_asset(link.shard_id, record)
        tiers = {
            record.instrument_id: record.tiers
            for record in answer
            if isinstance(record, wire.FeeScheduleChanged)
        }
        bands = {
            record.instrument_id: record.bands
            for record in answer
            if isinstance(record, wire.TickTableChanged)
        }
        for record in answer:
            if isinstance(record, wire.InstrumentChanged):
                self._list(
                    record,
                    link.shard_id,
                    tiers.get(record.instrument_id, ()),
                    bands.get(record.instrument_id, ()),
                )
        self._loaded_epochs[link.shard_id] = epoch

    def _note_asset(self, shard_id: int, record: wire.AssetChanged) -> None:
        asset = Asset(record.asset_id, record.symbol, record.decimals)
        known = self.assets.setdefault(asset.asset_id, asset)
        if known.decimals != asset.decimals:
            log.error(
                "assets_contradict",
                shard_id=shard_id,
                asset_id=asset.asset_id,
                symbol=asset.symbol,
                decimals=asset.decimals,
                others=known.decimals,
            )
            raise Problem(
                "matcher_unreachable",
                f"shard {shard_id} counts asset {asset.symbol} in other units than the others: an "
                "operator must mend its listing",
            )
        self.assets[asset.asset_id] = asset

    def _list(
        self,
        record: wire.InstrumentChanged,
        shard_id: int,
        fee_tiers: tuple[wire.FeeTerms, ...],
        price_bands: tuple[wire.PriceBand, ...],
    ) -> None:
        base, quote = self.assets[record.base_asset_id], self.assets[record.quote_asset_id]
        units = InstrumentUnits.of(
            record, base_decimals=base.decimals, quote_decimals=quote.decimals
        )
        for known in (self.by_id.get(record.instrument_id), self.by_symbol.get(record.symbol)):
            if known is not None and known.shard_id != shard_id:
                log.error(
                    "instrument_listed_twice",
                    symbol=record.symbol,
                    instrument_id=record.instrument_id,
                    shard_id=shard_id,
                    served_from=known.shard_id,
                )
                return
        old = self.by_id.get(record.instrument_id)
        if old is not None and old.symbol != record.symbol:
            self.by_symbol.pop(old.symbol, None)
        instrument = Instrument(
            record.instrument_id,
            record.symbol,
            shard_id,
            base,
            quote,
            units,
            record,
            fee_tiers,
            price_bands,
        )
        self.by_id[record.instrument_id] = instrument
        self.by_symbol[record.symbol] = instrument
