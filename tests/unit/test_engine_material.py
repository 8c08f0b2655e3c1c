"""The engine against outcomes that other projects assert or agree on (see ../shared/material).

The flows and scenarios say *modify*, *move* and *reduce*; the adapter translates:

- A modify of the oracle's flow is "a cancel and a new entry at the back", for a new open quantity.
  Ours is ReplaceOrder with the total (what has traded, and the new open quantity), which goes to the
  back too, unless the price stays and the quantity shrinks: then our order keeps its place, so
  there the adapter cancels and enters anew.
- A reduce is ReplaceOrder with a smaller total, or CancelOrder where nothing would stay open.
- A move is ReplaceOrder with a new price.

Differences: none of the 17 conformance cases and of the 57 scenarios of class `core` expects
anything that our rules do not give. Class `special` (stops, auctions, hidden size) and the tapes of
tracebook are in test_engine_material_special.py.
"""

import csv
import gzip
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tradepit.protocol import wire
from tradepit.protocol.wire import Side, TimeInForce

from tests.engine_market import MATERIAL, Market, limit, market, needs_material

pytestmark = needs_material
NO_SUCH_ORDER = 2**47


@dataclass
class Entered:
    """An order as the flow knows it."""

    order_id: int
    name: Any
    side: Side
    account_id: int
    price_ticks: int
    open_lots: int
    filled_lots: int = 0
    is_canceled: bool = False
    trigger: int = 0  # of a stop order


class FlowAdapter:
    """Speaks the oracle's messages to a Market and returns the oracle's report lines."""

    def __init__(self) -> None:
        self.market = Market(accounts=1, units=2**60)
        self.by_name: dict[int, Entered] = {}
        self.by_order_id: dict[int, Entered] = {}

    def message(
        self, kind: int, side_digit: int, ioc: int, lots: int, seq: int, name: int, price: int
    ) -> list[str]:
        """The reports of one message, as comma-separated lines."""
        if kind == 0:
            side = Side.SELL if side_digit else Side.BUY
            tif = TimeInForce.IOC if ioc else TimeInForce.GTC
            events = self.market.send(limit(side, price, lots, time_in_force=tif))
            self.enter(events[0], name)
            return [f"0,{seq},{side_digit},{name},{price},{lots}", *self.follow(events, seq)]

        order = self.by_name.get(name)
        order_id = order.order_id if order else NO_SUCH_ORDER
        cancel = wire.CancelOrder(account_id=1, order_id=order_id)
        if kind == 1:
            events = self.market.send(cancel)
            if isinstance(events[0], wire.OrderRejected):
                return [f"4,{seq},{name}"]
            return self.follow(events, seq)

        if order and price == order.price_ticks and lots < order.open_lots:
            self.market.send(cancel)
            self.forget(order)
            events = self.market.send(limit(order.side, price, lots))
            order = self.enter(events[0], name)
        else:
            events = self.market.send(
                wire.ReplaceOrder(
                    account_id=1,
                    order_id=order_id,
                    price_ticks=price,
                    quantity_lots=lots + (order.filled_lots if order else 0),
                )
            )
            if isinstance(events[0], wire.OrderRejected):
                return [f"5,{seq},{name}"]
            assert order is not None
            order.price_ticks, order.open_lots = price, lots
        side_digit = int(order.side == Side.SELL)
        return [f"3,{seq},{side_digit},{name},{price},{lots}", *self.follow(events, seq)]

    def enter(self, accepted: wire.OrderAccepted, name: int) -> Entered:
        order = Entered(
            accepted.order_id,
            name,
            Side(accepted.side),
            accepted.account_id,
            accepted.price_ticks,
            accepted.quantity_lots,
        )
        self.by_name[name] = self.by_order_id[accepted.order_id] = order
        return order

    def forget(self, order: Entered) -> None:
        del self.by_name[order.name], self.by_order_id[order.order_id]

    def follow(self, events: list[Any], seq: int) -> list[str]:
        lines = []
        for event in events:
            if isinstance(event, wire.Trade):
                maker = self.by_order_id[event.maker_order_id]
                taker = self.by_order_id[event.taker_order_id]
                lines.append(
                    f"1,{seq},{event.price_ticks},{event.quantity_lots},{maker.name},{taker.name}"
                )
                for order, open_lots in (
                    (maker, event.maker_remaining_lots),
                    (taker, event.taker_remaining_lots),
                ):
                    order.filled_lots += event.quantity_lots
                    order.open_lots = open_lots
                    if open_lots == 0:
                        self.forget(order)
            elif isinstance(event, wire.OrderCanceled):
                order = self.by_order_id[event.order_id]
                side_digit = int(order.side == Side.SELL)
                lines.append(f"2,{seq},{side_digit},{order.name},{order.price_ticks}")
                self.forget(order)
        return lines


def sorted_by_type(lines: list[str]) -> list[str]:
    return sorted(lines, key=lambda line: int(line.split(",", 1)[0]))


@pytest.mark.parametrize("flow", ["normal", "swing-25"])
def test_the_report_stream_that_160_engines_agree_on_comes_out_byte_for_byte(flow: str) -> None:
    folder = MATERIAL / "oracle"
    adapter = FlowAdapter()
    lines: list[str] = []
    with gzip.open(folder / f"{flow}_first200000_messages.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            lines += sorted_by_type(
                adapter.message(
                    int(row["type"]),
                    int(row["side"]),
                    int(row["ioc"]),
                    int(row["qty"]),
                    int(row["seq"]),
                    int(row["order_id"]),
                    int(row["price_ticks"]),
                )
            )
    expected = gzip.decompress((folder / f"{flow}_first200000_reports.txt.gz").read_bytes())
    reports = ("\n".join(lines) + "\n").encode()
    if reports != expected:  # not in the assert: its diff of 10 MB would take minutes
        pairs = zip(lines, expected.decode().split("\n"), strict=False)
        pytest.fail(str(next((pair for pair in pairs if pair[0] != pair[1]), "lengths differ")))
    adapter.market.engine.check()


def read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


CONFORMANCE = read_lines(MATERIAL / "scenarios" / "conformance_cases.jsonl")


def test_all_conformance_cases_are_here() -> None:
    assert len(CONFORMANCE) == 17


@pytest.mark.parametrize("case", CONFORMANCE, ids=lambda case: str(case["id"]))
def test_conformance_case(case: dict[str, Any]) -> None:
    adapter = FlowAdapter()
    reports: list[list[int]] = []
    for seq, (kind, side, ioc, lots, name, price) in enumerate(case["messages"]):
        lines = adapter.message(kind, side, ioc, lots, seq, name, price)
        reports += [[int(part) for part in line.split(",")] for line in sorted_by_type(lines)]
    assert reports == case["reports_canonical"]
    bids, asks = adapter.market.depth()
    for levels, expected in ((bids, case["final_bids"]), (asks, case["final_asks"])):
        assert [
            list(level[: len(level_)]) for level, level_ in zip(levels, expected, strict=True)
        ] == expected
    adapter.market.engine.check()


class ScenarioAdapter:
    """Speaks the commands of peer_scenarios.jsonl; collects what happened to each order."""

    def __init__(self) -> None:
        self.market = Market(accounts=1, units=2**60)
        self.accounts: dict[Any, int] = {None: 1}
        self.orders: dict[Any, Entered] = {}
        self.names: dict[int, Any] = {}
        self.trades: list[dict[str, Any]] = []
        self.fills: dict[tuple[int, Any], list[int]] = defaultdict(lambda: [0, 0])
        self.command_number = 0

    def account(self, name: Any) -> int:
        if name not in self.accounts:
            account_id = self.accounts[name] = len(self.accounts) + 1
            self.market.send(wire.SetAccount(account_id=account_id, state=1))
            for asset_id in (1, 2):
                self.market.credit(account_id, asset_id, 2**55)
        return self.accounts[name]

    def run(self, command: dict[str, Any]) -> None:
        self.command_number += 1
        account_id = self.account(command.get("account"))
        if command["op"] == "new":
            self.new(command, account_id)
            return
        order = self.orders.get(command["id"])
        order_id = order.order_id if order else NO_SUCH_ORDER
        if "account" not in command and order:
            account_id = order.account_id
        if command["op"] in ("reduce", "replace") and order:
            change = command["qty_delta"] if command["op"] == "replace" else -command["qty"]
            if order.open_lots + change <= 0:
                events = self.market.send(
                    wire.CancelOrder(account_id=account_id, order_id=order_id)
                )
            else:
                events = self.market.send(
                    wire.ReplaceOrder(
                        account_id=account_id,
                        order_id=order_id,
                        price_ticks=command.get("new_price") or 0,
                        quantity_lots=order.filled_lots + order.open_lots + change,
                    )
                )
        elif command["op"] == "move":
            events = self.market.send(
                wire.ReplaceOrder(
                    account_id=account_id, order_id=order_id, price_ticks=command["price"]
                )
            )
        else:
            events = self.market.send(wire.CancelOrder(account_id=account_id, order_id=order_id))
        self.follow(events)
        rejected = isinstance(events[0], wire.OrderRejected)
        if "expect" in command:
            assert command["expect"] == "reject_unknown_order"
            assert rejected
            assert events[0].reason == wire.Reason.UNKNOWN_ORDER
        if "expect_state" in command:
            assert order is not None
            state = (order.open_lots > 0, order.is_canceled)
            assert (
                state
                == {
                    "os_accepted": (True, False),
                    "os_cancelled": (False, True),
                    "os_complete": (False, False),
                }[command["expect_state"]]
            )

    def new(self, command: dict[str, Any], account_id: int) -> None:
        side = Side.BUY if command["side"] == "B" else Side.SELL
        if command["type"] == "market":
            order = market(side, command["qty"], account_id=account_id)
        else:
            tif = {"limit": TimeInForce.GTC, "ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}
            order = limit(
                side,
                command["price"],
                command["qty"],
                account_id=account_id,
                time_in_force=tif[command["type"]],
            )
        events = self.market.send(order)
        entered = Entered(
            NO_SUCH_ORDER, command["id"], side, account_id, order.price_ticks, order.quantity_lots
        )
        self.orders[command["id"]] = entered
        if isinstance(events[0], wire.OrderRejected):
            assert command["type"] == "fok"
            assert events[0].reason == wire.Reason.FOK_NOT_FILLABLE
            entered.open_lots = 0
        else:
            entered.order_id = events[0].order_id
            self.names[entered.order_id] = command["id"]
            self.follow(events)
        if "expect_matched" in command:
            assert (entered.filled_lots > 0) == command["expect_matched"]
            is_complete = entered.filled_lots == order.quantity_lots
            assert is_complete == command["expect_complete"]

    def follow(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, wire.Trade):
                maker = self.orders[self.names[event.maker_order_id]]
                taker = self.orders[self.names[event.taker_order_id]]
                buyer, seller = (taker, maker) if taker.side == Side.BUY else (maker, taker)
                account_names = {number: name for name, number in self.accounts.items()}
                self.trades.append(
                    {
                        "maker": maker.name,
                        "taker": taker.name,
                        "price": event.price_ticks,
                        "qty": event.quantity_lots,
                        "buyer": account_names[buyer.account_id],
                        "seller": account_names[seller.account_id],
                    }
                )
                for order, open_lots in (
                    (maker, event.maker_remaining_lots),
                    (taker, event.taker_remaining_lots),
                ):
                    order.open_lots = open_lots
                    order.filled_lots += event.quantity_lots
                    fill = self.fills[self.command_number, order.name]
                    fill[0] += event.quantity_lots
                    fill[1] += event.price_ticks * event.quantity_lots
            elif isinstance(event, wire.OrderCanceled):
                order = self.orders[self.names[event.order_id]]
                order.open_lots, order.is_canceled = 0, True
            elif isinstance(event, wire.OrderReplaced):
                order = self.orders[self.names[event.order_id]]
                order.price_ticks = event.price_ticks
                order.open_lots = event.quantity_lots - event.filled_lots

    def fill_between(self, first: int, last: int, name: Any) -> list[int]:
        chosen = [
            fill
            for (number, order_name), fill in self.fills.items()
            if order_name == name and first <= number <= last
        ]
        return [sum(fill[0] for fill in chosen), sum(fill[1] for fill in chosen)]

    def head(self, side: Side) -> Any:
        """Name of the oldest order at the best price: found by a trade on a copy."""
        engine = type(self.market.engine).restore(self.market.engine.snapshot())
        taker = market(Side.SELL if side == Side.BUY else Side.BUY, 1)
        _, trade, *_ = wire.decode_all(engine.apply(taker.encode()))
        return self.names[trade.maker_order_id]


SCENARIOS = [
    scenario
    for scenario in read_lines(MATERIAL / "scenarios" / "peer_scenarios.jsonl")
    if scenario["class"] == "core"
]


def test_all_core_scenarios_are_here() -> None:
    assert len(SCENARIOS) == 57


def has_levels(
    levels: list[tuple[int, int, int]], expected: list[list[int]], *, is_all: bool
) -> bool:
    actual = [list(level) for level in levels]
    return actual == expected if is_all else actual[: len(expected)] == expected


def check_scenario(scenario: dict[str, Any], adapter: ScenarioAdapter) -> None:
    """Run the commands of a line; whatever its source asserts has to hold."""
    expected = scenario["expected"]
    for number, command in enumerate(scenario["commands"], start=1):
        adapter.run(command)
        bids, asks = adapter.market.depth()
        sides = {"bids": bids, "asks": asks}
        for check in expected.get("depth_checks", []):
            if check["after_command"] == number:
                assert has_levels(bids, check["bids"], is_all=check["bid_side_ends"])
                assert has_levels(asks, check["asks"], is_all=check["ask_side_ends"])
        for check in expected.get("order_count_checks", []):
            if check["after"] == number:
                assert sum(count for _, _, count in sides[check["side"]]) == check["orders"]
        for check in expected.get("queue_head_checks", []):
            if check["after"] == number:
                assert (
                    adapter.head(Side.BUY if check["side"] == "bids" else Side.SELL) == check["id"]
                )
        for check in expected.get("order_qty_checks", []):
            if check["after"] == number:
                order = adapter.orders[check["id"]]
                if check["field"] == "open_qty":
                    assert order.open_lots == check["value"]
                elif order.open_lots:  # of an order that is gone, we keep no total
                    assert order.open_lots + order.filled_lots == check["value"]
        adapter.market.engine.check()

    trades = expected["trades"]
    if trades is None:
        trades = scenario.get("derived_trades")
    if trades is not None:  # else the source asserts fills alone
        assert [
            {key: trade[key] for key in wanted}
            for trade, wanted in zip(adapter.trades, trades, strict=True)
        ] == trades
    for fill in expected.get("fills", []):
        actual = adapter.fill_between(fill["from_command"], fill["to_command"], fill["order"])
        assert actual == [fill["qty"], fill["cost"]]
    if expected.get("final_book") is not None:
        bids, asks = adapter.market.depth()
        is_all = expected.get("final_book_complete", True)
        assert has_levels(bids, expected["final_book"]["bids"], is_all=is_all)
        assert has_levels(asks, expected["final_book"]["asks"], is_all=is_all)
    for wanted in expected.get("final_orders", []):
        assert adapter.orders[wanted["id"]].open_lots == wanted["qty"]
    for name in expected.get("orders_gone", []):
        assert adapter.orders[name].open_lots == 0
    for name in expected.get("orders_alive", []):
        assert adapter.orders[name].open_lots > 0


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario["id"]))
def test_core_scenario(scenario: dict[str, Any]) -> None:
    check_scenario(scenario, ScenarioAdapter())
