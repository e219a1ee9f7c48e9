"""From a proof to what is spent for it, and back: the hinge between the signature code and the replay store."""

from vestry_service.errors import RateLimited
from vestry_service.replay import Answer, base_digest, nonce_digest
from vestry_service.replay import Claim as Use
from vestry_service.replay_bound import Bound
from vestry_signatures import Proof
from vestry_signatures.errors import ReplayedNonce


def use_of(proof: Proof, bound: Bound | None = None) -> Use:
    """Say what is spent for a proven signature: its nonce, or where it has none the whole of what was signed.

    `bound`: how many unexpired nonces its key may have.
    """
    claimed = proof.claim
    kid, nonce = proof.key.kid, claimed.signature.nonce
    digest = nonce_digest(kid, nonce) if nonce else base_digest(kid, proof.base)
    return Use(kid, digest, claimed.expires, claimed.created, bound)


def require_fresh(answer: Answer) -> None:
    """Raise RateLimited where a key had no room and nothing was spent, ReplayedNonce where it was spent before."""
    if answer.wait:
        raise RateLimited("this key has too many signatures that have not expired", answer.wait)
    if not answer.fresh:
        raise ReplayedNonce
