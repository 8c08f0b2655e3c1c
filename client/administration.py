"""An operator's calls, of both clients: for a client with account_id 0 and an operator's key."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from tradepit.client import results
from tradepit.client.results import Answer
from tradepit.protocol import wire


class Administration:
    """What `Client` offers to an operator."""

    __slots__ = ()

    @abstractmethod
    def _ask(self, request: Any) -> Answer:
        """Send one request and wait for its whole answer."""

    def set_asset(self, asset: wire.SetAsset) -> wire.AssetChanged:
        """List or rename an asset."""
        changed: wire.AssetChanged = results.single_record(self._ask(asset))
        return changed

    def set_instrument(self, instrument: wire.SetInstrument) -> wire.InstrumentChanged:
        """List an instrument or change its limits, fees and trading state."""
        changed: wire.InstrumentChanged = results.single_record(self._ask(instrument))
        return changed

    def set_account(
        self,
        account_id: int,
        state: int = wire.AccountState.ACTIVE,
        *,
        trade_group: int = 0,
        fee_tier: int = 0,
    ) -> wire.AccountChanged:
        """Open an account, or change its state, trade group and fee tier: orders of one group are one
        trader's for self-trade prevention, and 0 is the account alone.
        """
        request = wire.SetAccount(
            account_id=account_id, trade_group=trade_group, state=state, fee_tier=fee_tier
        )
        changed: wire.AccountChanged = results.single_record(self._ask(request))
        return changed

    def set_fee_schedule(
        self, instrument_id: int, tiers: Sequence[wire.FeeTerms]
    ) -> wire.FeeScheduleChanged:
        """Set what the fee tiers 1, 2 and so on pay, in place of all that was set before."""
        request = wire.SetFeeSchedule(instrument_id=instrument_id, tiers=tuple(tiers))
        changed: wire.FeeScheduleChanged = results.single_record(self._ask(request))
        return changed

    def set_tick_table(
        self, instrument_id: int, bands: Sequence[wire.PriceBand]
    ) -> wire.TickTableChanged:
        """Set which prices orders may name, in place of all that was set before."""
        request = wire.SetTickTable(instrument_id=instrument_id, bands=tuple(bands))
        changed: wire.TickTableChanged = results.single_record(self._ask(request))
        return changed

    def set_trading_state(
        self, instrument_id: int, state: int, *, end_time_ns: int = 0, next_state: int = 0
    ) -> wire.TradingStateChanged | wire.AuctionUncrossed:
        """Move an instrument to a trading state, perhaps until a time at which the next begins.

        Returns AuctionUncrossed where the auction's trades are too many for one command: the state
        follows when they are done.
        """
        request = wire.SetTradingState(
            instrument_id=instrument_id,
            state=state,
            end_time_ns=end_time_ns,
            next_state=next_state,
        )
        changed: wire.TradingStateChanged | wire.AuctionUncrossed = results.single_record(
            self._ask(request)
        )
        return changed

    def set_calendar(
        self, instrument_id: int, entries: Sequence[wire.CalendarEntry]
    ) -> wire.CalendarChanged:
        """Set at which times of the week the instrument changes its state, from Monday on."""
        request = wire.SetCalendar(instrument_id=instrument_id, entries=tuple(entries))
        changed: wire.CalendarChanged = results.single_record(self._ask(request))
        return changed

    def bust_trade(self, trade_id: int) -> wire.TradeBusted:
        """Undo one of the shard's last trades: what it moved goes back."""
        request = wire.BustTrade(trade_id=trade_id)
        busted: wire.TradeBusted = results.single_record(self._ask(request))
        return busted

    def correct_trade(
        self, trade_id: int, *, price_ticks: int = 0, quantity_lots: int = 0
    ) -> wire.TradeCorrected:
        """Give a trade another price, a smaller quantity, or both; 0 = as it is."""
        request = wire.CorrectTrade(
            trade_id=trade_id, price_ticks=price_ticks, quantity_lots=quantity_lots
        )
        corrected: wire.TradeCorrected = results.single_record(self._ask(request))
        return corrected

    def credit(
        self, *, account_id: int, asset_id: int, amount_units: int, transfer_id: int
    ) -> wire.BalanceChanged:
        """Add to an account's balance; a repeated transfer_id is refused as duplicate_transfer."""
        request = wire.Credit(
            account_id=account_id,
            transfer_id=transfer_id,
            amount_units=amount_units,
            asset_id=asset_id,
        )
        changed: wire.BalanceChanged = results.single_record(self._ask(request))
        return changed

    def debit(
        self, *, account_id: int, asset_id: int, amount_units: int, transfer_id: int
    ) -> wire.BalanceChanged:
        """Take from an account's balance; a repeated transfer_id is refused."""
        request = wire.Debit(
            account_id=account_id,
            transfer_id=transfer_id,
            amount_units=amount_units,
            asset_id=asset_id,
        )
        changed: wire.BalanceChanged = results.single_record(self._ask(request))
        return changed


class AsyncAdministration:
    """What `AsyncClient` offers to an operator."""

    __slots__ = ()

    @abstractmethod
    async def _ask(self, request: Any) -> Answer:
        """Send one request and wait for its whole answer."""

    async def set_asset(self, asset: wire.SetAsset) -> wire.AssetChanged:
        """List or rename an asset."""
        changed: wire.AssetChanged = results.single_record(await self._ask(asset))
        return changed

    async def set_instrument(self, instrument: wire.SetInstrument) -> wire.InstrumentChanged:
        """List an instrument or change its limits, fees and trading state."""
        changed: wire.InstrumentChanged = results.single_record(await self._ask(instrument))
        return changed

    async def set_account(
        self,
        account_id: int,
        state: int = wire.AccountState.ACTIVE,
        *,
        trade_group: int = 0,
        fee_tier: int = 0,
    ) -> wire.AccountChanged:
        """Open an account, or change its state, trade group and fee tier: orders of one group are one
        trader's for self-trade prevention, and 0 is the account alone.
        """
        request = wire.SetAccount(
            account_id=account_id, trade_group=trade_group, state=state, fee_tier=fee_tier
        )
        changed: wire.AccountChanged = results.single_record(await self._ask(request))
        return changed

    async def set_fee_schedule(
        self, instrument_id: int, tiers: Sequence[wire.FeeTerms]
    ) -> wire.FeeScheduleChanged:
        """Set what the fee tiers 1, 2 and so on pay, in place of all that was set before."""
        request = wire.SetFeeSchedule(instrument_id=instrument_id, tiers=tuple(tiers))
        changed: wire.FeeScheduleChanged = results.single_record(await self._ask(request))
        return changed

    async def set_tick_table(
        self, instrument_id: int, bands: Sequence[wire.PriceBand]
    ) -> wire.TickTableChanged:
        """Set which prices orders may name, in place of all that was set before."""
        request = wire.SetTickTable(instrument_id=instrument_id, bands=tuple(bands))
        changed: wire.TickTableChanged = results.single_record(await self._ask(request))
        return changed

    async def set_trading_state(
        self, instrument_id: int, state: int, *, end_time_ns: int = 0, next_state: int = 0
    ) -> wire.TradingStateChanged | wire.AuctionUncrossed:
        """Move an instrument to a trading state, perhaps until a time at which the next begins.

        Returns AuctionUncrossed where the auction's trades are too many for one command: the state
        follows when they are done.
        """
        request = wire.SetTradingState(
            instrument_id=instrument_id,
            state=state,
            end_time_ns=end_time_ns,
            next_state=next_state,
        )
        changed: wire.TradingStateChanged | wire.AuctionUncrossed = results.single_record(
            await self._ask(request)
        )
        return changed

    async def set_calendar(
        self, instrument_id: int, entries: Sequence[wire.CalendarEntry]
    ) -> wire.CalendarChanged:
        """Set at which times of the week the instrument changes its state, from Monday on."""
        request = wire.SetCalendar(instrument_id=instrument_id, entries=tuple(entries))
        changed: wire.CalendarChanged = results.single_record(await self._ask(request))
        return changed

    async def bust_trade(self, trade_id: int) -> wire.TradeBusted:
        """Undo one of the shard's last trades: what it moved goes back."""
        request = wire.BustTrade(trade_id=trade_id)
        busted: wire.TradeBusted = results.single_record(await self._ask(request))
        return busted

    async def correct_trade(
        self, trade_id: int, *, price_ticks: int = 0, quantity_lots: int = 0
    ) -> wire.TradeCorrected:
        """Give a trade another price, a smaller quantity, or both; 0 = as it is."""
        request = wire.CorrectTrade(
            trade_id=trade_id, price_ticks=price_ticks, quantity_lots=quantity_lots
        )
        corrected: wire.TradeCorrected = results.single_record(await self._ask(request))
        return corrected

    async def credit(
        self, *, account_id: int, asset_id: int, amount_units: int, transfer_id: int
    ) -> wire.BalanceChanged:
        """Add to an account's balance; a repeated transfer_id is refused as duplicate_transfer."""
        request = wire.Credit(
            account_id=account_id,
            transfer_id=transfer_id,
            amount_units=amount_units,
            asset_id=asset_id,
        )
        changed: wire.BalanceChanged = results.single_record(await self._ask(request))
        return changed

    async def debit(
        self, *, account_id: int, asset_id: int, amount_units: int, transfer_id: int
    ) -> wire.BalanceChanged:
        """Take from an account's balance; a repeated transfer_id is refused."""
        request = wire.Debit(
            account_id=account_id,
            transfer_id=transfer_id,
            amount_units=amount_units,
            asset_id=asset_id,
        )
        changed: wire.BalanceChanged = results.single_record(await self._ask(request))
        return changed
