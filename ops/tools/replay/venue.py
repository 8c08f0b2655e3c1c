"""Makes the exchange ready for a recording, through an operator's session, and cleans up after the
last one.

A symbol that is listed already is used as it is. Otherwise it is listed under the next free id, as
shares against USD. Each instrument has two accounts of its own, one whose orders rest and one whose
orders take; what a run left open there is canceled before the next.
"""

import time
from typing import NamedTuple

from tradepit.client import Client, Listing
from tradepit.protocol import wire
from tradepit.tools.replay.lobster import (
    PRICE_DECIMALS,
    VISIBLE_EXECUTION,
    Recording,
    ReplayError,
)
from tradepit.tools.replay.plan import Plan, Terms

ACCOUNT_ID_BASE = 2_000_000
QUOTE_SYMBOL = "USD"
QUOTE_DECIMALS = 6
CENT = 100  # in the file's unit: the tick of a share above a dollar
PRICE_MAX = 2_000_000_000  # 200,000 dollars: beyond the far-off orders of real files
QUANTITY_LOTS_MAX = 1_000_000
MAKER_FEE_PPM = 0
TAKER_FEE_PPM = 30  # near what the recorded market charged


class Venue(NamedTuple):
    """Where a plan is to be played."""

    terms: Terms
    instrument: wire.InstrumentChanged
    reused: bool


def prepare_venue(operator: Client, symbol: str, recording: Recording) -> Venue:
    """List what is missing, open the accounts, cancel what an earlier run left open.

    Raises ReplayError if the symbol is listed with terms that the recording does not fit, and the
    SDK's errors.
    """
    listing = operator.instruments()
    instrument = listing.instrument(symbol)
    reused = instrument is not None
    if instrument is None:
        instrument = _list(operator, listing, symbol, recording)
        listing = operator.instruments()
    terms = _terms(listing, instrument)
    for message in recording.messages:
        if message.kind <= VISIBLE_EXECUTION and message.price % terms.price_per_tick:
            raise ReplayError(
                f"{symbol} is listed with ticks of {terms.price_per_tick / 10_000} dollars, and the "
                f"recording has a price of {message.price / 10_000}: use another --symbol"
            )
    for account_id in (terms.maker_account_id, terms.taker_account_id):
        operator.set_account(account_id)
        operator.mass_cancel(account_id=account_id, instrument_id=instrument.instrument_id)
    return Venue(terms, instrument, reused)


def fund(operator: Client, venue: Venue, plan: Plan) -> None:
    """Top up both accounts to what all orders of the plan together could need."""
    instrument = venue.instrument
    fee_ppm = max(instrument.maker_fee_ppm, instrument.taker_fee_ppm)
    quote_units = plan.buy_units_max * instrument.tick_lot_units
    quote_units += quote_units * fee_ppm // 1_000_000 + len(plan.records)
    base_units = plan.sell_lots_max * instrument.lot_size_units
    for account_id in (venue.terms.maker_account_id, venue.terms.taker_account_id):
        available = {
            balance.asset_id: balance.available_units
            for balance in operator.balances(account_id=account_id)
        }
        for asset_id, needed_units in (
            (instrument.quote_asset_id, quote_units),
            (instrument.base_asset_id, base_units),
        ):
            lacking_units = needed_units - available.get(asset_id, 0)
            if lacking_units > 0:
                operator.credit(
                    account_id=account_id,
                    asset_id=asset_id,
                    amount_units=lacking_units,
                    transfer_id=time.time_ns(),
                )


def _list(
    operator: Client, listing: Listing, symbol: str, recording: Recording
) -> wire.InstrumentChanged:
    quote = listing.asset(QUOTE_SYMBOL)
    asset_id = max((asset.asset_id for asset in listing.assets), default=0) + 1
    if quote is None:
        quote = operator.set_asset(
            wire.SetAsset(symbol=QUOTE_SYMBOL, asset_id=asset_id, decimals=QUOTE_DECIMALS)
        )
        asset_id += 1
    base = listing.asset(symbol)
    if base is None:
        base = operator.set_asset(wire.SetAsset(symbol=symbol, asset_id=asset_id, decimals=0))
    prices = (message.price for message in recording.messages if message.kind <= VISIBLE_EXECUTION)
    tick_size = CENT if all(price % CENT == 0 for price in prices) else 1
    instrument_id = max((each.instrument_id for each in listing.instruments), default=0) + 1
    return operator.set_instrument(
        wire.SetInstrument(
            symbol=symbol,
            tick_size=tick_size,
            lot_size_units=10**base.decimals,
            price_ticks_min=1,
            price_ticks_max=PRICE_MAX // tick_size,
            quantity_lots_min=1,
            quantity_lots_max=QUANTITY_LOTS_MAX,
            instrument_id=instrument_id,
            base_asset_id=base.asset_id,
            quote_asset_id=quote.asset_id,
            maker_fee_ppm=MAKER_FEE_PPM,
            taker_fee_ppm=TAKER_FEE_PPM,
            price_decimals=PRICE_DECIMALS,
            trading_state=wire.TradingState.CONTINUOUS,
        )
    )


def _terms(listing: Listing, instrument: wire.InstrumentChanged) -> Terms:
    base = next(each for each in listing.assets if each.asset_id == instrument.base_asset_id)
    price_per_tick, price_rest = divmod(
        instrument.tick_size * 10**PRICE_DECIMALS, 10**instrument.price_decimals
    )
    lots_per_share, lot_rest = divmod(10**base.decimals, instrument.lot_size_units)
    if price_rest or lot_rest or not price_per_tick or not lots_per_share:
        raise ReplayError(
            f"{instrument.symbol} is listed with ticks or lots that do not suit shares priced in "
            "dollars: use another --symbol"
        )
    account_id = ACCOUNT_ID_BASE + 2 * instrument.instrument_id
    return Terms(
        instrument_id=instrument.instrument_id,
        maker_account_id=account_id,
        taker_account_id=account_id + 1,
        client_order_id_base=time.time_ns(),  # no two runs share one
        price_per_tick=price_per_tick,
        lots_per_share=lots_per_share,
    )
