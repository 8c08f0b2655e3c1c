"""The reference model's administrative commands: listings, accounts and transfers."""

from tradepit.protocol import wire
from tradepit.protocol.wire import AccountState, Reason, TradingState

from tests.reference_state import ReferenceState, fee, is_symbol, tick_lot_units


class ReferenceAdministration(ReferenceState):
    """What operators send (see reference.py)."""

    def set_asset(self, command: wire.SetAsset) -> None:
        listed = self.assets.get(command.asset_id)
        if (
            not 1 <= command.asset_id <= self.limits.max_assets
            or not is_symbol(command.symbol)
            or command.decimals > wire.DECIMALS_MAX
            or (listed is not None and listed.decimals != command.decimals)
        ):
            self.reject_command(Reason.INVALID_ASSET)
            return
        self.assets[command.asset_id] = self.emit(
            wire.AssetChanged,
            symbol=command.symbol,
            asset_id=command.asset_id,
            decimals=command.decimals,
        )

    def set_instrument(self, command: wire.SetInstrument) -> None:
        if not {command.base_asset_id, command.quote_asset_id} <= self.assets.keys():
            self.reject_command(Reason.UNKNOWN_ASSET)
            return
        tick_lot = tick_lot_units(
            command.tick_size,
            command.lot_size_units,
            command.price_decimals,
            self.assets[command.base_asset_id].decimals,
            self.assets[command.quote_asset_id].decimals,
        )
        if not self.is_sound(command, tick_lot):
            self.reject_command(Reason.INVALID_INSTRUMENT)
            return
        if command.instrument_id in self.uncrossing:
            self.reject_command(Reason.AUCTION_ENDING)
            return
        terms = {
            name: value
            for name, value in command._asdict().items()
            if name not in ("request_id", "time_ns")
        }
        listed = self.instruments.get(command.instrument_id)
        if listed is not None and not command.reference_price_ticks:
            terms["reference_price_ticks"] = listed.reference_price_ticks
        changed = self.emit(wire.InstrumentChanged, tick_lot_units=tick_lot, **terms)
        if listed is not None:  # its state changes in the way that states do
            changed = changed._replace(trading_state=listed.trading_state)
        self.instruments[command.instrument_id] = changed

    def is_sound(self, command: wire.SetInstrument, tick_lot: int | None) -> bool:
        if (
            not 1 <= command.instrument_id <= self.limits.max_instruments
            or command.base_asset_id == command.quote_asset_id
            or not is_symbol(command.symbol)
            or command.tick_size < 1
            or command.lot_size_units < 1
            or not 1 <= command.price_ticks_min <= command.price_ticks_max <= wire.PRICE_TICKS_MAX
            or not 1
            <= command.quantity_lots_min
            <= command.quantity_lots_max
            <= wire.QUANTITY_LOTS_MAX
            or command.market_protection_ppm > wire.MARKET_PROTECTION_PPM_MAX
            or command.price_decimals > wire.DECIMALS_MAX
            or command.notional_units_min < 0
            or command.notional_units_max < 0
            or command.notional_units_min > (command.notional_units_max or 2**63)
            or command.trading_state not in tuple(TradingState)
            or command.allocation not in tuple(wire.Allocation)
            or not 0 <= command.reference_price_ticks <= wire.PRICE_TICKS_MAX
            or max(command.static_collar_ppm, command.dynamic_collar_ppm) > 1_000_000
            or command.breaker_ppm > 1_000_000
            or command.breaker_auction_ns < 0
            or bool(command.breaker_ppm) != bool(command.breaker_auction_ns)
            or tick_lot is None
        ):
            return False
        listed = self.instruments.get(command.instrument_id)
        for name in (
            "base_asset_id",
            "quote_asset_id",
            "tick_size",
            "lot_size_units",
            "price_decimals",
            "allocation",
        ):
            if listed is not None and getattr(listed, name) != getattr(command, name):
                return False
        notional = command.price_ticks_max * command.quantity_lots_max * tick_lot
        base_units = command.quantity_lots_max * command.lot_size_units
        return base_units < wire.UNITS_MAX and self.are_fees_sound(
            notional,
            wire.FeeTerms(command.maker_fee_ppm, command.taker_fee_ppm),
            *self.fee_schedules.get(command.instrument_id, ()),
        )

    @staticmethod
    def are_fees_sound(largest_notional: int, *tiers: wire.FeeTerms) -> bool:
        return (
            all(max(tier) <= wire.FEE_PPM_MAX for tier in tiers)
            and all(-a.maker_fee_ppm <= b.taker_fee_ppm for a in tiers for b in tiers)
            and all(
                largest_notional + fee(largest_notional, max(tier)) < wire.UNITS_MAX
                for tier in tiers
            )
        )

    def set_fee_schedule(self, command: wire.SetFeeSchedule) -> None:
        terms = self.instruments.get(command.instrument_id)
        if terms is None:
            self.reject_command(Reason.UNKNOWN_INSTRUMENT)
            return
        largest = terms.price_ticks_max * terms.quantity_lots_max * terms.tick_lot_units
        tier_0 = wire.FeeTerms(terms.maker_fee_ppm, terms.taker_fee_ppm)
        if not self.are_fees_sound(largest, tier_0, *command.tiers):
            self.reject_command(Reason.INVALID_FEE_SCHEDULE)
            return
        self.fee_schedules[command.instrument_id] = command.tiers
        self.emit(wire.FeeScheduleChanged, instrument_id=command.instrument_id, tiers=command.tiers)

    def set_tick_table(self, command: wire.SetTickTable) -> None:
        starts = [band.from_price_ticks for band in command.bands]
        steps = [band.step_ticks for band in command.bands]
        if command.instrument_id not in self.instruments:
            self.reject_command(Reason.UNKNOWN_INSTRUMENT)
        elif starts != sorted(set(starts)) or not all(
            1 <= number <= wire.PRICE_TICKS_MAX for number in starts + steps
        ):
            self.reject_command(Reason.INVALID_TICK_TABLE)
        else:
            self.tick_tables[command.instrument_id] = command.bands
            self.emit(
                wire.TickTableChanged, instrument_id=command.instrument_id, bands=command.bands
            )

    def is_price(self, instrument_id: int, price_ticks: int) -> bool:
        """Whether an order may name this price."""
        terms = self.instruments[instrument_id]
        steps = [
            band.step_ticks
            for band in self.tick_tables.get(instrument_id, ())
            if band.from_price_ticks <= price_ticks
        ]
        return (
            terms.price_ticks_min <= price_ticks <= terms.price_ticks_max
            and price_ticks % [1, *steps][-1] == 0
        )

    def is_notional(self, instrument_id: int, price_ticks: int, quantity_lots: int) -> bool:
        """Whether an order may be worth this much."""
        terms = self.instruments[instrument_id]
        units = price_ticks * quantity_lots * terms.tick_lot_units
        return price_ticks == 0 or (
            terms.notional_units_min <= units <= (terms.notional_units_max or units)
        )

    def set_account(self, command: wire.SetAccount) -> None:
        is_new = command.account_id not in self.accounts
        if is_new and len(self.accounts) - 1 >= self.limits.max_accounts:
            self.reject_command(Reason.TOO_MANY_ACCOUNTS, command.account_id)
        elif (
            not 1 <= command.account_id <= wire.ACCOUNT_ID_MAX
            or command.trade_group > wire.ACCOUNT_ID_MAX
            or command.fee_tier > 7
            or command.state not in (AccountState.ACTIVE, AccountState.SUSPENDED)
        ):
            self.reject_command(Reason.INVALID_ACCOUNT, command.account_id)
        else:
            self.accounts[command.account_id] = command.state
            self.trade_groups[command.account_id] = command.trade_group
            self.fee_tiers[command.account_id] = command.fee_tier
            self.emit(
                wire.AccountChanged,
                account_id=command.account_id,
                trade_group=command.trade_group,
                fee_tier=command.fee_tier,
                state=command.state,
            )

    def credit(self, command: wire.Credit) -> None:
        if command.account_id not in self.accounts:
            reason = Reason.UNKNOWN_ACCOUNT
        elif command.transfer_id in self.recent_transfers:
            reason = Reason.DUPLICATE_TRANSFER
        elif command.asset_id not in self.assets:
            reason = Reason.UNKNOWN_ASSET
        elif (
            command.amount_units < 1
            or self.supply(command.asset_id) + command.amount_units > wire.UNITS_MAX
            or not 1 <= command.transfer_id < 2**63
        ):
            reason = Reason.INVALID_AMOUNT
        else:
            self.transfer(command, command.amount_units)
            return
        self.reject_command(reason, command.account_id)

    def debit(self, command: wire.Debit) -> None:
        if command.account_id not in self.accounts:
            reason = Reason.UNKNOWN_ACCOUNT
        elif command.transfer_id in self.recent_transfers:
            reason = Reason.DUPLICATE_TRANSFER
        elif command.asset_id in self.assets and (
            command.amount_units > self.funds_of(command.account_id, command.asset_id).available
        ):
            reason = Reason.INSUFFICIENT_FUNDS
        elif command.asset_id not in self.assets:
            reason = Reason.UNKNOWN_ASSET
        elif command.amount_units < 1 or not 1 <= command.transfer_id < 2**63:
            reason = Reason.INVALID_AMOUNT
        else:
            self.transfer(command, -command.amount_units)
            return
        self.reject_command(reason, command.account_id)

    def transfer(self, command: wire.Credit | wire.Debit, delta_units: int) -> None:
        funds = self.funds_of(command.account_id, command.asset_id)
        funds.available += delta_units
        self.recent_transfers.append(command.transfer_id)
        self.recent_transfers = self.recent_transfers[-self.limits.transfer_ids :]
        self.emit(
            wire.BalanceChanged,
            account_id=command.account_id,
            transfer_id=command.transfer_id,
            delta_units=delta_units,
            available_units=funds.available,
            held_units=funds.held,
            asset_id=command.asset_id,
        )
