"""create_app: the one place where the parts are wired together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from litestar import Litestar, Request, Response
from litestar import Router as RouteGroup
from litestar.config.response_cache import ResponseCacheConfig
from litestar.datastructures import MutableScopeHeaders, State
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp, Message, Scope
from tradepit.ingress import (
    controls,
    health,
    instruments,
    order_history,
    order_lists,
    orders,
    pages,
    positions,
    quotes,
)
from tradepit.ingress.errors import BODY_BYTES_MAX, Problem, handle_exception, invalid_parameter
from tradepit.ingress.guards import account_of, require_trader
from tradepit.ingress.openapi import documented
from tradepit.ingress.order_path import OrderPath
from tradepit.ingress.request_notes import NoteTaker
from tradepit.ingress.resources import Resources, make_resources, opened
from tradepit.ingress.settings import Settings
from tradepit.protocol.traces import make_tracer
from tradepit.protocol.vitals import version_text

DESCRIPTION = """
Prices, quantities and money are decimal text; ids are text of digits. Whatever is refused is
answered with an RFC 9457 problem document whose `code` is stable.

Private routes need the header `Authorization: Bearer <key>`; market data is public.
"""


class Ingress:
    """The ASGI application of one worker. `stop_streams` ends what would otherwise keep a shutdown
    waiting.
    """

    def __init__(self, settings: Settings) -> None:
        self.resources = make_resources(settings)
        self.litestar = _litestar(self.resources)
        self._app: ASGIApp = OrderPath(
            self.litestar,
            keys=self.resources.keys,
            catalogue=self.resources.catalogue,
            router=self.resources.router,
            metrics=self.resources.metrics,
            notes=NoteTaker(make_tracer("ingress")),
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)

    def stop_streams(self) -> None:
        self.resources.feed.close_watchers()


def create_app(settings: Settings) -> Ingress:
    """A worker's application. Opens nothing before its lifespan starts."""
    return Ingress(settings)


def _litestar(resources: Resources) -> Litestar:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with opened(resources):
            yield

    async def before_send(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        headers = MutableScopeHeaders.from_message(message)
        headers.setdefault("x-content-type-options", "nosniff")
        headers.setdefault("referrer-policy", "no-referrer")
        path = scope["path"]
        if path.startswith("/v1/"):
            headers.setdefault("cache-control", "no-store")
        elif path.startswith("/docs"):
            headers.setdefault("content-security-policy", pages.DOCS_POLICY)

    private = RouteGroup(
        "/",
        guards=[require_trader],
        dependencies={"account_id": Provide(account_of, sync_to_thread=False)},
        security=[{"key": []}],
        tags=["account"],
        route_handlers=documented(
            orders.place_order,
            orders.amend_order,
            orders.cancel_order,
            orders.cancel_orders,
            order_lists.place_order_list,
            quotes.put_quotes,
            quotes.cancel_quotes,
            quotes.put_protection,
            controls.set_cancel_after,
            controls.engage_kill_switch,
            order_history.get_order,
            order_history.list_orders,
            positions.list_fills,
            positions.list_positions,
            positions.list_balances,
        ),
    )
    public = RouteGroup(
        "/",
        tags=["market"],
        route_handlers=documented(
            instruments.list_instruments,
            instruments.get_instrument,
            instruments.get_book,
            instruments.list_trades,
            instruments.stream_instrument,
        ),
    )
    return Litestar(
        route_handlers=[
            RouteGroup(
                "/v1", before_request=refuse_unknown_parameters, route_handlers=[private, public]
            ),
            health.live,
            health.ready,
            health.metrics,
            pages.market_page,
            pages.docs_asset,
        ],
        dependencies={
            name: Provide(_constant(getattr(resources, name)), sync_to_thread=False)
            for name in ("router", "catalogue", "ledger", "feed", "metrics")
        },
        state=State({"keys": resources.keys, "metrics": resources.metrics}),
        lifespan=[lifespan],
        before_send=[before_send],
        exception_handlers={Exception: handle_exception},
        request_max_body_size=BODY_BYTES_MAX,
        response_cache_config=ResponseCacheConfig(),
        openapi_config=OpenAPIConfig(
            title="Tradepit",
            version=version_text(),
            description=DESCRIPTION,
            path="/docs",
            render_plugins=[pages.OfflineSwagger()],
            components=Components(
                security_schemes={
                    "key": SecurityScheme(
                        type="http", scheme="bearer", description="an account's API key"
                    )
                }
            ),
        ),
        logging_config=None,
    )


async def refuse_unknown_parameters(request: Request[Any, Any, Any]) -> Response[Any] | None:
    """A misspelt or empty parameter must not silently widen what a request does: think of a mass
    cancel.
    """
    if not request.scope["query_string"]:
        return None
    known = request.route_handler.parsed_fn_signature.parameters
    text = request.scope["query_string"].decode("latin-1")
    try:
        given = parse_qsl(text, keep_blank_values=True, max_num_fields=len(known) + 1)
    except ValueError:
        raise Problem("unknown_parameter", "there are too many parameters") from None
    seen = set()
    for name, value in given:
        if name not in known or name in _INJECTED or name in request.path_params:
            raise Problem("unknown_parameter", f"there is no parameter {name}", field=name)
        if name in seen:
            raise invalid_parameter(name, "is given twice")
        if not value:
            raise invalid_parameter(name, "must not be empty")
        seen.add(name)
    return None


_INJECTED = {"account_id", "router", "catalogue", "ledger", "feed", "metrics", "request"}


def _constant(value: Any) -> Any:
    def provide() -> Any:
        return value

    return provide
