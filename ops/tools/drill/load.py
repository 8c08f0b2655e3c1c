"""Traders for a drill: they send orders, over ZeroMQ and REST, and do not let go of one until it is
known what became of it.
"""

import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tradepit.client import Client
from tradepit.client.requests import new_order
from tradepit.client.results import Order
from tradepit.protocol import wire
from tradepit.protocol.errors import OutcomeUnknown, TradepitError, Unreachable
from tradepit.tools.drill.history import Acknowledged, History, OrderName

INSTRUMENT_ID = 1  # BTC-USD of the demo listing: ticks of 0.01 USD
SYMBOL = "BTC-USD"
PRICE_TICKS = range(1_000, 1_010)
QUANTITY_LOTS_MAX = 5
BATCH_ORDERS_MAX = 16
BATCH_PAUSE_S = 0.01
REST_PAUSE_S = 0.02
CALL_TIMEOUT_S = 3.0
RETRY_PAUSE_S = 0.05
JOIN_TIMEOUT_S = 90.0

_DUPLICATE = int(wire.Reason.DUPLICATE_CLIENT_ORDER_ID)
_TRY_AGAIN = (
    int(wire.Reason.BUSY),
    int(wire.Reason.STORAGE_FULL),
    int(wire.Reason.NOT_LOGGED_ON),
)


class Load:
    """Traders, each a thread with an account of its own. `stop` waits until nothing is in doubt."""

    def __init__(
        self,
        history: History,
        *,
        order_endpoint: Callable[[], str],
        ingress_url: Callable[[], str],
        keys: dict[int, str],
        rest_account_id: int,
        seed: int,
    ) -> None:
        self.history = history
        self.refusals: dict[int, int] = {}  # by reason, those that were tried again included
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._order_endpoint = order_endpoint
        self._ingress_url = ingress_url
        self._threads = [
            threading.Thread(
                target=self._guarded,
                args=(self._trade_over_zeromq, account_id, key, random.Random(seed + account_id)),  # noqa: S311 - no secret: a seed is to give the same run again
                name=f"trader-{account_id}",
                daemon=True,
            )
            for account_id, key in keys.items()
            if account_id != rest_account_id
        ]
        self._threads.append(
            threading.Thread(
                target=self._guarded,
                args=(
                    self._trade_over_rest,
                    rest_account_id,
                    keys[rest_account_id],
                    random.Random(seed),  # noqa: S311 - no secret: a seed is to give the same run again
                ),
                name="trader-rest",
                daemon=True,
            )
        )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send no new orders, and return once every order has an answer, or after a while."""
        self._stop.set()
        deadline_s = time.monotonic() + JOIN_TIMEOUT_S
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))

    @property
    def is_settled(self) -> bool:
        """Every trader has ended: no order is in doubt."""
        return not any(thread.is_alive() for thread in self._threads)

    def _guarded(self, trade: Callable[[int, str, random.Random], None], *arguments: Any) -> None:
        try:
            trade(*arguments)
        except Exception as error:  # noqa: BLE001 - a trader that died must fail the drill
            self.failures.append(f"{threading.current_thread().name}: {error!r}")

    # Over ZeroMQ, many orders to a message.

    def _trade_over_zeromq(self, account_id: int, key: str, chance: random.Random) -> None:
        next_id = 1
        client: Client | None = None
        pending: dict[int, wire.NewOrder] = {}
        sent_before: set[int] = set()
        while pending or not self._stop.is_set():
            if not pending:
                for _ in range(chance.randint(1, BATCH_ORDERS_MAX)):
                    pending[next_id] = _random_order(next_id, chance)
                    next_id += 1
                self.history.send([(account_id, name) for name in pending])
            else:
                self.history.retry(len(pending))
            try:
                if client is None:
                    client = Client(
                        self._order_endpoint(), account_id, key, timeout_s=CALL_TIMEOUT_S
                    )
                    client.connect()
                requests = list(pending.values())
                orders = client.submit_many(requests)
            except (OutcomeUnknown, Unreachable):
                sent_before.update(pending)
                if client is not None:
                    client.close()
                client = None
                time.sleep(RETRY_PAUSE_S)
                continue
            for request, order in zip(requests, orders, strict=True):
                name = request.client_order_id
                if self._note((account_id, name), order, is_retry=name in sent_before):
                    del pending[name]
            sent_before.clear()
            sent_before.update(pending)
            time.sleep(BATCH_PAUSE_S)
        if client is not None:
            client.close()

    def _note(self, name: OrderName, order: Order, *, is_retry: bool) -> bool:
        """True if the answer is definite."""
        if not order.is_refused:
            trade_ids = tuple(fill.trade_id for fill in order.fills)
            self.history.acknowledge(
                name, Acknowledged(order.order_id, order.seq, order.filled_lots, trade_ids)
            )
            return True
        self.refusals[order.reason] = self.refusals.get(order.reason, 0) + 1
        if order.reason == _DUPLICATE and is_retry:  # placed, and the journal has no answer left
            self.history.acknowledge(name, Acknowledged(0, 0, 0, ()))
            return True
        if order.reason in _TRY_AGAIN and order.seq == 0:
            return False
        self.history.refuse(name, order.reason)
        return True

    # Over REST, one after the other.

    def _trade_over_rest(self, account_id: int, key: str, chance: random.Random) -> None:
        name = 0
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            name += 1
            body = json.dumps(
                {
                    "symbol": SYMBOL,
                    "side": chance.choice(["buy", "sell"]),
                    "type": "limit",
                    "price": f"{chance.choice(PRICE_TICKS) / 100:.2f}",
                    "quantity": f"{chance.randint(1, QUANTITY_LOTS_MAX) / 10_000:.4f}",
                    "client_order_id": str(name),
                }
            )
            self.history.send([(account_id, name)])
            is_retry = False
            while True:
                try:
                    if connection is None:
                        parts = urlsplit(self._ingress_url())
                        connection = http.client.HTTPConnection(
                            parts.hostname or "", parts.port, timeout=CALL_TIMEOUT_S
                        )
                    connection.request(
                        "POST",
                        "/v1/orders",
                        body,
                        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
                    )
                    response = connection.getresponse()
                    status, document = response.status, json.loads(response.read() or b"null")
                except (OSError, http.client.HTTPException, ValueError):
                    if connection is not None:
                        connection.close()
                    connection = None
                    status, document = 0, None
                if self._note_rest((account_id, name), status, document, is_retry=is_retry):
                    break
                self.history.retry(1)
                is_retry = True
                time.sleep(RETRY_PAUSE_S)
            time.sleep(REST_PAUSE_S)
        if connection is not None:
            connection.close()

    def _note_rest(self, name: OrderName, status: int, body: Any, *, is_retry: bool) -> bool:
        if status in (200, 201):
            trade_ids = tuple(int(fill["trade_id"]) for fill in body["fills"])
            filled_lots = round(float(body["filled_quantity"]) * 10_000)
            order = Acknowledged(int(body["order_id"]), int(body["seq"]), filled_lots, trade_ids)
            self.history.acknowledge(name, order)
            return True
        code = body.get("code") if isinstance(body, dict) else None
        if code == "duplicate_client_order_id" and is_retry:
            self.history.acknowledge(name, Acknowledged(0, 0, 0, ()))
            return True
        if 400 <= status < 500 and status != 429:
            self.history.refuse(name, status)
            return True
        return False


def _random_order(client_order_id: int, chance: random.Random) -> wire.NewOrder:
    return new_order(
        instrument_id=INSTRUMENT_ID,
        side=chance.choice((wire.Side.BUY, wire.Side.SELL)),
        price_ticks=chance.choice(PRICE_TICKS),
        quantity_lots=chance.randint(1, QUANTITY_LOTS_MAX),
        time_in_force=chance.choice((wire.TimeInForce.GTC, wire.TimeInForce.IOC)),
        client_order_id=client_order_id,
    )


def connect_and_leave(endpoint: str, account_id: int, key: str) -> None:
    """One client of a reconnect storm."""
    try:
        with Client(endpoint, account_id, key, timeout_s=CALL_TIMEOUT_S) as client:
            client.status()
    except TradepitError:
        return  # the storm may be too much for one of them; the traders are what counts
