"""REST calls for tests, with nothing but the standard library between us and the exchange."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    """The JSON document; None if there is none."""


def call(url: str, key: str = "", method: str = "GET", body: object = None) -> Answer:
    """One request on a connection of its own. Raises OSError or HTTPException if no answer came."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        connection.request(
            method,
            f"{parts.path}?{parts.query}" if parts.query else parts.path,
            body=None if body is None else json.dumps(body),
            headers=headers,
        )
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    return Answer(answer.status, json.loads(text) if text else None)


def limit_order(
    side: str, price: str, quantity: str, client_order_id: int = 0, symbol: str = "BTC-USD"
) -> dict[str, str]:
    """The body of a good-till-canceled limit order."""
    body = {
        "symbol": symbol,
        "side": side,
        "type": "limit",
        "time_in_force": "gtc",
        "price": price,
        "quantity": quantity,
    }
    return {**body, "client_order_id": str(client_order_id)} if client_order_id else body
