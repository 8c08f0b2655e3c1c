"""The SDK: orders over ZeroMQ, market data from the feed. See client/README.md."""

from tradepit.client.aio import AsyncClient
from tradepit.client.blocking import Client
from tradepit.client.feed import FeedSubscriber
from tradepit.client.requests import NewOrderTerms, new_order
from tradepit.client.results import Book, Fill, Level, Listing, Order, Quotes
from tradepit.client.session import Session
from tradepit.protocol.errors import OutcomeUnknown, Refused, TradepitError, Unreachable
from tradepit.protocol.wire import (
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
    "Listing",
    "NewOrderTerms",
    "Order",
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
]
