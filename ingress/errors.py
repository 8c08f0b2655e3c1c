"""Refusals as RFC 9457 problem documents: one table from code to HTTP status and text.

The codes are the wire's reasons, in lower case, and the few that only the ingress gives.
"""

import re
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.status_codes import (
    HTTP_400_BAD_REQUEST,
    HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    HTTP_500_INTERNAL_SERVER_ERROR,
)
from tradepit.ingress.router import NoAnswer
from tradepit.protocol import wire
from tradepit.protocol.errors import Refused, Unreachable
from tradepit.protocol.log import get_logger

log = get_logger(__name__)

BODY_BYTES_MAX = 16 * 1024
PROBLEM_MEDIA_TYPE = "application/problem+json"
LIST_ORDERS_MAX = wire.REPEATS[wire.NewOrderList][2]
QUOTE_LEVELS_MAX = wire.REPEATS[wire.MassQuote][2]
COUNT_MAX = 2**32 - 1
NS_PER_MS = 1_000_000
TIMEOUT_MS_MAX = wire.CANCEL_AFTER_NS_MAX // NS_PER_MS

# Codes of the ingress itself: what is refused before the matcher is asked, or for want of it.
INGRESS_CODES: dict[str, tuple[int, str]] = {
    "invalid_body": (400, "the body is not the JSON object that this request takes"),
    "missing_field": (400, "the body lacks a field"),
    "unknown_field": (400, "the body has a field that this request does not take"),
    "duplicate_field": (400, "the body names a field twice"),
    "invalid_parameter": (400, "a parameter of the path or the query breaks its rule"),
    "unknown_parameter": (400, "the query has a parameter that this request does not take"),
    "missing_key": (401, "this needs the header Authorization: Bearer <64 hex characters>"),
    "not_found": (404, "there is nothing at this path"),
    "method_not_allowed": (405, "this path does not take this method"),
    "body_too_large": (413, f"the body is larger than {BODY_BYTES_MAX} bytes"),
    "unsupported_media_type": (415, "the body must be JSON, with content-type application/json"),
    "internal_error": (500, "the server failed; the failure is in its log"),
    "matcher_unreachable": (503, "the matcher does not answer; nothing was sent: try again"),
    "ledger_unreachable": (503, "the ledger's database does not answer: try again"),
    "ledger_behind": (503, "the ledger has not caught up with the matcher: ask again"),
    "outcome_unknown": (
        504,
        (
            "the order was sent and no answer came in time, so it may have taken effect: ask with "
            "GET /v1/orders?client_order_id=, or send it again under the same client_order_id, "
            "which counts once"
        ),
    ),
}

CODES: dict[str, tuple[int, str]] = {
    reason.name.lower(): (wire.REASON_HTTP_STATUS[reason], wire.REASON_TEXT[reason])
    for reason in wire.Reason
    if reason is not wire.Reason.NONE
} | INGRESS_CODES

# Whatever is wrong with one of these fields, the code is the reason the matcher would give.
FIELD_CODES = {
    "symbol": "unknown_instrument",
    "side": "invalid_side",
    "type": "invalid_order_type",
    "time_in_force": "invalid_time_in_force",
    "price": "invalid_price",
    "trigger_price": "invalid_trigger_price",
    "quantity": "invalid_quantity",
    "client_order_id": "invalid_client_order_id",
    "post_only": "invalid_flags",
    "post_only_slide": "invalid_flags",
    "reduce_only": "invalid_flags",
    "self_trade_prevention": "invalid_self_trade_prevention",
    "display_quantity": "invalid_display_quantity",
    "minimum_quantity": "invalid_minimum_quantity",
    "quote_budget": "invalid_quote_budget",
    "expire_time_ns": "invalid_expire_time",
    "offset": "invalid_offset",
    "trail_offset_bps": "invalid_offset",
    "peg_reference": "invalid_offset",
    "orders": "invalid_list",
    "kind": "invalid_list",
    "levels": "invalid_quote",
    "bid": "invalid_quote",
    "ask": "invalid_quote",
    "window_ns": "invalid_quote_protection",
    "fill_count_max": "invalid_quote_protection",
    "filled_quantity_max": "invalid_quote_protection",
}
_DECIMAL_RULE = 'must be decimal text in quotes, such as "12.50"'
_SIDE_RULE = 'must be null or an object such as {"price": "12.50", "quantity": "1.5"}'
# What to send instead of a value of the wrong type or of an unknown name.
FIELD_RULES = {
    "symbol": 'must be the symbol of an instrument in quotes, such as "BTC-USD"',
    "side": 'must be "buy" or "sell"',
    "type": 'must be "limit", "market", "stop", "stop_limit", "trailing_stop", "pegged" or '
    '"market_to_limit"',
    "time_in_force": 'must be "gtc", "ioc", "fok", "day", "gtd", "at_the_open" or "at_the_close"',
    "price": _DECIMAL_RULE,
    "trigger_price": _DECIMAL_RULE,
    "quantity": _DECIMAL_RULE,
    "client_order_id": "must be digits in quotes, or a JSON integer up to 2^53 - 1",
    "post_only": "must be true or false",
    "post_only_slide": "must be true or false",
    "reduce_only": "must be true or false",
    "display_quantity": _DECIMAL_RULE,
    "minimum_quantity": _DECIMAL_RULE,
    "quote_budget": _DECIMAL_RULE,
    "expire_time_ns": "must be digits in quotes: nanoseconds since 1970, UTC",
    "offset": _DECIMAL_RULE,
    "trail_offset_bps": "must be a whole number from 1 to 9999",
    "peg_reference": 'must be "best_bid", "best_ask" or "middle"',
    "replaces_order_id": "must be the order_id of an open order, in quotes",
    "self_trade_prevention": 'must be "none", "cancel_newest", "cancel_oldest", "cancel_both" or '
    '"decrement_and_cancel"',
    "orders": f"must be an array of 1 to {LIST_ORDERS_MAX} orders",
    "kind": 'must be "each", "all_or_none", "oco", "oto" or "bracket"',
    "levels": f"must be an array of at most {QUOTE_LEVELS_MAX} levels",
    "bid": _SIDE_RULE,
    "ask": _SIDE_RULE,
    "window_ns": f"must be a whole number from 0 to {wire.QUOTE_WINDOW_NS_MAX}",
    "fill_count_max": f"must be a whole number from 0 to {COUNT_MAX}",
    "filled_quantity_max": _DECIMAL_RULE,
    "timeout_ms": f"must be a whole number from 0 to {TIMEOUT_MS_MAX}",
}
# Where the wire's text speaks of more than a REST request can do wrong, or of fields in other units.
_REST_DETAIL = {
    wire.Reason.INVALID_TIME_IN_FORCE: "time_in_force must be ioc or fok for a market "
    "order, ioc for a stop order, gtc or ioc for a stop_limit order",
    wire.Reason.INVALID_FLAGS: "post_only must be false for an order that cannot rest in the book: "
    "a market order, or ioc, or fok, or one that waits for a trigger price",
    wire.Reason.INVALID_DISPLAY_QUANTITY: "display_quantity must lie between the instrument's smallest "
    "quantity and the order's, on a limit order that rests in an instrument that does not allocate pro "
    "rata; other orders have none",
    wire.Reason.INVALID_MINIMUM_QUANTITY: "minimum_quantity must be at most the order's quantity, on a "
    "limit or market order that is ioc; other orders have none",
    wire.Reason.INVALID_QUOTE_BUDGET: "quote_budget must take the place of quantity on a market order to "
    "buy, in an instrument that does not allocate pro rata; other orders have none",
    wire.Reason.INVALID_EXPIRE_TIME: "expire_time_ns must lie ahead, and below 2^63 - 1, on a gtd order; "
    "other orders have none",
    wire.Reason.INVALID_OFFSET: "a trailing_stop order must have either offset, from one tick up to the "
    "instrument's highest price, or trail_offset_bps; a pegged order peg_reference and perhaps offset, at "
    "most the highest price either way; other orders have none of them",
    wire.Reason.MINIMUM_NOT_FILLABLE: "less than minimum_quantity would have traded at once",
    wire.Reason.BUDGET_TOO_SMALL: "quote_budget buys less than the instrument's smallest quantity",
    wire.Reason.INVALID_QUOTE: "levels must go from the best down, bids falling and asks rising, with "
    "every bid below every ask",
    wire.Reason.INVALID_QUOTE_PROTECTION: "window_ns must be given, and fill_count_max or "
    "filled_quantity_max; without any of the three protection is off",
    wire.Reason.QUOTE_PROTECTION_ACTIVE: "the account's protection pulled its quotes: "
    "PUT /v1/quotes/{symbol}/protection lets it quote again",
}
_FIELD_OF_REASON = {
    reason: field
    for field, code in reversed(FIELD_CODES.items())  # of several fields the first is named
    for reason in wire.Reason
    if reason.name.lower() == code
} | {
    wire.Reason.QUANTITY_BELOW_FILLED: "quantity",
    wire.Reason.DUPLICATE_CLIENT_ORDER_ID: "client_order_id",
}


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An RFC 9457 problem. `code` is stable and meant for programs, `detail` for people. `index` says,
    from 0, which order of a list or which level of a quote `field` is of.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    index: int | None = None


class Problem(Exception):
    """A request that is answered with a problem document."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        field: str | None = None,
        index: int | None = None,
    ) -> None:
        status, text = CODES[code]
        super().__init__(code)
        self.document = ProblemDocument(
            type=f"urn:tradepit:problem:{code}",
            title=code.replace("_", " ").capitalize(),
            status=status,
            code=code,
            detail=detail or text,
            field=field,
            index=index,
        )
        self.status = status

    def body(self) -> bytes:
        return _encode(self.document)

    def at(self, index: int, within: str | None = None) -> "Problem":
        """The same problem, of the item `index` of the request; `within` names what its field is in."""
        own = self.document
        field = f"{within}.{own.field}" if within and own.field else own.field
        return Problem(own.code, own.detail, field=field, index=index)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What belongs to the status, beyond the content type."""
        if self.status == 401:
            return [(b"www-authenticate", b"Bearer")]
        if self.status == 503:
            return [(b"retry-after", b"1")]
        if self.status == 413:  # the rest of the body is not read
            return [(b"connection", b"close")]
        return []


_encode = msgspec.json.Encoder().encode
_EXPECTED_INTEGER = re.compile("^Expected `int`( [<>]= [0-9]+)?.*")


def problem_of_reason(
    reason: int, detail: str | None = None, *, index: int | None = None
) -> Problem:
    """A refusal by the matcher; `detail` says more than the reason's own text."""
    try:
        known = wire.Reason(reason)
    except ValueError:
        log.error("unknown_reason", reason=reason)
        return Problem("internal_error")
    return Problem(
        known.name.lower(),
        detail or _REST_DETAIL.get(known),
        field=_FIELD_OF_REASON.get(known),
        index=index,
    )


def invalid_field(field: str, rule: str, *, index: int | None = None) -> Problem:
    """A field whose value breaks `rule` ("must ..."). Of a field within another the last name counts."""
    code = FIELD_CODES.get(field.rpartition(".")[2], "invalid_body")
    return Problem(code, f"{field} {rule}", field=field, index=index)


def invalid_parameter(name: str, rule: str) -> Problem:
    """A path or query parameter whose value breaks `rule` ("must ...")."""
    return Problem("invalid_parameter", f"{name} {rule}", field=name)


def problem_of(exception: Exception) -> Problem:
    """The problem that answers `exception`, whatever it is. What nobody foresaw is logged."""
    match exception:
        case Problem():
            return exception
        case Refused():
            return problem_of_reason(exception.reason)
        case NoAnswer():
            return Problem("outcome_unknown", _no_answer_detail(exception.kind))
        case Unreachable():
            return Problem("matcher_unreachable")
        case NotFoundException():
            return Problem("not_found")
        case MethodNotAllowedException():
            return Problem("method_not_allowed")
        case ValidationException():
            return _problem_of_validation(exception)
        case HTTPException(status_code=status) if status == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
            return Problem("body_too_large")
        case HTTPException(status_code=status) if status == HTTP_400_BAD_REQUEST:
            return Problem("invalid_parameter", exception.detail)
        case HTTPException(status_code=status) if status < HTTP_500_INTERNAL_SERVER_ERROR:
            return Problem("invalid_body", exception.detail)
        case _:
            log.error("request_failed", error=type(exception).__name__, exc_info=exception)
            return Problem("internal_error")


def _no_answer_detail(kind: type[Any]) -> str | None:
    """What to do after a request of this kind had no answer; None for what the code's text says."""
    if kind not in wire.COMMANDS:
        return "the matcher was asked and did not answer in time; nothing was changed: try again"
    if kind in (wire.NewOrder, wire.NewOrderList):
        return None
    if kind in (wire.ReplaceOrder, wire.MassQuote):  # lots may have traded since
        advice = "ask with GET /v1/orders what is open"
    else:
        advice = "send it again, which does no harm where it has"
    return f"this was sent and no answer came in time, so it may have taken effect: {advice}"


def _problem_of_validation(exception: ValidationException) -> Problem:
    """Litestar's list of what is wrong with parameters: the first one is the answer."""
    extra: Any = exception.extra
    if isinstance(extra, list) and extra and isinstance(extra[0], dict) and "key" in extra[0]:
        name = str(extra[0]["key"])
        rule = _EXPECTED_INTEGER.sub(r"must be a whole number\1", str(extra[0].get("message", "")))
        return invalid_parameter(name, rule if rule.startswith("must") else f"is not valid: {rule}")
    return Problem("invalid_parameter", exception.detail)


def handle_exception(request: Request[Any, Any, Any], exception: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything."""
    problem = problem_of(exception)
    request.app.state["metrics"].problems[problem.document.code] += 1
    headers = {name.decode(): value.decode() for name, value in problem.headers()}
    if isinstance(exception, MethodNotAllowedException) and exception.headers:
        headers |= exception.headers
    return Response(
        problem.body(),
        status_code=problem.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=headers,
    )
