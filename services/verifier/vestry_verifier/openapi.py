"""The OpenAPI documents of the verifier's two ports."""

from http import HTTPStatus
from typing import Final

from vestry_service.errors import BodyTooLarge
from vestry_service.openapi import document, operation
from vestry_service.openapi_errors import Refusal, error_of
from vestry_service.openapi_health import TAGS, health_paths, metrics_path
from vestry_service.openapi_parts import Json, answer, one_of, schema_of, strict, text
from vestry_service.openapi_signatures import (
    AGENTS_SIGNATURE,
    SCHEMAS,
    SECOND,
)
from vestry_signatures.errors import (
    DirectoryUnreachable,
    InvalidUri,
    MalformedRequest,
    MissingHttpMethod,
    MissingUri,
)
from vestry_verifier.handlers.batch import MAX_QUESTIONS
from vestry_verifier.openapi_agents import SCHEMAS as SIGNERS
from vestry_verifier.openapi_agents import SIGNER, URL_OF_SIGNER
from vestry_verifier.openapi_explain import EXPLANATION, explain_path
from vestry_verifier.openapi_proxies import TAG as PROXIES
from vestry_verifier.openapi_proxies import proxy_paths
from vestry_verifier.openapi_tools import (
    BY_THE_RULES,
    COUNTED,
    MODE,
    NOT_A_TOOL,
    SCHEMES,
    SECURITY,
    would_refuse,
)

CHECKS: Final = ("redis", "registrar")
OPTIONAL: Final = ("tools_file",)
TAG: Final = "verification"
_DESCRIPTION: Final = """
Who signed a request: a tool says what it received, and learns which agent it was, once.

An unknown path gets 404, a method that a path does not have 405 with `Allow`. Every error is `application/json`, or
RFC 9457 where `Accept` names `application/problem+json`.
"""
_VERIFY: Final = """
Send at least the signature headers and whatever they cover, each value as a string or as a list of strings, one for
each header line. A 401 is the answer for the tool's own caller. After a 503 the caller signs anew: the nonce may be
spent.
"""
_BATCH: Final = f"""
Up to {MAX_QUESTIONS} questions, judged in their order: each result is what `/verify` would have answered, with the
refusal in place of the facts where there is one. One that is refused changes nothing for the others; of two copies of
one request the later is the replay.
"""
_LINES: Final[Json] = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_QUESTION: Final[Json] = {
    "type": "object",
    "properties": {
        "method": text("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", description="As received."),
        "url": {
            "type": "string",
            "format": "uri",
            "description": "The absolute http or https URL that was called.",
        },
        "headers": {
            "type": "object",
            "additionalProperties": _LINES,
            "description": "Names in any case, but no two that are equal but for case.",
        },
        "body": {
            "type": ["string", "null"],
            "contentEncoding": "base64",
            "description": "The bytes received, where a covered Content-Digest is to be compared here.",
        },
        "content_digest_verified": {
            "type": "boolean",
            "default": False,
            "description": "The tool says that it compared Content-Digest with the body.",
        },
    },
    "required": ["method", "url", "headers"],
    "description": "What was received. Other members are left alone.",
}
_VERIFIED: Final[Json] = strict(
    {
        **SIGNER,
        "outcome": {"const": "verified"},
        "profile": {**one_of("vestauth", "web-bot-auth"), "description": "The strictest that was met."},
        "label": {"type": "string", "description": "Of the signature that the answer is about."},
        "covered": {"type": "array", "items": {"type": "string"}, "description": "What it covers."},
        "content_digest": {
            **one_of("none", "checked", "asserted", "unchecked"),
            "description": "Whether the body was covered, and compared by whom.",
        },
        "created": SECOND,
        "expires": SECOND,
        "mode": MODE,
        "agent_url": text(URL_OF_SIGNER, description="Of a foreign agent its identifier: without a query."),
    },
    optional=["mode"],
)


_REFUSED: Final[tuple[Refusal, ...]] = (
    *AGENTS_SIGNATURE,
    MissingHttpMethod,
    MissingUri,
    InvalidUri,
    DirectoryUnreachable,
    *BY_THE_RULES,
)
_WOULD_REFUSE: Final[Json] = would_refuse(
    [error for error in _REFUSED if error.status != HTTPStatus.BAD_REQUEST]
)
_TOLD: Final = [schema_of("Verified"), schema_of("WouldRefuse")]


def public_document() -> Json:
    """Return the document of the public port."""
    return document(
        "vestry verifier",
        _DESCRIPTION.strip(),
        {
            "/verify": {"post": _verify()},
            "/verify/batch": {"post": _batch()},
            **explain_path(TAG, public=True),
            **proxy_paths(),
            **health_paths(CHECKS, OPTIONAL),
        },
        tags={TAG: "Which agent signed this?", PROXIES: "May this request pass?", **TAGS},
        schemas={
            **SCHEMAS,
            **SIGNERS,
            "Question": _QUESTION,
            "Verified": _VERIFIED,
            "WouldRefuse": _WOULD_REFUSE,
            "Explanation": EXPLANATION,
        },
        security_schemes=SCHEMES,
    )


def internal_document() -> Json:
    """Return the document of the internal port."""
    return document(
        "vestry verifier, internal port",
        "Why a request would be refused, health, and metrics. Never for the internet.",
        {**explain_path(TAG, public=False), **health_paths(CHECKS, OPTIONAL), **metrics_path()},
        tags={TAG: "Which agent signed this, and why not?", **TAGS},
        schemas={
            **SCHEMAS,
            **SIGNERS,
            "Question": _QUESTION,
            "Verified": _VERIFIED,
            "Explanation": EXPLANATION,
        },
    )


def _verify() -> Json:
    return operation(
        "verify",
        "which agent signed this request",
        tag=TAG,
        description=_VERIFY.strip(),
        answers={200: _passed()},
        refused=[*_REFUSED, *NOT_A_TOOL, BodyTooLarge],
        body=schema_of("Question"),
        security=SECURITY,
        headers=COUNTED,
    )


def _passed() -> Json:
    words = (
        "This agent signed it, now, for the first time; or, to a tool that observes, what would be refused."
    )
    return answer(words, {"oneOf": _TOLD})


def _batch() -> Json:
    results = {
        "type": "array",
        "items": {"oneOf": [*_TOLD, error_of([*_REFUSED, MalformedRequest])]},
    }
    return operation(
        "verifyBatch",
        "which agents signed these requests",
        tag=TAG,
        description=_BATCH.strip(),
        answers={200: answer("One result a question, in their order.", strict({"results": results}))},
        refused=[*NOT_A_TOOL, BodyTooLarge],
        security=SECURITY,
        body={
            "type": "object",
            "properties": {
                "requests": {
                    "type": "array",
                    "items": schema_of("Question"),
                    "minItems": 1,
                    "maxItems": MAX_QUESTIONS,
                }
            },
            "required": ["requests"],
        },
    )
