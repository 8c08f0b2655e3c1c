"""A little of everything that an exchange can be asked, so that each of its figures moves."""

import random
import threading
from types import TracebackType
from typing import Self

from tradepit.cli.running import RunningExchange
from tradepit.client import Client, Refused, Side, TradepitError

from tests.rest import call, limit_order

PAUSE_S = 0.05
STOP_TIMEOUT_S = 30.0
BATCH_ORDERS = 5
PRICE_TICKS, LOTS = 6_400_000, 10  # of BTC-USD, near the demo's market


class GentleLoad:
    """Sends orders over ZeroMQ and REST while the context is open: good ones, refused ones and
    nonsense, some hundred a second.
    """

    def __init__(self, exchange: RunningExchange, seed: int = 1) -> None:
        self._exchange = exchange
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        account_id = int(self._exchange.document["demo"]["account_id"])
        endpoint = self._exchange.order_endpoint
        number = 0
        with Client(endpoint, account_id, self._exchange.demo_key) as client:
            while not self._stop.wait(PAUSE_S * self._random.random() * 2):
                number += 1
                try:
                    self._over_zeromq(client)
                    self._over_rest(number)
                    if number % 20 == 0:
                        self._as_if_an_operator(client)
                except (TradepitError, OSError):
                    continue  # a part that a test has stopped

    def _over_zeromq(self, client: Client) -> None:
        for _ in range(BATCH_ORDERS):
            side = self._random.choice([Side.BUY, Side.SELL])
            ticks = PRICE_TICKS + self._random.randint(-2000, 2000)
            try:
                order = client.submit(
                    instrument_id=1, side=side, price_ticks=ticks, quantity_lots=LOTS
                )
                if order.is_open and self._random.random() < 0.9:
                    client.cancel(order_id=order.order_id)
            except Refused:  # filled meanwhile, or the demo account has nothing left
                continue

    def _over_rest(self, number: int) -> None:
        url, key = self._exchange.ingress_url, self._exchange.demo_key
        side = self._random.choice(["buy", "sell"])
        order = limit_order(side, f"{64_000 + self._random.randint(-20, 20)}.00", "0.0010")
        call(f"{url}/v1/orders", key, "POST", {**order, "time_in_force": "ioc"})
        if number % 5 == 0:
            call(f"{url}/v1/balances", key)
            call(f"{url}/v1/positions", key)
        if number % 10 == 0:
            call(f"{url}/v1/orders", key, "POST", {**order, "price": "a lot"})
            call(f"{url}/v1/orders", key, "POST", limit_order("buy", "64000.00", "0.0010", 7))

    def _as_if_an_operator(self, client: Client) -> None:
        try:
            client.set_account(2)
        except Refused:
            return
