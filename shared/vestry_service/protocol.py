"""aiohttp's connection handler, taught to speak as we do where no handler of ours is reached.

What the HTTP parser refuses (an oversized header, a missing or second Host, no HTTP at all) never becomes a
request: aiohttp answers by itself, in plain text that repeats the offending bytes. Here that answer is replaced
by our own error form, which repeats nothing, and it is counted and logged like every other.

Strangers may connect as they like, so what they can hold is limited:

1. A head, all its lines together, has `HEAD_BYTES`. aiohttp limits the lines and their number alone, and keeps what
   it has read in twice its size: two hundred connections would hold most of a gigabyte for a minute.
2. There are only so many connections at once. One more, and the oldest that waits for its client is closed: those who
   connect and say nothing displace each other. So files stay free for the stores and the internal port.

Time limits, in seconds: a connection that sends no complete head within `KEEPALIVE`, counted from its beginning
or from its last answer, is closed; a body has `requests.BODY_TIMEOUT`; what a refused caller still sends is
read and thrown away for `LINGERING`. aiohttp has no limit of its own on reading a head byte by byte below
`KEEPALIVE`, nor on how slowly a client takes its answer: a gateway in front has.
"""

from asyncio import Transport
from math import inf
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import _ErrInfo

from vestry_service import problems
from vestry_service.access import REQUEST_ID, request_id
from vestry_service.app import translate
from vestry_service.errors import InternalError
from vestry_service.lean_connection import LeanConnection
from vestry_service.observed import OBSERVED, Observed
from vestry_service.requests import HEAD_BYTES, PARSER_LIMITS
from vestry_signatures.errors import MalformedRequest, VestryError

KEEPALIVE: Final = 75.0  # longer than the 60 s for which common gateways keep their connections to us
LINGERING: Final = 2.0
UNPARSED: Final = "unparsed"


class Connection(LeanConnection):
    """One connection; what is said outside of handlers differs from aiohttp's own, and what is lean is short."""

    __slots__ = ("_body", "_head")

    def __init__(self, server: web.Server, *, app: web.Application, **kwargs: Any) -> None:
        super().__init__(server, app=app, **kwargs)
        self._head = 0
        self._body = EMPTY_PAYLOAD  # of the request that came last

    @property
    def is_idle(self) -> bool:
        """Whether it waits for its client to ask something, and is not closed yet."""
        busy = self._current_request is not None or self.is_answering or self._messages
        return not busy and self.transport is not None

    def data_received(self, data: bytes) -> None:
        """Take bytes in; where they break a body, tell whoever reads it, who would otherwise wait for the rest."""
        if self.take(data):
            return
        before, is_body = self._request_count, self._takes_a_body
        super().data_received(data)
        if self._request_count > before:
            self._body = self._messages[-1][1]
        self.follow(data, self._request_count - before)
        # What ends a body is no part of a head: it may be longer than any head.
        self._limit_head(0 if is_body or self._request_count > before else len(data))
        request = self._current_request
        if request is None or not self._messages or request.content.is_eof():
            return
        if not isinstance(self._messages[0][0], RawRequestMessage):
            request.content.set_exception(BadHttpMessage("the body breaks off"))

    def _limit_head(self, more: int) -> None:
        """Count the bytes of a head that is not complete yet, and refuse one that is too long (1)."""
        self._head = self._head + more if more and not self._takes_a_body else 0
        if self._head > HEAD_BYTES and not self._messages:
            error = BadHttpMessage("the head is too long")
            self._messages.append((_ErrInfo(status=400, exc=error, message=error.message), EMPTY_PAYLOAD))
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)

    @property
    def _takes_a_body(self) -> bool:
        return not self._body.is_eof()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer for the parser (400) or for a fault outside of our middleware (500), then hang up."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer is sent already")
        if isinstance(exc, HttpProcessingError) or status == 400:
            return self._refusal(MalformedRequest("this is not HTTP as it is spoken here"), request)
        self._access.logger.error("unforeseen fault outside of a handler", exc_info=exc)
        return self._refusal(InternalError(), request)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send `resp`; where aiohttp refused before our middleware (an Expect it cannot meet), in our form."""
        if isinstance(resp, web.HTTPException):
            resp = self._refusal(translate(resp), request)
        if request.content.exception() is not None:  # nothing that follows a broken body can be read
            request.content.feed_eof()
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    def _refusal(self, error: VestryError, request: web.BaseRequest) -> web.Response:
        seen = Observed(request_id(request), request.remote, error.outcome, error.reason)
        request[OBSERVED] = seen
        rendered = problems.render(error, request)
        response = _Nameless(status=rendered.status, body=rendered.body, headers=rendered.headers)
        response.headers[REQUEST_ID] = seen.request_id
        response.force_close()
        self._access.note(seen, "other", UNPARSED, error.status, 0.0)
        return response


class _Nameless(web.Response):
    """A response without `Server`: a request that was never routed has no application to see to that."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall(hdrs.SERVER, None)


class _Listening(web.Server):
    """aiohttp's server, making connections of ours."""

    def __init__(self, made: web.Server, app: web.Application, most: float, **kwargs: Any) -> None:
        super().__init__(made.request_handler, request_factory=made.request_factory, **kwargs)
        self._most = most
        self._ours: dict[str, Any] = {"app": app, **kwargs}

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._ours)

    def connection_made(self, handler: web.RequestHandler, transport: Transport) -> None:
        """Count a connection in, and another one out where there are too many (2)."""
        super().connection_made(handler, transport)
        if len(self._connections) > self._most:
            idle = (each for each in self._connections if isinstance(each, Connection) and each.is_idle)
            next(idle, handler).force_close()


class Runner(web.AppRunner):
    """Runs an application made by `vestry_service.app.make_app`."""

    def __init__(self, app: web.Application, *, most: float = inf, **kwargs: Any) -> None:
        """Take the application, and how many connections it may have at once."""
        super().__init__(app, **kwargs)
        self._most = most

    async def _make_server(self) -> web.Server:
        return _Listening(
            await super()._make_server(),
            self.app,
            self._most,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE,
            lingering_time=LINGERING,
            **PARSER_LIMITS,
        )
