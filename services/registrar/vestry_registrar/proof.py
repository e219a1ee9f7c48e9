"""Proof of possession: what a signed request to the registrar proves, before anything is changed.

The request is rebuilt from the configured authority and the base URL's scheme (`hosts`), with the path and the
headers as they came. Then two cases:

*An agent calls* (`/whoami`, `/rotate`, `/keys`, `/revoke`): the same ceremony as at the verifier
(`vestry_service.verification`), with keys from Postgres. The caller is whoever holds a private key of the very uid in
Signature-Agent. A request that changes keys must show more (`key_proof.py`); all of it is spent in one round trip.

*A new key calls* (`/register`, `/tool/register`): the key is in the body.

1. The body's key is read and refused if it is weak, private or no key.
2. The signature is judged by the profile `registration`.
3. Its keyid must be that key's thumbprint, and it must verify with that very key, which shows that it is a point
   of the curve (`vestry_signatures.possession`).
4. Only then the nonce is spent. A store that may have forgotten nonces decides nothing: 503.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from aiohttp import web

from vestry_registrar.hosts import Hosts
from vestry_registrar.key_proof import Change, ChangeRules
from vestry_registrar.offers import Offer, facts_in, jwk_in, read_offer
from vestry_registrar.publisher import Publisher
from vestry_registrar.repository.agents import find_pair
from vestry_service.exchange import Exchange, Ordinary
from vestry_service.observed import OBSERVED
from vestry_service.postgres import Pool
from vestry_service.replay import ReplayStore
from vestry_service.requests import read_body
from vestry_service.trust import Signer
from vestry_service.uses import require_fresh, use_of
from vestry_service.verification import Question, Terms, Verification, best
from vestry_signatures import Proof, PublicKey, Request, public_key
from vestry_signatures.errors import (
    ReplayStoreUnavailable,
    UnknownKey,
)
from vestry_signatures.keys import claimed_key
from vestry_signatures.possession import prove_possession

MAX_BODY: Final = 16 * 1024
_BEFORE_PATH: Final = re.compile(r"[a-z]+://[^/?]*", re.IGNORECASE)


class StoredKeys:
    """Keys of our own agents, as Postgres has them (`verification.Keys`)."""

    def __init__(self, pool: Pool, publisher: Publisher) -> None:
        self._pool = pool
        self._publisher = publisher

    def at_hand(self, signer: Signer, kid: str) -> PublicKey | None:
        """Return nothing: the registrar keeps no keys beside the database."""
        return None

    async def find(self, signer: Signer, kid: str) -> PublicKey:
        """Find a key of an agent, in use or not. Raises UnknownKey, DatabaseUnavailable."""
        uid = signer.uid
        pair = await find_pair(self._pool, uid, kid)
        if pair is None:
            raise UnknownKey
        if pair.state != "active":
            # The live record decides after the proof; it must not be older than what was just read.
            await self._publisher.answer(uid, kid)
        return public_key(pair.jwk)

    async def ask(self, signer: Signer, kid: str) -> None:
        """Have the live record of a pair written. Raises UnknownKey, DatabaseUnavailable."""
        if await self._publisher.answer(signer.uid, kid) is None:
            raise UnknownKey


class Caller(NamedTuple):
    """An agent that calls.

    Attributes:
        uid: `agent-…`.
        proof: of the signature that authenticates.
        word: the proof of the new key that the request brings, where there is one.
        at: Unix seconds, by which the request was judged.
    """

    uid: str
    proof: Proof
    word: Proof | None
    at: int

    @property
    def kid(self) -> str:
        """The key that signs."""
        return self.proof.key.kid


class Proofs:
    """Proves who calls."""

    def __init__(
        self,
        scheme: str,
        hosts: Hosts,
        terms: Terms,
        verification: Verification,
        store: ReplayStore,
        rules: ChangeRules,
        clock: Callable[[], float],
    ) -> None:
        """Take what is accepted, and where; where signatures are spent; and a clock in seconds since the epoch."""
        self._scheme = scheme
        self._hosts = hosts
        self._terms = terms
        self._verification = verification
        self._store = store
        self._rules = rules
        self._clock = clock

    @property
    def now(self) -> int:
        """Seconds since the epoch."""
        return int(self._clock())

    async def agent(self, request: web.Request, body: bytes, change: Change | None = None) -> Caller:
        """Prove which agent calls, and what a request that changes its keys must show beyond that.

        Raises:
            VestryError: it is none, or shows too little, and why.
        """
        signed, now = self._signed(Ordinary(request)), self.now
        found = await self._verification.prove(Question(signed, body), self._terms, now)
        verified = best(found)
        uid, proof = verified.uid, verified.proof
        word = None if change is None else self._rules.check(signed, body, verified, change, now)
        await self._verification.spend(found, now, [] if word is None else [word], self._terms.bound)
        seen = request[OBSERVED]
        seen.outcome, seen.uid, seen.kid = "verified", uid, proof.key.kid
        return Caller(uid, proof, word, now)

    async def new_key(self, exchange: Exchange, body: bytes) -> Offer:
        """Prove that the caller holds the private half of the key in the body.

        Raises:
            VestryError: it does not, and why.
        """
        signed, now = self._signed(exchange), self.now
        offer = read_offer(jwk_in(facts_in(body)), now, claimed_key)  # (1)
        proof = prove_possession(offer.key, signed, self._terms.policy, now, body)  # (2), (3)
        [answer] = await self._store.spend([use_of(proof, self._terms.bound)], now)  # (4)
        require_fresh(answer)
        if not answer.remembered:
            raise ReplayStoreUnavailable
        seen = exchange.seen
        seen.outcome, seen.kid = "verified", offer.key.kid
        return offer

    def _signed(self, exchange: Exchange) -> Request:
        authority = self._hosts.for_signed(exchange).authority
        exchange.seen.authority = authority
        url = f"{self._scheme}://{authority}{_origin_form(exchange.target)}"
        return Request.of(exchange.method, url, exchange.headers.items())


def _origin_form(target: str) -> str:
    """Return path and query of a request target, which may be a whole URL (RFC 9112 section 3.2)."""
    return target if target.startswith("/") else _BEFORE_PATH.sub("", target, count=1)


async def body_of(request: web.Request) -> bytes:
    """Read the body. Raises BodyTooLarge above 16 KiB, MalformedRequest where it cannot be read."""
    return await read_body(request, MAX_BODY)
