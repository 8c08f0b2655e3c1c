"""The tapes of tracebook-conformance (MIT, see ../shared/material/tracebook): inputs without outcomes.

Each runs through the engine and the reference model, which must agree, and comes to the trades below.
These follow from our rules: `reduce` is a smaller quantity, which keeps the place; `replace` is our
ReplaceOrder with a new open quantity; `clear` cancels every order. A tape's prices are in hundredths:
what stands between two ticks is refused before the engine sees it, and not rounded.
"""

import json
from decimal import Decimal
from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import SelfTradePrevention, Side, TimeInForce

from tests.engine_market import ASSETS, LISTING, MATERIAL, SHARD_ID, limit, market, needs_material
from tests.reference import Limits, ReferenceEngine

pytestmark = needs_material
FOLDER = MATERIAL / "tracebook"
MODES = {
    "NONE": SelfTradePrevention.NONE,
    "CANCEL_RESTING": SelfTradePrevention.CANCEL_OLDEST,
    "CANCEL_INCOMING": SelfTradePrevention.CANCEL_NEWEST,
}
ALLOCATIONS = {"fifo": wire.Allocation.PRICE_TIME, "pro_rata": wire.Allocation.PRO_RATA}
# (maker, taker, price in hundredths, lots), by the names of the tape.
TRADES = {
    "fifo-lifecycle": [(1, 3, 10_000, 2), (2, 3, 10_000, 2), (4, 5, 10_100, 1)],
    "order-instructions": [(1, 3, 10_000, 2), (5, 6, 10_100, 2)],
    "stp-cancel-resting": [(2, 3, 10_000, 2)],
    "stp-cancel-resting-deep": [(2, 4, 10_000, 5)],
    "stp-cancel-incoming": [(1, 4, 9_900, 1)],
    "multi-symbol": [(1, 2, 1_000, 1), (1, 2, 1_900, 1)],
    "tick-grid": [],
    "pro-rata-allocation": [(1, 4, 10_000, 5)],  # ours lets the oldest order trade first
    "deep-cancellation": [(6, 11, 10_100, 1), (7, 11, 10_200, 2)],
}


class Tape:
    """Speaks a tape's events to the engine and to the reference at once."""

    def __init__(self, mode: SelfTradePrevention, allocation: wire.Allocation) -> None:
        self.mode = mode
        self.allocation = allocation
        self.engine = Engine(shard_id=SHARD_ID)
        self.reference = ReferenceEngine(Limits(shard_id=SHARD_ID))
        self.symbols: dict[str, int] = {}
        self.owners: list[int] = []
        self.name = 0  # of the event's order, on the tape
        self.orders: dict[tuple[str, int], wire.OrderAccepted] = {}
        self.names: dict[int, int] = {}
        self.trades: list[tuple[int, int, int, int]] = []
        self.filled: dict[int, int] = {}
        self.off_grid = 0
        self.send(*ASSETS)

    def send(self, *commands: Any) -> list[Any]:
        events: list[Any] = []
        for command in commands:
            expected = self.reference.apply(command)
            actual = wire.decode_all(self.engine.apply(command.encode()))
            assert actual == expected
            events += actual
        self.engine.check()
        assert self.engine.digest == self.reference.digest
        for event in events:
            if isinstance(event, wire.Trade):
                maker, taker = (
                    self.names[event.maker_order_id],
                    self.names[event.taker_order_id],
                )
                lots = event.quantity_lots
                self.trades.append((maker, taker, event.price_ticks, lots))
                for order_id in (event.maker_order_id, event.taker_order_id):
                    self.filled[order_id] = self.filled.get(order_id, 0) + lots
            elif isinstance(event, wire.OrderAccepted):
                self.names[event.order_id] = self.name
        return events

    def instrument(self, symbol: str) -> int:
        if symbol not in self.symbols:
            self.symbols[symbol] = len(self.symbols) + 1
            listing = LISTING._replace(symbol=symbol, instrument_id=self.symbols[symbol])
            self.send(listing._replace(allocation=self.allocation))
        return self.symbols[symbol]

    def account(self, owner: int) -> int:
        if owner not in self.owners:
            self.owners.append(owner)
            self.send(wire.SetAccount(account_id=owner, state=wire.AccountState.ACTIVE))
            for asset_id in (1, 2):
                transfer_id = owner * 2 + asset_id
                self.send(
                    wire.Credit(
                        account_id=owner,
                        transfer_id=transfer_id,
                        amount_units=10**9,
                        asset_id=asset_id,
                    )
                )
        return owner

    def run(self, event: dict[str, Any]) -> None:
        instrument_id = self.instrument(event["symbol"])
        self.name = event.get("order_id", 0)
        if event["op"] == "new":
            self.new(event, instrument_id)
        elif event["op"] == "clear":
            for owner in self.owners:
                self.send(wire.MassCancel(account_id=owner, instrument_id=instrument_id))
        else:
            self.change(event)

    def new(self, event: dict[str, Any], instrument_id: int) -> None:
        ticks = Decimal(str(event.get("price", 0))) * 100
        if ticks != int(ticks):
            self.off_grid += 1
            return
        side, lots = Side[event["side"]], event["quantity"]
        account_id = self.account(event["owner"])
        if event["order_type"] == "MARKET":
            order = market(side, lots, account_id=account_id)
        else:
            times = {"LIMIT": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
            time_in_force = times[event["order_type"]]
            order = limit(
                side, int(ticks), lots, account_id=account_id, time_in_force=time_in_force
            )
        order = order._replace(instrument_id=instrument_id, self_trade_prevention=self.mode)
        accepted = self.send(order)[0]
        if isinstance(accepted, wire.OrderAccepted):
            self.orders[event["symbol"], event["order_id"]] = accepted

    def change(self, event: dict[str, Any]) -> None:
        order = self.orders.get((event["symbol"], event["order_id"]))
        order_id = order.order_id if order else 2**47
        account_id = order.account_id if order else self.owners[0]
        if event["op"] == "cancel":
            self.send(wire.CancelOrder(account_id=account_id, order_id=order_id))
            return
        assert order is not None
        quantity = event["quantity"] + self.filled.get(order_id, 0)
        if event["op"] == "reduce":
            quantity = order.quantity_lots - event["quantity"]
        self.send(
            wire.ReplaceOrder(
                account_id=account_id,
                order_id=order_id,
                price_ticks=int(Decimal(str(event.get("price", 0))) * 100),
                quantity_lots=quantity,
            )
        )
        self.orders[event["symbol"], event["order_id"]] = order._replace(quantity_lots=quantity)


def cases() -> dict[str, dict[str, Any]]:
    path = FOLDER / "manifest.json"
    if not path.exists():
        return {}
    return {case["name"]: case for case in json.loads(path.read_text())["cases"]}


def test_every_tape_runs() -> None:
    assert set(cases()) == set(TRADES)


@pytest.mark.parametrize("name", TRADES)
def test_a_tape_comes_to_the_trades_that_our_rules_give(name: str) -> None:
    case = cases()[name]
    config = case["config"]
    tape = Tape(MODES[config["self_trade_policy"]], ALLOCATIONS[config["matching_algorithm"]])
    for line in (FOLDER / case["events"]).read_text().splitlines():
        tape.run(json.loads(line))
    assert tape.trades == TRADES[name]
    assert tape.off_grid == (3 if name == "tick-grid" else 0)
