"""What an account arms for its own protection: the dead-man timer and the kill switch."""

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from tradepit.ingress.bodies import decode_body, read_json_body
from tradepit.ingress.errors import NS_PER_MS, TIMEOUT_MS_MAX
from tradepit.ingress.openapi import operation_with_body, problem_responses
from tradepit.ingress.router import Router
from tradepit.ingress.shards import ask
from tradepit.protocol import wire


class CancelAfter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long from now until all open orders are canceled, unless this is sent again; 0 = never."""

    timeout_ms: Annotated[int, msgspec.Meta(ge=0, le=TIMEOUT_MS_MAX)]


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """The account's dead-man timer. `deadline_ns` is null if it is off."""

    deadline_ns: str | None
    seq: int


class KillSwitch(msgspec.Struct, frozen=True, kw_only=True):
    """The account's kill switch after the request. What one command cannot cancel, because there is
    too much of it, is canceled right after it: `canceled_count` does not count that.
    """

    engaged: bool
    canceled_count: int
    seq: int


decode_cancel_after = msgspec.json.Decoder(CancelAfter)


@post(
    "/cancel-after",
    status_code=200,
    operation_class=operation_with_body(CancelAfter, {"ten seconds": {"timeout_ms": 10_000}}),
    responses=problem_responses(400, 401, 403, 413, 415, 503, 504),
)
async def set_cancel_after(
    request: Request[Any, Any, Any],
    account_id: NamedDependency[int],
    router: NamedDependency[Router],
) -> Timer:
    """Set the dead-man timer anew, or switch it off

    Sent at intervals shorter than its own timeout, it cancels all open orders of the account when you
    stop sending it. The timer runs in the matcher: it does not need this server to be up.
    """
    asked = decode_body(decode_cancel_after, await read_json_body(request))
    deadline_ns = seq = 0
    answers = await ask(router.all(), wire.CancelAfter, 0, account_id, asked.timeout_ms * NS_PER_MS)
    for _, (*_, changed) in answers:
        deadline_ns, seq = max(deadline_ns, changed.deadline_ns), max(seq, changed.seq)
    return Timer(deadline_ns=str(deadline_ns) if deadline_ns else None, seq=seq)


@post("/kill-switch", status_code=200, responses=problem_responses(401, 403, 503, 504))
async def engage_kill_switch(
    account_id: NamedDependency[int], router: NamedDependency[Router]
) -> KillSwitch:
    """Cancel everything and refuse new orders

    Only an operator can release it: who stopped an account may not be the one to go on.
    """
    canceled_count = seq = 0
    answers = await ask(router.all(), wire.KillSwitch, 0, account_id, wire.KillSwitchState.ENGAGED)
    for _, (*_, changed) in answers:
        canceled_count += changed.canceled_count
        seq = max(seq, changed.seq)
    return KillSwitch(engaged=True, canceled_count=canceled_count, seq=seq)
