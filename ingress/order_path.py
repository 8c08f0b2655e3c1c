"""POST /v1/orders without a framework in between.

An order pays for every layer, so this one request goes from the ASGI server straight to `place`;
everything else, and the OpenAPI document's entry for this route too, is Litestar's. Both ways use
one decoder, one `place` and one table of problems; a test compares their answers.
"""

from time import perf_counter
from typing import cast

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from tradepit.ingress.bodies import check_media_type, decode_body, read_body
from tradepit.ingress.catalogue import Catalogue
from tradepit.ingress.errors import PROBLEM_MEDIA_TYPE, problem_of
from tradepit.ingress.guards import KeyRing
from tradepit.ingress.metrics import ORDERS_PATH, Metrics
from tradepit.ingress.order_requests import decode_place
from tradepit.ingress.orders import CREATED, REPLAYED, place
from tradepit.ingress.request_context import request_id_of
from tradepit.ingress.request_notes import NoteTaker
from tradepit.ingress.router import Router

REQUEST_ID = b"x-request-id"

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
        notes: NoteTaker,
    ) -> None:
        self._app = app
        self._keys = keys
        self._catalogue = catalogue
        self._router = router
        self._metrics = metrics
        self._notes = notes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = cast(HTTPScope, scope)
        if (
            request["type"] == ScopeType.HTTP
            and request["path"] == ORDERS_PATH
            and request["method"] == "POST"
            and not request["query_string"]
        ):
            await self._post_order(request, receive, send)
        elif request["type"] == ScopeType.HTTP:
            await self._pass_on(request, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _pass_on(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Let Litestar answer, measure it, and name the request in its answer."""
        started_s = perf_counter()
        asked_id = next((value for name, value in scope["headers"] if name == REQUEST_ID), None)
        request_id = request_id_of(asked_id)
        method = scope["method"]
        notes = self._notes.begin(method, scope["headers"]) if self._notes.is_on else None

        async def send_measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID, request_id)]
                route = self._metrics.observe(scope, status, perf_counter() - started_s)
                if notes is not None:
                    notes.end(request_id, route, scope["path"], status)
            await send(message)

        await self._app(scope, receive, send_measured)

    async def _post_order(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        started_s = perf_counter()
        notes = self._notes.begin("POST", scope["headers"]) if self._notes.is_on else None
        asked_id = None
        order_id = ""
        try:
            content_type = authorization = length = None
            for name, value in scope["headers"]:
                if name == b"authorization":
                    authorization = value
                elif name == b"content-type":
                    content_type = value
                elif name == b"content-length":
                    length = value
                elif name == REQUEST_ID:
                    asked_id = value
            account_id = self._keys.trader(authorization)
            check_media_type(content_type)
            body = await read_body(receive, length)
            order = await place(
                decode_body(decode_place, body), account_id, self._catalogue, self._router
            )
            status = REPLAYED if order.replayed else CREATED
            headers, content = _JSON_HEADERS, _encode(order)
            order_id = order.order_id
        except Exception as error:  # noqa: BLE001 - the one place that turns any failure into an answer
            problem = problem_of(error)
            status, content = problem.status, problem.body()
            headers = [*_PROBLEM_HEADERS, *problem.headers()]
            self._metrics.problems[problem.document.code] += 1
        request_id = request_id_of(asked_id)
        self._metrics.of_orders[status // 100].observe(perf_counter() - started_s)
        if notes is not None:
            notes.end(request_id, ORDERS_PATH, ORDERS_PATH, status, order_id)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    *headers,
                    (b"content-length", b"%d" % len(content)),
                    (REQUEST_ID, request_id),
                ],
            }
        )
        await send({"type": "http.response.body", "body": content, "more_body": False})
