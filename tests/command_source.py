"""Random commands for the engine and its reference model.

Few accounts, prices and ids, and tight funds, so that orders meet, repeat and are refused. Small
limits, so that pools and memories of ids run full. Values on and beyond every bound.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

from tradepit.protocol import wire

from tests.reference import Limits, ReferenceEngine

LIMITS = Limits(
    shard_id=3,
    max_orders=14,
    client_order_ids=5,
    transfer_ids=12,
    max_accounts=4,
    max_instruments=3,
    max_assets=3,
    remembered_trades=6,
)
ACCOUNTS = (1, 2, 77)
PRO_RATA = 2
"""The instrument that allocates so."""
INT64_EDGES = (0, -1, 1, 2**40, 2**40 + 1, 2**62, 2**63 - 1, -(2**63))


class CommandSource:
    """Commands drawn from `random`, some of them about orders that are open in `reference`."""

    def __init__(self, random: Random, reference: ReferenceEngine) -> None:
        self.random = random
        self.reference = reference
        self.time_ns = -3

    def next(self) -> Any:
        makers = (
            (self.new_order, 100),
            (self.new_order_list, 16),
            (self.cancel, 8),
            (self.replace, 20),
            (self.mass_cancel, 1),
            (self.transfer, 6),
            (self.set_instrument, 3),
            (self.set_account, 3),
            (self.set_fee_schedule, 2),
            (self.set_tick_table, 1),
            (self.set_trading_state, 4),
            (self.set_calendar, 1),
            (self.set_asset, 1),
            (self.tick, 10),
            (self.kill_switch, 1),
            (self.cancel_after, 1),
            (self.session_ended, 1),
            (self.mend, 12),
            (self.mass_quote, 12),
            (self.set_quote_protection, 3),
            (self.bust_trade, 2),
            (self.correct_trade, 4),
        )
        (make,) = self.random.choices(
            [maker for maker, _ in makers], [weight for _, weight in makers]
        )
        self.time_ns += self.random.choice((0, 0, 1, 2))
        if self.random.random() < 0.01:
            self.time_ns += 60 * 10**9  # for calendars
        time_ns = self.time_ns if self.random.random() < 39 / 40 else self.random.randint(-3, 30)
        return make()._replace(request_id=self.random.randint(1, 2**32 - 1), time_ns=time_ns)

    def mend(self) -> Any:
        """What lets trading go on: a state that allows it, a switch released, an account active."""
        reference = self.reference
        for account_id in reference.killed:
            return wire.KillSwitch(account_id=account_id, state=wire.KillSwitchState.RELEASED)
        for account_id, state in reference.accounts.items():
            if state != wire.AccountState.ACTIVE:
                return wire.SetAccount(account_id=account_id, state=wire.AccountState.ACTIVE)
        for instrument_id in reference.instruments:
            if not reference.is_continuous(instrument_id) and self.random.random() < 0.5:
                return wire.SetTradingState(
                    instrument_id=instrument_id, state=wire.TradingState.CONTINUOUS
                )
        return self.new_order()

    def mostly(self, usual: Any, rare: Sequence[int]) -> int:
        """One of `usual`; one time in a hundred one of `rare`."""
        return int(self.random.choice(usual if self.random.random() < 0.99 else rare))

    def account_id(self) -> int:
        return self.mostly(ACCOUNTS, (0, 5, 2**63 - 1, 2**63, 2**64 - 1))

    def client_order_id(self) -> int:
        return self.mostly((0, 0, *range(30)), (2**63 - 1, 2**63, 2**64 - 1))

    def price(self) -> int:
        return self.mostly((97, 98, 99, 100, 100, 101, 102, 103), (200, 201, *INT64_EDGES))

    def quantity(self) -> int:
        return self.mostly(range(1, 12), (50, 51, *INT64_EDGES))

    def wrong_byte(self) -> int:
        return self.random.choice((0, 3, 4, 255))

    def new_order(self) -> wire.NewOrder:
        order_type = self.mostly((1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7), (0, 8, 255))
        side = self.mostly((1, 2), (self.wrong_byte(),))
        has_price = order_type in (1, 4, 6) or (order_type in (3, 5) and side == 1)
        times = {
            1: (1, 1, 1, 4, 5, 2, 3, 6, 7),
            3: (2,),
            4: (1, 4, 5, 2),
            5: (2,),
            6: (1, 4, 5),
            7: (1, 4, 5),
        }.get(order_type, (2, 3))
        time_in_force = self.mostly(times, (1, 0, 3, 4, 6, 7, 8))
        in_bps = self.random.random() < 0.5
        flags = (0, 0, 0, 1, 2) if order_type == 1 and time_in_force in (1, 4, 5) else (0,)
        reduce_only = wire.OrderFlag.REDUCE_ONLY if self.random.random() < 0.15 else 0
        has_budget = (order_type, side) == (2, 1) and self.random.random() < 0.5
        may_be_iceberg = order_type == 1 and time_in_force in (1, 5)
        has_minimum = order_type in (1, 2) and time_in_force == 2
        command = wire.NewOrder(
            account_id=self.account_id(),
            client_order_id=self.client_order_id(),
            price_ticks=self.price() if has_price else self.mostly((0,), (1, -1)),
            quantity_lots=self.mostly((0,), (1, -1)) if has_budget else self.quantity(),
            trigger_price_ticks=self.price()
            if order_type in (3, 4)
            else self.mostly((0,), (1, -1)),
            display_quantity_lots=self.mostly(
                (0, 0, 1, 2, 3) if may_be_iceberg else (0,), (1, 2, *INT64_EDGES)
            ),
            minimum_quantity_lots=self.mostly(
                (0, 0, 1, 2, 5) if has_minimum else (0,), (1, 2, *INT64_EDGES)
            ),
            quote_budget_units=self.mostly(
                range(1, 60_000, 97) if has_budget else (0,), (1, 5_000, *INT64_EDGES)
            ),
            expire_time_ns=self.mostly(
                range(self.time_ns + 1, self.time_ns + 20) if time_in_force == 5 else (0,),
                (1, 2, *INT64_EDGES),
            ),
            offset_ticks=self.mostly(
                {5: (0,) if in_bps else (1, 2, 3), 6: (0, 0, -1, 1, -2)}.get(order_type, (0,)),
                (1, -1, *INT64_EDGES),
            ),
            trail_offset_bps=self.mostly(
                (1, 150, 300) if order_type == 5 and in_bps else (0,), (1, 9_999, 10_000, 2**16 - 1)
            ),
            peg_reference=self.mostly((1, 2, 3, 3) if order_type == 6 else (0,), (0, 1, 4, 255)),
            replaces_order_id=self.mostly((0,), (1, 2**64 - 1)),
            session_id=self.random.choice((0, 1, 2, wire.TIED_SESSION_BIT + 1)),
            instrument_id=self.mostly((1, 1, 2), (0, 3, 4, 2**32 - 1)),
            side=side,
            order_type=order_type,
            time_in_force=time_in_force,
            flags=self.mostly(flags, (1, 2, 3, 255)) | reduce_only,
            self_trade_prevention=self.mostly((0, 0, 0, 1, 2, 3, 4, 4), (5, 255)),
        )
        if self.reference.open_orders and self.random.random() < 0.15:
            gone = self.random.choice(self.reference.open_orders)
            command = command._replace(
                account_id=self.mostly((gone.account_id,), ACCOUNTS),
                instrument_id=self.mostly((gone.instrument_id,), (1, 2)),
                replaces_order_id=gone.order_id,
            )
        if reduce_only and self.reference.positions and self.random.random() < 0.7:
            (account_id, instrument_id), lots = self.random.choice(
                list(self.reference.positions.items())
            )
            command = command._replace(account_id=account_id, instrument_id=instrument_id)
            if order_type in (1, 2, 6, 7):
                command = command._replace(side=2 if lots > 0 else 1)
        return command

    def new_order_list(self) -> wire.NewOrderList:
        kind = self.mostly((1, 2, 3, 3, 4, 4, 5, 5, 5), (0, 6))
        first = self.new_order()
        count = self.mostly({3: (2,), 4: (2,), 5: (3,)}.get(kind, (1, 2, 3)), (0, 1, 2, 3, 16))
        orders = [first] + [self.new_order() for _ in range(count - 1)]
        if kind > 2 and self.random.random() < 0.9:
            pair_side = self.random.choice((1, 2))
            opposite = 3 - pair_side
            if kind != 3:
                orders[0] = first._replace(
                    side=opposite,
                    order_type=self.random.choice((1, 1, 2)),
                    trigger_price_ticks=0,
                    flags=0,
                    offset_ticks=0,
                    trail_offset_bps=0,
                    peg_reference=0,
                    quote_budget_units=0,
                    minimum_quantity_lots=0,
                    display_quantity_lots=0,
                    expire_time_ns=0,
                    quantity_lots=self.quantity(),
                )
                is_limit = orders[0].order_type == 1
                orders[0] = orders[0]._replace(
                    price_ticks=self.price() if is_limit else 0,
                    time_in_force=self.random.choice((1, 1, 4)) if is_limit else 2,
                )
            limit_index = 0 if kind == 3 else 1
            plain = wire.NewOrder(
                side=pair_side, quantity_lots=orders[0].quantity_lots or self.quantity()
            )
            limit = plain._replace(
                order_type=1,
                client_order_id=self.client_order_id(),
                price_ticks=self.price(),
                time_in_force=self.random.choice((1, 1, 4)),
                flags=self.mostly((0, 0, 1), (2, 4)),
                self_trade_prevention=self.random.choice((0, 0, 2, 4)),
            )
            trailing = self.random.random() < 0.25
            is_limited = self.random.random() < 0.5 and not trailing
            stop = plain._replace(
                order_type=5 if trailing else 4 if is_limited else 3,
                client_order_id=self.client_order_id(),
                price_ticks=self.price() if is_limited or pair_side == 1 else 0,
                trigger_price_ticks=0 if trailing else self.price(),
                offset_ticks=self.random.randint(1, 3) if trailing else 0,
                time_in_force=self.random.choice((1, 2)) if is_limited else 2,
            )
            pair = [limit, stop]
            if kind == 4 and self.random.random() < 0.5:
                pair = [stop, limit]
            orders[limit_index:] = pair[: max(len(orders) - limit_index, 0)]
        if kind == 2 and self.random.random() < 0.9:
            orders = [
                order._replace(
                    order_type=1,
                    price_ticks=self.price(),
                    time_in_force=self.random.choice((1, 1, 4, 7)),
                    quantity_lots=self.quantity(),
                    flags=self.random.choice((0, 1)),
                    trigger_price_ticks=0,
                    offset_ticks=0,
                    trail_offset_bps=0,
                    peg_reference=0,
                    expire_time_ns=0,
                    quote_budget_units=0,
                    minimum_quantity_lots=0,
                    display_quantity_lots=0,
                )
                for order in orders
            ]
        names = wire.ListedOrder._fields
        return wire.NewOrderList(
            account_id=first.account_id,
            instrument_id=first.instrument_id,
            session_id=first.session_id,
            kind=kind,
            orders=tuple(
                wire.ListedOrder(**{name: getattr(order, name) for name in names})
                for order in orders[:count]
            ),
        )

    def target(self) -> dict[str, int]:
        """account_id, order_id and client_order_id: mostly of an open order."""
        if self.reference.open_orders and self.random.random() < 0.85:
            order = self.random.choice(self.reference.open_orders)
            if order.client_order_id and self.random.random() < 0.4:
                return {
                    "account_id": order.account_id,
                    "order_id": 0,
                    "client_order_id": order.client_order_id,
                }
            return {
                "account_id": self.mostly((order.account_id,), ACCOUNTS),
                "order_id": order.order_id,
                "client_order_id": self.client_order_id(),
            }
        return {
            "account_id": self.account_id(),
            "order_id": self.random.choice((0, (LIMITS.shard_id << 48) + 1, 1, 2**64 - 1)),
            "client_order_id": self.client_order_id(),
        }

    def cancel(self) -> wire.CancelOrder:
        return wire.CancelOrder(**self.target())

    def replace(self) -> wire.ReplaceOrder:
        return wire.ReplaceOrder(
            **self.target(),
            price_ticks=self.random.choice((0, 0, 0, self.price())),
            quantity_lots=self.random.choice((0, self.quantity(), self.quantity())),
        )

    def mass_cancel(self) -> wire.MassCancel:
        return wire.MassCancel(
            account_id=self.mostly(ACCOUNTS, (0, 5, 2**64 - 1)),
            instrument_id=self.mostly((0, 1, 2), (9,)),
            session_id=self.random.choice((0, 0, 1, 2)),
            side=self.mostly((0, 1, 2), (3, 255)),
        )

    def kill_switch(self) -> wire.KillSwitch:
        return wire.KillSwitch(
            account_id=self.mostly((0, *ACCOUNTS, *ACCOUNTS), (5,)),
            state=self.mostly((1, 2, 2, 2), (0, 3)),
        )

    def cancel_after(self) -> wire.CancelAfter:
        return wire.CancelAfter(
            account_id=self.account_id(),
            timeout_ns=self.mostly((0, 1, 3, 6, 10), (*INT64_EDGES, wire.CANCEL_AFTER_NS_MAX)),
        )

    def session_ended(self) -> wire.SessionEnded:
        return wire.SessionEnded(
            account_id=self.mostly((0, *ACCOUNTS), (5,)),
            session_id=self.random.choice((0, 1, wire.TIED_SESSION_BIT + 1)),
        )

    def mass_quote(self) -> wire.MassQuote:
        middle = self.random.choice((99, 100, 100, 101))
        counts = self.random.choice(((0, 0), (1, 1), (1, 1), (2, 2), (1, 2), (3, 1)))
        sides = [[(0, 0)] * 3, [(0, 0)] * 3]
        for number, count in enumerate(counts):
            offsets = sorted(self.random.sample(range(1, 4), count))
            for index, offset in enumerate(offsets):
                price = middle + offset * (2 * number - 1)
                lots = self.random.choice((1, 1, 2, 2, 3, 9))
                sides[number][index] = (
                    self.mostly((price,), (0, 100, 201, -1)),
                    self.mostly((lots,), (0, 51, -1, *INT64_EDGES)),
                )
        return wire.MassQuote(
            account_id=self.account_id(),
            instrument_id=self.mostly((1, 1, 1, 2), (0, 3, 4, 2**32 - 1)),
            session_id=self.random.choice((0, 0, 0, 1)),
            flags=self.mostly((0, 0, 0, 1), (2, 4, 8, 255)),
            self_trade_prevention=self.mostly((0, 0, 0, 2, 4), (1, 3, 5, 255)),
            levels=tuple(
                wire.QuoteLevel(*bid, *ask)
                for bid, ask in list(zip(*sides, strict=True))[: max(counts)]
            ),
        )

    def set_quote_protection(self) -> wire.SetQuoteProtection:
        is_off = self.random.random() < 0.2
        return wire.SetQuoteProtection(
            account_id=self.account_id(),
            window_ns=self.mostly((0,) if is_off else (1, 5, 50), INT64_EDGES),
            filled_lots_max=self.mostly((0,) if is_off else (0, 3, 6), INT64_EDGES),
            fill_count_max=self.mostly((0,) if is_off else (0, 1, 2), (3,)),
            instrument_id=self.mostly((1, 1, 1, 2), (0, 3)),
        )

    def trade_id(self) -> int:
        """Mostly of one of the last trades."""
        trades = self.reference.trades[-LIMITS.remembered_trades - 2 :]
        if not trades or self.random.random() < 0.05:
            return self.random.choice((0, 1, (LIMITS.shard_id << 48), 2**64 - 1))
        return self.random.choice(trades).event.trade_id

    def bust_trade(self) -> wire.BustTrade:
        return wire.BustTrade(trade_id=self.trade_id())

    def correct_trade(self) -> wire.CorrectTrade:
        return wire.CorrectTrade(
            trade_id=self.trade_id(),
            price_ticks=self.random.choice((0, self.price(), self.price())),
            quantity_lots=self.mostly((0, 0, 0, 1, 1, 2, 3), (self.quantity(),)),
        )

    def tick(self) -> wire.Tick:
        return wire.Tick()

    def transfer(self) -> wire.Credit | wire.Debit:
        kind = self.random.choice((wire.Credit, wire.Credit, wire.Debit))
        return kind(
            account_id=self.mostly((0, *ACCOUNTS), (self.account_id(),)),
            transfer_id=self.mostly(range(1, 60), (0, 2**63, 2**64 - 1)),
            amount_units=self.mostly(range(1, 300_000), (2**62 + 1, *INT64_EDGES)),
            asset_id=self.mostly((1, 2), (0, 3, 4, 2**32 - 1)),
        )

    def symbol(self) -> str:
        return self.random.choice((*["USD", "BTC", "X" * 16] * 6, "", "A B", "\u00e9"))

    def set_asset(self) -> wire.SetAsset:
        return wire.SetAsset(
            symbol=self.symbol(),
            asset_id=self.mostly((1, 2, 3), (0, 4, 2**32 - 1)),
            decimals=self.mostly((0, 1, 2), (18, 19, 255)),
        )

    def set_instrument(self) -> wire.SetInstrument:
        instrument_id = self.mostly((1, 2, 3), (0, 4, 2**32 - 1))
        fees = (0, 500, 1_234, 33_333, 100_000)
        breaker_ppm = self.mostly((0, 0, 10_000, 10_000, 20_000), (1_000_001, 2**32 - 1))
        return wire.SetInstrument(
            symbol=self.symbol(),
            tick_size=self.mostly((1,), (2, 7, *INT64_EDGES)),
            lot_size_units=self.mostly((10,), (11, *INT64_EDGES)),
            price_ticks_min=self.mostly((1, 1, 1, 99), INT64_EDGES),
            price_ticks_max=self.mostly((200, 200, 200, 102), INT64_EDGES),
            quantity_lots_min=self.mostly((1, 1, 1, 2), INT64_EDGES),
            quantity_lots_max=self.mostly((50, 50, 50, 9), INT64_EDGES),
            instrument_id=instrument_id,
            base_asset_id=self.mostly((2,), (0, 1, 3)),
            quote_asset_id=self.mostly((1,), (0, 2, 3)),
            maker_fee_ppm=self.mostly(
                (*fees, -500, -33_333), (100_001, -100_001, 2**31 - 1, -(2**31))
            ),
            taker_fee_ppm=self.mostly(fees, (100_001, 2**32 - 1)),
            market_protection_ppm=self.mostly((0, 0, 10_000, 20_500), (1_000_000, 1_000_001)),
            price_decimals=self.mostly((1 if instrument_id == 2 else 0,), (18, 19)),
            trading_state=self.mostly((*[1] * 12, 2, 3, 4, 7), (self.wrong_byte(),)),
            allocation=self.mostly((instrument_id == PRO_RATA,), (0, 1, 2, 255)),
            reference_price_ticks=self.mostly((0, 99, 102), INT64_EDGES),
            static_collar_ppm=self.mostly((0, 0, 0, 30_000, 1_000_000), (1_000_001, 2**32 - 1)),
            dynamic_collar_ppm=self.mostly((0, 0, 0, 10_000, 20_000), (1_000_001, 2**32 - 1)),
            breaker_ppm=breaker_ppm,
            breaker_auction_ns=self.mostly((3 if breaker_ppm else 0,), INT64_EDGES),
            notional_units_min=self.mostly((0, 0, 0, 2_000), INT64_EDGES),
            notional_units_max=self.mostly((0, 0, 0, 9_000), INT64_EDGES),
        )

    def set_account(self) -> wire.SetAccount:
        return wire.SetAccount(
            account_id=self.mostly((*ACCOUNTS, *ACCOUNTS, 9, 10), (self.account_id(),)),
            trade_group=self.mostly((0, 0, 5, 6), (1, 77, 2**63 - 1, 2**63)),
            state=self.mostly((1,) * 9 + (2,), (self.wrong_byte(),)),
            fee_tier=self.mostly((0, 1, 2, 3, 7), (8, 255)),
        )

    def set_tick_table(self) -> wire.SetTickTable:
        starts = sorted(self.random.sample(range(95, 106), self.random.choice((0, 0, 1, 2, 8))))
        return wire.SetTickTable(
            instrument_id=self.mostly((1, 2), (0, 3, 4, 2**32 - 1)),
            bands=tuple(
                wire.PriceBand(
                    from_price_ticks=self.mostly((start,), (100, *INT64_EDGES)),
                    step_ticks=self.mostly((1, 1, 2, 2, 3), INT64_EDGES),
                )
                for start in starts
            ),
        )

    def set_calendar(self) -> wire.SetCalendar:
        thursday = 3 * 24 * 60  # when the epoch began
        minutes = sorted(self.random.sample(range(8), self.random.choice((0, 1, 2, 3))))
        return wire.SetCalendar(
            instrument_id=self.mostly((1, 2), (0, 3, 4, 2**32 - 1)),
            entries=tuple(
                wire.CalendarEntry(
                    minute_of_week=self.mostly(
                        (thursday + minute,), (0, 10_079, 10_080, 2**32 - 1)
                    ),
                    trading_state=self.mostly((1, 1, 1, 3, 4, 7), (0, 8, 2**32 - 1)),
                )
                for minute in minutes
            ),
        )

    def set_trading_state(self) -> wire.SetTradingState:
        states = (1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7)
        has_end = self.random.random() < 0.7
        return wire.SetTradingState(
            end_time_ns=self.mostly(
                (self.time_ns + self.random.randint(2, 6),) if has_end else (0,), INT64_EDGES
            ),
            instrument_id=self.mostly((1, 1, 1, 2), (0, 3, 4, 2**32 - 1)),
            state=self.mostly(states, (0, 8, 255)),
            next_state=self.mostly(states if has_end else (0,), (0, 8, 255)),
        )

    def set_fee_schedule(self) -> wire.SetFeeSchedule:
        fees = (0, 500, 1_234, 33_333, 50_000, 100_000)
        return wire.SetFeeSchedule(
            instrument_id=self.mostly((1, 2), (0, 3, 4, 2**32 - 1)),
            tiers=tuple(
                wire.FeeTerms(
                    maker_fee_ppm=self.mostly(
                        (*fees, -1, -500, -500, -1_234, -33_333), (100_001, -(2**31))
                    ),
                    taker_fee_ppm=self.mostly(fees[1:], (0, 100_001, 2**32 - 1)),
                )
                for _ in range(self.random.choice((0, 1, 2, 3, 7)))
            ),
        )


OPENING: list[Any] = [
    wire.SetAsset(symbol="USD", asset_id=1, decimals=2),
    wire.SetAsset(symbol="BTC", asset_id=2, decimals=1),
    *(
        wire.SetInstrument(
            symbol=f"BTC-USD{instrument_id}",
            tick_size=1,
            lot_size_units=10,
            price_ticks_min=1,
            price_ticks_max=200,
            quantity_lots_min=1,
            quantity_lots_max=50,
            instrument_id=instrument_id,
            base_asset_id=2,
            quote_asset_id=1,
            maker_fee_ppm=500,
            taker_fee_ppm=33_333,
            market_protection_ppm=(instrument_id - 1) * 10_000,
            price_decimals=instrument_id - 1,
            trading_state=1,
            allocation=instrument_id == PRO_RATA,
        )
        for instrument_id in (1, 2)
    ),
    *(wire.SetAccount(account_id=account_id, state=1) for account_id in ACCOUNTS),
    # Nothing new here; given again in the midst of a stream, they let trading go on.
    *(wire.KillSwitch(account_id=account_id, state=2) for account_id in (0, *ACCOUNTS)),
    *(wire.SetTradingState(instrument_id=number, state=1) for number in (1, 2)),
]


def opening(quote_units: list[int], base_units: list[int]) -> list[Any]:
    """Assets, instruments and accounts, with these funds for each account."""
    credits = []
    for index, account_id in enumerate(ACCOUNTS):
        for asset_id, units in ((1, quote_units[index]), (2, base_units[index])):
            if units:
                credits.append(
                    wire.Credit(
                        account_id=account_id,
                        transfer_id=100 + 2 * index + asset_id,
                        amount_units=units,
                        asset_id=asset_id,
                    )
                )
    return OPENING + credits
