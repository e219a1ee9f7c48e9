"""The one function that sends every error (wire contract, section 6).

The facts come from the error's class: reason, status, outcome. The form is
`{"error": {"status", "code", "message", "reason", "outcome"}}`, which vestauth's clients read, or RFC 9457
where `Accept` names `application/problem+json` literally. Status decides the headers: 401 says how to sign, or
that a bearer token is wanted; 405 names the methods there are, a passing trouble says when to try again. An
unforeseen fault says nothing but the request id, under which the log has the rest.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from secrets import token_urlsafe
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import hdrs, web

from vestry_service.errors import MethodNotAllowed, RateLimited, TokenRequired
from vestry_service.observed import OBSERVED
from vestry_signatures import Policy
from vestry_signatures.accept import accept_signature
from vestry_signatures.errors import VestryError

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
PROBLEM_JSON: Final = "application/problem+json"
Accepted = Callable[[web.Request], str]
ACCEPT_SIGNATURE: Final = web.AppKey[Accepted]("ACCEPT_SIGNATURE")
# What every agent can sign and each of our endpoints takes by default, registration included.
_BY_DEFAULT: Final = Policy(profiles=frozenset({"vestauth"}))


def render(
    error: VestryError,
    request: web.BaseRequest,
    status: int | None = None,
    headers: Mapping[str, str] = _NONE,
) -> web.Response:
    """Return the response that tells the caller of `request` about `error`.

    Args:
        error: what is told.
        request: whose caller hears it.
        status: another one than the error's own, for a caller that knows few.
        headers: further ones; an Accept-Signature among them counts in place of the application's.
    """
    as_problem = _wants_problem(request.headers.get(hdrs.ACCEPT, ""))
    facts = _facts(error, request) | {"status": status or error.status}
    return web.Response(
        status=facts["status"],
        body=orjson.dumps(_problem(facts) if as_problem else {"error": _vestauth(facts)}),
        content_type=PROBLEM_JSON if as_problem else "application/json",
        headers={**_headers(error, request, facts["status"]), **headers},
    )


def error_object(error: VestryError) -> dict[str, Any]:
    """Return `{"error": {…}}` about `error`, for an answer that tells of several."""
    return {"error": _vestauth(_said(error))}


def _said(error: VestryError) -> dict[str, Any]:
    facts: dict[str, Any] = {"status": error.status, "message": str(error), "reason": error.reason}
    if error.outcome is not None:
        facts["outcome"] = error.outcome
    return facts


def _facts(error: VestryError, request: web.BaseRequest) -> dict[str, Any]:
    facts = _said(error)
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        facts["message"] = error.text
        if OBSERVED in request:
            facts["request_id"] = request[OBSERVED].request_id
    return facts


def _vestauth(facts: dict[str, Any]) -> dict[str, Any]:
    message = f"[{facts['reason']}] {facts['message']}"
    return {"status": facts["status"], "code": facts["status"]} | facts | {"message": message}


def _problem(facts: dict[str, Any]) -> dict[str, Any]:
    """RFC 9457 section 4.2.1: with `about:blank` the title is the phrase of the HTTP status."""
    detail = facts.pop("message")
    return {"type": "about:blank", "title": HTTPStatus(facts["status"]).phrase, "detail": detail} | facts


def _headers(error: VestryError, request: web.BaseRequest, status: int) -> dict[str, str]:
    headers: dict[str, str] = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers |= _challenge(error, request)
    if isinstance(error, MethodNotAllowed):
        headers[hdrs.ALLOW] = ", ".join(sorted(error.allowed))
    retry_after = error.wait if isinstance(error, RateLimited) else error.retry_after
    if retry_after is not None:
        headers[hdrs.RETRY_AFTER] = str(retry_after)
    return headers


def _challenge(error: VestryError, request: web.BaseRequest) -> dict[str, str]:
    if isinstance(error, TokenRequired):
        return {hdrs.WWW_AUTHENTICATE: "Bearer"}
    return {hdrs.WWW_AUTHENTICATE: "Signature", "Accept-Signature": _accept_signature(request)}


def _accept_signature(request: web.BaseRequest) -> str:
    told = request.app.get(ACCEPT_SIGNATURE) if isinstance(request, web.Request) else None
    if told is not None and isinstance(request, web.Request):
        return told(request)
    return accept_signature(_BY_DEFAULT, (), token_urlsafe)


def _wants_problem(accept: str) -> bool:
    """Tell whether `Accept` names the problem form itself: a wildcard does not."""
    if "problem+json" not in accept.lower():
        return False
    for item in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in item.split(";"))
        if media_type == PROBLEM_JSON:
            return not any(_is_zero_quality(parameter) for parameter in parameters)
    return False


def _is_zero_quality(parameter: str) -> bool:
    return parameter.startswith("q=") and parameter[2:].strip("0.") == "" and parameter != "q="
