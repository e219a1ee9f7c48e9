"""What the registrar's documents have in common: uids, kids, keys, signed requests, and why somebody is refused."""

from collections.abc import Collection
from typing import Any, Final

from vestry_service import openapi_signatures
from vestry_service.errors import MisdirectedRequest
from vestry_service.openapi import operation
from vestry_service.openapi_errors import Refusal
from vestry_service.openapi_parts import Json, header, path_parameter, schema_of, text
from vestry_service.openapi_signatures import KID, SECOND
from vestry_signatures.errors import InvalidJwk, MissingPublicJwk, PrivateKeyExposed, WeakKey

TOOL_UID: Final = "^tool-[0-9a-f]{24}$"
PUBLISHED: Final[Json] = {
    "const": False,
    "description": "Only there where Redis could not be written: the change stands, and nothing verifies meanwhile.",
}

SCHEMAS: Final[dict[str, Json]] = {
    **openapi_signatures.SCHEMAS,
    "ToolUid": text(TOOL_UID, description="Names a tool."),
    "GivenJwk": {
        "type": "object",
        "properties": {
            "kty": {"const": "OKP"},
            "crv": {"const": "Ed25519"},
            "x": text(KID),
            "nbf": SECOND,
            "exp": SECOND,
        },
        "required": ["kty", "crv", "x"],
        "description": "An Ed25519 public key (RFC 8037). Other members are left alone; private ones are refused.",
    },
}

MESSAGE_SIGNATURE: Final = "messageSignature"
BEARER: Final = "bearer"
CHECKS: Final = ("postgres", "redis")
"""Names of the health checks."""

NEW_KEY: Final[tuple[Refusal, ...]] = (InvalidJwk, PrivateKeyExposed, WeakKey, MissingPublicJwk)
"""Why a key in a body is refused."""

RATE_LIMITS: Final[dict[str, Json]] = {
    "RateLimit": header(
        "What is left of the limits that this request counted against.", '^"[a-z-]+";r=[0-9]+;t=[0-9]+'
    ),
    "RateLimit-Policy": header("Those limits.", '^"[a-z-]+";q=[0-9]+;w=[0-9]+'),
}
"""draft-ietf-httpapi-ratelimit-headers."""


_SIGNATURE_HEADERS: Final = {
    "Signature-Input": (
        True,
        'Covered components and parameters, e.g. `sig1=("@authority");created=…;keyid="…";…`.',
    ),
    "Signature": (True, "The signature under the same label: `sig1=:BASE64:`."),
    "Signature-Agent": (True, 'Whose it is: `sig1="https://agent-….host"`.'),
    "Content-Digest": (False, "RFC 9530; compared with the body where the signature covers it."),
}


def signed(*, by_agent: bool) -> list[Json]:
    """Describe the headers of a signed request; a new key signs as nobody's yet, so names no agent."""
    return [
        {
            "name": name,
            "in": "header",
            "required": required,
            "description": told,
            "schema": {"type": "string"},
        }
        for name, (required, told) in _SIGNATURE_HEADERS.items()
        if by_agent or name != "Signature-Agent"
    ]


def public_operation(name: str, summary: str, *, refused: Collection[Refusal] = (), **facts: Any) -> Json:
    """Describe an operation of the public port, which answers for its own hosts alone (see `operation`)."""
    return operation(name, summary, refused=[*refused, MisdirectedRequest], **facts)


def nullable(schema: Json) -> Json:
    """Describe what is there, or null."""
    return {"oneOf": [schema, {"type": "null"}]}


def agent_in_path() -> Json:
    """Describe the uid of an agent in a path."""
    return path_parameter("uid", "The agent.", schema_of("AgentUid"))


def kid_in_path() -> Json:
    """Describe a kid in a path."""
    return path_parameter("kid", "The key.", schema_of("Kid"))
