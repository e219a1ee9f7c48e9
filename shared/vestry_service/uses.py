"""From a proof to what is spent for it, and back: the hinge between the signature code and the replay store.

What is spent is counted by a kid, and bounded by it: of our own keys the registrar bounds how many there are. A
foreign host publishes as many keys as it likes, at as many paths, so it is counted by its host[:port] instead: all of
its keys have one bound. That goes for signatures that cover Signature-Agent. Where it can be exchanged, one signature
could be counted under two names, and so pass twice; those stay with their kid.
"""

from functools import lru_cache
from hashlib import blake2b

from vestry_service.errors import RateLimited
from vestry_service.replay import Answer, base_digest, nonce_digest
from vestry_service.replay import Claim as Use
from vestry_service.replay_bound import Bound
from vestry_service.trust import Signer
from vestry_signatures import Proof
from vestry_signatures.errors import ReplayedNonce
from vestry_signatures.keys import encode_base64url


def use_of(proof: Proof, bound: Bound | None = None, signer: Signer | None = None) -> Use:
    """Say what is spent for a proven signature: its nonce, or where it has none the whole of what was signed.

    `bound`: how many unexpired nonces its key may have, or all keys of its host where `signer` is foreign.
    """
    claimed = proof.claim
    kid, nonce = proof.key.kid, claimed.signature.nonce
    digest = nonce_digest(kid, nonce) if nonce else base_digest(kid, proof.base)
    if signer is not None and signer.foreign and claimed.covers_agent:
        kid = _counted_as(signer.uid.partition("/")[0])
    return Use(kid, digest, claimed.expires, claimed.created, bound)


@lru_cache(maxsize=4096)
def _counted_as(authority: str) -> str:
    """Give a foreign host a name in the form of a kid, which is no key's."""
    return encode_base64url(blake2b(authority.encode(), digest_size=32, person=b"vestry foreign").digest())


def require_fresh(answer: Answer) -> None:
    """Raise RateLimited where there was no room and nothing was spent, ReplayedNonce where it was spent before."""
    if answer.wait:
        raise RateLimited("too many signatures of this signer have not expired", answer.wait)
    if not answer.fresh:
        raise ReplayedNonce
