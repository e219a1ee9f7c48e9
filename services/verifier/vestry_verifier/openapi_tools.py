"""What comes of the operator's file of tools, as OpenAPI: the token of a tool, its refusals, and the mode observe."""

from typing import Final

from vestry_service.errors import AgentNotAllowed, RateLimited, TokenRequired, ToolUnauthorized
from vestry_service.openapi_errors import Refusal, error_of
from vestry_service.openapi_parts import Json, header, one_of, strict
from vestry_signatures.errors import WrongAuthority

TOOL_TOKEN: Final = "toolToken"  # noqa: S105 - the name of a scheme
SCHEMES: Final[dict[str, Json]] = {
    TOOL_TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "description": "A tool's token: `vestry_tool_…`. Needed where TOOLS_FILE has no tool for whoever shows none.",
    }
}
SECURITY: Final[tuple[tuple[str, ...], ...]] = ((TOOL_TOKEN,), ())
NOT_A_TOOL: Final[tuple[Refusal, ...]] = (TokenRequired, ToolUnauthorized)
"""Why a tool is refused: nothing for its own caller."""
BY_THE_RULES: Final[tuple[Refusal, ...]] = (WrongAuthority, AgentNotAllowed, RateLimited)
"""Why a request is refused by the rules of the tool that asks."""
MODE: Final[Json] = {"const": "observe", "description": "There where the tool only observes."}
COUNTED: Final[dict[str, Json]] = {
    "RateLimit": header("What is left of the tool's rate for this agent, where it has one.", '^"'),
    "RateLimit-Policy": header("That rate.", '^"'),
    "Accept-Signature": header("What a signature must cover and state (RFC 9421 section 5.1).", "^sig1="),
}


def would_refuse(refused: list[Refusal]) -> Json:
    """Describe what a tool that observes is told of a request that would be refused. It names nobody."""
    outcome: Json = {"oneOf": [one_of("invalid", "unverified", "unsigned"), {"type": "null"}]}
    error = error_of(refused)["properties"]["error"]
    return strict({"mode": MODE, "outcome": outcome, "error": error})
