"""Lists of orders that the engine refuses, with the reason: test_engine_rules runs them."""

from typing import Any

from tradepit.protocol import wire
from tradepit.protocol.wire import ListKind, OrderFlag, Reason, Side, TimeInForce

from tests.engine_market import FIRST_ORDER_ID, limit, market, order_list, stop

BUY, SELL = Side.BUY, Side.SELL
OCO = order_list(ListKind.OCO, limit(SELL, 10, 1), stop(SELL, 9, 1))

LIST_REFUSALS: list[tuple[Reason, list[Any]]] = [
    (Reason.INVALID_LIST, [order_list(ListKind.EACH)]),
    (Reason.INVALID_LIST, [order_list(0, limit(BUY, 10, 1))]),
    (Reason.INVALID_LIST, [order_list(ListKind.OCO, limit(SELL, 10, 1), limit(SELL, 11, 1))]),
    (Reason.INVALID_LIST, [order_list(ListKind.OCO, limit(SELL, 10, 1), stop(SELL, 9, 2))]),
    (Reason.INVALID_LIST, [order_list(ListKind.ALL_OR_NONE, market(BUY, 1))]),
    (Reason.UNKNOWN_INSTRUMENT, [order_list(ListKind.EACH, limit(BUY, 10, 1, instrument_id=2))]),
    (Reason.UNKNOWN_ACCOUNT, [order_list(ListKind.EACH, limit(BUY, 10, 1, account_id=99))]),
    (
        Reason.CONTINGENT_ORDER,
        [
            OCO,
            wire.ReplaceOrder(account_id=1, order_id=FIRST_ORDER_ID, quantity_lots=2),
        ],
    ),
    (
        Reason.CONTINGENT_ORDER,
        [OCO, limit(SELL, 12, 1)._replace(replaces_order_id=FIRST_ORDER_ID)],
    ),
    (
        Reason.INVALID_LIST,
        [
            order_list(
                ListKind.OCO,
                limit(SELL, 10, 1, time_in_force=TimeInForce.IOC),
                stop(SELL, 9, 1),
            )
        ],
    ),
    (
        Reason.INVALID_LIST,  # both would have to be on the other side
        [order_list(ListKind.BRACKET, limit(SELL, 10, 1), limit(SELL, 12, 1), stop(SELL, 9, 1))],
    ),
    (
        Reason.INVALID_LIST,
        [order_list(ListKind.OTO, stop(SELL, 9, 1), limit(SELL, 12, 1))],
    ),
    (
        Reason.INSUFFICIENT_FUNDS,  # together
        [
            wire.Debit(account_id=1, transfer_id=99, asset_id=1, amount_units=10**15 - 150),
            order_list(ListKind.ALL_OR_NONE, limit(BUY, 10, 10), limit(BUY, 9, 10)),
        ],
    ),
    (
        Reason.POST_ONLY_WOULD_TRADE,  # with another one of the list
        [
            order_list(
                ListKind.ALL_OR_NONE,
                limit(SELL, 10, 1),
                limit(BUY, 10, 1, flags=OrderFlag.POST_ONLY),
            )
        ],
    ),
    (
        Reason.DUPLICATE_CLIENT_ORDER_ID,
        [
            order_list(
                ListKind.ALL_OR_NONE,
                limit(BUY, 10, 1, client_order_id=5),
                limit(BUY, 9, 1, client_order_id=5),
            )
        ],
    ),
    (
        Reason.TOO_MANY_ORDERS,
        [
            limit(BUY, 10, 1),
            order_list(ListKind.ALL_OR_NONE, limit(BUY, 10, 1), limit(BUY, 9, 1)),
        ],
    ),
    (
        Reason.INVALID_TRIGGER_PRICE,  # of one that is to be pending
        [order_list(ListKind.OTO, limit(BUY, 10, 1), stop(SELL, 0, 1))],
    ),
    (Reason.INVALID_TIMEOUT, [wire.CancelAfter(account_id=1, timeout_ns=-1)]),
    (
        Reason.INVALID_TIMEOUT,
        [wire.CancelAfter(account_id=1, timeout_ns=wire.CANCEL_AFTER_NS_MAX + 1)],
    ),
]
