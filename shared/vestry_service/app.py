"""The application both services start from, with its one middleware.

There is one middleware and not a chain, because each link costs a coroutine at every request. It does, in this
order: (1) give the request an id and start the clock; (2) refuse a head that is too long, or does not say plainly
which host it is for; (3) let the service's own guard look; (4) run the handler; (5) turn whatever was raised
into the one error form; (6) count and log the answer.
"""

from collections.abc import Callable, Collection, Mapping
from time import perf_counter
from types import MappingProxyType
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from vestry_service import problems
from vestry_service.access import REQUEST_ID, Access
from vestry_service.errors import (
    BodyTooLarge,
    InternalError,
    MethodNotAllowed,
    NotFound,
)
from vestry_service.exchange import Refused
from vestry_service.lean import LEAN, Lean
from vestry_service.logging import Logger
from vestry_service.metrics import Metrics
from vestry_service.observed import OBSERVED
from vestry_service.requests import Network, require_plain_host, require_short_head
from vestry_signatures.errors import MalformedRequest, VestryError

LOGGER: Final = web.AppKey("LOGGER", Logger)
METRICS: Final = web.AppKey("METRICS", Metrics)
ACCESS: Final = web.AppKey("ACCESS", Access)
UNMATCHED: Final = "unmatched"

Guard = Callable[[web.Request], None]


def make_app(
    logger: Logger,
    metrics: Metrics,
    *,
    trusted_proxies: Collection[Network] = (),
    guard: Guard | None = None,
    accept_signature: problems.Accepted | None = None,
    body_limit: int = 64 * 1024,
) -> web.Application:
    """Return an application without routes that observes and answers every fault in the one form.

    Args:
        logger: receives one line a request.
        metrics: counts the requests.
        trusted_proxies: networks whose `X-Forwarded-For` is believed, for the client's address alone.
        guard: looks at every request before its handler, matched or not, and may raise a `VestryError`.
        accept_signature: makes the value of `Accept-Signature` in the 401 answer to a request (RFC 9421 section
            5.1); by default it asks for what the released clients sign.
        body_limit: bytes; no handler of this application can read a longer body.
    """
    access = Access(logger, metrics, trusted_proxies)
    app = web.Application(middlewares=[_observing(access, guard)], client_max_size=body_limit)
    app[LOGGER] = logger
    app[METRICS] = metrics
    app[ACCESS] = access
    app[LEAN] = Lean(is_guarded=guard is not None)
    if accept_signature is not None:
        app[problems.ACCEPT_SIGNATURE] = accept_signature
    app.on_response_prepare.append(_finish_headers)
    return app


def _observing(access: Access, guard: Guard | None) -> Middleware:
    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        # (1)
        started = perf_counter()
        seen = request[OBSERVED] = access.open(request)
        status = 499  # the client went away, or we are stopping
        try:
            response = await _answer(request, handler, guard)
            status = response.status
            return response
        finally:
            access.close(seen, request.method, _route(request), status, perf_counter() - started)  # (6)

    return observe


async def _answer(request: web.Request, handler: Handler, guard: Guard | None) -> web.StreamResponse:
    try:
        require_short_head(request)  # (2)
        require_plain_host(request)
        if guard is not None:
            guard(request)  # (3)
        return await handler(request)  # (4)
    except Exception as fault:
        return failure(fault, request)  # (5)


def failure(fault: Exception, request: web.Request) -> web.Response:
    """Return the answer to a request whose handler raised: whatever it was, in the one form and without detail."""
    if isinstance(fault, VestryError):
        return _problem(fault, request)
    if isinstance(fault, Refused):
        return _problem(fault.error, request, fault.headers)
    if isinstance(fault, web.HTTPException):
        return _problem(translate(fault, request.client_max_size), request)
    request.app[LOGGER].error("unforeseen fault", request_id=request[OBSERVED].request_id, exc_info=fault)
    return _problem(InternalError(), request)


def _problem(
    error: VestryError, request: web.Request, headers: Mapping[str, str] = MappingProxyType({})
) -> web.Response:
    request[OBSERVED].refused(error)
    return problems.render(error, request, headers=headers)


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


def _route(request: web.Request) -> str:
    """Return the template of the route, never the path that a caller chose."""
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical


async def _finish_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Name the request in every answer, and not the software."""
    response.headers.popall(hdrs.SERVER, None)
    if OBSERVED in request:
        response.headers[REQUEST_ID] = request[OBSERVED].request_id
