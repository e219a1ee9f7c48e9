"""From a question to whoever signed, before anything is remembered: steps 1 to 4 of `verification`.

A key that this process knows is found without waiting. So where every key of a request is at hand all four steps are
one plain computation, and only where one is missing somebody waits for it: thousands of tasks a second are spared.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from vestry_service.errors import AgentNotAllowed
from vestry_service.questions import THUMBPRINT, Keys, Proven, Question, Terms, Verified
from vestry_service.trust import Signer
from vestry_service.turns import groups
from vestry_signatures import Claim, PublicKey, claims, prove
from vestry_signatures.errors import (
    ReplayStoreUnavailable,
    SignatureError,
    Undecided,
    UnknownKey,
    VestryError,
)


class _Wanted(NamedTuple):
    """A claim that is worth looking up a key for, and whose key that is."""

    claimed: Claim
    signer: Signer


_Wants = Sequence[_Wanted | VestryError]
_Found = PublicKey | VestryError


class Proving:
    """Proves who signed. One for each process."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def prove(self, question: Question, terms: Terms, now: int) -> list[Verified]:
        """Find who signed a request, at least one. Arguments and errors as `Verification.prove` has them."""
        wants = _wants(question, terms, now)
        keys = [
            await self._find(want) if key is None else key
            for want, key in zip(wants, self._at_hand(wants), strict=True)
        ]
        return _proven(question, terms, wants, keys)

    def at_hand(self, question: Question, terms: Terms, now: int) -> list[Verified] | None:
        """Do `prove` where every key is at hand; None where one is not. Raises as `prove` does."""
        wants = _wants(question, terms, now)
        keys = self._at_hand(wants)
        return None if None in keys else _proven(question, terms, wants, keys)

    async def prove_all(self, questions: Sequence[Question], terms: Terms, now: int) -> list[Proven]:
        """Do `prove` for each of many, in their order; what one is refused for changes nothing for the others."""
        proven: list[Proven] = []
        for some in groups(questions):
            proven += await self._prove_some(some, terms, now)
            await asyncio.sleep(0)
        return proven

    async def _prove_some(self, questions: Sequence[Question], terms: Terms, now: int) -> list[Proven]:
        at_hand = [self._proven_at_hand(each, terms, now) for each in questions]
        if None not in at_hand:
            return [each for each in at_hand if each is not None]
        waiting = (
            self._proven_or_not(question, terms, now)
            for question, found in zip(questions, at_hand, strict=True)
            if found is None
        )
        waited = iter(await asyncio.gather(*waiting))
        return [next(waited) if each is None else each for each in at_hand]

    def _proven_at_hand(self, question: Question, terms: Terms, now: int) -> Proven | None:
        try:
            return self.at_hand(question, terms, now)
        except VestryError as error:
            return error

    async def _proven_or_not(self, question: Question, terms: Terms, now: int) -> Proven:
        try:
            return await self.prove(question, terms, now)
        except VestryError as error:
            return error

    def _at_hand(self, wants: _Wants) -> list[_Found | None]:
        return [
            want if isinstance(want, VestryError) else self._keys.at_hand(want.signer, want.claimed.keyid)
            for want in wants
        ]

    async def _find(self, want: _Wanted | VestryError) -> _Found:
        if isinstance(want, VestryError):
            return want
        try:
            return await self._keys.find(want.signer, want.claimed.keyid)  # (3)
        except ReplayStoreUnavailable:
            raise  # nothing can be spent, so nothing can pass: a second signature would only wait as long again
        except (SignatureError, Undecided) as error:
            return error


def _wants(question: Question, terms: Terms, now: int) -> list[_Wanted | VestryError]:
    if terms.rules is not None:
        terms.rules.require_own(question)
    return [_want(each, question, terms) for each in claims(question.request, terms.policy, now)]  # (1)


def _want(claimed: Claim | SignatureError, question: Question, terms: Terms) -> _Wanted | VestryError:
    if isinstance(claimed, SignatureError):
        return claimed
    try:
        if terms.rules is not None:
            terms.rules.require_covered(claimed, question)  # (1)
        signer = terms.trust.signer_of(claimed)  # (2)
    except (SignatureError, Undecided) as error:
        return error
    # A keyid of another form is no key of ours, and must not become a part of a URL's path or of a store's key.
    if not THUMBPRINT.fullmatch(claimed.keyid):
        return UnknownKey()
    return _Wanted(claimed, signer)


def _proven(question: Question, terms: Terms, wants: _Wants, keys: Sequence[_Found | None]) -> list[Verified]:
    found: list[Verified] = []
    errors: list[VestryError] = []
    for want, key in zip(wants, keys, strict=True):
        if isinstance(want, VestryError):
            errors.append(want)
        elif not isinstance(key, PublicKey):
            errors.append(key or UnknownKey())
        else:
            try:
                found.append(_verified(question, terms, want, key))
            except (SignatureError, Undecided, AgentNotAllowed) as error:
                errors.append(error)
    if not found:
        raise errors[0]
    return found


def _verified(question: Question, terms: Terms, want: _Wanted, key: PublicKey) -> Verified:
    request, body, asserted = question
    proof = prove(want.claimed, request, key, body, digest_asserted=asserted)  # (4)
    if terms.rules is not None:
        terms.rules.require_admitted(want.signer)
    return Verified(want.signer, proof)
