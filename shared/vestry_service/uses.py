"""From a proof to what is spent for it: the hinge between the signature code and the replay store."""

from vestry_service.replay import Claim as Use
from vestry_service.replay import base_digest, nonce_digest
from vestry_signatures import Proof


def use_of(proof: Proof) -> Use:
    """Say what is spent for a proven signature: its nonce, or where it has none the whole of what was signed."""
    claimed = proof.claim
    kid, nonce = proof.key.kid, claimed.signature.nonce
    digest = nonce_digest(kid, nonce) if nonce else base_digest(kid, proof.base)
    return Use(kid, digest, claimed.expires, claimed.created)
