"""The short way for the requests that come all day.

aiohttp makes of every request a stream, a request object, two tasks, a walk through router and middleware, a response
with its headers, and a writer: more work than checking a signature takes. A *lean route* is for endpoints that are
asked thousands of times a second, all alike. Where a read from a socket is exactly one whole request for such a
route, in the plainest form there is, it is answered by one task and one write (`lean_connection`). Everything else,
and whatever is unusual in the least, goes the ordinary way, which decides: the short way is an optimisation and never
an opinion. Both run the same function (`exchange`), and tests send the same bytes to both.

Plain means:

1. The request line is, byte for byte, that of a lean route in HTTP/1.1: no query, no absolute form.
2. aiohttp's own parser, set as strictly as for every connection, reads the bytes as one complete message.
3. It names a host. It is not chunked or content-coded, expects nothing, upgrades nothing, does not close, and does
   not ask whether something has changed.
4. It ends where the read ends: its body has the stated length, and nothing follows.

Clients that keep a connection send the same head again and again: what differs is the body. So a head that was found
plain is remembered with what the parser said of it, and the very same bytes need not be parsed again. Where requests
are signed themselves every head is another one: those are parsed and forgotten.
"""

import asyncio
from typing import Final, NamedTuple

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from multidict import CIMultiDictProxy

from vestry_service.errors import BodyTooLarge
from vestry_service.exchange import Answer, handler_of
from vestry_service.observed import Observed
from vestry_service.requests import PARSER_LIMITS

LONGEST: Final = 2048  # bytes of a head; those of the signed requests themselves are not meant
REMEMBERED: Final = 512  # heads; clients choose them, so they may not fill the memory
_END: Final = b"\r\n\r\n"


class Route(NamedTuple):
    """A lean route.

    Attributes:
        method, path: of its requests.
        answer: what answers.
        recurs: whether one client's heads are all alike; where each is another one it is not worth a memory.
    """

    method: str
    path: str
    answer: Answer
    recurs: bool = True


class Plain(NamedTuple):
    """A plain request: the route it is for, its head as parsed, and how long its body is in bytes."""

    route: Route
    message: RawRequestMessage
    length: int


class Lean:
    """The lean routes of one application, and the heads that were found plain."""

    def __init__(self, *, is_guarded: bool = False) -> None:
        """`is_guarded`: whether the application has a guard, which looks at requests on the ordinary way alone."""
        self.is_guarded = is_guarded
        self._routes: dict[bytes, Route] = {}
        self._plain: dict[bytes, Plain] = {}
        self._parser: HttpRequestParser | None = None

    @property
    def has_routes(self) -> bool:
        return bool(self._routes)

    def add(self, route: Route) -> None:
        self._routes[f"{route.method} {route.path} HTTP/1.1".encode("ascii")] = route

    def read(self, data: bytes) -> tuple[Plain, bytes] | None:
        """Return the plain request that `data` is, and its body; None where the ordinary way must look."""
        line = data.find(b"\r\n", 0, LONGEST)
        route = self._routes.get(data[:line])  # (1)
        if route is None:
            return None
        end = data.find(_END, line, LONGEST) + len(_END)
        if end < len(_END):
            return None
        plain = (self._plain.get(data[:end]) if route.recurs else None) or self._parse(route, data, end)
        if plain is None or len(data) != end + plain.length:  # (4)
            return None
        return plain, data[end:]

    def _parse(self, route: Route, data: bytes, end: int) -> Plain | None:
        parser, self._parser = self._parser or _parser(), None
        try:
            messages, _, _ = parser.feed_data(data)  # (2)
        except HttpProcessingError:
            return None
        if len(messages) != 1 or not messages[0][1].is_eof():
            return None
        [(message, _)] = messages
        plain = Plain(route, message, int(message.headers.get(hdrs.CONTENT_LENGTH, 0)))
        if not _is_plain(message) or len(data) != end + plain.length:  # (3), (4)
            return None
        self._parser = parser  # it stands between two messages: only then it may be used again
        if route.recurs:
            self._remember(data[:end], plain)
        return plain

    def _remember(self, head: bytes, plain: Plain) -> None:
        if len(self._plain) >= REMEMBERED:
            self._plain.clear()
        self._plain[head] = plain


def _is_plain(message: RawRequestMessage) -> bool:
    """Tell whether nothing in a head asks for more than to be answered (3)."""
    headers = message.headers
    return (
        message.version == HttpVersion11
        and not (message.should_close or message.chunked or message.upgrade or message.compression)
        and bool(headers.get(hdrs.HOST))
        and hdrs.EXPECT not in headers
        and hdrs.CONTENT_ENCODING not in headers
        and hdrs.UPGRADE not in headers
        and hdrs.IF_NONE_MATCH not in headers
    )


class _Unheld(BaseProtocol):
    """Who the parser tells to pause where much has come: here all of it has come already."""

    def pause_reading(self) -> None:
        """Go on: the bytes are in memory."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on."""


def _parser() -> HttpRequestParser:
    loop = asyncio.get_running_loop()
    return HttpRequestParser(_Unheld(loop), loop, 2**16, auto_decompress=False, **PARSER_LIMITS)


LEAN: Final = web.AppKey("LEAN", Lean)


class Taken:
    """An exchange whose body is here."""

    __slots__ = ("_body", "headers", "method", "remote", "seen", "target")

    seen: Observed

    def __init__(self, message: RawRequestMessage, body: bytes, remote: str | None) -> None:
        self.method = message.method
        self.target = message.path
        self.headers: CIMultiDictProxy[str] = message.headers
        self.remote = remote
        self._body = body

    async def body(self, limit: int) -> bytes:
        if len(self._body) > limit:
            raise BodyTooLarge(limit)
        return self._body


def add_post(app: web.Application, path: str, answer: Answer) -> None:
    """Serve an endpoint both ways; in an application with a guard the ordinary way alone, where the guard looks."""
    app.router.add_post(path, handler_of(answer))
    if not app[LEAN].is_guarded:
        app[LEAN].add(Route("POST", path, answer))


def add_signed_post(app: web.Application, path: str, answer: Answer) -> None:
    """Serve an endpoint both ways whose requests are signed themselves: no two of their heads are alike.

    The guard of the application does not look on the short way: `answer` sees to what it would say.
    """
    app.router.add_post(path, handler_of(answer))
    app[LEAN].add(Route("POST", path, answer, recurs=False))


def add_get(app: web.Application, path: str, answer: Answer) -> None:
    """Serve what is read, beside its ordinary handler, the short way too.

    The guard of the application does not look there: `answer` sees to what it would say.
    """
    app[LEAN].add(Route("GET", path, answer))
