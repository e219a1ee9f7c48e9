"""What the descriptions of the admin API have in common."""

from collections.abc import Collection
from typing import Any, Final

from vestry_registrar.handlers.admin_agents import LONGEST_REASON
from vestry_registrar.handlers.admin_questions import MOST_ROWS, ROWS
from vestry_registrar.handlers.admin_tokens import LONGEST_LABEL
from vestry_registrar.openapi.parts import BEARER
from vestry_service.errors import BodyTooLarge, TokenRequired
from vestry_service.openapi import operation
from vestry_service.openapi_errors import Refusal
from vestry_service.openapi_parts import Json, header, one_of, query_parameter, schema_of, strict, text
from vestry_service.openapi_signatures import SECOND
from vestry_signatures.errors import DatabaseUnavailable

TAG: Final = "operators"
CHANGED: Final[Json] = {"type": "boolean", "description": "False: it was so already."}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
UNCACHED: Final = {"Cache-Control": header("Never kept.", "^no-store$")}
AGENT_STATES: Final = ("active", "suspended", "pending", "revoked")
TOOL_STATES: Final = ("active", "pending", "revoked")
KEY_STATES: Final = ("active", "retiring", "revoked")
REASON: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_REASON,
    "description": "Why, for the audit trail; printable.",
}
BECAUSE: Final[Json] = strict({"reason": REASON})
ABOUT: Final[dict[str, Json]] = {
    "uid": schema_of("AgentUid"),
    "state": one_of(*AGENT_STATES),
    "label": {"type": ["string", "null"]},
    "created_at": SECOND,
    "updated_at": SECOND,
    "keys": {
        **strict(dict.fromkeys(KEY_STATES, COUNT), optional=KEY_STATES),
        "description": "How many of each state.",
    },
}
"""What a search tells of an agent; of a tool the same, with words of its own."""


def admin_operation(
    name: str,
    summary: str,
    *,
    refused: Collection[Refusal] = (),
    body: Json | None = None,
    **facts: Any,
) -> Json:
    """Describe an operation for operators (see `operation`); no cache may keep its answers."""
    common = [TokenRequired, DatabaseUnavailable, *([] if body is None else [BodyTooLarge])]
    return operation(
        name,
        summary,
        tag=TAG,
        refused=[*refused, *common],
        body=body,
        security=[[BEARER]],
        headers=UNCACHED,
        **facts,
    )


def page_of(name: str, row: str) -> Json:
    """Describe a page of rows."""
    following = {"type": ["string", "null"], "description": "The cursor of the next page; null at the end."}
    return strict(
        {name: {"type": "array", "items": schema_of(row), "maxItems": MOST_ROWS}, "next": following}
    )


def by_state(*states: str) -> Json:
    """Describe numbers by state; every state is there."""
    return strict(dict.fromkeys(states, COUNT))


def search_parameters(prefix: str) -> list[Json]:
    """Describe what agents or tools can be searched by; `prefix` is that of their uids."""
    uid = text(f"^({prefix})?[0-9a-f]{{0,24}}$")
    kid = text("^[A-Za-z0-9_-]{1,43}$")
    label = {"type": "string", "minLength": 1, "maxLength": LONGEST_LABEL}
    moment = {"type": "string", "minLength": 1}
    return [
        query_parameter("uid", "A uid, or the beginning of one.", uid),
        query_parameter("kid", "The kid of a key it has or had, or the beginning of one.", kid),
        query_parameter("label", "A part of the label, in any case.", label),
        query_parameter("state", "The state it is in.", one_of(*AGENT_STATES)),
        query_parameter("since", "Made then or later: Unix seconds, or a date of RFC 3339.", moment),
        query_parameter("until", "Made before: the same.", moment),
        *page_parameters(),
    ]


def page_parameters() -> list[Json]:
    """Describe which page is wanted."""
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": ROWS}
    return [
        query_parameter("limit", "How many at most.", limit),
        query_parameter("cursor", "`next` of the page before, with the same question.", {"type": "string"}),
    ]
