"""The reference model's commands that change trades: an operator undoes or corrects them."""

from collections import Counter

from tradepit.protocol import wire
from tradepit.protocol.wire import ExecutionKind, Liquidity, Reason, Side

from tests.reference_lists import ReferenceLists
from tests.reference_state import HOUSE, RememberedTrade, fee

SHOWN = (
    "trade_id",
    "price_ticks",
    "quantity_lots",
    "notional_units",
    "base_units",
    "maker_order_id",
    "taker_order_id",
    "maker_account_id",
    "taker_account_id",
    "maker_fee_units",
    "taker_fee_units",
    "instrument_id",
    "taker_side",
)
CHANGING = (
    "price_ticks",
    "quantity_lots",
    "notional_units",
    "base_units",
    "maker_fee_units",
    "taker_fee_units",
)


class ReferenceBusts(ReferenceLists):
    """See reference.py."""

    def find_trade(self, trade_id: int) -> tuple[RememberedTrade | None, Reason]:
        for trade in self.trades[-self.limits.remembered_trades :]:
            if trade.event.trade_id == trade_id:
                return trade, Reason.TRADE_ALREADY_BUSTED if trade.is_busted else Reason.NONE
        return None, Reason.UNKNOWN_TRADE

    def bust_trade(self, command: wire.BustTrade) -> None:
        trade, reason = self.find_trade(command.trade_id)
        if trade is None or reason:
            self.reject_command(reason)
            return
        nothing = trade.event._replace(**dict.fromkeys(CHANGING, 0))
        if not self.change_funds(trade.event, nothing):
            self.reject_command(Reason.INSUFFICIENT_FUNDS)
            return
        trade.is_busted = True
        self.emit(wire.TradeBusted, trade_seq=trade.event.seq, **self.shown(trade.event))
        self.report_trade(trade.event, ExecutionKind.TRADE_BUSTED)

    def correct_trade(self, command: wire.CorrectTrade) -> None:
        trade, reason = self.find_trade(command.trade_id)
        if trade is None or reason:
            self.reject_command(reason)
            return
        old = trade.event
        price_ticks = command.price_ticks or old.price_ticks
        quantity_lots = command.quantity_lots or old.quantity_lots
        terms = self.instruments[old.instrument_id]
        notional = price_ticks * quantity_lots * terms.tick_lot_units
        is_price = price_ticks == old.price_ticks or self.is_price(old.instrument_id, price_ticks)
        if (
            not is_price
            or not 1 <= quantity_lots <= old.quantity_lots
            or (price_ticks, quantity_lots) == (old.price_ticks, old.quantity_lots)
            or notional >= wire.UNITS_MAX
        ):
            self.reject_command(Reason.INVALID_CORRECTION)
            return
        taker_fee = fee(notional, trade.taker_fee_ppm)
        new = old._replace(
            price_ticks=price_ticks,
            quantity_lots=quantity_lots,
            notional_units=notional,
            base_units=quantity_lots * terms.lot_size_units,
            maker_fee_units=max(fee(notional, trade.maker_fee_ppm), -taker_fee),
            taker_fee_units=taker_fee,
        )
        if not self.change_funds(old, new):
            self.reject_command(Reason.INSUFFICIENT_FUNDS)
            return
        trade.event = new
        self.emit(
            wire.TradeCorrected,
            trade_seq=old.seq,
            **self.shown(new),
            **{f"previous_{name}": getattr(old, name) for name in CHANGING},
        )
        self.report_trade(new, ExecutionKind.TRADE_CORRECTED)

    def change_funds(self, old: wire.Trade, new: wire.Trade) -> bool:
        """Take back what the old trade moved and move what the new one does, if everyone can pay."""
        terms = self.instruments[old.instrument_id]
        moves: Counter[tuple[int, int]] = Counter()
        positions: Counter[int] = Counter()
        for trade, direction in ((old, -1), (new, 1)):
            for name, side in (("taker", old.taker_side), ("maker", 3 - old.taker_side)):
                account_id = getattr(trade, f"{name}_account_id")
                fee_units = getattr(trade, f"{name}_fee_units")
                sign = direction if side == Side.BUY else -direction
                moves[account_id, terms.base_asset_id] += sign * trade.base_units
                moves[account_id, terms.quote_asset_id] -= sign * trade.notional_units
                moves[account_id, terms.quote_asset_id] -= direction * fee_units
                moves[HOUSE, terms.quote_asset_id] += direction * fee_units
                positions[account_id] += sign * trade.quantity_lots
        if any(self.funds_of(*key).available + units < 0 for key, units in moves.items()):
            return False
        for key, units in moves.items():
            self.funds_of(*key).available += units
        for account_id, lots in positions.items():
            key = (account_id, old.instrument_id)
            self.positions[key] = self.positions.get(key, 0) + lots
        return True

    @staticmethod
    def shown(trade: wire.Trade) -> dict[str, int]:
        return {name: getattr(trade, name) for name in SHOWN}

    def report_trade(self, trade: wire.Trade, kind: ExecutionKind) -> None:
        for name, side, liquidity in (
            ("taker", trade.taker_side, Liquidity.TAKER),
            ("maker", 3 - trade.taker_side, Liquidity.MAKER),
        ):
            self.reports.append(
                wire.ExecutionReport(
                    seq=self.seq,
                    time_ns=self.command.time_ns,
                    order_id=getattr(trade, f"{name}_order_id"),
                    account_id=getattr(trade, f"{name}_account_id"),
                    trade_id=trade.trade_id,
                    trade_price_ticks=trade.price_ticks,
                    trade_quantity_lots=trade.quantity_lots,
                    fee_units=getattr(trade, f"{name}_fee_units"),
                    instrument_id=trade.instrument_id,
                    kind=kind,
                    side=side,
                    liquidity=liquidity,
                    command_type=wire.type_of_record[type(self.command)],
                )
            )
