"""A verdict without consequences: the judge of `/verify` judges, and nothing is spent or counted."""

from collections.abc import Callable
from typing import NamedTuple

from vestry_service.replay import ReplayStore
from vestry_service.trust import Trust
from vestry_service.verification import Keys, Verification
from vestry_signatures.errors import VestryError
from vestry_verifier.explain.witness import Holds, PeekingStore, Witness, WitnessedKeys, WitnessedTrust
from vestry_verifier.judge import Asked, Judge, Verdict
from vestry_verifier.tool_policy import ToolPolicy

TrustOf = Callable[[ToolPolicy], Trust]


class Rehearsal(NamedTuple):
    """What `/verify` would have answered.

    Attributes:
        verdict: that answer.
        witness: what was seen on the way.
        now: the time by which was judged, Unix seconds.
    """

    verdict: Verdict
    witness: Witness
    now: int


class Uncounted:
    """`Counts` that counts nothing: a rehearsal is no verification."""

    def verified(self, profile: str, seconds: float) -> None:
        """Do nothing."""

    def refused(self, error: VestryError, seconds: float) -> None:
        """Do nothing."""

    def excused(self, tool: str, error: VestryError) -> None:
        """Do nothing."""


class Stage:
    """Where rehearsals take place. One for each process."""

    def __init__(
        self, keys: Keys, holds: Holds, store: ReplayStore, trust: TrustOf, clock: Callable[[], float]
    ) -> None:
        """Take what the judge has, and who can tell whether a key is at hand."""
        self._keys = keys
        self._holds = holds
        self._store = store
        self._trust = trust
        self._clock = clock

    async def rehearse(self, asked: Asked, tool: ToolPolicy, now: int | None = None) -> Rehearsal:
        """Judge a question by the rules of a tool, at a time (Unix seconds), by default now."""
        now = int(self._clock()) if now is None else now
        witness = Witness(
            WitnessedTrust(self._trust(tool)),
            WitnessedKeys(self._keys, self._store, self._holds),
            PeekingStore(self._store),
        )
        verification = Verification(witness.keys, witness.store)
        judge = Judge(verification, lambda _: witness.trust, Uncounted(), lambda: now)
        return Rehearsal(await judge.judge(asked, tool), witness, now)
