"""What a tool is told: the facts of a verdict, as members of a JSON object (wire contract, section 5)."""

from typing import Any

from vestry_service.verification import Verified


def facts_of(verified: Verified) -> dict[str, Any]:
    """Return what `/verify` says of a request whose signer is known. The first four members are vestauth's."""
    signer, proof = verified
    claimed = proof.claim
    return {
        "uid": signer.uid,
        "kid": proof.key.kid,
        "public_jwk": proof.key.jwk,
        "well_known_url": signer.directory_url,
        "outcome": "verified",
        "profile": claimed.profile,
        "label": claimed.signature.label,
        "covered": [part.label for part in claimed.signature.covered],
        "content_digest": proof.content_digest,
        "created": claimed.created,
        "expires": claimed.expires,
        "agent_url": signer.url,
    }
