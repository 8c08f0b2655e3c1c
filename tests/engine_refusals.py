"""Commands of control that the engine refuses, with the reason: test_engine_rules runs them."""

from typing import Any

from tradepit.protocol import wire
from tradepit.protocol.wire import Reason, Side

from tests.engine_market import FIRST_ORDER_ID, INSTRUMENT, limit


def quote(*levels: tuple[int, int, int, int]) -> wire.MassQuote:
    return wire.MassQuote(
        account_id=1,
        instrument_id=INSTRUMENT,
        levels=tuple(wire.QuoteLevel(*level) for level in levels),
    )


def protection(**limits: int) -> wire.SetQuoteProtection:
    return wire.SetQuoteProtection(account_id=1, instrument_id=INSTRUMENT, window_ns=10, **limits)


TRADED = [limit(Side.SELL, 10, 1), limit(Side.BUY, 10, 1, account_id=2)]
FIRST_TRADE_ID = FIRST_ORDER_ID  # trades count as orders do

CONTROL_REFUSALS: list[tuple[Reason, list[Any]]] = [
    (Reason.UNKNOWN_ACCOUNT, [wire.CancelAfter(timeout_ns=1)]),
    (Reason.INVALID_TIMEOUT, [wire.CancelAfter(account_id=1, timeout_ns=-1)]),
    (
        Reason.INVALID_TIMEOUT,
        [wire.CancelAfter(account_id=1, timeout_ns=wire.CANCEL_AFTER_NS_MAX + 1)],
    ),
    (Reason.INVALID_QUOTE, [quote((10, 1, 10, 1))]),
    (Reason.INVALID_QUOTE, [quote((10, 1, 0, 0), (10, 1, 0, 0))]),
    (Reason.INVALID_QUOTE, [quote((0, 0, 11, 1), (0, 0, 11, 1))]),
    (Reason.INVALID_QUOTE, [quote((10, 0, 11, 1))]),
    (Reason.UNKNOWN_INSTRUMENT, [quote()._replace(instrument_id=2)]),
    (Reason.UNKNOWN_ACCOUNT, [quote()._replace(account_id=0)]),
    (Reason.INVALID_FLAGS, [quote()._replace(flags=wire.OrderFlag.QUOTE)]),
    (Reason.INVALID_FLAGS, [limit(Side.BUY, 10, 1, flags=wire.OrderFlag.QUOTE)]),
    (Reason.INVALID_PRICE, [quote((0, 1, 11, 1))]),
    (Reason.INVALID_QUANTITY, [quote((10, -1, 11, 1))]),
    (Reason.INVALID_SELF_TRADE_PREVENTION, [quote()._replace(self_trade_prevention=5)]),
    (Reason.INSUFFICIENT_FUNDS, [quote((2**30, 2**30, 0, 0))]),
    (
        Reason.POST_ONLY_WOULD_TRADE,
        [
            limit(Side.SELL, 12, 1, account_id=2),
            quote((11, 1, 13, 1))._replace(flags=wire.OrderFlag.POST_ONLY),
            quote((12, 1, 13, 1))._replace(flags=wire.OrderFlag.POST_ONLY),
        ],
    ),
    (
        Reason.QUOTE_PROTECTION_ACTIVE,
        [
            protection(fill_count_max=1),
            quote((10, 1, 0, 0)),
            limit(Side.SELL, 10, 1, account_id=2),
            quote((10, 1, 0, 0)),
        ],
    ),
    (Reason.INVALID_QUOTE_PROTECTION, [protection()]),
    (Reason.INVALID_QUOTE_PROTECTION, [protection(fill_count_max=1)._replace(window_ns=0)]),
    (Reason.INVALID_QUOTE_PROTECTION, [protection(filled_lots_max=-1)]),
    (Reason.UNKNOWN_ACCOUNT, [protection(fill_count_max=1)._replace(account_id=0)]),
    (Reason.UNKNOWN_INSTRUMENT, [protection(fill_count_max=1)._replace(instrument_id=2)]),
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
