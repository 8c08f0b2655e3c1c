"""POST /v1/orders without a framework in between.

An order pays for every layer, so this one request goes from the ASGI server straight to `place`;
everything else, and the OpenAPI document's entry for this route too, is Litestar's. Both ways use
one decoder, one `place` and one table of problems; a test compares their answers.
"""

from typing import cast

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from tradepit.ingress.bodies import check_media_type, decode_body, read_body
from tradepit.ingress.catalogue import Catalogue
from tradepit.ingress.errors import PROBLEM_MEDIA_TYPE, problem_of
from tradepit.ingress.guards import KeyRing
from tradepit.ingress.health import Metrics
from tradepit.ingress.order_requests import decode_place
from tradepit.ingress.orders import CREATED, REPLAYED, place
from tradepit.ingress.router import Router

ORDERS_PATH = "/v1/orders"

_encode = msgspec.json.Encoder().encode
_COMMON_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
_JSON_HEADERS = [(b"content-type", b"application/json"), *_COMMON_HEADERS]
_PROBLEM_HEADERS = [(b"content-type", PROBLEM_MEDIA_TYPE.encode()), *_COMMON_HEADERS]


class OrderPath:
    """An ASGI application around Litestar's that answers POST /v1/orders itself."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: KeyRing,
        catalogue: Catalogue,
        router: Router,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._keys = keys
        self._catalogue = catalogue
        self._router = router
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = cast(HTTPScope, scope)
        if (
            request["type"] == ScopeType.HTTP
            and request["path"] == ORDERS_PATH
            and request["method"] == "POST"
            and not request["query_string"]
        ):
            await self._post_order(request, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _post_order(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        try:
            content_type = authorization = length = None
            for name, value in scope["headers"]:
                if name == b"authorization":
                    authorization = value
                elif name == b"content-type":
                    content_type = value
                elif name == b"content-length":
                    length = value
            account_id = self._keys.trader(authorization)
            check_media_type(content_type)
            body = await read_body(receive, length)
            order = await place(
                decode_body(decode_place, body), account_id, self._catalogue, self._router
            )
            status = REPLAYED if order.replayed else CREATED
            headers, content = _JSON_HEADERS, _encode(order)
        except Exception as error:  # noqa: BLE001 - the one place that turns any failure into an answer
            problem = problem_of(error)
            status, content = problem.status, problem.body()
            headers = [*_PROBLEM_HEADERS, *problem.headers()]
        self._metrics.orders[status] += 1
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (b"content-length", b"%d" % len(content))],
            }
        )
        await send({"type": "http.response.body", "body": content, "more_body": False})
