"""A small market for engine tests: one asset pair, rich accounts, and orders by short names."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import OrderType, Side, TimeInForce

MATERIAL = Path(__file__).parents[2] / "shared" / "material"
QUOTE, BASE = 1, 2
INSTRUMENT = 1
SHARD_ID = 5
FIRST_ORDER_ID = (SHARD_ID << 48) + 1

needs_material = pytest.mark.skipif(
    not MATERIAL.is_dir(), reason=f"no test material beside the repository ({MATERIAL.name}/)"
)

LISTING = wire.SetInstrument(
    symbol="BTC-USD",
    tick_size=1,
    lot_size_units=1,
    price_ticks_min=1,
    price_ticks_max=2**31,
    quantity_lots_min=1,
    quantity_lots_max=2**30,
    instrument_id=INSTRUMENT,
    base_asset_id=BASE,
    quote_asset_id=QUOTE,
    trading_state=wire.TradingState.CONTINUOUS,
)
ASSETS = (
    wire.SetAsset(symbol="USD", asset_id=QUOTE),
    wire.SetAsset(symbol="BTC", asset_id=BASE),
)


def limit(
    side: Side,
    price_ticks: int,
    quantity_lots: int,
    *,
    account_id: int = 1,
    time_in_force: TimeInForce = TimeInForce.GTC,
    client_order_id: int = 0,
    flags: int = 0,
    instrument_id: int = INSTRUMENT,
) -> wire.NewOrder:
    return wire.NewOrder(
        account_id=account_id,
        client_order_id=client_order_id,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        instrument_id=instrument_id,
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=time_in_force,
        flags=flags,
    )


def market(
    side: Side,
    quantity_lots: int,
    *,
    account_id: int = 1,
    time_in_force: TimeInForce = TimeInForce.IOC,
) -> wire.NewOrder:
    return wire.NewOrder(
        account_id=account_id,
        quantity_lots=quantity_lots,
        instrument_id=INSTRUMENT,
        side=side,
        order_type=OrderType.MARKET,
        time_in_force=time_in_force,
    )


def gtd(
    side: Side,
    price_ticks: int,
    quantity_lots: int,
    expire_time_ns: int,
    *,
    account_id: int = 1,
) -> wire.NewOrder:
    return limit(
        side, price_ticks, quantity_lots, account_id=account_id, time_in_force=TimeInForce.GTD
    )._replace(expire_time_ns=expire_time_ns)


def budget(
    quote_budget_units: int, *, account_id: int = 1, time_in_force: TimeInForce = TimeInForce.IOC
) -> wire.NewOrder:
    """A market buy for this much money."""
    order = market(Side.BUY, 0, account_id=account_id, time_in_force=time_in_force)
    return order._replace(quote_budget_units=quote_budget_units)


def market_to_limit(side: Side, quantity_lots: int, *, account_id: int = 1) -> wire.NewOrder:
    return limit(side, 0, quantity_lots, account_id=account_id)._replace(
        order_type=OrderType.MARKET_TO_LIMIT
    )


def stop(
    side: Side,
    trigger_price_ticks: int,
    quantity_lots: int,
    *,
    price_ticks: int = 0,
    account_id: int = 1,
) -> wire.NewOrder:
    return wire.NewOrder(
        account_id=account_id,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        trigger_price_ticks=trigger_price_ticks,
        instrument_id=INSTRUMENT,
        side=side,
        order_type=OrderType.STOP,
        time_in_force=TimeInForce.IOC,
    )


def trailing(
    side: Side, offset_ticks: int, quantity_lots: int, *, price_ticks: int = 0, account_id: int = 1
) -> wire.NewOrder:
    return stop(side, 0, quantity_lots, price_ticks=price_ticks, account_id=account_id)._replace(
        order_type=OrderType.TRAILING_STOP, offset_ticks=offset_ticks
    )


def pegged(
    side: Side,
    price_ticks: int,
    quantity_lots: int,
    reference: wire.PegReference = wire.PegReference.BEST_BID,
    *,
    offset_ticks: int = 0,
    account_id: int = 1,
) -> wire.NewOrder:
    """`price_ticks`: as far as it follows."""
    return limit(side, price_ticks, quantity_lots, account_id=account_id)._replace(
        order_type=OrderType.PEGGED, peg_reference=reference, offset_ticks=offset_ticks
    )


def stop_limit(
    side: Side,
    trigger_price_ticks: int,
    price_ticks: int,
    quantity_lots: int,
    *,
    account_id: int = 1,
    time_in_force: TimeInForce = TimeInForce.GTC,
) -> wire.NewOrder:
    return wire.NewOrder(
        account_id=account_id,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        trigger_price_ticks=trigger_price_ticks,
        instrument_id=INSTRUMENT,
        side=side,
        order_type=OrderType.STOP_LIMIT,
        time_in_force=time_in_force,
    )


def order_list(kind: int, *orders: wire.NewOrder) -> wire.NewOrderList:
    """These orders in one command; the first one's account, instrument and session count."""
    first = orders[0] if orders else limit(Side.BUY, 1, 1)
    return wire.NewOrderList(
        account_id=first.account_id,
        instrument_id=first.instrument_id,
        session_id=first.session_id,
        kind=kind,
        orders=tuple(
            wire.ListedOrder(*(getattr(order, name) for name in wire.ListedOrder._fields))
            for order in orders
        ),
    )


class Market:
    """An engine with accounts 1 to `accounts`, each with `units` of both assets."""

    def __init__(
        self,
        *,
        accounts: int = 3,
        units: int = 10**15,
        listing: wire.SetInstrument = LISTING,
        assets: Sequence[wire.SetAsset] = ASSETS,
        **limits: int,
    ) -> None:
        self.engine = Engine(shard_id=SHARD_ID, **limits)
        self.transfer_id = 0
        self.send(*assets, listing)
        for account_id in range(1, accounts + 1):
            self.send(wire.SetAccount(account_id=account_id, state=wire.AccountState.ACTIVE))
            for asset_id in (QUOTE, BASE):
                if units:
                    self.credit(account_id, asset_id, units)

    def send(self, *commands: Any) -> list[Any]:
        """Apply commands; their events."""
        return wire.decode_all(self.engine.apply(b"".join(c.encode() for c in commands)))

    def send_for_reports(self, command: Any) -> list[wire.ExecutionReport]:
        return wire.decode_all(self.engine.apply_with_reports(command.encode())[1])

    def ask(self, request: Any) -> list[Any]:
        return wire.decode_all(self.engine.query(request.encode()))

    def credit(self, account_id: int, asset_id: int, units: int) -> Any:
        self.transfer_id += 1
        (event,) = self.send(
            wire.Credit(
                account_id=account_id,
                transfer_id=self.transfer_id,
                amount_units=units,
                asset_id=asset_id,
            )
        )
        return event

    def place(self, order: wire.NewOrder) -> int:
        """Place an order that must be accepted; its order_id."""
        accepted = self.send(order)[0]
        assert isinstance(accepted, wire.OrderAccepted), accepted
        return accepted.order_id

    def depth(self) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        return self.engine.book(INSTRUMENT)


def trades_of(events: Iterable[Any]) -> list[tuple[int, int]]:
    """(price, lots) of the trades among `events`."""
    return [(e.price_ticks, e.quantity_lots) for e in events if isinstance(e, wire.Trade)]
