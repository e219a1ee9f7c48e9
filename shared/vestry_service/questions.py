"""What is asked about a request, what is accepted of it, and what comes out (`verification` says how)."""

import re
from typing import Final, NamedTuple, Protocol

from vestry_service.replay_bound import Bound
from vestry_service.trust import Signer, Trust
from vestry_signatures import Claim, Policy, Proof, PublicKey, Request
from vestry_signatures.errors import VestryError

THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Keys(Protocol):
    """Where the keys of those who sign are found."""

    async def find(self, signer: Signer, kid: str) -> PublicKey:
        """Find a key that an agent has or had. Raises UnknownKey, or an Undecided where it cannot be told."""
        ...

    def at_hand(self, signer: Signer, kid: str) -> PublicKey | None:
        """Return the key where it can be had without waiting for anybody; None says nothing about it."""
        ...

    async def ask(self, signer: Signer, kid: str) -> object:
        """Have what is known of a pair that is proven made as it is now: the live record of one of ours.

        For a foreign agent this says that the pair still stands. Raises as `find` does.
        """
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


class Rules(Protocol):
    """What an asker insists on beyond what makes a signature a good one. Pure."""

    def require_own(self, question: Question) -> None:
        """Raise WrongAuthority where the request was made to somebody else than the asker (1)."""
        ...

    def require_covered(self, claimed: Claim, question: Question) -> None:
        """Raise InsufficientCoverage where a signature covers too little (1)."""
        ...

    def require_admitted(self, signer: Signer) -> None:
        """Raise AgentNotAllowed where who has proven to sign may not call (4)."""
        ...


class Terms(NamedTuple):
    """What is accepted of a question.

    Attributes:
        policy: what a signature must satisfy.
        trust: who may be believed.
        rules: what the asker insists on besides, if anything.
        bound: how many unexpired nonces a key may have, or None for as many as it likes.
    """

    policy: Policy
    trust: Trust
    rules: Rules | None = None
    bound: Bound | None = None


class Verified(NamedTuple):
    """Who signed, and the proof."""

    signer: Signer
    proof: Proof

    @property
    def uid(self) -> str:
        """The signer's uid."""
        return self.signer.uid


Proven = list[Verified] | VestryError
"""Of one request: who signed it, at least one, or why nobody counts."""
