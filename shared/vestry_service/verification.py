"""The order of things when somebody asks which agent signed a request.

Both services ask: the verifier for a tool, the registrar for itself. They differ in where a key is found (`Keys`) and
in what they accept (`Terms`).

1. Ask whether the request was made to whoever asks, where there are rules for that. Read the signatures and judge
   each by itself: form, coverage, time (pure).
2. Reduce the agent it names to one spelling (`trust`, pure). Nobody else is believed, and nobody else is contacted.
3. Find the key (I/O, where it is not at hand).
4. Prove the signature and compare the body; then, since it is known by now who signed, ask whether that agent is
   admitted (pure).
5. Only then, in one round trip: spend the nonces of all that verified, and read what their keys stand for now.
6. Refuse if any of them was used before or has lost its key; otherwise answer about the strictest.

What the rules of the asker refuse is refused before 5, so it leaves no nonce behind, and of an agent nothing is said
about admission until it has proven to be that agent.

Nothing before 5 is remembered, so nobody can use up another's nonces; nothing after 5 can fail for a reason that the
caller could have been told before its nonce was gone, save the stores themselves.

Many questions at once go the same way, each for itself up to 4; step 5 is one round trip for all of them, in their
order, so that of two copies of one request the later is the replay.
"""

import asyncio
from collections.abc import Sequence

from vestry_service.live_records import LiveRecord
from vestry_service.proving import Proving
from vestry_service.questions import (
    THUMBPRINT,
    Keys,
    Proven,
    Question,
    Rules,
    Terms,
    Verified,
)
from vestry_service.replay import Answer, ReplayStore
from vestry_service.replay import Claim as Use
from vestry_service.replay_bound import Bound
from vestry_service.standing import require_standing
from vestry_service.uses import require_fresh, use_of
from vestry_signatures import Proof, strictest
from vestry_signatures.errors import ReplayStoreUnavailable, VestryError

__all__ = ["THUMBPRINT", "Keys", "Proven", "Question", "Rules", "Terms", "Verification", "Verified", "best"]


class Verification:
    """Answers questions. One for each process."""

    def __init__(self, keys: Keys, store: ReplayStore) -> None:
        self._keys = keys
        self._store = store
        self._proving = Proving(keys)

    async def verify(self, question: Question, terms: Terms, now: int) -> Verified:
        """Tell who signed a request, once.

        Args:
            question: what was received.
            terms: what is accepted.
            now: seconds since the epoch.

        Raises:
            VestryError: nobody can be named; the reason says why.
        """
        found = self._proving.at_hand(question, terms, now) or await self.prove(question, terms, now)
        await self.spend(found, now, bound=terms.bound)
        return best(found)

    async def verify_all(
        self, questions: Sequence[Question], terms: Terms, now: int
    ) -> list[Verified | VestryError]:
        """Tell of each of many requests, in their order, who signed it or why nobody can be named.

        What one question is refused for changes nothing for the others. Arguments as for `verify`.
        """
        return await self.spend_all(await self.prove_all(questions, terms, now), now, terms.bound)

    async def spend_all(
        self, proven: Sequence[Proven], now: int, bound: Bound | None = None
    ) -> list[Verified | VestryError]:
        """Do `spend` and `best` for each of many that `prove_all` found, in one round trip (5, 6)."""
        uses = [
            use_of(each.proof, bound, each.signer)
            for found in proven
            if isinstance(found, list)
            for each in found
        ]
        try:
            answers = iter(await self._store.spend(uses, now) if uses else [])  # (5)
        except ReplayStoreUnavailable as error:
            return [found if isinstance(found, VestryError) else error for found in proven]
        dealt = [[] if isinstance(found, VestryError) else [next(answers) for _ in found] for found in proven]
        settled = [_settled(found, said, now) for found, said in zip(proven, dealt, strict=True)]
        asking = [
            self._settle(found, said, now)
            for found, said, how in zip(proven, dealt, settled, strict=True)
            if how is None and not isinstance(found, VestryError)
        ]
        if not asking:
            return [how for how in settled if how is not None]
        asked = iter(await asyncio.gather(*asking))  # together: each may wait for somebody else
        return [next(asked) if how is None else how for how in settled]

    async def prove_all(self, questions: Sequence[Question], terms: Terms, now: int) -> list[Proven]:
        """Do `prove` for each of many, in their order."""
        return await self._proving.prove_all(questions, terms, now)

    async def prove(self, question: Question, terms: Terms, now: int) -> list[Verified]:
        """Find who signed a request, at least one (1 to 4). It may have been used before, and a key be out of use.

        Raises:
            VestryError: no signature verifies, or none that does is admitted; why the first is not.
        """
        return await self._proving.prove(question, terms, now)

    async def _settle(
        self, found: Sequence[Verified], answers: Sequence[Answer], now: int
    ) -> Verified | VestryError:
        try:
            await self._require_standing(found, answers, now)
        except VestryError as error:
            return error
        return best(found)

    async def spend(
        self,
        found: Sequence[Verified],
        now: int,
        beside: Sequence[Proof] = (),
        bound: Bound | None = None,
    ) -> None:
        """Count every signature once, and ask whether the keys still stand (5, 6).

        Args:
            found: those that authenticate, from `prove`.
            now: seconds since the epoch.
            beside: further proofs that authenticate nobody and count once too, in the same round trip.
            bound: how many unexpired nonces each key may have.

        Raises:
            VestryError: one was used before, or has lost its key or no room, or it cannot be told now.
        """
        uses = [use_of(each.proof, bound, each.signer) for each in found]
        answers = await self._store.spend([*uses, *(use_of(each, bound) for each in beside)], now)  # (5)
        for answer in answers:
            require_fresh(answer)  # (6)
        if _is_open(found, answers):
            await self._require_standing(found, answers, now)
        else:
            _require_all(found, answers, now)
        if not all(answer.remembered for answer in answers[len(uses) :]):
            raise ReplayStoreUnavailable

    async def _require_standing(self, found: Sequence[Verified], answers: Sequence[Answer], now: int) -> None:
        """Refuse unless the keys stand (6), where somebody else must be asked. The answers say fresh."""
        for each, answer in zip(found, answers, strict=False):
            await self._require_one_standing(each, answer, now)

    async def _require_one_standing(self, each: Verified, answer: Answer, now: int) -> None:
        if each.signer.foreign:
            await self._require_foreign_standing(each, answer)
            return
        if answer.record is None:
            # The record has expired or was lost. What the registrar answers may have been read before this
            # request came, for questions are shared; what it has written by then is newer than that.
            use: Use = use_of(each.proof)
            await self._keys.ask(each.signer, use.kid)
            [answer] = await self._store.recheck([use])
        _require(answer.record, answer.remembered, each.uid, now)

    async def _require_foreign_standing(self, each: Verified, answer: Answer) -> None:
        """Refuse a pair whose directory has lost the key meanwhile; a live record is about ours alone."""
        if not answer.remembered:
            raise ReplayStoreUnavailable
        await self._keys.ask(each.signer, each.proof.key.kid)


def _is_open(found: Sequence[Verified], answers: Sequence[Answer]) -> bool:
    """Tell whether somebody else must be asked how a key stands."""
    asked = zip(found, answers, strict=False)
    return any(answer.record is None or each.signer.foreign for each, answer in asked)


def _settled(found: Proven, answers: Sequence[Answer], now: int) -> Verified | VestryError | None:
    """Do `best` where the answers settle it (6), or say why it does not count; None where somebody must be asked."""
    if isinstance(found, VestryError):
        return found
    try:
        for answer in answers:
            require_fresh(answer)
        if _is_open(found, answers):
            return None
        _require_all(found, answers, now)
    except VestryError as error:
        return error
    return best(found)


def best(found: Sequence[Verified]) -> Verified:
    """Choose the one an answer is about (6): the strictest profile's, the first of them in field order."""
    if len(found) == 1:
        return found[0]
    proof = strictest([each.proof for each in found])
    return next(each for each in found if each.proof is proof)


def _require_all(found: Sequence[Verified], answers: Sequence[Answer], now: int) -> None:
    """Refuse unless all keys stand by what the answers, the first of which are about `found`, say of them."""
    for each, answer in zip(found, answers, strict=False):
        _require(answer.record, answer.remembered, each.signer.uid, now)


def _require(record: LiveRecord | None, remembered: bool, uid: str, now: int) -> None:
    if record is not None:
        require_standing(record, uid, now)
    if record is None or not remembered:
        raise ReplayStoreUnavailable
