"""The application both services start from, with its one middleware.

There is one middleware and not a chain, because each link costs a coroutine at every request. It does, in this
order: (1) give the request an id and start the clock; (2) refuse a head that is too long, or does not say plainly
which host it is for; (3) let the service's own guard look; (4) run the handler; (5) turn whatever was raised
into the one error form; (6) count and log the answer.
"""

import re
from collections.abc import Callable, Collection
from logging import DEBUG, INFO, WARNING
from random import getrandbits
from time import perf_counter
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from vestry_service import problems
from vestry_service.errors import (
    BodyTooLarge,
    InternalError,
    MethodNotAllowed,
    NotFound,
)
from vestry_service.logging import Logger
from vestry_service.metrics import Metrics
from vestry_service.observed import OBSERVED, Observed
from vestry_service.requests import Network, client_ip, require_plain_host, require_short_head
from vestry_signatures.errors import MalformedRequest, VestryError

LOGGER: Final = web.AppKey("LOGGER", Logger)
METRICS: Final = web.AppKey("METRICS", Metrics)
REQUEST_ID: Final = "X-Request-Id"
UNMATCHED: Final = "unmatched"
# Asked every few seconds by machines: only worth a line when they fail.
QUIET_ROUTES: Final = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
_GIVEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)

Guard = Callable[[web.Request], None]


def make_app(
    logger: Logger,
    metrics: Metrics,
    *,
    trusted_proxies: Collection[Network] = (),
    guard: Guard | None = None,
    accept_signature: str = problems.DEFAULT_ACCEPT_SIGNATURE,
    body_limit: int = 64 * 1024,
) -> web.Application:
    """Return an application without routes that observes and answers every fault in the one form.

    Args:
        logger: receives one line a request.
        metrics: counts the requests.
        trusted_proxies: networks whose `X-Forwarded-For` is believed, for the client's address alone.
        guard: looks at every request before its handler, matched or not, and may raise a `VestryError`.
        accept_signature: value of `Accept-Signature` in 401 answers (RFC 9421 section 5.1).
        body_limit: bytes; no handler of this application can read a longer body.
    """
    app = web.Application(
        middlewares=[_observing(logger, metrics, tuple(trusted_proxies), guard)], client_max_size=body_limit
    )
    app[LOGGER] = logger
    app[METRICS] = metrics
    app[problems.ACCEPT_SIGNATURE] = accept_signature
    app.on_response_prepare.append(_finish_headers)
    return app


def _observing(
    logger: Logger, metrics: Metrics, trusted: tuple[Network, ...], guard: Guard | None
) -> Middleware:
    http = metrics.http

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        # (1)
        started = perf_counter()
        seen = request[OBSERVED] = Observed(request_id(request), client_ip(request, trusted))
        http.in_progress.inc()
        status = 499  # the client went away, or we are stopping
        try:
            response = await _answer(request, handler, guard, logger)
            status = response.status
            return response
        finally:
            # (6)
            http.in_progress.dec()
            seconds = perf_counter() - started
            route = _route(request)
            http.answered(request.method, route, status, seconds)
            log_answer(logger, seen, request.method, route, status, seconds)

    return observe


async def _answer(
    request: web.Request, handler: Handler, guard: Guard | None, logger: Logger
) -> web.StreamResponse:
    try:
        require_short_head(request)  # (2)
        require_plain_host(request)
        if guard is not None:
            guard(request)  # (3)
        return await handler(request)  # (4)
    except VestryError as error:  # (5)
        return _problem(error, request)
    except web.HTTPException as answer:
        return _problem(translate(answer, request.client_max_size), request)
    except Exception as fault:  # whatever it is, the caller gets the one form and no detail
        logger.error("unforeseen fault", request_id=request[OBSERVED].request_id, exc_info=fault)
        return _problem(InternalError(), request)


def _problem(error: VestryError, request: web.Request) -> web.Response:
    request[OBSERVED].refused(error)
    return problems.render(error, request)


def translate(answer: web.HTTPException, limit: int = 0) -> VestryError:
    """Return the error of ours that says what aiohttp's `answer` says. `limit`: of bodies, in bytes."""
    if isinstance(answer, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(answer.allowed_methods)
    if isinstance(answer, web.HTTPRequestEntityTooLarge):
        return BodyTooLarge(limit)
    if isinstance(answer, web.HTTPNotFound):
        return NotFound()
    if 400 <= answer.status < 500:
        return MalformedRequest()
    return InternalError()


def request_id(request: web.BaseRequest) -> str:
    """Return the caller's request id where it is harmless to repeat, else a new one."""
    given = request.headers.get(REQUEST_ID)
    if given is not None and _GIVEN_ID.fullmatch(given):
        return given
    return f"{getrandbits(128):032x}"


def log_answer(logger: Logger, seen: Observed, method: str, route: str, status: int, seconds: float) -> None:
    """Write the one line about a request. `seconds` is how long the answer took."""
    level = _level(route, status)
    if not logger.is_enabled_for(level):
        return
    facts: dict[str, Any] = {
        "request_id": seen.request_id,
        "method": method,
        "route": route,
        "status": status,
        "duration_ms": round(seconds * 1000, 3),
    }
    seen.add_to(facts)
    logger.write(level, "request", facts)


def _level(route: str, status: int) -> int:
    if status >= 500:
        return WARNING
    return DEBUG if route in QUIET_ROUTES else INFO


def _route(request: web.Request) -> str:
    """Return the template of the route, never the path that a caller chose."""
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical


async def _finish_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Name the request in every answer, and not the software."""
    response.headers.popall(hdrs.SERVER, None)
    if OBSERVED in request:
        response.headers[REQUEST_ID] = request[OBSERVED].request_id
