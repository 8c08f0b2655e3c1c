"""Commands of control that the engine refuses, with the reason: test_engine_rules runs them."""

from typing import Any

from tradepit.protocol import wire
from tradepit.protocol.wire import Reason, Side

from tests.engine_market import FIRST_ORDER_ID, limit

TRADED = [limit(Side.SELL, 10, 1), limit(Side.BUY, 10, 1, account_id=2)]
FIRST_TRADE_ID = FIRST_ORDER_ID  # trades count as orders do

CONTROL_REFUSALS: list[tuple[Reason, list[Any]]] = [
    (Reason.UNKNOWN_ACCOUNT, [wire.CancelAfter(timeout_ns=1)]),
    (Reason.INVALID_TIMEOUT, [wire.CancelAfter(account_id=1, timeout_ns=-1)]),
    (
        Reason.INVALID_TIMEOUT,
        [wire.CancelAfter(account_id=1, timeout_ns=wire.CANCEL_AFTER_NS_MAX + 1)],
    ),
    (Reason.UNKNOWN_TRADE, [wire.BustTrade(trade_id=FIRST_TRADE_ID)]),
    (
        Reason.TRADE_ALREADY_BUSTED,
        [*TRADED, *[wire.BustTrade(trade_id=FIRST_TRADE_ID)] * 2],
    ),
    (
        Reason.INVALID_CORRECTION,
        [*TRADED, wire.CorrectTrade(trade_id=FIRST_TRADE_ID, quantity_lots=2)],
    ),
]
