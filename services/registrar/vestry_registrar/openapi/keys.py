"""`/whoami`, `/rotate`, `/keys` and `/revoke`: what an agent asks and changes with a key it has."""

from collections.abc import Collection
from typing import Any, Final

from vestry_registrar.openapi.parts import (
    MESSAGE_SIGNATURE,
    NEW_KEY,
    PUBLISHED,
    RATE_LIMITS,
    kid_in_path,
    nullable,
    public_operation,
    signed,
)
from vestry_registrar.repository.keys import LISTED
from vestry_service.errors import (
    BindingRequired,
    BodyTooLarge,
    KeyInUse,
    KeyRevoked,
    KeyTaken,
    LastKey,
    NotFound,
    ProofRequired,
    RateLimited,
    TooManyKeys,
)
from vestry_service.openapi_errors import Refusal
from vestry_service.openapi_parts import Json, answer, one_of, schema_of, strict
from vestry_service.openapi_signatures import AGENTS_SIGNATURE, DIRECTORY_URL, IDENTITY, SECOND
from vestry_signatures.errors import DatabaseUnavailable

TAG: Final = "keys"
_PROOF: Final = """
The new key signs the request too, under a label of its own with the tag `vestry-key-proof`: covered are `@authority`,
`@method`, `@path`, `content-digest` and the agent's member of `signature-agent`.
"""
_NEWCOMER: Final[tuple[Refusal, ...]] = (
    *NEW_KEY,
    KeyTaken,
    KeyRevoked,
    KeyInUse,
    TooManyKeys,
    ProofRequired,
    BindingRequired,
)
_REVOKED: Final[Json] = {"const": "revoked"}
SCHEMAS: Final[dict[str, Json]] = {
    "Caller": strict({**IDENTITY, "well_known_url": DIRECTORY_URL}),
    "AddedKey": strict({**IDENTITY, "published": PUBLISHED}, optional=["published"]),
    "Rotated": strict(
        {
            **IDENTITY,
            "retiring": {
                **strict({"kid": schema_of("Kid"), "exp": SECOND}),
                "description": "The old key, and until when it still verifies.",
            },
            "published": PUBLISHED,
        },
        optional=["retiring", "published"],
    ),
    "Proof": {
        **strict(
            {
                "label": {"type": "string"},
                "created": SECOND,
                "expires": SECOND,
                "signature_base": {"type": "string", "description": "What was signed."},
                "signature": {"type": "string", "contentEncoding": "base64"},
            }
        ),
        "description": "By which the key agreed to be this agent's; everybody can check it again.",
    },
    "ListedKey": strict(
        {
            "kid": schema_of("Kid"),
            "state": one_of("active", "retiring", "expired", "revoked"),
            "public_jwk": schema_of("PublicJwk"),
            "nbf": nullable(SECOND),
            "exp": nullable(SECOND),
            "added": SECOND,
            "changed": SECOND,
            "proof": nullable(schema_of("Proof")),
        }
    ),
    "ListedKeys": strict(
        {
            "uid": schema_of("AgentUid"),
            "keys": {"type": "array", "items": schema_of("ListedKey"), "maxItems": LISTED},
        }
    ),
    "RetiredKey": strict(
        {
            "uid": schema_of("AgentUid"),
            "kid": schema_of("Kid"),
            "state": _REVOKED,
            "published": PUBLISHED,
        },
        optional=["published"],
    ),
    "Revoked": strict(
        {
            "uid": schema_of("AgentUid"),
            "state": _REVOKED,
            "kid": {**schema_of("Kid"), "description": "The key, where not the agent itself was revoked."},
            "published": PUBLISHED,
        },
        optional=["kid", "published"],
    ),
}


def keys_paths() -> dict[str, Json]:
    """Describe what an agent asks and changes with a key it has."""
    return {
        "/whoami": {"get": _whoami("whoami"), "post": _whoami("whoamiByPost")},
        "/rotate": {"post": _rotate()},
        "/keys": {"get": _list(), "post": _add()},
        "/keys/{kid}": {"delete": _retire()},
        "/revoke": {"post": _revoke()},
    }


def _whoami(name: str) -> Json:
    return _by_agent(name, "which agent signs", answers={200: answer("The agent.", schema_of("Caller"))})


def _rotate() -> Json:
    overlap = {
        "type": "integer",
        "minimum": 0,
        "default": 0,
        "description": "Seconds for which the old key still verifies; more than 0 needs the proof.",
    }
    return _by_agent(
        "rotateKey",
        "put a new key in the place of the one that signs",
        description=_PROOF.strip(),
        answers={200: answer("The new key is active, the old one is not.", schema_of("Rotated"))},
        refused=_NEWCOMER,
        body=_with_key({"overlap": overlap}),
    )


def _list() -> Json:
    return _by_agent(
        "listKeys",
        "every key that the agent has and had",
        answers={200: answer("Those in use first.", schema_of("ListedKeys"))},
        refused=[BindingRequired],
    )


def _add() -> Json:
    return _by_agent(
        "addKey",
        "give the agent one key more",
        description=_PROOF.strip(),
        answers={200: answer("It is the agent's.", schema_of("AddedKey"))},
        refused=_NEWCOMER,
        body=_with_key({}),
    )


def _retire() -> Json:
    return _by_agent(
        "retireKey",
        "take a key out of use, never the last usable one",
        answers={200: answer("It is out of use for ever.", schema_of("RetiredKey"))},
        refused=[NotFound, LastKey, BindingRequired],
        parameters=[kid_in_path()],
    )


def _revoke() -> Json:
    one_key = {"type": "object", "properties": {"kid": schema_of("Kid"), "agent": False}, "required": ["kid"]}
    agent = {
        "type": "object",
        "properties": {"agent": {"const": True}, "kid": False},
        "required": ["agent"],
    }
    return _by_agent(
        "revoke",
        "revoke any key of the agent, or the agent itself, for ever",
        answers={200: answer("It is out of use for ever.", schema_of("Revoked"))},
        refused=[NotFound, BindingRequired],
        body={"oneOf": [one_key, agent]},
    )


def _with_key(more: dict[str, Json]) -> Json:
    members = {"public_jwk": schema_of("GivenJwk"), **more}
    return {"type": "object", "properties": members, "required": ["public_jwk"]}


def _by_agent(
    name: str,
    summary: str,
    *,
    refused: Collection[Refusal] = (),
    parameters: Collection[Json] = (),
    **facts: Any,
) -> Json:
    return public_operation(
        name,
        summary,
        tag=TAG,
        refused=[*AGENTS_SIGNATURE, *refused, BodyTooLarge, RateLimited, DatabaseUnavailable],
        parameters=[*parameters, *signed(by_agent=True)],
        security=[[MESSAGE_SIGNATURE]],
        headers=RATE_LIMITS,
        **facts,
    )
