"""`POST /verify`: a tool says what it received and learns which agent signed it (wire contract, section 5)."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final

import orjson
from aiohttp import web

from vestry_service.metrics import Metrics
from vestry_service.observed import OBSERVED
from vestry_service.requests import parse_json_object, read_body
from vestry_service.verification import Question, Verification, Verified
from vestry_signatures import Request
from vestry_signatures.agent_url import AgentUrls
from vestry_signatures.errors import (
    MalformedRequest,
    MissingHttpMethod,
    MissingUri,
    ReplayedNonce,
    ReplayStoreUnavailable,
    VestryError,
)

MAX_BODY: Final = 64 * 1024
Handler = Callable[[web.Request], Awaitable[web.Response]]


def verify_handler(
    verification: Verification, agents: AgentUrls, metrics: Metrics, clock: Callable[[], float]
) -> Handler:
    """Return the handler.

    Args:
        verification: answers the question.
        agents: writes agent URLs.
        metrics: counts the answers.
        clock: seconds since the epoch.
    """
    counted = _Counted(metrics)

    async def verify(request: web.Request) -> web.Response:
        started = perf_counter()
        seen = request[OBSERVED]
        try:
            question = read_question(parse_json_object(await read_body(request, MAX_BODY)))
            seen.authority = question.request.target.authority
            verified = await verification.verify(question, int(clock()))
        except VestryError as error:
            counted.refused(error, perf_counter() - started)
            raise
        seen.outcome, seen.uid, seen.kid = "verified", verified.uid, verified.proof.key.kid
        counted.verified(verified.proof.claim.profile, perf_counter() - started)
        return web.Response(body=orjson.dumps(_render(verified, agents)), content_type="application/json")

    return verify


def _render(verified: Verified, agents: AgentUrls) -> dict[str, Any]:
    uid, proof = verified
    claimed = proof.claim
    return {
        "uid": uid,
        "kid": proof.key.kid,
        "public_jwk": proof.key.jwk,
        "well_known_url": agents.directory_url(uid),
        "outcome": "verified",
        "profile": claimed.profile,
        "label": claimed.signature.label,
        "covered": [part.label for part in claimed.signature.covered],
        "content_digest": proof.content_digest,
        "created": claimed.created,
        "expires": claimed.expires,
        "agent_url": agents.url(uid),
    }


def read_question(body: dict[str, Any]) -> Question:
    """Read the JSON that a tool sends.

    Args:
        body: the parsed object; members that are not known are left alone.

    Raises:
        MissingHttpMethod, MissingUri: `method` or `url` is missing or empty.
        InvalidUri: the url is not an absolute http or https URL.
        MalformedRequest: a member is of the wrong type, two header names are equal but for case, or the method is
            CONNECT.
    """
    method, url = body.get("method"), body.get("url")
    if method is None:
        raise MissingHttpMethod
    if url is None:
        raise MissingUri
    if not isinstance(method, str) or not isinstance(url, str):
        raise MalformedRequest('"method" and "url" must be strings')
    if method.upper() == "CONNECT":
        # Its target is a host and no path: put behind the tool's own host it is a part of another one.
        raise MalformedRequest("CONNECT asks for a tunnel and not for anything that a tool could answer")
    asserted = body.get("content_digest_verified", False)
    if not isinstance(asserted, bool):
        raise MalformedRequest('"content_digest_verified" must be true or false')
    return Question(Request(method, url, _headers(body.get("headers"))), _body(body.get("body")), asserted)


def _headers(given: object) -> dict[str, list[str]]:
    if not isinstance(given, dict):
        raise MalformedRequest('"headers" must be an object of header names and values')
    headers: dict[str, list[str]] = {}
    for name, value in given.items():
        if type(value) is str:
            lines = [value]
        elif isinstance(value, list) and all(type(line) is str for line in value):
            lines = value
        else:
            raise MalformedRequest("a header value must be a string or a list of strings")
        headers[name.lower()] = lines
        if not name.isascii():  # some letters outside ASCII become ASCII in lower case
            raise MalformedRequest("a header name is not one that HTTP allows")
    if len(headers) != len(given):
        # One of the two would be believed here and the other one by the tool.
        raise MalformedRequest("two header names are equal but for case: send the values as a list")
    return headers


def _body(given: object) -> bytes | None:
    if given is None:
        return None
    try:
        if isinstance(given, str):
            return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise MalformedRequest('"body" must be the received body in base64')


class _Counted:
    """The verifier's own metrics. Labels are reasons and profiles, never what a caller chose."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._observe = metrics.verify_duration.observe
        self._passed = {
            profile: metrics.verifications.labels("verified", "", profile)
            for profile in ("vestauth", "web-bot-auth")
        }
        checks = metrics.replay_checks
        self._fresh, self._replayed, self._away = map(checks.labels, ("fresh", "replayed", "unavailable"))

    def verified(self, profile: str, seconds: float) -> None:
        self._observe(seconds)
        self._passed[profile].inc()
        self._fresh.inc()

    def refused(self, error: VestryError, seconds: float) -> None:
        self._observe(seconds)
        self._metrics.verifications.labels(error.outcome or "", error.reason, "").inc()
        if isinstance(error, ReplayedNonce):
            self._replayed.inc()
        if isinstance(error, ReplayStoreUnavailable):
            self._away.inc()
