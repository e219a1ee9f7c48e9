"""`/admin/tools`, `/admin/enrolment-tokens`, `/admin/counts`: what else operators ask and do."""

from typing import Final

from vestry_registrar.handlers.admin_tokens import LIFE, LONGEST_LABEL, LONGEST_LIFE, MOST_USES
from vestry_registrar.openapi.admin_parts import (
    ABOUT,
    AGENT_STATES,
    BECAUSE,
    CHANGED,
    COUNT,
    KEY_STATES,
    TOOL_STATES,
    admin_operation,
    by_state,
    page_of,
    page_parameters,
    search_parameters,
)
from vestry_registrar.openapi.parts import nullable
from vestry_service.errors import NotFound, WrongState
from vestry_service.openapi_parts import Json, answer, one_of, path_parameter, schema_of, strict, text
from vestry_service.openapi_signatures import SECOND

_TOOL: Final = path_parameter("uid", "The tool.", schema_of("ToolUid"))
_NUMBER: Final = path_parameter(
    "id", "The token's number.", {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
)
_LABEL: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_LABEL,
    "description": "For whom it is; printable. It becomes the label of everybody who registers with it.",
}
SCHEMAS: Final[dict[str, Json]] = {
    "FoundTool": strict({**ABOUT, "uid": schema_of("ToolUid"), "state": one_of(*TOOL_STATES)}),
    "FoundTools": page_of("tools", "FoundTool"),
    "ToolState": strict({"uid": schema_of("ToolUid"), "state": one_of(*TOOL_STATES), "changed": CHANGED}),
    "KeptToken": {
        **strict(
            {
                "id": COUNT,
                "label": {"type": ["string", "null"]},
                "uid": nullable(schema_of("AgentUid")),
                "uses": COUNT,
                "uses_left": COUNT,
                "created_by": {"type": "string", "description": "The operator."},
                "created_at": SECOND,
                "expires_at": SECOND,
                "revoked_at": nullable(SECOND),
            }
        ),
        "description": "An enrolment token has a label; an attach token has an agent.",
    },
    "KeptTokens": page_of("tokens", "KeptToken"),
    "EnrolmentToken": strict(
        {
            "id": COUNT,
            "label": {"type": "string"},
            "uses": COUNT,
            "expires_at": SECOND,
            "token": text("^vestry_enr_[A-Za-z0-9_-]{43}$", description="Shown this once."),
        }
    ),
    "TokenState": strict({"id": COUNT, "state": {"const": "revoked"}, "changed": CHANGED}),
    "Counts": strict(
        {
            "agents": by_state(*AGENT_STATES),
            "tools": by_state(*TOOL_STATES),
            "keys": by_state(*KEY_STATES),
            "outbox_pending": {**COUNT, "description": "Changes that the live records do not show yet."},
        }
    ),
}


def rest_of_admin_paths() -> dict[str, Json]:
    """Describe tools, tokens and counts."""
    tool, tokens = "/admin/tools/{uid}", "/admin/enrolment-tokens"
    return {
        "/admin/tools": {"get": _list_tools()},
        f"{tool}/approve": {"post": _change_tool("approve")},
        f"{tool}/revoke": {"post": _change_tool("revoke")},
        tokens: {"get": _list_tokens(), "post": _create_token()},
        f"{tokens}/{{id}}/revoke": {"post": _revoke_token()},
        "/admin/counts": {"get": _count()},
    }


def _list_tools() -> Json:
    return admin_operation(
        "listTools",
        "find tools, the newest first",
        answers={200: answer("A page of them.", schema_of("FoundTools"))},
        parameters=search_parameters("tool-"),
    )


def _change_tool(verb: str) -> Json:
    return admin_operation(
        f"{verb}Tool",
        f"{verb} a tool",
        answers={200: answer("What it is now.", schema_of("ToolState"))},
        refused=[NotFound, WrongState],
        parameters=[_TOOL],
        body=BECAUSE,
    )


def _list_tokens() -> Json:
    return admin_operation(
        "listTokens",
        "list tokens, the newest first",
        description="Enrolment tokens and attach tokens. No token itself is ever shown again.",
        answers={200: answer("A page of them.", schema_of("KeptTokens"))},
        parameters=page_parameters(),
    )


def _create_token() -> Json:
    uses = {"type": "integer", "minimum": 1, "maximum": MOST_USES, "default": 1}
    life = {
        "type": "integer",
        "minimum": 1,
        "maximum": LONGEST_LIFE,
        "default": LIFE,
        "description": "Seconds.",
    }
    body = strict({"label": _LABEL, "uses": uses, "expires_in": life}, optional=["uses", "expires_in"])
    return admin_operation(
        "createToken",
        "make an enrolment token",
        answers={200: answer("A token to hand over.", schema_of("EnrolmentToken"))},
        body=body,
    )


def _revoke_token() -> Json:
    return admin_operation(
        "revokeToken",
        "take a token out of use",
        description="Who registered with it stays.",
        answers={200: answer("It counts no more.", schema_of("TokenState"))},
        refused=[NotFound],
        parameters=[_NUMBER],
        body=BECAUSE,
    )


def _count() -> Json:
    return admin_operation(
        "count",
        "how many there are of everything",
        answers={200: answer("Counted now, by state.", schema_of("Counts"))},
    )
