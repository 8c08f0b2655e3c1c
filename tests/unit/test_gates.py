"""One case for each cell of docs/gates.md: the gate stops what it forbids on this path, or lets it by.

A path brings the order of account 1 to the book, to buy 5 lots for up to 105; `attempt` is the moment
at which a gate counts. A gate changes the order before its path begins, or the market right before
the attempt. A gate has stopped an order that does not trade and does not rest at its price.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tradepit.protocol import wire
from tradepit.protocol.wire import (
    CancelReason,
    ListKind,
    OrderFlag,
    Reason,
    SelfTradePrevention,
    Side,
)

from tests.engine_market import LISTING, QUOTE, Market, limit, market, order_list, stop_limit

PAGE = Path(__file__).parents[2] / "docs" / "gates.md"
BUY, SELL = Side.BUY, Side.SELL
TRIGGER, PRICE, LOTS = 100, 105, 5
ORDER = limit(BUY, PRICE, LOTS)
CLIENT_ORDER_ID = 7
EXPIRE_TIME_NS = 1_000
ATTEMPTS = (
    "new order",
    "replace",
    "cancel and replace",
    "stop triggered",
    "mass quote",
    "order list",
    "activated",
)


@dataclass
class Attempt:
    """One path, prepared: `command` is what happens next."""

    venue: Market
    order: wire.NewOrder
    order_id: int = 0  # of the order that the path is about, if it is there already
    command: Any = None
    events: list[Any] = field(default_factory=list)

    def run(self) -> None:
        self.events = self.venue.send(self.command)
        self.venue.engine.check()

    def refusal(self) -> Reason | None:
        event = self.events[0]
        if isinstance(event, wire.OrderRejected | wire.CommandRejected | wire.OrderListRejected):
            return Reason(event.reason)
        return None

    def entered(self) -> bool:
        """Whether the order got to trade or to rest, or the cancel took it out."""
        if isinstance(self.command, wire.CancelOrder | wire.MassCancel):
            return any(isinstance(event, wire.OrderCanceled) for event in self.events)
        prices = [price for price, _, _ in self.venue.depth()[0]]
        takers = [e.taker_account_id for e in self.events if isinstance(e, wire.Trade)]
        return PRICE in prices or 1 in takers

    def ends_with(self, reason: CancelReason) -> bool:
        return any(isinstance(e, wire.OrderCanceled) and e.reason == reason for e in self.events)


# ---- paths: everything up to the attempt ----------------------------------------------------


def new_order(attempt: Attempt) -> None:
    attempt.command = attempt.order


def replace(attempt: Attempt) -> None:
    attempt.order_id = attempt.venue.place(attempt.order._replace(price_ticks=1))
    attempt.command = wire.ReplaceOrder(
        account_id=1, order_id=attempt.order_id, price_ticks=PRICE, quantity_lots=LOTS
    )


def cancel_and_replace(attempt: Attempt) -> None:
    attempt.order_id = attempt.venue.place(limit(BUY, 1, 1))
    attempt.command = attempt.order._replace(replaces_order_id=attempt.order_id)


def stop_triggered(attempt: Attempt) -> None:
    """Account 3 takes from account 2 at the trigger price."""
    order = attempt.order
    waiting = stop_limit(BUY, TRIGGER, order.price_ticks, order.quantity_lots)._replace(
        client_order_id=order.client_order_id,
        self_trade_prevention=order.self_trade_prevention,
        flags=order.flags,
        time_in_force=order.time_in_force,
        expire_time_ns=order.expire_time_ns,
    )
    attempt.venue.place(limit(SELL, TRIGGER, 1, account_id=2))
    attempt.events = attempt.venue.send(waiting)
    attempt.command = market(BUY, 1, account_id=3)


def mass_quote(attempt: Attempt) -> None:
    order = attempt.order
    attempt.command = wire.MassQuote(
        account_id=1,
        instrument_id=order.instrument_id,
        flags=order.flags,
        self_trade_prevention=order.self_trade_prevention,
        levels=(wire.QuoteLevel(order.price_ticks, order.quantity_lots, 0, 0),),
    )


def list_of_orders(attempt: Attempt) -> None:
    attempt.command = order_list(ListKind.ALL_OR_NONE, attempt.order)


def activated(attempt: Attempt) -> None:
    """The order is pending; account 3 fills the first of its list."""
    attempt.venue.send(order_list(ListKind.OTO, limit(BUY, 90, 1), attempt.order))
    attempt.command = market(SELL, 1, account_id=3)


def cancel(attempt: Attempt) -> None:
    attempt.order_id = attempt.venue.place(attempt.order)
    attempt.command = wire.CancelOrder(account_id=1, order_id=attempt.order_id)


def mass_cancel(attempt: Attempt) -> None:
    attempt.order_id = attempt.venue.place(attempt.order)
    attempt.command = wire.MassCancel(account_id=1)


PATHS: dict[str, Callable[[Attempt], None]] = {
    "new order": new_order,
    "replace": replace,
    "cancel and replace": cancel_and_replace,
    "stop triggered": stop_triggered,
    "mass quote": mass_quote,
    "order list": list_of_orders,
    "activated": activated,
    "cancel": cancel,
    "mass cancel": mass_cancel,
}


# ---- gates: what would have to be stopped ---------------------------------------------------


@dataclass(frozen=True)
class Gate:
    """`arrange` makes the attempt one that the gate forbids. What a stop looks like: the reason of a
    refusal, or else the reason for which the order is canceled. `gone`: the reason for which
    `arrange` has canceled it where it was there already."""

    arrange: Callable[[Attempt, str], None]
    refused: Reason | None = None
    canceled: CancelReason | None = None
    gone: CancelReason | None = None
    order: wire.NewOrder = ORDER
    max_orders: int = 2**20


def engage_the_kill_switch(attempt: Attempt, _path: str) -> None:
    attempt.venue.send(wire.KillSwitch(account_id=1, state=wire.KillSwitchState.ENGAGED))


def tighten_the_collar(attempt: Attempt, _path: str) -> None:
    attempt.venue.send(LISTING._replace(reference_price_ticks=100, static_collar_ppm=40_000))


def halt(attempt: Attempt, _path: str) -> None:
    attempt.venue.send(LISTING._replace(trading_state=wire.TradingState.HALTED))


def suspend(attempt: Attempt, _path: str) -> None:
    attempt.venue.send(wire.SetAccount(account_id=1, state=wire.AccountState.SUSPENDED))


def act_for_another(attempt: Attempt, path: str) -> None:
    if path in ("replace", "cancel and replace", "cancel", "mass cancel"):  # others name none
        attempt.command = attempt.command._replace(account_id=2)


def narrow_prices(attempt: Attempt, _path: str) -> None:
    attempt.venue.send(LISTING._replace(price_ticks_max=PRICE - 1))


def narrow_quantities(attempt: Attempt, _path: str) -> None:
    attempt.venue.send(LISTING._replace(quantity_lots_max=LOTS - 1))


def widen_ticks(attempt: Attempt, _path: str) -> None:
    bands = (wire.PriceBand(1, 10),)
    attempt.venue.send(wire.SetTickTable(instrument_id=LISTING.instrument_id, bands=bands))


def narrow_notionals(attempt: Attempt, _path: str) -> None:
    attempt.venue.send(LISTING._replace(notional_units_max=PRICE * LOTS - 1))


def let_time_pass(attempt: Attempt, _path: str) -> None:
    attempt.command = attempt.command._replace(time_ns=EXPIRE_TIME_NS)


def use_the_client_order_id(attempt: Attempt, path: str) -> None:
    """Where the order is there already, it has used the id itself."""
    if path in ("new order", "cancel and replace", "order list"):
        gone = limit(BUY, 1, 1, client_order_id=CLIENT_ORDER_ID, time_in_force=wire.TimeInForce.IOC)
        attempt.venue.place(gone)


def take_the_money(attempt: Attempt, _path: str) -> None:
    available, _ = attempt.venue.engine.balance(1, QUOTE)
    attempt.venue.send(
        wire.Debit(account_id=1, transfer_id=2**40, asset_id=QUOTE, amount_units=available)
    )


def offer_to_oneself(attempt: Attempt, path: str) -> None:
    if path in ATTEMPTS:
        attempt.venue.place(limit(SELL, 101, 1))


def offer(attempt: Attempt, path: str) -> None:
    if path in ATTEMPTS:
        attempt.venue.place(limit(SELL, 101, 1, account_id=2))


def offer_more_than_one_command_takes(attempt: Attempt, path: str) -> None:
    if path in ATTEMPTS:
        attempt.venue.send(*[limit(SELL, 101, 1, account_id=2)] * 10_001)
        if path in ("new order", "cancel and replace"):
            attempt.command = attempt.command._replace(quantity_lots=10_001)
        if path == "replace":
            attempt.command = attempt.command._replace(quantity_lots=10_001)
        if path == "order list":
            attempt.command = order_list(
                ListKind.ALL_OR_NONE, attempt.order._replace(quantity_lots=10_001)
            )
        if path == "mass quote":
            levels = (wire.QuoteLevel(PRICE, 6_000, 0, 0), wire.QuoteLevel(101, 6_000, 0, 0))
            attempt.command = attempt.command._replace(levels=levels)


def fill_the_pool(attempt: Attempt, _path: str) -> None:
    while isinstance(attempt.venue.send(limit(BUY, 2, 1, account_id=3))[0], wire.OrderAccepted):
        assert attempt.venue.engine.open_order_count <= 4


GATES = {
    "instrument halted": Gate(halt, refused=Reason.INSTRUMENT_HALTED),
    "account suspended": Gate(
        suspend, refused=Reason.ACCOUNT_SUSPENDED, canceled=CancelReason.ACCOUNT_SUSPENDED
    ),
    "kill switch engaged": Gate(
        engage_the_kill_switch,
        refused=Reason.KILL_SWITCH_ENGAGED,
        gone=CancelReason.KILL_SWITCH,
    ),
    "order of another account": Gate(act_for_another, refused=Reason.UNKNOWN_ORDER),
    "price outside the limits": Gate(narrow_prices, refused=Reason.INVALID_PRICE),
    "price between two ticks": Gate(widen_ticks, refused=Reason.INVALID_PRICE),
    "notional outside the limits": Gate(narrow_notionals, refused=Reason.INVALID_NOTIONAL),
    "price beyond a collar": Gate(tighten_the_collar, refused=Reason.OUTSIDE_COLLAR),
    "last time that has passed": Gate(
        let_time_pass,
        refused=Reason.INVALID_EXPIRE_TIME,
        order=ORDER._replace(time_in_force=wire.TimeInForce.GTD, expire_time_ns=EXPIRE_TIME_NS),
    ),
    "quantity outside the limits": Gate(narrow_quantities, refused=Reason.INVALID_QUANTITY),
    "client order id used before": Gate(
        use_the_client_order_id,
        refused=Reason.DUPLICATE_CLIENT_ORDER_ID,
        order=ORDER._replace(client_order_id=CLIENT_ORDER_ID),
    ),
    "more than the account has": Gate(take_the_money, refused=Reason.INSUFFICIENT_FUNDS),
    "self-trade prevention": Gate(
        offer_to_oneself,
        canceled=CancelReason.SELF_TRADE,
        order=ORDER._replace(self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST),
    ),
    "post-only": Gate(
        offer, refused=Reason.POST_ONLY_WOULD_TRADE, order=ORDER._replace(flags=OrderFlag.POST_ONLY)
    ),
    "limit of fills": Gate(offer_more_than_one_command_takes, canceled=CancelReason.FILL_LIMIT),
    "order pool full": Gate(fill_the_pool, refused=Reason.TOO_MANY_ORDERS, max_orders=4),
}


# ---- the table ------------------------------------------------------------------------------


def read_table() -> dict[tuple[str, str], str]:
    """The page's cells by gate and path."""
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in PAGE.read_text().splitlines()
        if line.startswith("|") and not re.match(r"\|[ -]+\|", line)
    ]
    paths = rows[0][1:]
    return {
        (row[0], path): cell for row in rows[1:] for path, cell in zip(paths, row[1:], strict=True)
    }


CELLS = read_table()


def test_every_gate_and_path_has_a_cell() -> None:
    assert set(CELLS) == {(gate, path) for gate in GATES for path in PATHS}
    assert all(re.match(r"(yes|no)(: .+)?$", cell) for cell in CELLS.values())


@pytest.mark.parametrize(("gate_name", "path_name"), CELLS, ids=lambda name: name.replace(" ", "-"))
def test_the_gate_applies_as_the_page_says(gate_name: str, path_name: str) -> None:
    gate = GATES[gate_name]
    attempt = Attempt(Market(max_orders=gate.max_orders), gate.order)
    if gate_name == "limit of fills" and path_name in ("stop triggered", "activated"):
        attempt.order = gate.order._replace(quantity_lots=10_001)
    PATHS[path_name](attempt)
    if (gate_name, path_name) == ("post-only", "stop triggered"):
        assert attempt.refusal() == Reason.INVALID_FLAGS  # nothing waits that could be stopped
        return
    count_before = attempt.venue.engine.open_order_count
    gate.arrange(attempt, path_name)
    is_gone = gate.gone is not None and attempt.venue.engine.open_order_count < count_before
    attempt.run()
    if CELLS[gate_name, path_name].startswith("no"):
        assert attempt.entered()
        assert attempt.refusal() is None
        return
    refused = attempt.refusal()
    if is_gone:
        assert not attempt.entered()
        return
    if path_name == "activated" and refused is None and gate.canceled is None:
        assert attempt.ends_with(CancelReason.NOT_PLACEABLE)
    elif refused is None and gate.canceled is not None:
        assert attempt.ends_with(gate.canceled)
    elif path_name == "mass cancel":
        assert refused is None
        assert attempt.events[-1].canceled_count == 0
    else:
        assert refused == gate.refused
    # What trades before the limit of fills is reached has traded.
    assert not attempt.entered() or gate.canceled == CancelReason.FILL_LIMIT
