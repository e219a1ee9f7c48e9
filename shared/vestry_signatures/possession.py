"""Proof of possession: a key that nobody knows yet signs for itself (the profile `registration`).

Whether 32 bytes are a point of the curve is Euler's criterion, a power modulo p: in Python it takes longer than the
check of a signature. But that check answers the same question on its way. The equation of RFC 8032 section 5.1.7 is
about the point A that the key's bytes decode to (5.1.3), so both libraries decode them first, and bytes that are no
point verify nothing: no choice of R and S helps. What the libraries do not agree on (small order, a second spelling)
`keys` has looked at before. So the point is examined where the proof fails, and only there:

1. The key is read, and refused for whatever else can be wrong with it (`keys.claimed_key`).
2. A signature is judged by the profile, and verified with that key. Where it holds, the key is a point.
3. Where anything fails, the point is examined, so that what is no key is told so whatever else is wrong.

A key that does not prove itself, of a rotation, a directory or another server, is read by `keys.public_key`.
"""

from .errors import VestryError
from .keys import PublicKey, require_point
from .message import Request
from .profiles import Policy
from .verify import Proof, prove, registration_claim


def prove_possession(claimed: PublicKey, request: Request, policy: Policy, now: int, body: bytes) -> Proof:
    """Prove that a request is signed with the private half of a key.

    Args:
        claimed: the key, by `keys.claimed_key` (1).
        request: the request.
        policy: what is accepted.
        now: seconds since the epoch.
        body: the body's bytes.

    Raises:
        InvalidJwk: the key is no point of the curve.
        SignatureError: no signature holds, and why.
        MalformedRequest: a signature header has a line break.
    """
    try:
        return prove(registration_claim(request, policy, now), request, claimed, body)  # (2)
    except VestryError:
        require_point(claimed)  # (3)
        raise
