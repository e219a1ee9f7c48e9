"""The OpenAPI document of the registrar's public port."""

from typing import Final

from aiohttp import web

from vestry_registrar.hosts import PLACE, own
from vestry_registrar.openapi import enrolment, keys, reading
from vestry_registrar.openapi.parts import BEARER, CHECKS, MESSAGE_SIGNATURE, SCHEMAS
from vestry_service.errors import MisdirectedRequest
from vestry_service.openapi import Handler, document, document_handler
from vestry_service.openapi_health import TAGS, health_paths
from vestry_service.openapi_parts import Json

_DESCRIPTION: Final = """
Who is who: agents and tools, their keys, and the directories in which tools find them.

Requests that change something or ask about an agent are signed with HTTP message signatures (RFC 9421, profile
`web-bot-auth`). They are answered at the base URL alone; another host gets 421, an unknown path 404, a method that
a path does not have 405 with `Allow`. Every error is `application/json`, or RFC 9457 where `Accept` names
`application/problem+json`. Bodies are read as JSON whatever their `Content-Type` says.
"""
_TAGS: Final = {
    reading.TAG: "What anybody may read.",
    enrolment.TAG: "A key becomes an agent's or a tool's.",
    keys.TAG: "What an agent asks and changes, signed with a key it has.",
    **TAGS,
}
_SCHEMES: Final[dict[str, Json]] = {
    MESSAGE_SIGNATURE: {
        "type": "http",
        "scheme": "signature",
        "description": "HTTP message signatures (RFC 9421), profile `web-bot-auth`.",
    },
    BEARER: {
        "type": "http",
        "scheme": "bearer",
        "description": "An enrolment or attach token of an operator's.",
    },
}


def public_document(base_url: str) -> Json:
    """Return the document. `base_url`: the registrar's, without a slash at its end."""
    return document(
        "vestry registrar",
        _DESCRIPTION.strip(),
        {
            **reading.reading_paths(base_url),
            **enrolment.enrolment_paths(),
            **keys.keys_paths(),
            **health_paths(CHECKS),
        },
        tags=_TAGS,
        schemas={
            **SCHEMAS,
            **reading.SCHEMAS,
            **enrolment.SCHEMAS,
            **keys.SCHEMAS,
        },
        security_schemes=_SCHEMES,
        refused=[MisdirectedRequest],
    )


def public_handler(base_url: str) -> Handler:
    """Return the handler that serves the document where the registrar itself is meant, not an agent."""
    serve = document_handler(public_document(base_url))

    async def handle(request: web.Request) -> web.Response:
        own(request[PLACE])
        return await serve(request)

    return handle
