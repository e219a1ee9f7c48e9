"""What `/verify/explain` is asked and answers, as OpenAPI."""

from typing import Final

from vestry_service.errors import BodyTooLarge, NotFound, TokenRequired, ToolUnauthorized
from vestry_service.openapi import operation
from vestry_service.openapi_parts import Json, answer, one_of, schema_of, strict, text
from vestry_verifier.explain.checks import NAMES

_DESCRIPTION: Final = """
Every check that `/verify` would make of this request now, in order, with what it saw. Nothing is spent and nothing is
counted: asked the same question straight after, `/verify` answers what stands in `outcome` and `reason`. The answer
repeats parts of the request, so whoever is not meant to see those is not meant to see it.
"""
_RIGHT: Final = """

It is there for a tool whose token has the right (`explain` in the tools file), and for nobody else.
"""
_INSIDE: Final = """

Whoever shows the token of a tool is told by its rules, whoever shows none by those of the settings.
"""


def _or_null(schema: Json) -> Json:
    return {"oneOf": [schema, {"type": "null"}]}


_TEXT: Final[Json] = {"type": ["string", "null"]}
_CHECK: Final[Json] = strict(
    {
        "check": one_of(*NAMES),
        "signature": {**_TEXT, "description": "The label of the signature; null for the request as a whole."},
        "result": {**one_of("passed", "failed", "skipped"), "description": "Skipped: one before it failed."},
        "saw": {"type": "string", "description": "What there was to see, in words for people."},
        "reason": {**_TEXT, "description": "What it was refused for."},
    }
)
_COVERED: Final[Json] = strict(
    {
        "component": {"type": "string"},
        "value": {
            **_TEXT,
            "description": "As derived here, a long one cut off; null where it cannot be derived.",
        },
    }
)
_SIGNATURE: Final[Json] = strict(
    {
        "label": {"type": "string"},
        "covered": {"type": "array", "items": _COVERED},
        "signature_base": {
            **_TEXT,
            "description": "The text that must have been signed (RFC 9421 section 2.5).",
        },
    }
)
EXPLANATION: Final[Json] = strict(
    {
        "outcome": {
            "oneOf": [one_of("verified", "invalid", "unverified", "unsigned"), {"type": "null"}],
            "description": "What /verify would say now; null where no signature would be judged.",
        },
        "reason": _or_null(text("^[A-Z_]+$")),
        "status": {"type": "integer", "description": "Of the answer of /verify."},
        "message": {**_TEXT, "description": "What /verify would tell."},
        "failed": {**_or_null(one_of(*NAMES)), "description": "The check that decided."},
        "hint": {**_TEXT, "description": "What would help, in a sentence."},
        "now": {"type": "integer", "description": "The time by which was judged, in seconds since 1970."},
        "signer": {
            "oneOf": [schema_of("Verified"), {"type": "null"}],
            "description": "What /verify would say of the signer.",
        },
        "checks": {"type": "array", "items": _CHECK},
        "signatures": {"type": "array", "items": _SIGNATURE},
    }
)


def explain_path(tag: str, *, public: bool) -> dict[str, Json]:
    """Describe the path, on the public or on the internal port."""
    no_right = [NotFound, TokenRequired] if public else []
    told = operation(
        "explain",
        "why would this request be refused",
        tag=tag,
        description=_DESCRIPTION.strip() + (_RIGHT if public else _INSIDE),
        answers={200: answer("What each check saw.", schema_of("Explanation"))},
        refused=[BodyTooLarge, ToolUnauthorized, *no_right],
        body=schema_of("Question"),
    )
    return {"/verify/explain": {"post": told}}
