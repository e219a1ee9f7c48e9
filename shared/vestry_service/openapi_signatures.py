"""Agents, their keys and signatures, as the documents of both services tell of them."""

from typing import Final

from vestry_service.errors import PendingAgent
from vestry_service.openapi_errors import Refusal
from vestry_service.openapi_parts import Json, schema_of, strict, text
from vestry_signatures.agent_url import WELL_KNOWN_PATH
from vestry_signatures.errors import (
    ContentDigestMismatch,
    ExpiredSignature,
    InsufficientCoverage,
    InvalidSignature,
    InvalidSignatureAgent,
    LifetimeTooLong,
    MalformedSignature,
    MissingNonce,
    MissingSignature,
    MissingSignatureAgent,
    MissingSignatureInput,
    NotYetValid,
    ReplayedNonce,
    ReplayStoreUnavailable,
    RevokedKey,
    SuspendedAgent,
    UnknownKey,
    UnsupportedAlg,
    UntrustedSignatureAgent,
    WrongTag,
)

SIGNATURE: Final[tuple[Refusal, ...]] = (
    MissingSignatureInput,
    MissingSignature,
    MalformedSignature,
    InvalidSignatureAgent,
    MissingNonce,
    WrongTag,
    UnsupportedAlg,
    InsufficientCoverage,
    ExpiredSignature,
    NotYetValid,
    LifetimeTooLong,
    InvalidSignature,
    ContentDigestMismatch,
    ReplayedNonce,
    ReplayStoreUnavailable,
)
"""Why a signature is refused, whoever signs."""

AGENTS_SIGNATURE: Final[tuple[Refusal, ...]] = (
    *SIGNATURE,
    MissingSignatureAgent,
    UntrustedSignatureAgent,
    UnknownKey,
    RevokedKey,
    SuspendedAgent,
    PendingAgent,
)
"""Why a signature is refused that should be an agent's."""

SECOND: Final[Json] = {"type": "integer", "minimum": 0, "description": "Unix seconds."}
KID: Final = "^[A-Za-z0-9_-]{43}$"
URL_OF_AGENT: Final = r"^https?://agent-[0-9a-f]{24}\.[^/]+"

SCHEMAS: Final[dict[str, Json]] = {
    "AgentUid": text("^agent-[0-9a-f]{24}$", description="Names an agent, whatever keys it has."),
    "Kid": text(
        KID, description="RFC 7638 SHA-256 thumbprint of a public key; always computed, never believed."
    ),
    "PublicJwk": {
        **strict(
            {
                "kty": {"const": "OKP"},
                "crv": {"const": "Ed25519"},
                "x": text(KID),
                "kid": schema_of("Kid"),
                "nbf": SECOND,
                "exp": SECOND,
            },
            optional=["nbf", "exp"],
        ),
        "description": "An Ed25519 key (RFC 8037), and when it may be used if that is bounded.",
    },
}

IDENTITY: Final[dict[str, Json]] = {
    "uid": schema_of("AgentUid"),
    "kid": schema_of("Kid"),
    "public_jwk": schema_of("PublicJwk"),
}
"""The members that say which agent, and by which key."""

DIRECTORY_URL: Final[Json] = text(
    f"{URL_OF_AGENT}{WELL_KNOWN_PATH}$", description="Where the agent's keys are."
)
