"""The new key's own word: a second signature by which a key agrees to belong to an agent.

A public key is public: without its word anybody could add a stranger's key to an agent of his own, and the stranger,
who then registers, would be told that agent's uid. So a request that brings a new key is signed twice, by a key that
the agent has (that one authenticates) and by the new key, under a label of its own:

    Signature-Agent: sig1="https://agent-….example.com"
    Signature-Input: sig1=("@authority");…;tag="web-bot-auth", proof=("@authority" "@method" "@path"
                     "content-digest" "signature-agent";key="sig1");…;tag="vestry-key-proof"

What it covers makes it good for nothing else: not for another registrar (`@authority`), another endpoint (`@method`,
`@path`), another body (`content-digest`, RFC 9530), another agent (its member of `signature-agent`), and, its nonce
being spent, not for a second time. Its tag keeps it from being taken for authentication, and authentication for it.

Checked here, in this order:

1. there is one such signature, not several;
2. it states created, expires, keyid, and an algorithm that is accepted;
3. the time, as of every signature;
4. coverage;
5. the nonce.

The caller then proves it with the new key (`verify.prove`), compares the agent it names with the one that calls, and
spends its nonce together with that of the signature that authenticates.
"""

from collections.abc import Mapping
from typing import Final

from . import fields
from .errors import InsufficientCoverage, MalformedSignature, MissingNonce, WrongTag
from .message import Request
from .parse import parse
from .profiles import Claim, Policy, check_time, stated
from .sign import PrivateKey, sign
from .signature import Signature
from .signature_agent import FIELD, AgentMember, covered_member, read_agent_field

TAG: Final = "vestry-key-proof"
COVERED: Final = ("@authority", "@method", "@path", "content-digest")
"""What a proof covers, besides the agent's member of Signature-Agent."""


def add_key_proof(
    request: Request, signed: Mapping[str, str], key: PrivateKey, *, created: int, label: str = "proof"
) -> dict[str, str]:
    """Let a new key sign a request that is signed already by a key that the agent has.

    Args:
        request: the request, with its Content-Digest header.
        signed: the headers that `sign` gave for it, Signature-Agent with one member among them.
        key: the new key.
        created: seconds since the epoch.
        label: of the second signature; not the first one's.

    Returns:
        The headers to add to the request, instead of those given.

    Raises:
        MalformedSignature: the request has no Content-Digest.
        fields.FieldError: the label is none, or Signature-Agent is not a dictionary.
    """
    agent = signed["Signature-Agent"]
    [member] = fields.parse_dictionary(agent)
    named = Request(request.method, request.target.uri, {**request.headers, FIELD: [agent]})
    covered = [*COVERED, f'"{FIELD}";key="{member}"']
    proof = sign(named, key, created=created, components=covered, label=label, tag=TAG)
    return {**signed, **{name: f"{signed[name]}, {value}" for name, value in proof.items()}}


def key_proof_claim(request: Request, policy: Policy, now: int) -> Claim | None:
    """Read and judge the proof of a new key.

    Args:
        request: the request that brings the key, signed at least once.
        policy: what is accepted.
        now: seconds since the epoch.

    Returns:
        What the proof claims, with the agent that it names; None where the request has no such signature.

    Raises:
        SignatureError: the first check that fails, in the order of the module's docstring.
    """
    signature = _only_one(request)  # (1)
    if signature is None:
        return None
    keyid, created, expires = stated(signature, policy)  # (2)
    check_time(created, expires, policy, now)  # (3)
    agent = _covered_agent(request, signature)  # (4)
    if not signature.nonce:  # (5)
        raise MissingNonce
    return Claim(signature, keyid, created, expires, "key-proof", agent)


def _only_one(request: Request) -> Signature | None:
    try:
        found = parse(request, {TAG})
    except WrongTag:
        return None
    if len(found) > 1:
        raise MalformedSignature("there is more than one proof of a new key")
    [signature] = found
    if isinstance(signature, MalformedSignature):
        raise signature
    return signature


def _covered_agent(request: Request, signature: Signature) -> AgentMember:
    names = {part.name for part in signature.covered}
    if not names.issuperset(COVERED):
        raise InsufficientCoverage(f"the proof of a new key must cover {', '.join(COVERED)}")
    field = request.field(FIELD)
    agent = field and covered_member(read_agent_field(field), signature.label, signature.covered)
    if not agent:
        raise InsufficientCoverage(f'the proof of a new key must cover the agent\'s member of "{FIELD}"')
    return agent
