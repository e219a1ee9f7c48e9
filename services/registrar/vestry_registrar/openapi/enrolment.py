"""`POST /register` and `POST /tool/register`: a key becomes an agent's or a tool's."""

from typing import Any, Final

from vestry_registrar.openapi.parts import (
    BEARER,
    MESSAGE_SIGNATURE,
    NEW_KEY,
    PUBLISHED,
    RATE_LIMITS,
    public_operation,
    signed,
)
from vestry_service.errors import (
    BodyTooLarge,
    KeyRevoked,
    KeyTaken,
    RateLimited,
    RegistrationClosed,
    TokenRequired,
    WrongState,
)
from vestry_service.openapi_parts import Json, answer, one_of, schema_of, strict
from vestry_service.openapi_signatures import IDENTITY, SIGNATURE
from vestry_signatures.errors import DatabaseUnavailable

TAG: Final = "enrolment"
_SIGNED: Final = """
Signed by the new key itself (RFC 9421): `@authority` covered, tag `web-bot-auth`, keyid its thumbprint, with a nonce.
The same key again learns its uid again, in every mode of registration.
"""
_GIVEN: Final[Json] = {
    "type": "object",
    "properties": {"public_jwk": schema_of("GivenJwk")},
    "required": ["public_jwk"],
}


def _enrolled(uid: str, *states: str) -> Json:
    facts = {
        **IDENTITY,
        "uid": schema_of(uid),
        "is_new": {"type": "boolean", "description": "Whether this request made it."},
        "state": {**one_of(*states), "description": "Only there where it is not active."},
    }
    return strict(facts, optional=["state"])


SCHEMAS: Final[dict[str, Json]] = {
    "EnrolledAgent": _enrolled("AgentUid", "pending", "suspended"),
    "EnrolledTool": _enrolled("ToolUid", "pending"),
    "AttachedKey": {
        **strict(
            {
                **IDENTITY,
                "is_new": {"const": False},
                "attached": {"const": True},
                "published": PUBLISHED,
            },
            optional=["published"],
        ),
        "description": "An attach token let the key join an agent that is there already.",
    },
}


def enrolment_paths() -> dict[str, Json]:
    """Describe the routes that enrol keys."""
    agent = {"oneOf": [schema_of("EnrolledAgent"), schema_of("AttachedKey")]}
    return {
        "/register": {
            "post": _enrol(
                "registerAgent", "make a key an agent's", answer("The agent.", agent), [WrongState]
            )
        },
        "/tool/register": {
            "post": _enrol(
                "registerTool", "make a key a tool's", answer("The tool.", schema_of("EnrolledTool")), []
            )
        },
    }


def _enrol(name: str, summary: str, told: Json, refused: list[Any]) -> Json:
    common = [*SIGNATURE, *NEW_KEY, KeyTaken, KeyRevoked, TokenRequired, RegistrationClosed]
    return public_operation(
        name,
        summary,
        tag=TAG,
        description=_SIGNED.strip(),
        answers={200: told},
        refused=[*refused, *common, BodyTooLarge, RateLimited, DatabaseUnavailable],
        parameters=signed(by_agent=False),
        body=_GIVEN,
        security=[[MESSAGE_SIGNATURE], [MESSAGE_SIGNATURE, BEARER]],
        headers=RATE_LIMITS,
    )
