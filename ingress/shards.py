"""What concerns an account on several shards: asked of all at once, answered together.

An account lives on the shards where an operator opened it: one that does not know it has nothing to say.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from tradepit.ingress.errors import Problem
from tradepit.ingress.ledger_reads import LedgerReads
from tradepit.ingress.order_answers import refuse_rejects
from tradepit.ingress.router import Answer, MatcherLink
from tradepit.protocol import wire
from tradepit.protocol.errors import OutcomeUnknown

REFUSALS = (wire.Reject, wire.CommandRejected)
# True of what concerns a whole account: a mass cancel, the dead-man timer, the kill switch.
_HALF_DONE = (
    "some shards may have carried this out and others not: send it again, which does no harm where it "
    "was"
)


class AsOf(NamedTuple):
    """How far an answer from the ledger goes: by shard, the newest command that it takes into account,
    and whether that is everything that has changed the account.
    """

    seqs: dict[str, int]
    complete: bool


async def ask(
    links: Sequence[MatcherLink],
    kind: type[Any],
    /,
    *fields: Any,
    ignored: wire.Reason = wire.Reason.UNKNOWN_ACCOUNT,
    **named: Any,
) -> list[tuple[MatcherLink, Answer]]:
    """The same request to each of the links: those that have something to say, with their answers.

    Every shard has been asked, and has answered or not, before anything is raised: what one request
    raises, or the Problem of a refusal. Refusals with `unknown_account`, or the reason `ignored`, are
    left out; the first is raised where no shard knows the account. A command that one shard did not
    carry out, and another did or may have, is Problem(outcome_unknown).
    """
    answers = await asyncio.gather(
        *(link.request(kind, *fields, **named) for link in links), return_exceptions=True
    )
    told: list[tuple[MatcherLink, Answer]] = []
    strange: Any = None
    knows_account = False
    failures: list[BaseException] = []
    for link, answer in zip(links, answers, strict=True):
        if isinstance(answer, BaseException):
            failures.append(answer)
            continue
        last = answer[-1]
        if isinstance(last, REFUSALS) and last.reason == wire.Reason.UNKNOWN_ACCOUNT:
            strange = strange or last
            continue
        knows_account = True
        if isinstance(last, REFUSALS) and last.reason == ignored:
            continue
        try:
            refuse_rejects(last)
        except Problem as refusal:
            failures.append(refusal)
        else:
            told.append((link, answer))
    if failures:
        may_be_done = told or any(isinstance(failure, OutcomeUnknown) for failure in failures)
        if kind in wire.COMMANDS and may_be_done and len(links) > 1:
            raise Problem("outcome_unknown", _HALF_DONE) from failures[0]
        raise failures[0]
    if not knows_account:
        refuse_rejects(strange)
    return told


async def account_seqs(
    links: Sequence[MatcherLink], account_id: int
) -> list[tuple[MatcherLink, int]]:
    """The last command that changed the account on each shard: what its owner can have seen."""
    answers = await ask(links, wire.BalancesQuery, account_id)
    return [(link, answer[-1].account_seq) for link, answer in answers]


async def bring_up_to_date(
    links: Sequence[MatcherLink], account_id: int, ledger: LedgerReads
) -> AsOf:
    """Give the ledger the time to reach what the account's owner can have seen."""
    seqs = await account_seqs(links, account_id)
    applied = await asyncio.gather(*(ledger.catch_up(link.shard_id, seq) for link, seq in seqs))
    return AsOf(
        {str(link.shard_id): reached for (link, _), reached in zip(seqs, applied, strict=True)},
        all(reached >= seq for (_, seq), reached in zip(seqs, applied, strict=True)),
    )
