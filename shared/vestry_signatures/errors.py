"""Every reason the signature code and a verification can give, one class each.

The machine-readable facts of an error stand on its class and nowhere else: `reason` (stable, for
programs), `status` (the HTTP status a service answers with) and `outcome` (what a caller may conclude).
The text is for people; it never carries key material or bytes that a stranger chose.

    VestryError
    ├── SignatureError                 somebody's signature does not hold (401)
    │   ├── MissingSignatureInput      outcome `unsigned`
    │   ├── MissingSignature           outcome `unsigned`
    │   ├── MalformedSignature, MissingSignatureAgent, InvalidSignatureAgent, UntrustedSignatureAgent,
    │   │   MissingNonce, WrongTag, UnsupportedAlg, InsufficientCoverage, WrongAuthority, ExpiredSignature,
    │   │   NotYetValid, LifetimeTooLong, InvalidSignature, ContentDigestMismatch, ReplayedNonce, RevokedKey,
    │   │   SuspendedAgent             outcome `invalid`
    │   └── UnknownKey                 outcome `unverified`
    ├── Undecided                      cannot be decided now; the caller signs anew (503)
    │   └── DirectoryUnreachable, ReplayStoreUnavailable, DatabaseUnavailable
    ├── KeyRefused                     a key that cannot be taken (422)
    │   └── InvalidJwk, PrivateKeyExposed, WeakKey
    └── RequestRefused                 the question itself is unusable (400)
        └── MalformedRequest, MissingPublicJwk, MissingHttpMethod, MissingUri, InvalidUri
"""

from typing import ClassVar, Literal

Outcome = Literal["verified", "invalid", "unverified", "unsigned"]


class VestryError(Exception):
    """Base of every error with a reason. `str(error)` is a sentence a caller may read.

    Attributes:
        reason: stable machine code, e.g. `EXPIRED_SIGNATURE`.
        status: HTTP status.
        outcome: what may be concluded about the signature, or None where no signature was judged.
        text: the sentence used when none is given.
        retry_after: seconds after which trying again makes sense, or None.
    """

    reason: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500
    outcome: ClassVar[Outcome | None] = None
    text: ClassVar[str] = "something went wrong here; the request id finds it in the log"
    retry_after: ClassVar[int | None] = None

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.text)


class SignatureError(VestryError):
    """Somebody's signature does not hold: 401."""

    reason = "INVALID_SIGNATURE"
    status = 401
    outcome: ClassVar[Outcome | None] = "invalid"
    text = "the signature does not hold"


class MissingSignatureInput(SignatureError):
    reason = "MISSING_SIGNATURE_INPUT"
    outcome: ClassVar[Outcome | None] = "unsigned"
    text = "no Signature-Input header: sign the request (RFC 9421)"


class MissingSignature(SignatureError):
    reason = "MISSING_SIGNATURE"
    outcome: ClassVar[Outcome | None] = "unsigned"
    text = "no Signature header: sign the request (RFC 9421)"


class MalformedSignature(SignatureError):
    reason = "MALFORMED_SIGNATURE"
    text = "the signature headers cannot be read"


class MissingSignatureAgent(SignatureError):
    reason = "MISSING_SIGNATURE_AGENT"
    text = "no Signature-Agent header: say which agent signs"


class InvalidSignatureAgent(SignatureError):
    reason = "INVALID_SIGNATURE_AGENT"
    text = "Signature-Agent names no agent that belongs to this signature"


class UntrustedSignatureAgent(SignatureError):
    reason = "UNTRUSTED_SIGNATURE_AGENT"
    text = "the host in Signature-Agent is not one that is believed here"


class MissingNonce(SignatureError):
    reason = "MISSING_NONCE"
    text = "the signature has no nonce: add one, new for every request"


class WrongTag(SignatureError):
    reason = "WRONG_TAG"
    text = "no signature carries the tag web-bot-auth"


class UnsupportedAlg(SignatureError):
    reason = "UNSUPPORTED_ALG"
    text = "the signature algorithm is not accepted or does not fit the key"


class InsufficientCoverage(SignatureError):
    reason = "INSUFFICIENT_COVERAGE"
    text = "the signature covers too little of the request"


class WrongAuthority(SignatureError):
    reason = "WRONG_AUTHORITY"
    text = "the request is for an authority that is not the asking tool's own"


class ExpiredSignature(SignatureError):
    reason = "EXPIRED_SIGNATURE"
    text = "the signature has expired: sign the request anew"


class NotYetValid(SignatureError):
    reason = "NOT_YET_VALID"
    text = "the signature was created in the future: check the clock of the signer"


class LifetimeTooLong(SignatureError):
    reason = "LIFETIME_TOO_LONG"
    text = "the time from created to expires is longer than accepted here"


class InvalidSignature(SignatureError):
    text = "the signature does not match the request and the key"


class ContentDigestMismatch(SignatureError):
    reason = "CONTENT_DIGEST_MISMATCH"
    text = "the body is not the one whose digest was signed"


class ReplayedNonce(SignatureError):
    reason = "REPLAYED_NONCE"
    text = "this signature was used before: sign every request anew"


class RevokedKey(SignatureError):
    reason = "REVOKED_KEY"
    text = "the key was taken out of use"


class SuspendedAgent(SignatureError):
    reason = "SUSPENDED_AGENT"
    text = "the agent is suspended"


class UnknownKey(SignatureError):
    reason = "UNKNOWN_KEY"
    outcome: ClassVar[Outcome | None] = "unverified"
    text = "the agent has no such key"


class Undecided(VestryError):
    """It cannot be decided now, so nothing passes: 503. The caller signs anew, for the nonce may be spent."""

    status = 503
    outcome: ClassVar[Outcome | None] = "unverified"
    retry_after = 1


class DirectoryUnreachable(Undecided):
    reason = "DIRECTORY_UNREACHABLE"
    text = "the agent's keys cannot be fetched now: sign anew and try again"


class ReplayStoreUnavailable(Undecided):
    reason = "REPLAY_STORE_UNAVAILABLE"
    text = "it cannot be told now whether this signature was used before: sign anew and try again"


class DatabaseUnavailable(Undecided):
    reason = "DATABASE_UNAVAILABLE"
    text = "the database does not answer now: sign anew and try again"


class KeyRefused(VestryError):
    """A key that cannot be taken: 422."""

    status = 422


class InvalidJwk(KeyRefused):
    reason = "INVALID_JWK"
    text = "public_jwk is not a public key that can be used here"


class PrivateKeyExposed(KeyRefused):
    reason = "PRIVATE_KEY_EXPOSED"
    text = (
        "public_jwk carries private members: this key is now exposed. Nothing was stored; "
        "throw the key away and make a new one"
    )


class WeakKey(KeyRefused):
    reason = "WEAK_KEY"
    text = "this key is known to the public or has no security: make a new one"


class RequestRefused(VestryError):
    """The question itself is unusable: 400."""

    status = 400


class MalformedRequest(RequestRefused):
    reason = "MALFORMED_REQUEST"
    text = "the request cannot be read"


class MissingPublicJwk(RequestRefused):
    reason = "MISSING_PUBLIC_JWK"
    text = 'the body must be JSON with a "public_jwk" object'


class MissingHttpMethod(RequestRefused):
    reason = "MISSING_HTTP_METHOD"
    text = 'say in "method" which HTTP method was received'


class MissingUri(RequestRefused):
    reason = "MISSING_URI"
    text = 'say in "url" which absolute URL was received'


class InvalidUri(RequestRefused):
    reason = "INVALID_URI"
    text = "the url must be an absolute http or https URL"
