"""An order over REST and one over the SDK to the exchange that a ready file describes."""

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tradepit.client import Client, OrderStatus, Side

TIMEOUT_S = 10.0


def call(url: str, key: str, body: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(  # noqa: S310 -- our own URL, from our own ready file
        url,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        method="POST" if body is not None else "GET",
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        return answer.status, json.load(answer)


def trade_over_rest(ready: dict[str, Any]) -> None:
    orders_url = f"{ready['ingress_url']}/v1/orders"
    key = ready["demo"]["key"]
    order = {
        "symbol": "BTC-USD",
        "side": "buy",
        "type": "limit",
        "time_in_force": "gtc",
        "price": "1.00",
        "quantity": "0.0100",
    }
    status, placed = call(orders_url, key, order)
    assert status == 201, (status, placed)
    assert placed["status"] == "open", placed
    status, found = call(f"{orders_url}/{placed['order_id']}", key)
    assert status == 200, (status, found)
    assert found["order_id"] == placed["order_id"], found
    print(f"REST: order {placed['order_id']} is {found['status']}")


def trade_over_the_sdk(ready: dict[str, Any]) -> None:
    demo = ready["demo"]
    with Client(ready["order_endpoint"], demo["account_id"], demo["key"]) as client:
        instrument = client.instruments().instrument("BTC-USD")
        placed = client.submit(
            instrument_id=instrument.instrument_id,
            side=Side.BUY,
            price_ticks=100,
            quantity_lots=100,
        )
        assert placed.status == OrderStatus.OPEN, placed
        client.cancel(order_id=placed.order_id)
    print(f"SDK: order {placed.order_id} was open")


def main(ready_file: Path) -> None:
    ready = json.loads(ready_file.read_text(encoding="utf-8"))
    trade_over_rest(ready)
    trade_over_the_sdk(ready)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
