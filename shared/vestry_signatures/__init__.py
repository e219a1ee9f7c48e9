"""HTTP message signatures (RFC 9421) for software agents: pure, fast, importable on its own.

    key = generate()
    request = Request.of("GET", "https://tool.example/", [])
    headers = sign(request, key, created=now, agent_url="https://agent-0123456789abcdef01234567.example.com")

    signed = Request.of("GET", "https://tool.example/", headers.items())
    [proof] = verify(signed, lambda agent, keyid: key.public, Policy(), now)

Nothing here reads a clock, a socket or a store: the time is an argument, keys are looked up by the caller, and so are
spent nonces. Errors are `VestryError`s (module `errors`), each with a machine-readable reason.
"""

from .errors import SignatureError, VestryError
from .keys import PublicKey, public_key, thumbprint
from .message import Request
from .parse import parse
from .profiles import Claim, Policy
from .sign import PrivateKey, generate, private_key, sign
from .signature import Signature
from .verify import Proof, claims, prove, registration_claim, strictest, verify

__all__ = [
    "Claim",
    "Policy",
    "PrivateKey",
    "Proof",
    "PublicKey",
    "Request",
    "Signature",
    "SignatureError",
    "VestryError",
    "claims",
    "generate",
    "parse",
    "private_key",
    "prove",
    "public_key",
    "registration_claim",
    "sign",
    "strictest",
    "thumbprint",
    "verify",
]
