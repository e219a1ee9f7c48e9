"""What a request that changes an agent's keys must show beyond a signature of the agent.

1. Binding. A signature that covers the host alone is good for any request to it: whoever takes it over before it
   arrives chooses the path and the body. With `BODY_BINDING=required` it must cover `@method`, `@path` and, where
   there is a body, `content-digest`. What it covers is checked in any case.
2. The new key's own word (`vestry_signatures.key_proof`). It is asked for wherever an agent gets one key more, and
   with `KEY_PROOF=required` wherever it gets another one; a word that comes unasked must hold as well. It must be
   made by the very key in the body, and name the very agent that calls.

Both are looked at once it is known who calls, for only then is it known what must be named, and before anything is
spent. A proof that held is kept as evidence: everybody can check it again with the public key.
"""

import base64
from typing import Any, Final, NamedTuple

from vestry_service.errors import BindingRequired, ProofRequired
from vestry_service.verification import Verified
from vestry_signatures import Policy, Proof, PublicKey, Request, prove
from vestry_signatures.agent_url import AgentUrls
from vestry_signatures.errors import InvalidSignatureAgent, MalformedSignature
from vestry_signatures.key_proof import key_proof_claim

BOUND: Final = frozenset({"@method", "@path"})
MAX_BASE: Final = 4096
"""Bytes of a signature base that are kept as evidence: what must be covered fits many times."""


class Change(NamedTuple):
    """What a request wants to change.

    Attributes:
        new: the key that it brings, None where it brings none.
        needs_proof: whether that key must prove itself whatever `KEY_PROOF` says.
    """

    new: PublicKey | None = None
    needs_proof: bool = False


class ChangeRules:
    """The rules of one registrar."""

    def __init__(
        self, policy: Policy, agents: AgentUrls, *, proof_required: bool, binding_required: bool
    ) -> None:
        """Take what signatures must satisfy, and the settings `KEY_PROOF` and `BODY_BINDING`."""
        self._policy = policy
        self._agents = agents
        self._proof_required = proof_required
        self._binding_required = binding_required

    def check(self, signed: Request, body: bytes, caller: Verified, change: Change, now: int) -> Proof | None:
        """Check a request that changes keys, and return the proof of the key that it brings, if there is one.

        Args:
            signed: the request.
            body: its body.
            caller: who signed it.
            change: what it wants.
            now: seconds since the epoch.

        Raises:
            BindingRequired, ProofRequired: something is missing that must be there.
            SignatureError: the proof of the new key does not hold.
        """
        if self._binding_required:
            _require_binding(caller, body)  # (1)
        return None if change.new is None else self._word_of(change, change.new, signed, body, caller, now)

    def _word_of(
        self, change: Change, new: PublicKey, signed: Request, body: bytes, caller: Verified, now: int
    ) -> Proof | None:
        claimed = key_proof_claim(signed, self._policy, now)  # (2)
        if claimed is None:
            if change.needs_proof or self._proof_required:
                raise ProofRequired
            return None
        proof = prove(claimed, signed, new, body)
        if claimed.agent is None or self._agents.uid_of(claimed.agent) != caller.uid:
            raise InvalidSignatureAgent("the proof of the new key names another agent")
        if len(proof.base) > MAX_BASE:
            raise MalformedSignature(f"what the proof of a new key covers is longer than {MAX_BASE} bytes")
        return proof


def _require_binding(caller: Verified, body: bytes) -> None:
    covered = {part.name for part in caller.proof.claim.signature.covered}
    if not covered.issuperset(BOUND | ({"content-digest"} if body else set())):
        raise BindingRequired


def evidence(proof: Proof | None) -> dict[str, Any] | None:
    """Return what is kept of a proof: the text that was signed, and the signature (base64)."""
    if proof is None:
        return None
    claimed = proof.claim
    return {
        "label": claimed.signature.label,
        "created": claimed.created,
        "expires": claimed.expires,
        "signature_base": proof.base.decode("ascii"),
        "signature": base64.b64encode(claimed.signature.value).decode("ascii"),
    }
