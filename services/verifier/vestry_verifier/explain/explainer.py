"""From a question to its explanation, as an object of JSON."""

from typing import Any

from vestry_service.verification import Question, Verified
from vestry_signatures.errors import ExpiredSignature, LifetimeTooLong, NotYetValid, VestryError
from vestry_verifier.explain.accounts import Account, Scene, take_down
from vestry_verifier.explain.checks import Check
from vestry_verifier.explain.hints import hint
from vestry_verifier.explain.rehearsal import Rehearsal, Stage
from vestry_verifier.explain.request_checks import unreadable
from vestry_verifier.explain.sentences import BY_REASON
from vestry_verifier.explain.telling import decisive, described, tell
from vestry_verifier.judge import Asked, Verdict
from vestry_verifier.rendering import facts_of
from vestry_verifier.tool_policy import ToolPolicy

Explanation = dict[str, Any]


class Explainer:
    """Explains. One for each process."""

    def __init__(self, stage: Stage) -> None:
        """Take where rehearsals take place."""
        self._stage = stage

    async def explain(self, asked: Asked, tool: ToolPolicy) -> tuple[Explanation, Verdict]:
        """Tell why `/verify` would answer what it would answer, by the rules of the tool that asks."""
        rehearsal = await self._stage.rehearse(asked, tool)
        error = error_of(rehearsal)
        if not isinstance(asked, Question):
            told = unreadable(asked)
            return _explanation(rehearsal, told, [], BY_REASON.get(asked.reason)), rehearsal.verdict
        scene = Scene(asked, tool, rehearsal.now, rehearsal.witness)
        accounts = take_down(scene)
        accounts = [] if isinstance(accounts, VestryError) else accounts
        told = tell(scene, accounts, error)
        signatures = [described(each, scene.request) for each in accounts]
        said = None
        if error is not None:
            deciding = _deciding(accounts, decisive(told, error))
            said = hint(error, deciding, scene) + await self._apart_from_time(asked, tool, deciding, error)
        return _explanation(rehearsal, told, signatures, said), rehearsal.verdict

    async def _apart_from_time(
        self, question: Question, tool: ToolPolicy, account: Account | None, error: VestryError
    ) -> str:
        """Where the time stands in the way, look what would have been said in time: it may hide another fault."""
        created = getattr(account and account.signature, "created", None)
        if created is None or not isinstance(error, ExpiredSignature | NotYetValid | LifetimeTooLong):
            return ""
        other = error_of(await self._stage.rehearse(question, tool, created))
        if other is None:
            return " Everything else is in order."
        return "" if other.reason == error.reason else f" In time it would have been {other.reason}."


def error_of(rehearsal: Rehearsal) -> VestryError | None:
    """Return what a request would be refused for."""
    answer = rehearsal.verdict.answer
    return answer if isinstance(answer, VestryError) else None


def _deciding(accounts: list[Account], check: Check | None) -> Account | None:
    label = None if check is None else check.label
    return next((each for each in accounts if each.label == label), None)


def _explanation(
    rehearsal: Rehearsal, told: list[Check], signatures: list[dict[str, Any]], said: str | None
) -> Explanation:
    return {
        **_conclusion(rehearsal.verdict.answer, told),
        "hint": said,
        "now": rehearsal.now,
        "checks": [check.as_json() for check in told],
        "signatures": signatures,
    }


def _conclusion(answer: Verified | VestryError, told: list[Check]) -> Explanation:
    if isinstance(answer, Verified):
        told_of = {"outcome": "verified", "reason": None, "status": 200, "message": None}
        return {**told_of, "failed": None, "signer": facts_of(answer)}
    failed = decisive(told, answer)
    return {
        "outcome": answer.outcome,
        "reason": answer.reason,
        "status": answer.status,
        "message": str(answer),
        "failed": None if failed is None else failed.name,
        "signer": None,
    }
