"""The ceremony: who signed this request?

1. Read the signatures whose tag is asked for (`parse`).
2. Judge each by itself: form, time, coverage, agent, nonce (`profiles`).
3. Find the key that the claim names, of the agent that it names. The caller does this, it may need the network.
4. Prove the claim: the key is the one named, the algorithm fits, the signature verifies, the body matches.
5. Spend the nonce and ask whether the key still stands. The caller does this, and only after 4: else anybody could
   use up another's nonces.

Everything here is pure. `claims` is steps 1 and 2, `prove` is step 4; `verify` runs 1 to 4 for callers whose keys
are at hand, and returns what step 5 needs.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from .base import signature_base
from .components import FIELD_TYPES
from .digest import ContentDigest, check_content_digest
from .errors import (
    InvalidSignature,
    InvalidSignatureAgent,
    SignatureError,
    UnknownKey,
    UnsupportedAlg,
    VestryError,
)
from .keys import PublicKey
from .message import Request
from .parse import parse
from .profiles import (
    REGISTRATION_TAGS,
    STRICTEST_FIRST,
    TAGS,
    Claim,
    Policy,
    claim,
    claim_registration,
)
from .signature import Signature
from .signature_agent import FIELD, AgentField, AgentMember, read_agent_field


class Proof(NamedTuple):
    """A signature that verified.

    Attributes:
        claim: what it claimed, now proven.
        key: the key that made it.
        base: the signature base: what was signed, in bytes.
        content_digest: how a covered Content-Digest stands.
    """

    claim: Claim
    key: PublicKey
    base: bytes
    content_digest: ContentDigest


def claims(request: Request, policy: Policy, now: int) -> list[Claim | SignatureError]:
    """Read and judge the signatures of a request (steps 1 and 2).

    Args:
        request: the request.
        policy: what is accepted.
        now: seconds since the epoch.

    Returns:
        At least one entry, in field order: what the signature claims, or why it is refused.

    Raises:
        SignatureError: the request is not signed, or its signature headers cannot be read at all.
        MalformedRequest: a signature header has a line break.
    """
    signatures = parse(request, TAGS)
    try:
        agents = _agents(request)
    except InvalidSignatureAgent as error:
        return [error]
    return [_claim(signature, agents, policy, now) for signature in signatures]


def _agents(request: Request) -> AgentField | None:
    value = request.field(FIELD)
    return None if value is None else read_agent_field(value)


def _claim(
    signature: Signature | SignatureError, agents: AgentField | None, policy: Policy, now: int
) -> Claim | SignatureError:
    if isinstance(signature, SignatureError):
        return signature
    try:
        return claim(signature, agents, policy, now)
    except SignatureError as error:
        return error


def registration_claim(request: Request, policy: Policy, now: int) -> Claim:
    """Read and judge the signature with which a key asks to be registered (steps 1 and 2).

    Args:
        request: the request.
        policy: what is accepted.
        now: seconds since the epoch.

    Raises:
        SignatureError: no signature meets the profile `registration`; of several, why the first fails.
        MalformedRequest: a signature header has a line break.
    """
    signatures = parse(request, REGISTRATION_TAGS)
    if request.field(FIELD) is not None:
        raise InvalidSignatureAgent("leave Signature-Agent out: a key that registers has no agent yet")
    errors: list[SignatureError] = []
    for signature in signatures:
        try:
            return _registration(signature, policy, now)
        except SignatureError as error:
            errors.append(error)
    raise errors[0]


def _registration(signature: Signature | SignatureError, policy: Policy, now: int) -> Claim:
    if isinstance(signature, SignatureError):
        raise signature
    return claim_registration(signature, policy, now)


def prove(
    claimed: Claim,
    request: Request,
    key: PublicKey,
    body: bytes | None = None,
    *,
    digest_asserted: bool = False,
    types: Mapping[str, str] = FIELD_TYPES,
) -> Proof:
    """Prove a claim with the key it names (step 4).

    Args:
        claimed: what the signature claims.
        request: the request it was made for.
        key: the key to prove it with.
        body: the body's bytes, or None where it is not known.
        digest_asserted: whether the caller compared a covered Content-Digest elsewhere.
        types: structured types by field name, for components covered with `sf`.

    Raises:
        InvalidSignature: the key is not the one named, or the signature does not verify.
        UnsupportedAlg: the stated algorithm is not that of the key.
        MalformedSignature: a covered component is not in the request or cannot be derived.
        ContentDigestMismatch: the body is another one.
    """
    signature = claimed.signature
    if claimed.keyid != key.kid:
        raise InvalidSignature("the keyid is not the thumbprint of the key")
    if signature.alg is not None and signature.alg != key.alg:
        raise UnsupportedAlg("the stated algorithm is not that of the key")
    base = signature_base(request, signature.covered, signature.parameters, types)
    if not key.check(signature.value, base):
        raise InvalidSignature
    digest = check_content_digest(request, signature.covered, body, asserted=digest_asserted)
    return Proof(claimed, key, base, digest)


def strictest(proofs: list[Proof]) -> Proof:
    """Choose the proof an answer is about: the strictest profile's, the first of them in field order."""
    return min(proofs, key=lambda proof: STRICTEST_FIRST.index(proof.claim.profile))


def verify(
    request: Request,
    find_key: Callable[[AgentMember, str], PublicKey | None],
    policy: Policy,
    now: int,
    body: bytes | None = None,
) -> list[Proof]:
    """Verify a request with keys that are at hand (steps 1 to 4).

    This proves who signed, not that it was signed for this one use: the caller must still spend the nonce of every
    proof returned (step 5), or a copy of the request will verify as well.

    Args:
        request: the request.
        find_key: function of (agent, keyid) that returns the key of that very agent, or None.
        policy: what is accepted.
        now: seconds since the epoch.
        body: the body's bytes, or None where it is not known.

    Returns:
        Every signature that verified, in field order, at least one.

    Raises:
        SignatureError: none verified; the error is the first signature's.
        MalformedRequest: a header has a line break.
    """
    proofs: list[Proof] = []
    errors: list[VestryError] = []
    for claimed in claims(request, policy, now):
        try:
            proofs.append(_prove_with(claimed, request, find_key, body))
        except SignatureError as error:
            errors.append(error)
    if not proofs:
        raise errors[0]
    return proofs


def _prove_with(
    claimed: Claim | SignatureError,
    request: Request,
    find_key: Callable[[AgentMember, str], PublicKey | None],
    body: bytes | None,
) -> Proof:
    if isinstance(claimed, SignatureError):
        raise claimed
    key = find_key(claimed.agent, claimed.keyid) if claimed.agent is not None else None
    if key is None:
        raise UnknownKey
    return prove(claimed, request, key, body)
