"""What a tool is told: the facts of a verdict, as members of a JSON object (wire contract, section 5)."""

from typing import Any

from vestry_service import problems
from vestry_service.verification import Verified
from vestry_signatures.errors import VestryError
from vestry_verifier.judge import Verdict


def told(verdict: Verdict) -> dict[str, Any]:
    """Return what the asker is told where nothing is refused.

    Of a request that passes only because the tool observes it names nobody: who takes a 200 for a name finds none.
    """
    answer = verdict.answer
    if isinstance(answer, VestryError):
        return {"mode": "observe", "outcome": answer.outcome, **problems.error_object(answer)}
    return {**facts_of(answer), "mode": "observe"} if verdict.tool.observes else facts_of(answer)


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
