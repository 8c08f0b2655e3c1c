"""Request bodies: read with a bound, decoded strictly, refused with the field and the rule."""

import json
import re
from typing import Any, Protocol, TypeVar

import msgspec
from litestar import Request
from litestar.types import Receive
from tradepit.ingress.errors import (
    BODY_BYTES_MAX,
    FIELD_CODES,
    FIELD_RULES,
    Problem,
    invalid_field,
)

T_co = TypeVar("T_co", bound=msgspec.Struct, covariant=True)

_AT_FIELD = re.compile(r" - at `\$\.?([^`]*)`$")
_ITEM = re.compile(r"(\w+)\[([0-9]+)\](?:\.(.+))?$")  # a field of an item of an array, or the item
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

    Its optional fields must default to UNSET, so that what was sent can be counted. Raises Problem.
    """
    try:
        decoded = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _problem_of_shape(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = f"the body is not JSON: {error}" if body else "the body is empty"
        raise Problem("invalid_body", detail) from None
    # JSON decoders take the last of two equal keys. In a flat object every key has one colon, so a
    # count finds out cheaply; objects within it, a colon inside a text, or an escaped one, leave it to
    # a slow look.
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
    at = _AT_FIELD.search(text)
    path, index = at[1] if at else "", None
    if item := _ITEM.match(path):
        path, index = item[3] or "", int(item[2])
    named = _NAMED.search(text)
    if named and "missing required" in text:
        field = f"{path}.{named[1]}" if path else named[1]
        return Problem("missing_field", f"{field} is required", field=field, index=index)
    if named and "unknown field" in text:
        field = f"{path}.{named[1]}" if path else named[1]
        return Problem("unknown_field", f"there is no field {field}", field=field, index=index)
    if path:
        field = path.split("[")[0]
        rule = FIELD_RULES.get(field.rpartition(".")[2], f"is not valid: {text.lower()}")
        return invalid_field(field, rule, index=index)
    if item:
        return Problem(
            FIELD_CODES[item[1]],
            f"{item[1]} must be an array of objects: {text.lower()}",
            field=item[1],
            index=index,
        )
    return Problem("invalid_body", f"the body must be a JSON object: {text.lower()}")
