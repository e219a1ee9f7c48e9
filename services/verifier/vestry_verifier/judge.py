"""The one place where a question becomes a verdict: whichever route it came by, the same rules, the same counting.

    /verify, /verify/batch, the proxies' routes  ->  Judge  ->  Verification (shared with the registrar)

A judge raises nothing that is said of a request: what it is refused for is the verdict, and the route decides in
which form its caller hears it. Of a tool that observes it is said there what would have been refused, and nothing is.
"""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

from vestry_service.errors import BodyTooLarge
from vestry_service.limits_fields import Counted, fields_of
from vestry_service.observed import Observed
from vestry_service.trust import Trust
from vestry_service.verification import Question, Terms, Verification, Verified
from vestry_signatures.errors import RequestRefused, SignatureError, VestryError
from vestry_verifier.counted import Counts
from vestry_verifier.limited import Limited
from vestry_verifier.tool_policy import ToolPolicy

Asked = Question | VestryError
"""A question, or why what was sent is none."""


class Verdict(NamedTuple):
    """What came out.

    Attributes:
        asked: the question.
        answer: who signed, or why nobody can be named.
        tool: who asked, and its rules.
        counted: what the question was counted against.
    """

    asked: Asked
    answer: Verified | VestryError
    tool: ToolPolicy
    counted: Counted | None = None

    @property
    def refusal(self) -> VestryError | None:
        """What the asker's own caller is refused with; None where it passes, if only because the tool observes."""
        if not isinstance(self.answer, VestryError) or self._is_excused(self.answer):
            return None
        return self.answer

    def _is_excused(self, error: VestryError) -> bool:
        """Tell whether a tool that observes lets this pass: not where its own question was at fault."""
        return self.tool.observes and not isinstance(error, RequestRefused | BodyTooLarge)

    @property
    def headers(self) -> dict[str, str]:
        """The fields that go with an answer: what was counted, and where it is 401 what would be accepted."""
        headers = {} if self.counted is None else fields_of([self.counted])
        if isinstance(self.answer, SignatureError):
            question = self.asked if isinstance(self.asked, Question) else None
            headers["Accept-Signature"] = self.tool.accept_signature(question)
        return headers

    def note(self, seen: Observed) -> None:
        """Put down for the log what is known of the request that was asked about."""
        if isinstance(self.asked, Question):
            seen.authority = self.asked.request.target.authority
        if isinstance(self.answer, VestryError):
            seen.outcome, seen.reason = self.answer.outcome, self.answer.reason
        else:
            seen.outcome, seen.uid, seen.kid = "verified", self.answer.uid, self.answer.proof.key.kid
        seen.tool, seen.mode = self.tool.name, "observe" if self.tool.observes else None


class Judge:
    """Judges questions. One for each process."""

    def __init__(
        self,
        verification: Verification,
        trust: Callable[[ToolPolicy], Trust],
        counted: Counts,
        clock: Callable[[], float],
        limited: Limited | None = None,
    ) -> None:
        """Take what answers, whom a tool believes, what counts, and a clock in seconds since the epoch.

        `limited` answers for tools that have a rate. Without it no rate is kept: for who asks only to explain.
        """
        self._verification = verification
        self._trust = trust
        self._counted = counted
        self._clock = clock
        self._limited = limited
        self._last: Terms | None = None

    async def judge(self, asked: Asked, tool: ToolPolicy) -> Verdict:
        """Judge one question by the rules of the tool that asks."""
        started = perf_counter()
        if isinstance(asked, VestryError):
            verdict = Verdict(asked, asked, tool)
        elif tool.rate is not None:
            [verdict] = await self._judge_all([asked], tool)
        else:
            try:
                answer = await self._verification.verify(asked, self._terms(tool), int(self._clock()))
                verdict = Verdict(asked, answer, tool)
            except VestryError as error:
                verdict = Verdict(asked, error, tool)
        self._count(verdict, perf_counter() - started)
        return verdict

    async def judge_all(self, asked: Sequence[Asked], tool: ToolPolicy) -> list[Verdict]:
        """Judge many questions, each as `judge` would, in their order and in one round trip to the store."""
        started = perf_counter()
        questions = [each for each in asked if isinstance(each, Question)]
        judged = iter(await self._judge_all(questions, tool))
        verdicts = [
            Verdict(each, each, tool) if isinstance(each, VestryError) else next(judged) for each in asked
        ]
        each_took = (perf_counter() - started) / max(1, len(verdicts))
        for verdict in verdicts:
            self._count(verdict, each_took)
        return verdicts

    async def _judge_all(self, questions: Sequence[Question], tool: ToolPolicy) -> list[Verdict]:
        terms, now = self._terms(tool), int(self._clock())
        if tool.rate is not None and self._limited is not None:
            limited = await self._limited.answers(questions, terms, now, tool.name, tool.rate)
            return [
                Verdict(asked, answer, tool, counted)
                for asked, (answer, counted) in zip(questions, limited, strict=True)
            ]
        verified = await self._verification.verify_all(questions, terms, now)
        return [Verdict(asked, answer, tool) for asked, answer in zip(questions, verified, strict=True)]

    def _terms(self, tool: ToolPolicy) -> Terms:
        terms = self._last  # nearly always it is the same tool that asks
        if terms is None or terms.rules is not tool:
            terms = self._last = Terms(tool.signatures, self._trust(tool), tool, tool.bound)
        return terms

    def _count(self, verdict: Verdict, seconds: float) -> None:
        if isinstance(verdict.answer, VestryError):
            self._counted.refused(verdict.answer, seconds)
            if verdict.refusal is None:
                self._counted.excused(verdict.tool.name, verdict.answer)
        else:
            self._counted.verified(verdict.answer.proof.claim.profile, seconds)
