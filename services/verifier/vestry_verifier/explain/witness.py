"""The three doors of a verification, with somebody who notes what passes.

`Verification` asks them while it goes through the ceremony, as it would ask the real ones, and gets the same answers;
only that the store is asked what spending would say, and spends nothing.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from vestry_service.live_records import LiveRecord
from vestry_service.replay import Answer, ReplayStore
from vestry_service.replay import Claim as Use
from vestry_service.trust import Signer, Trust
from vestry_service.verification import Keys
from vestry_signatures import Claim, PublicKey
from vestry_signatures.errors import ReplayStoreUnavailable, VestryError

Pair = tuple[str, str]
"""The uid of a signer and a kid."""
Holds = Callable[[Signer, str], bool]
"""Tells whether a process has a key at hand."""


class Sought(NamedTuple):
    """A key that was looked for.

    Attributes:
        result: the key, or why there is none.
        at_hand: whether this process had it.
        record: the live record of the kid before anybody was asked, None where there was none to be read.
    """

    result: PublicKey | VestryError
    at_hand: bool
    record: LiveRecord | None


class WitnessedTrust:
    """`Trust` that notes by label who a signature turned out to be from."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self.signers: dict[str, Signer | VestryError] = {}

    def signer_of(self, claimed: Claim) -> Signer:
        label = claimed.signature.label
        try:
            signer = self.signers[label] = self._trust.signer_of(claimed)
        except VestryError as error:
            self.signers[label] = error
            raise
        return signer


class WitnessedKeys:
    """`Keys` that notes what was found, and where."""

    def __init__(self, keys: Keys, store: ReplayStore, holds: Holds) -> None:
        self._keys = keys
        self._store = store
        self._holds = holds
        self.sought: dict[Pair, Sought] = {}
        self.asked: dict[Pair, VestryError | None] = {}

    def at_hand(self, signer: Signer, kid: str) -> PublicKey | None:
        """Return nothing, so that `find` sees every key that is looked for."""
        return None

    async def find(self, signer: Signer, kid: str) -> PublicKey:
        at_hand = self._holds(signer, kid)
        record = None if signer.foreign else await self._record(kid)
        try:
            key = await self._keys.find(signer, kid)
        except VestryError as error:
            self.sought[signer.uid, kid] = Sought(error, at_hand, record)
            raise
        self.sought[signer.uid, kid] = Sought(key, at_hand, record)
        return key

    async def ask(self, signer: Signer, kid: str) -> object:
        pair = signer.uid, kid
        try:
            answer = await self._keys.ask(signer, kid)
        except VestryError as error:
            self.asked[pair] = error
            raise
        self.asked[pair] = None
        return answer

    async def _record(self, kid: str) -> LiveRecord | None:
        try:
            return await self._store.look(kid)
        except ReplayStoreUnavailable:
            return None  # whoever needs the store finds out for itself


class PeekingStore:
    """`ReplayStore` that spends nothing and notes what it was told."""

    def __init__(self, store: ReplayStore) -> None:
        self._store = store
        self.answers: dict[bytes, Answer] = {}
        self.away: ReplayStoreUnavailable | None = None

    async def spend(self, claims: Sequence[Use], now: int) -> list[Answer]:
        """Tell what spending would have said (`now` does not matter: nothing has to live)."""
        del now
        return self._note(claims, _one_after_the_other(claims, await self._heard(self._store.peek(claims))))

    async def recheck(self, claims: Sequence[Use]) -> list[Answer]:
        return self._note(claims, await self._heard(self._store.recheck(claims)))

    async def _heard(self, asked: Awaitable[list[Answer]]) -> list[Answer]:
        try:
            return await asked
        except ReplayStoreUnavailable as error:
            self.away = error
            raise

    def _note(self, claims: Sequence[Use], answers: list[Answer]) -> list[Answer]:
        self.answers |= {claim.digest: answer for claim, answer in zip(claims, answers, strict=True)}
        return answers

    async def peek(self, claims: Sequence[Use]) -> list[Answer]:
        return await self._store.peek(claims)

    async def look(self, kid: str) -> LiveRecord | None:
        return await self._store.look(kid)

    async def aclose(self) -> None:
        """Do nothing: the store is somebody else's."""


def _one_after_the_other(claims: Sequence[Use], answers: Sequence[Answer]) -> list[Answer]:
    """Of two equal claims the later would be the replay, which a store that spends neither cannot know."""
    seen: set[bytes] = set()
    told = []
    for claim, answer in zip(claims, answers, strict=True):
        told.append(answer._replace(fresh=answer.fresh and claim.digest not in seen))
        seen.add(claim.digest)
    return told


class Witness(NamedTuple):
    """The three doors of one question."""

    trust: WitnessedTrust
    keys: WitnessedKeys
    store: PeekingStore
