"""The market page at / and the API's documentation at /docs, both without any other host."""

from importlib import resources
from pathlib import Path
from typing import Any

import swagger_ui_bundle  # type: ignore[import-untyped]  # ships no stubs
from litestar import MediaType, Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.params import FromPath

_ASSETS = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui-standalone-preset.js": "text/javascript; charset=utf-8",
}
_FILES = Path(str(swagger_ui_bundle.swagger_ui_path))
# The page is one file: its own inline style and script, and nothing from elsewhere.
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DOCS_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src data:; connect-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class OfflineSwagger(SwaggerRenderPlugin):
    """Swagger UI from the files of the swagger-ui-bundle-v2 package: Litestar's default is a CDN."""

    def __init__(self) -> None:
        super().__init__(
            js_url="/docs/assets/swagger-ui-bundle.js",
            css_url="/docs/assets/swagger-ui.css",
            standalone_preset_js_url="/docs/assets/swagger-ui-standalone-preset.js",
            path="/",
            favicon="<link rel='icon' href='data:,'>",
        )

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, openapi_schema)


@get("/", include_in_schema=False, media_type=MediaType.HTML, sync_to_thread=False)
def market_page() -> Response[bytes]:
    """The market, live."""
    return Response(_PAGE, headers={"content-security-policy": PAGE_POLICY})


@get("/docs/assets/{name:str}", include_in_schema=False, sync_to_thread=True)
def docs_asset(name: FromPath[str]) -> Response[bytes]:
    """One of Swagger UI's files; no other file can be named."""
    if name not in _ASSETS:
        raise NotFoundException
    return Response(
        (_FILES / name).read_bytes(),
        media_type=_ASSETS[name],
        headers={"cache-control": "max-age=86400"},
    )


_PAGE = (resources.files(__package__) / "page" / "index.html").read_bytes()
