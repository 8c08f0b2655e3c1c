"""The SDK: orders over ZeroMQ, market data from the feed. See client/README.md."""

from tradepit.client.aio import AsyncClient
from tradepit.client.blocking import Client
from tradepit.client.feed import FeedSubscriber
from tradepit.client.requests import NewOrderTerms, new_order, new_order_list
from tradepit.client.results import Book, Fill, Level, Listing, Order, OrderList, Quotes
from tradepit.client.session import Session
from tradepit.protocol.errors import OutcomeUnknown, Refused, TradepitError, Unreachable
from tradepit.protocol.wire import (
    ListKind,
    OrderStatus,
    OrderType,
    PegReference,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

__all__ = [
    "AsyncClient",
    "Book",
    "Client",
    "FeedSubscriber",
    "Fill",
    "Level",
    "ListKind",
    "Listing",
    "NewOrderTerms",
    "Order",
    "OrderList",
    "OrderStatus",
    "OrderType",
    "OutcomeUnknown",
    "PegReference",
    "Quotes",
    "Reason",
    "Refused",
    "SelfTradePrevention",
    "Session",
    "Side",
    "TimeInForce",
    "TradepitError",
    "Unreachable",
    "new_order",
    "new_order_list",
]
