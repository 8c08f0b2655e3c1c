"""Who is asking: a bearer key names an account. Every check of a key or an account is here."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, NamedTuple

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from tradepit.ingress.errors import Problem
from tradepit.protocol.keys import ApiKey

_SCHEME = b"bearer "
_KEY_CHARACTERS = 64
_PREFIX_BYTES = 8  # of a key's digest: finds the entry, whose digest is then compared in full


class Account(NamedTuple):
    """Whose key it was. `account_id` is 0 for an operator."""

    account_id: int
    role: str


# Compared with when no entry is found, so that both ways cost the same. No key has this digest.
_NOBODY = (bytes(32), Account(0, "nobody"))


class KeyRing:
    """The keys of the keys file, by digest."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        digests = [(hashlib.sha256(key.key.encode()).digest(), key) for key in keys]
        self._entries = {
            digest[:_PREFIX_BYTES]: (digest, Account(key.account_id, key.role))
            for digest, key in digests
        }

    def trader(self, authorization: bytes | None) -> int:
        """The account that an Authorization header acts for.

        Raises Problem: missing_key, wrong_key, or not_authorized for an operator's key, which
        administers over ZeroMQ and owns no orders.
        """
        if authorization is None or authorization[:7].lower() != _SCHEME:
            raise Problem("missing_key")
        text = authorization[7:].strip()
        digest = hashlib.sha256(text[: _KEY_CHARACTERS + 1]).digest()
        stored, account = self._entries.get(digest[:_PREFIX_BYTES], _NOBODY)
        if not hmac.compare_digest(digest, stored):
            raise Problem("wrong_key", "the key is not known")
        if account.role != "trader":
            raise Problem("not_authorized", "an operator's key does not trade: use a trader's key")
        return account.account_id


def require_trader(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Litestar guard of every private route: leaves the account's id for `account_of`."""
    keys: KeyRing = connection.app.state["keys"]
    header = connection.headers.get("authorization")
    connection.state["account_id"] = keys.trader(
        None if header is None else header.encode("latin-1")
    )


def account_of(request: Request[Any, Any, Any]) -> int:
    """The account that a guarded request acts for; a dependency named account_id."""
    account_id: int = request.state["account_id"]
    return account_id
