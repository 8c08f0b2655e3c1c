"""Request bodies: read with a bound, decoded strictly, refused with the field and the rule."""

import json
import re
from typing import Any, Protocol, TypeVar

import msgspec
from litestar import Request
from litestar.types import Receive
from tradepit.ingress.errors import BODY_BYTES_MAX, FIELD_RULES, Problem, invalid_field

T_co = TypeVar("T_co", bound=msgspec.Struct, covariant=True)

_AT_FIELD = re.compile(r" - at `\$\.?([^`]*)`$")
_NAMED = re.compile(r"field `([^`]*)`")
_JSON_TYPES = ("application/json",)
LENGTH_DIGITS_MAX = 18


class Decoder(Protocol[T_co]):
    """A msgspec.json.Decoder of one Struct."""

    def decode(self, data: bytes, /) -> T_co: ...


def check_media_type(content_type: bytes | None) -> None:
    """Raises Problem(unsupported_media_type) unless the header names JSON."""
    if content_type == b"application/json":
        return
    name, _, rest = (content_type or b"").decode("latin-1").lower().partition(";")
    charset = rest.strip().removeprefix("charset=").strip('"')
    if name.strip() not in _JSON_TYPES or charset not in ("", "utf-8", "utf8"):
        raise Problem("unsupported_media_type")


async def read_body(receive: Receive, length: bytes | None) -> bytes:
    """The body, at most BODY_BYTES_MAX; what is beyond is not read. `length` is the header's.

    Raises Problem, also if the client goes away first: then the answer reaches nobody.
    """
    if length is not None and length.isdigit() and int(length[:LENGTH_DIGITS_MAX]) > BODY_BYTES_MAX:
        raise Problem("body_too_large")
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Problem("invalid_body", "the body did not arrive in full")
        body += message["body"]
        if len(body) > BODY_BYTES_MAX:
            raise Problem("body_too_large")
        more = message.get("more_body", False)
    return body


async def read_json_body(request: Request[Any, Any, Any]) -> bytes:
    """The body of a Litestar request that must be JSON. Raises Problem."""
    headers = dict(request.scope["headers"])
    check_media_type(headers.get(b"content-type"))
    return await read_body(request.receive, headers.get(b"content-length"))


def decode_body(decoder: Decoder[T_co], body: bytes) -> T_co:
    """The Struct that `body` spells, in which no key is named twice.

    The Struct must be flat (no value is an object), and its optional fields must default to UNSET,
    so that what was sent can be counted. Raises Problem.
    """
    try:
        decoded = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _problem_of_shape(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = f"the body is not JSON: {error}" if body else "the body is empty"
        raise Problem("invalid_body", detail) from None
    # JSON decoders take the last of two equal keys. In a flat object every key has one colon, so a
    # count finds out cheaply; a colon inside a text, or an escaped one, leaves it to a slow look.
    named = 0
    for field in decoded.__struct_fields__:
        if getattr(decoded, field) is not msgspec.UNSET:
            named += 1
    if body.count(b":") != named or b"\\" in body:
        json.loads(body, object_pairs_hook=_refuse_duplicates)
    return decoded


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise Problem("duplicate_field", f"{name} is named twice", field=name)
        seen.add(name)


def _problem_of_shape(text: str) -> Problem:
    """msgspec's sentence, as a problem of one field where it names one."""
    if found := _AT_FIELD.search(text):
        field = found[1].split("[")[0]
        return invalid_field(field, FIELD_RULES.get(field, f"is not valid: {text.lower()}"))
    named = _NAMED.search(text)
    if named and "missing required" in text:
        return Problem("missing_field", f"{named[1]} is required", field=named[1])
    if named and "unknown field" in text:
        return Problem("unknown_field", f"there is no field {named[1]}", field=named[1])
    return Problem("invalid_body", f"the body must be a JSON object: {text.lower()}")
