"""The OpenAPI document of the registrar's internal port."""

from typing import Final

from vestry_registrar.handlers import tell
from vestry_registrar.openapi import admin, admin_agents, parts
from vestry_registrar.openapi.admin_parts import KEY_STATES, TAG
from vestry_registrar.openapi.parts import BEARER, CHECKS, nullable
from vestry_service.openapi import document, operation, readable
from vestry_service.openapi_health import TAGS, health_paths, metrics_path
from vestry_service.openapi_parts import Json, answer, one_of, path_parameter, schema_of, strict, text
from vestry_service.openapi_signatures import KID, SECOND
from vestry_signatures.errors import DatabaseUnavailable

_QUESTIONS: Final = "questions"
_DESCRIPTION: Final = """
For the deployment itself, never for the internet: what verifiers ask, what operators do, health and metrics.

An unknown path gets 404, a method that a path does not have 405 with `Allow`. Every error is `application/json`, or
RFC 9457 where `Accept` names `application/problem+json`.
"""
_TAGS: Final = {
    _QUESTIONS: "What verifiers ask.",
    TAG: "What operators ask and do, with a token of their own.",
    **TAGS,
}
_SCHEMES: Final[dict[str, Json]] = {
    BEARER: {"type": "http", "scheme": "bearer", "description": "An operator's token: `vestry_op_…`."},
}
_RECORD: Final[Json] = {
    **strict(
        {
            "version": {
                "type": "integer",
                "minimum": 1,
                "description": "The agent's; raised by every change.",
            },
            "uid": schema_of("AgentUid"),
            "kid": schema_of("Kid"),
            "state": one_of(*KEY_STATES, "suspended", "pending"),
            "not_before": {**SECOND, "description": "Unix seconds; 0: no bound."},
            "not_after": {**SECOND, "description": "Unix seconds; 0: no bound."},
            "x": text(KID, description="The public key (RFC 8037)."),
        }
    ),
    "description": "What a key stands for now.",
}


def internal_document() -> Json:
    """Return the document."""
    return document(
        "vestry registrar, internal port",
        _DESCRIPTION.strip(),
        {
            tell.PATH: readable(_tell()),
            **admin_agents.agents_paths(),
            **admin.rest_of_admin_paths(),
            **health_paths(CHECKS),
            **metrics_path(),
        },
        tags=_TAGS,
        schemas={
            **parts.SCHEMAS,
            "LiveRecord": _RECORD,
            **admin_agents.SCHEMAS,
            **admin.SCHEMAS,
        },
        security_schemes=_SCHEMES,
    )


def _tell() -> Json:
    told = strict({"record": nullable(schema_of("LiveRecord"))})
    # Whatever is no uid or kid never stood either, so this path has no 404 of its own.
    anything: Json = {"type": "string"}
    return operation(
        "readRecord",
        "what a key stands for now",
        tag=_QUESTIONS,
        description="Also has the live record written to Redis, which verifiers go by.",
        answers={200: answer("Its record, or null: this pair never stood.", told)},
        refused=[DatabaseUnavailable],
        parameters=[path_parameter("uid", "An agent.", anything), path_parameter("kid", "A key.", anything)],
    )
