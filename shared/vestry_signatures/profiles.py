"""What a signature must satisfy before its mathematics are worth doing.

Three profiles (docs/signatures.md has them as a table):

    web-bot-auth   draft-ietf-webbotauth-httpsig-protocol: covers the host and its own Signature-Agent member
    vestauth       what the released clients send: covers `@authority`, names its agent uncovered, always has a nonce
    registration   proof of possession of a key that nobody knows yet: names no agent at all

A fourth, `key-proof`, authenticates nobody (`key_proof.py`).

Every check of a signature by itself stands here, in this order:

1. it states what it must: created, expires, keyid, and an algorithm that is accepted;
2. the time: not expired, not from the future, not longer alive than allowed;
3. coverage: the host it was made for;
4. the agent: the member of Signature-Agent that belongs to it, covered or (vestauth) keyed to its label;
5. the nonce.

The result names the strictest profile that the signature meets.
"""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from .algorithms import ED25519
from .errors import (
    ExpiredSignature,
    InsufficientCoverage,
    InvalidSignatureAgent,
    LifetimeTooLong,
    MalformedSignature,
    MissingNonce,
    MissingSignatureAgent,
    NotYetValid,
    UnsupportedAlg,
)
from .signature import Signature
from .signature_agent import AgentField, AgentMember, covered_member

Profile = Literal["web-bot-auth", "vestauth", "registration", "key-proof"]
STRICTEST_FIRST: Final[tuple[Profile, ...]] = ("web-bot-auth", "vestauth")
TAG: Final = "web-bot-auth"
TAGS: Final = frozenset({TAG})
REGISTRATION_TAGS: Final = frozenset({TAG, "null"})
"""Released clients register with the text `null` as tag."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is accepted.

    Attributes:
        profiles: those that may be met; `web-bot-auth` and `vestauth`.
        algorithms: accepted signature algorithms (RFC 9421 section 3.3).
        nonce_required: whether web-bot-auth signatures without a nonce are refused.
        clock_skew: seconds by which clocks may differ.
        max_lifetime: most seconds from created to expires.
    """

    profiles: frozenset[str] = frozenset(STRICTEST_FIRST)
    algorithms: frozenset[str] = frozenset({ED25519})
    nonce_required: bool = False
    clock_skew: int = 60
    max_lifetime: int = 3600


class Claim(NamedTuple):
    """What a signature claims, fit to be proven.

    Attributes:
        signature: the signature.
        keyid: its keyid: which key to look up.
        created, expires: seconds since the epoch.
        profile: the strictest profile it meets.
        agent: the agent it says it is from; None in the profile `registration`.
        covers_agent: whether it covers what it says of that, so that nobody can exchange it. It depends on the
            signature alone, and not on the profiles that are accepted.
    """

    signature: Signature
    keyid: str
    created: int
    expires: int
    profile: Profile
    agent: AgentMember | None
    covers_agent: bool = False


def claim(signature: Signature, agents: AgentField | None, policy: Policy, now: int) -> Claim:
    """Judge a signature by the profiles `web-bot-auth` and `vestauth`.

    Args:
        signature: the signature as read.
        agents: the parsed Signature-Agent field, None where the request has none.
        policy: what is accepted.
        now: seconds since the epoch.

    Raises:
        SignatureError: the first check that fails, in the order of the module's docstring.
    """
    keyid, created, expires = stated(signature, policy)  # (1)
    check_time(created, expires, policy, now)  # (2)
    names = {part.name for part in signature.covered}
    if "@authority" not in names and "@target-uri" not in names:  # (3)
        raise InsufficientCoverage("the signature must cover @authority")
    if agents is None:  # (4)
        raise MissingSignatureAgent
    agent = covered_member(agents, signature.label, signature.covered)
    if agent is not None and "web-bot-auth" in policy.profiles:
        if signature.nonce or (signature.nonce is None and not policy.nonce_required):  # (5)
            return Claim(signature, keyid, created, expires, "web-bot-auth", agent, covers_agent=True)
        raise MissingNonce
    if "vestauth" not in policy.profiles:
        raise InsufficientCoverage('the signature must cover its own member of "signature-agent"')
    named = _vestauth_agent(signature, agents, agent, names)
    return Claim(signature, keyid, created, expires, "vestauth", named, covers_agent=agent is not None)


def _vestauth_agent(
    signature: Signature, agents: AgentField, covered: AgentMember | None, names: set[str]
) -> AgentMember:
    if "@authority" not in names:  # (3)
        raise InsufficientCoverage("the signature must cover @authority")
    agent = covered or agents.members.get(signature.label)  # (4)
    if agent is None:
        raise InvalidSignatureAgent
    if not signature.nonce:  # (5)
        raise MissingNonce
    return agent


def claim_registration(signature: Signature, policy: Policy, now: int) -> Claim:
    """Judge a signature by the profile `registration`. The caller has seen that no agent is named.

    Args:
        signature: the signature as read.
        policy: what is accepted.
        now: seconds since the epoch.

    Raises:
        SignatureError: the first check that fails.
    """
    keyid, created, expires = stated(signature, policy)
    check_time(created, expires, policy, now)
    if all(part.name != "@authority" for part in signature.covered):
        raise InsufficientCoverage("the signature must cover @authority")
    if not signature.nonce:
        raise MissingNonce
    return Claim(signature, keyid, created, expires, "registration", None)


def stated(signature: Signature, policy: Policy) -> tuple[str, int, int]:
    """Return keyid, created and expires. Raises MalformedSignature where one is missing, UnsupportedAlg."""
    keyid, created, expires = signature.keyid, signature.created, signature.expires
    if not keyid or created is None or expires is None:
        raise MalformedSignature("the signature must state created, expires and keyid")
    if signature.alg is not None and signature.alg not in policy.algorithms:
        raise UnsupportedAlg
    return keyid, created, expires


def check_time(created: int, expires: int, policy: Policy, now: int) -> None:
    """Compare a signature's times (Unix seconds) with `now`.

    Raises ExpiredSignature, NotYetValid, LifetimeTooLong; MalformedSignature where it ends before it begins.
    """
    if now > expires + policy.clock_skew:
        raise ExpiredSignature
    if created > now + policy.clock_skew:
        raise NotYetValid
    if expires <= created:
        raise MalformedSignature("expires must be later than created")
    if expires - created > policy.max_lifetime:
        raise LifetimeTooLong(f"a signature may live {policy.max_lifetime} seconds at most")
