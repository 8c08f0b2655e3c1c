"""`python -m tradepit.tools.smoke [--order]`: does an ingress take requests, and an order?

It runs beside the ingress and has its settings: the port, and for an order the keys file. The order
is a buy at the lowest price that the instrument allows, and is canceled again.
"""

import argparse
import http.client
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from tradepit.protocol import settings
from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.keys import keys_file, read_keys

READY_TIMEOUT_S = 60.0
LISTING_WAIT_S = 5.0
POLL_S = 0.5
CALL_TIMEOUT_S = 10.0


class Failed(Exception):
    """The ingress did not do as it should."""


def call(port: int, method: str, path: str, body: Any = None, key: str = "") -> Any:
    """The answer's document. Raises Failed."""
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_TIMEOUT_S)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"{method} {path}: {error!r}") from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise Failed(f"{method} {path}: {answer.status} {text.strip()[:200]}")
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failed(f"{method} {path}: not JSON: {text[:200]}") from error


def wait_until_ready(port: int) -> None:
    """Raises Failed with what was missing last."""
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            call(port, "GET", "/health/ready")
        except Failed:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(POLL_S)
        else:
            return


def listed(port: int, wait_s: float) -> list[dict[str, str]]:
    """What can be traded, once there is anything: the ingress asks the matchers once a second."""
    deadline_s = time.monotonic() + wait_s
    while True:
        found: list[dict[str, str]] = call(port, "GET", "/v1/instruments")["instruments"]
        if found or time.monotonic() > deadline_s:
            return found
        time.sleep(POLL_S)


def place_and_cancel(port: int, instrument: dict[str, str], key: str) -> str:
    """The order's id. Raises Failed unless it was open and then canceled."""
    order = {
        "symbol": instrument["symbol"],
        "side": "buy",
        "type": "limit",
        "price": instrument["price_min"],
        "quantity": instrument["quantity_min"],
    }
    placed = call(port, "POST", "/v1/orders", order, key)
    canceled = call(port, "DELETE", f"/v1/orders/{placed['order_id']}", None, key)
    if (placed["status"], canceled["status"]) != ("open", "canceled"):
        raise Failed(f"the order was {placed['status']}, then {canceled['status']}")
    return str(placed["order_id"])


def main(argv: Sequence[str]) -> int:
    """Exit code 0 if all went well, 1 if not, 2 for settings."""
    parser = argparse.ArgumentParser(prog="python -m tradepit.tools.smoke", description=__doc__)
    parser.add_argument("--order", action="store_true", help="place an order as well")
    arguments = parser.parse_args(argv)
    try:
        port = settings.HTTP_PORT.read(os.environ)
        wait_until_ready(port)
        instruments = listed(port, LISTING_WAIT_S if arguments.order else 0)
        print(f"ready, {len(instruments)} instruments")
        if arguments.order:
            traders = [key for key in read_keys(keys_file(os.environ)) if not key.is_operator]
            if not traders or not instruments:
                raise Failed("an order needs a trader's key and an instrument")
            order_id = place_and_cancel(port, instruments[0], traders[0].key)
            print(f"order {order_id} of {instruments[0]['symbol']} was open and is canceled")
    except ConfigurationError as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 2
    except (Failed, KeyError) as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
