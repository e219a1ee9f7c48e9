"""The one place where a question becomes a verdict: whichever route it came by, the same rules, the same counting.

    /verify, /verify/batch, the proxies' routes  ->  Judge  ->  Verification (shared with the registrar)

A judge raises nothing that is said of a request: what it is refused for is the verdict, and the route decides in
which form its caller hears it.
"""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

from vestry_service.observed import Observed
from vestry_service.trust import Trust
from vestry_service.verification import Question, Terms, Verification, Verified
from vestry_signatures.errors import VestryError
from vestry_verifier.counted import Counts
from vestry_verifier.tool_policy import ToolPolicy

Asked = Question | VestryError
"""A question, or why what was sent is none."""


class Verdict(NamedTuple):
    """What came out.

    Attributes:
        asked: the question.
        answer: who signed, or why nobody can be named.
    """

    asked: Asked
    answer: Verified | VestryError

    def note(self, seen: Observed) -> None:
        """Put down for the log what is known of the request that was asked about."""
        if isinstance(self.asked, Question):
            seen.authority = self.asked.request.target.authority
        if isinstance(self.answer, VestryError):
            seen.outcome, seen.reason = self.answer.outcome, self.answer.reason
        else:
            seen.outcome, seen.uid, seen.kid = "verified", self.answer.uid, self.answer.proof.key.kid


class Judge:
    """Judges questions. One for each process."""

    def __init__(
        self,
        verification: Verification,
        trust: Callable[[ToolPolicy], Trust],
        counted: Counts,
        clock: Callable[[], float],
    ) -> None:
        """Take what answers, whom a tool believes, what counts, and a clock in seconds since the epoch."""
        self._verification = verification
        self._trust = trust
        self._counted = counted
        self._clock = clock

    async def judge(self, asked: Asked, tool: ToolPolicy) -> Verdict:
        """Judge one question by the rules of the tool that asks."""
        started = perf_counter()
        verdict = await self._judge(asked, tool)
        self._count(verdict, perf_counter() - started)
        return verdict

    async def judge_all(self, asked: Sequence[Asked], tool: ToolPolicy) -> list[Verdict]:
        """Judge many questions, each as `judge` would, in their order and in one round trip to the store."""
        started = perf_counter()
        questions = [each for each in asked if isinstance(each, Question)]
        answers = iter(await self._verification.verify_all(questions, self._terms(tool), int(self._clock())))
        verdicts = [Verdict(each, each if isinstance(each, VestryError) else next(answers)) for each in asked]
        each_took = (perf_counter() - started) / max(1, len(verdicts))
        for verdict in verdicts:
            self._count(verdict, each_took)
        return verdicts

    async def _judge(self, asked: Asked, tool: ToolPolicy) -> Verdict:
        if isinstance(asked, VestryError):
            return Verdict(asked, asked)
        try:
            return Verdict(
                asked, await self._verification.verify(asked, self._terms(tool), int(self._clock()))
            )
        except VestryError as error:
            return Verdict(asked, error)

    def _terms(self, tool: ToolPolicy) -> Terms:
        return Terms(tool.signatures, self._trust(tool))

    def _count(self, verdict: Verdict, seconds: float) -> None:
        if isinstance(verdict.answer, VestryError):
            self._counted.refused(verdict.answer, seconds)
        else:
            self._counted.verified(verdict.answer.proof.claim.profile, seconds)
