"""The lines of ../shared/material whose rules are those of their source: all of them, one way or other.

A line of class `special` either runs here, or stands in DIFFERENT with the reason; a line that stands
there and yet agrees is an error too. The facts are those of the test suites of liquibook (OCI, BSD
style), exchange-core (Apache-2.0) and CoinTossX (Apache-2.0), which each line names.

How their words become ours:

- a market order that may rest (liquibook) is a market order, where it trades in full at once;
- an all-or-none order that is filled at once is a fill-or-kill order;
- CoinTossX's stop order has its trigger as its price; to buy, ours names the highest price that it
  pays, here the instrument's;
- CoinTossX's replace names price and quantity as they shall be.
"""

from typing import Any

import pytest
from tradepit.protocol import wire
from tradepit.protocol.wire import CancelReason, OrderType, Side, TimeInForce

from tests.engine_market import LISTING, MATERIAL, limit, market, needs_material
from tests.unit.test_engine_material import Entered, ScenarioAdapter, check_scenario, read_lines

pytestmark = needs_material
NO_SUCH_ORDER = 2**47

BUDGET = "a budget belongs to a market order, and what it does not buy is canceled, not refused"
HIDDEN = "no order is hidden as a whole, and none that rests has a minimum quantity"
RESTS = "a market order never rests"
ALL_OR_NONE = "an order that rests may trade in part: there is no resting all-or-none order"

DIFFERENT = {
    "exchange-core/shouldRejectFokBidOrderOutOfBudget": BUDGET,
    "exchange-core/shouldMatchFokBidOrderExtraBudget": BUDGET,
    "exchange-core/shouldMatchFokAskOrderExtraBudget": BUDGET,
    **{
        f"cointossx/{name}": HIDDEN
        for name in (
            *("marketOrder/Test5", "marketOrder/Test6", "cancelOrder/Test10"),
            *(f"replaceOrder/Test{number}" for number in (9, 15, 18, 19, 20, 22)),
            *(f"hiddenOrder/Test{number}" for number in (3, 5, 6, 7, 9, 11, 13, 14, 17)),
            *(f"filterAndUncross/Test{number}" for number in (1, 2, 3)),
        )
    },
    "cointossx/cancelOrder/Test8": "a stop-limit order needs a trigger price; the line has none",
    "cointossx/replaceOrder/Test35": "a replacement does not change the trigger price",
    "cointossx/stopLimitOrder/Test9": "of buys that one trade reaches, the lowest trigger is first",
    "cointossx/auction/Test2": "the line is an auction's, without the commands that would make it one",
    "cointossx/auction/Test3": "the line is an auction's, without the commands that would make it one",
    "liquibook/ut_order_book/TestMatchMultipleMarketOrderAsk": RESTS,
    **{
        f"liquibook/ut_bbo_order_book/TestBboMatch{name}": RESTS
        for name in (
            *("MarketOrderBid", "MarketOrderAsk"),
            *("MultipleMarketOrderBid", "MultipleMarketOrderAsk"),
        )
    },
    **{
        f"liquibook/ut_all_or_none/Test{name}": ALL_OR_NONE
        for name in (
            *("RegBidMatchMulti", "RegAskMatchAon", "AonAskNoMatch", "OneAonBidOneAonAsk"),
            *("TwoAonBidOneAonAsk", "ReplaceAonBidPriceMatch"),
        )
    },
}


class RuleNotOurs(Exception):
    """The line needs a rule that Tradepit does not have, or has otherwise."""


class SpecialAdapter(ScenarioAdapter):
    """ScenarioAdapter for orders of more kinds."""

    def run(self, command: dict[str, Any]) -> None:
        if command["op"] == "replace" and "qty_delta" not in command:
            self.command_number += 1
            self.replace(command)
        elif command["op"] in ("auction", "uncross"):
            raise RuleNotOurs(command["op"])
        else:
            super().run(command)

    def replace(self, command: dict[str, Any]) -> None:
        order = self.orders.get(command["id"])
        if "stop_price" in command and order is not None and order.trigger != command["stop_price"]:
            raise RuleNotOurs("a replacement does not change the trigger price")
        events = self.market.send(
            wire.ReplaceOrder(
                account_id=order.account_id if order else 1,
                order_id=order.order_id if order else NO_SUCH_ORDER,
                price_ticks=command["price"],
                quantity_lots=command["qty"] + (order.filled_lots if order else 0),
            )
        )
        self.follow(events)

    def new(self, command: dict[str, Any], account_id: int) -> None:
        events = self.market.send(self.order_of(command, account_id))
        assert isinstance(events[0], wire.OrderAccepted), events[0]
        accepted = events[0]
        entered = Entered(
            accepted.order_id,
            command["id"],
            Side(accepted.side),
            account_id,
            accepted.price_ticks,
            accepted.quantity_lots,
        )
        entered.trigger = accepted.trigger_price_ticks
        self.orders[command["id"]] = entered
        self.names[entered.order_id] = command["id"]
        self.follow(events)
        ioc_remainders = [
            e for e in events if getattr(e, "reason", None) == CancelReason.IOC_REMAINDER
        ]
        if command["type"] == "market_rests" and ioc_remainders:
            raise RuleNotOurs("a market order does not rest")
        if "expect_matched" in command:
            assert (entered.filled_lots > 0) == command["expect_matched"]
            is_complete = entered.filled_lots == accepted.quantity_lots
            assert is_complete == command["expect_complete"]

    def order_of(self, command: dict[str, Any], account_id: int) -> wire.NewOrder:
        side = Side.BUY if command["side"] == "B" else Side.SELL
        quantity, price = command["qty"], command.get("price", 0)
        if command["type"] in ("market", "market_rests"):
            return market(side, quantity, account_id=account_id)
        order = limit(side, price, quantity, account_id=account_id)
        match command["type"]:
            case "limit":
                return order
            case "ioc":
                return order._replace(time_in_force=TimeInForce.IOC)
            case "aon":
                return order._replace(time_in_force=TimeInForce.FOK)
            case "stop":
                return order._replace(
                    order_type=OrderType.STOP,
                    time_in_force=TimeInForce.IOC,
                    trigger_price_ticks=price,
                    price_ticks=LISTING.price_ticks_max if side == Side.BUY else 0,
                )
            case "stop_limit" if "stop_price" in command:
                return order._replace(
                    order_type=OrderType.STOP_LIMIT, trigger_price_ticks=command["stop_price"]
                )
        raise RuleNotOurs(command["type"])


SPECIAL = [
    scenario
    for scenario in read_lines(MATERIAL / "scenarios" / "peer_scenarios.jsonl")
    if scenario["class"] != "core"
]
SAME = [scenario for scenario in SPECIAL if scenario["id"] not in DIFFERENT]


@pytest.mark.parametrize("scenario", SAME, ids=lambda scenario: str(scenario["id"]))
def test_special_scenario(scenario: dict[str, Any]) -> None:
    check_scenario(scenario, SpecialAdapter())


def test_every_special_line_runs_or_is_explained() -> None:
    assert len(SPECIAL) == 68
    assert set(DIFFERENT) <= {scenario["id"] for scenario in SPECIAL}
    assert len(SAME) == 28


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_line_that_is_called_different_is(name: str) -> None:
    (scenario,) = (scenario for scenario in SPECIAL if scenario["id"] == name)
    with pytest.raises((RuleNotOurs, AssertionError, ValueError)):
        check_scenario(scenario, SpecialAdapter())
