"""The order of things when somebody asks which agent signed a request.

Both services ask: the verifier for a tool, the registrar for itself. They differ in where a key is found (`Keys`).

1. Read the signatures and judge each by itself: form, coverage, time (pure).
2. Reduce the agent it names to one of ours (pure). Nobody else is believed, and nobody else is contacted.
3. Find the key (I/O, where it is not at hand).
4. Prove the signature and compare the body (pure).
5. Only then, in one round trip: spend the nonces of all that verified, and read what their keys stand for now.
6. Refuse if any of them was used before or has lost its key; otherwise answer about the strictest.

Nothing before 5 is remembered, so nobody can use up another's nonces; nothing after 5 can fail for a reason that the
caller could have been told before its nonce was gone, save the stores themselves.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from vestry_service.live_records import LiveRecord
from vestry_service.replay import Answer, ReplayStore
from vestry_service.replay import Claim as Use
from vestry_service.standing import require_standing
from vestry_service.uses import use_of
from vestry_signatures import Claim, Policy, Proof, PublicKey, Request, claims, prove, strictest
from vestry_signatures.agent_url import AgentUrls
from vestry_signatures.errors import (
    ReplayedNonce,
    ReplayStoreUnavailable,
    SignatureError,
    Undecided,
    UnknownKey,
    VestryError,
)

THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Keys(Protocol):
    """Where the keys of our own agents are found."""

    async def find(self, uid: str, kid: str) -> PublicKey:
        """Find a key that an agent has or had. Raises UnknownKey, or an Undecided where it cannot be told."""
        ...

    async def ask(self, uid: str, kid: str) -> object:
        """Have the live record of a pair that is proven written as it is now. Raises as `find` does."""
        ...


class Question(NamedTuple):
    """What was received.

    Attributes:
        request: method, URL and headers.
        body: the body's bytes, or None where they are not known.
        digest_asserted: whether the asker says that it compared a covered Content-Digest.
    """

    request: Request
    body: bytes | None
    digest_asserted: bool = False


class Verified(NamedTuple):
    """Who signed: the agent's uid and the proof."""

    uid: str
    proof: Proof


class Verification:
    """Answers questions. One for each process."""

    def __init__(self, policy: Policy, agents: AgentUrls, keys: Keys, store: ReplayStore) -> None:
        self._policy = policy
        self._agents = agents
        self._keys = keys
        self._store = store

    async def verify(self, question: Question, now: int) -> Verified:
        """Tell who signed a request, once.

        Args:
            question: what was received.
            now: seconds since the epoch.

        Raises:
            VestryError: nobody can be named; the reason says why.
        """
        found = await self.prove(question, now)
        await self.spend(found, now)
        return best(found)

    async def prove(self, question: Question, now: int) -> list[Verified]:
        """Find who signed a request, at least one (1 to 4). It may have been used before, and a key be out of use.

        Raises:
            VestryError: no signature verifies; why the first does not.
        """
        found: list[Verified] = []
        errors: list[VestryError] = []
        for claimed in claims(question.request, self._policy, now):  # (1)
            try:
                found.append(await self._prove(claimed, question))
            except ReplayStoreUnavailable:
                raise  # nothing can be spent, so nothing can pass: a second signature would only wait as long again
            except (SignatureError, Undecided) as error:
                errors.append(error)
        if not found:
            raise errors[0]
        return found

    async def _prove(self, claimed: Claim | SignatureError, question: Question) -> Verified:
        if isinstance(claimed, SignatureError):
            raise claimed
        if claimed.agent is None:
            raise UnknownKey
        uid = self._agents.uid_of(claimed.agent)  # (2)
        # A keyid of another form is no key of ours, and must not become a part of a URL's path or of a store's key.
        if not THUMBPRINT.fullmatch(claimed.keyid):
            raise UnknownKey
        key = await self._keys.find(uid, claimed.keyid)  # (3)
        proof = prove(  # (4)
            claimed, question.request, key, question.body, digest_asserted=question.digest_asserted
        )
        return Verified(uid, proof)

    async def spend(self, found: Sequence[Verified], now: int, beside: Sequence[Proof] = ()) -> None:
        """Count every signature once, and ask whether the keys still stand (5, 6).

        Args:
            found: those that authenticate, from `prove`.
            now: seconds since the epoch.
            beside: further proofs that authenticate nobody and count once too, in the same round trip.

        Raises:
            VestryError: one was used before, or has lost its key, or it cannot be told now.
        """
        uses = [use_of(each.proof) for each in found]
        answers = await self._store.spend([*uses, *map(use_of, beside)], now)  # (5)
        for answer in answers:
            if not answer.fresh:
                raise ReplayedNonce
        for each, use, answer in zip(found, uses, answers, strict=False):
            await self._require_standing(each, use, answer, now)
        if not all(answer.remembered for answer in answers[len(uses) :]):
            raise ReplayStoreUnavailable

    async def _require_standing(self, each: Verified, use: Use, answer: Answer, now: int) -> None:
        record = answer.record
        if record is None:
            # The record has expired or was lost. What the registrar answers may have been read before this
            # request came, for questions are shared; what it has written by then is newer than that.
            await self._keys.ask(each.uid, use.kid)
            [answer] = await self._store.recheck([use])
            record = answer.record
        _require(record, answer.remembered, each.uid, now)


def best(found: Sequence[Verified]) -> Verified:
    """Choose the one an answer is about (6): the strictest profile's, the first of them in field order."""
    proof = strictest([each.proof for each in found])
    return next(each for each in found if each.proof is proof)


def _require(record: LiveRecord | None, remembered: bool, uid: str, now: int) -> None:
    if record is not None:
        require_standing(record, uid, now)
    if record is None or not remembered:
        raise ReplayStoreUnavailable
