"""`/admin/agents`: what operators ask about agents, and do to them."""

from typing import Final, get_args

from vestry_registrar.administration import Verb
from vestry_registrar.attachment import LONGEST
from vestry_registrar.audit.event import ActorKind
from vestry_registrar.handlers.admin_agents import ATTACH_LIFE, RECENT
from vestry_registrar.openapi.admin_parts import (
    ABOUT,
    AGENT_STATES,
    BECAUSE,
    CHANGED,
    KEY_STATES,
    REASON,
    admin_operation,
    page_of,
    search_parameters,
)
from vestry_registrar.openapi.parts import PUBLISHED, agent_in_path, kid_in_path, nullable
from vestry_service.errors import NotFound, WrongState
from vestry_service.openapi_parts import Json, answer, one_of, schema_of, strict, text
from vestry_service.openapi_signatures import KID, SECOND

_DONE: Final = {
    "suspend": "its signatures fail until it is resumed",
    "resume": "a suspended agent may act again",
    "approve": "a pending agent may act",
    "revoke": "it is revoked for ever, with every key",
}
_STATE: Final[dict[str, Json]] = {
    "state": one_of(*AGENT_STATES),
    "changed": CHANGED,
    "published": PUBLISHED,
}
SCHEMAS: Final[dict[str, Json]] = {
    "FoundAgent": strict(ABOUT),
    "FoundAgents": page_of("agents", "FoundAgent"),
    "KeptKey": strict(
        {
            "kid": schema_of("Kid"),
            "state": one_of(*KEY_STATES),
            "not_before": nullable(SECOND),
            "not_after": nullable(SECOND),
            "value": strict(
                {
                    "kty": {"const": "OKP"},
                    "crv": {"const": "Ed25519"},
                    "x": text(KID),
                    "kid": schema_of("Kid"),
                },
                optional=["kid"],
            ),
            "created_at": SECOND,
            "updated_at": SECOND,
        }
    ),
    "AuditEvent": strict(
        {
            "at": SECOND,
            "event": text(r"^[a-z]+\.[a-z]+$"),
            "kid": nullable(schema_of("Kid")),
            "actor_kind": one_of(*get_args(ActorKind)),
            "actor": {"type": "string"},
            "client_ip": {"type": ["string", "null"]},
            "request_id": {"type": ["string", "null"]},
            "details": {"type": "object", "description": "Depends on the event."},
        }
    ),
    "WholeAgent": strict(
        {
            **ABOUT,
            "version": {"type": "integer", "minimum": 1, "description": "Raised by every change."},
            "keys": {"type": "array", "items": schema_of("KeptKey")},
            "events": {"type": "array", "items": schema_of("AuditEvent"), "maxItems": RECENT},
        }
    ),
    "AgentState": strict({"uid": schema_of("AgentUid"), **_STATE}, optional=["published"]),
    "KeyState": strict(
        {"uid": schema_of("AgentUid"), "kid": schema_of("Kid"), **_STATE, "state": {"const": "revoked"}},
        optional=["published"],
    ),
    "AttachToken": strict(
        {
            "id": {"type": "integer"},
            "uid": schema_of("AgentUid"),
            "expires_at": SECOND,
            "token": text("^vestry_att_[A-Za-z0-9_-]{43}$", description="Shown this once."),
        }
    ),
}


def agents_paths() -> dict[str, Json]:
    """Describe what operators ask about agents, and do to them."""
    agent = "/admin/agents/{uid}"
    return {
        "/admin/agents": {"get": _list()},
        agent: {"get": _show()},
        **{f"{agent}/{verb}": {"post": _change(verb)} for verb in get_args(Verb)},
        f"{agent}/keys": {"post": _allow_key()},
        f"{agent}/keys/{{kid}}/revoke": {"post": _revoke_key()},
    }


def _list() -> Json:
    return admin_operation(
        "listAgents",
        "find agents, the newest first",
        answers={200: answer("A page of them.", schema_of("FoundAgents"))},
        parameters=search_parameters("agent-"),
    )


def _show() -> Json:
    return admin_operation(
        "readAgent",
        "everything of one agent",
        answers={200: answer("The agent, its keys, its last events.", schema_of("WholeAgent"))},
        refused=[NotFound],
        parameters=[agent_in_path()],
    )


def _change(verb: Verb) -> Json:
    return admin_operation(
        f"{verb}Agent",
        f"{verb} an agent",
        description=f"Answered once {_DONE[verb]}, everywhere.",
        answers={200: answer("What it is now.", schema_of("AgentState"))},
        refused=[NotFound, WrongState],
        parameters=[agent_in_path()],
        body=BECAUSE,
    )


def _allow_key() -> Json:
    life = {
        "type": "integer",
        "minimum": 1,
        "maximum": LONGEST,
        "default": ATTACH_LIFE,
        "description": "Seconds.",
    }
    return admin_operation(
        "allowKey",
        "let the holder of a new key join it to an agent",
        answers={200: answer("A token to hand over.", schema_of("AttachToken"))},
        refused=[NotFound, WrongState],
        parameters=[agent_in_path()],
        body=strict({"reason": REASON, "expires_in": life}, optional=["expires_in"]),
    )


def _revoke_key() -> Json:
    return admin_operation(
        "revokeAgentsKey",
        "take a key out of use, also the last",
        answers={200: answer("It is out of use, everywhere.", schema_of("KeyState"))},
        refused=[NotFound],
        parameters=[agent_in_path(), kid_in_path()],
        body=BECAUSE,
    )
