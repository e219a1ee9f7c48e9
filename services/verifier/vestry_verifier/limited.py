"""How often one agent may call one tool.

The bucket is the agent's at that tool (`vestry_service.limits`), whichever of its keys signs. Against whom a request
counts is known only when it is proven, and whether it counts at all only when it was not made before:

1. Prove who signed. A stranger who names an agent uses up nothing of it.
2. Look into the bucket of each. Who has no room is refused, and nothing is spent: a flood of good signatures leaves
   no nonces behind.
3. Spend the nonces. A copy of a request is refused here, before it is counted: who records an agent's requests
   cannot use up what that agent may do.
4. Pour in. Of requests that come at the same moment more may have passed (2) than fit; those get 429 now. Their
   nonces are spent, but whoever waits signs anew in any case.

That is three trips to Redis and not one, for tools with a rate alone; all three together wait no longer than one
may (`limits_patience`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client import Counter

from vestry_service.errors import RateLimited
from vestry_service.limits import Check, Limiter, Rate
from vestry_service.limits import Verdict as Room
from vestry_service.limits_fields import Counted
from vestry_service.limits_patience import begin, patiently
from vestry_service.verification import Proven, Question, Terms, Verification, Verified, best
from vestry_signatures.errors import ReplayStoreUnavailable, VestryError

REFUSED = "too many requests of this agent to this tool"


class Answer(NamedTuple):
    """Who signed, or why nobody counts; and what it was counted against."""

    answer: Verified | VestryError
    counted: Counted | None = None


class Limited:
    """Answers the questions of tools that have a rate."""

    def __init__(self, verification: Verification, limiter: Limiter, refused: Counter) -> None:
        """Take what verifies, on a store that waits no longer than a request has time, and what keeps buckets."""
        self._verification = verification
        self._limiter = limiter
        self._refused = refused

    async def answers(
        self, questions: Sequence[Question], terms: Terms, now: int, tool: str, rate: Rate
    ) -> list[Answer]:
        """Answer many questions of one tool, in their order."""
        begin()
        check = Check(f"tool:{tool}", "", rate)
        proven = await self._verification.prove_all(questions, terms, now)  # (1)
        looked = await self._ask(list(map(_answer_to, proven)), check._replace(pours=False))  # (2)
        left = [
            found if isinstance(seen.answer, Verified) else seen.answer
            for found, seen in zip(proven, looked, strict=True)
        ]
        spent = await self._verification.spend_all(left, now, terms.bound)  # (3)
        poured = await self._ask(spent, check)  # (4)
        return [
            after if isinstance(seen.answer, Verified) else seen
            for seen, after in zip(looked, poured, strict=True)
        ]

    async def _ask(self, found: Sequence[Verified | VestryError], check: Check) -> list[Answer]:
        checks = [check._replace(subject=each.uid) for each in found if isinstance(each, Verified)]
        try:
            rooms = iter(await self._rooms(checks))
        except ReplayStoreUnavailable as away:
            return [Answer(away if isinstance(each, Verified) else each) for each in found]
        return [
            Answer(each) if isinstance(each, VestryError) else self._answer(each, check, next(rooms))
            for each in found
        ]

    async def _rooms(self, checks: Sequence[Check]) -> list[Room]:
        if not checks:
            return []
        return await patiently(self._limiter.ask(checks))

    def _answer(self, found: Verified, check: Check, room: Room) -> Answer:
        if room.allowed:
            return Answer(found, (check, room) if check.pours else None)
        self._refused.labels(check.limit).inc()
        return Answer(RateLimited(REFUSED, room.wait), (check, room))


def _answer_to(found: Proven) -> Verified | VestryError:
    return found if isinstance(found, VestryError) else best(found)
