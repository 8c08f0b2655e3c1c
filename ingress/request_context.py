"""What belongs to the request at hand, from its first byte to its answer."""

import itertools
import os
import re
from contextvars import ContextVar

_WELL_FORMED = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_template = os.urandom(6).hex().encode() + b"-%x"
_numbers = itertools.count(1)

# The commands and queries that the request has had answered, as (shard, seq); None while nobody
# wants to know.
ANSWERED: ContextVar[list[tuple[int, int]] | None] = ContextVar("answered", default=None)


# The ids of the trace and of the span that the request's commands belong to, if it is sampled.
TRACE: ContextVar[tuple[bytes, bytes] | None] = ContextVar("trace", default=None)


def request_id_of(header: bytes | None) -> bytes:
    """The client's X-Request-Id if it is well-formed, else one that no other request has."""
    if header is not None and _WELL_FORMED.fullmatch(header):
        return header
    return _template % next(_numbers)
