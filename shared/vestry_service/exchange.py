"""A question and its answer in JSON, without a word about how they travel.

Most of what tools ask is one kind of thing: a body goes in, and 200 with a JSON body comes out, or an error is raised
(`problems` sends it). Written as a function of an `Exchange`, such an endpoint can be served the ordinary way, by
aiohttp (`handler_of`), and the short way (`lean`), and says the same either way.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from aiohttp import web
from multidict import CIMultiDictProxy

from vestry_service.observed import OBSERVED, Observed
from vestry_service.requests import read_body
from vestry_signatures.errors import VestryError

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Exchange(Protocol):
    """What was asked.

    Attributes:
        method: of the request.
        target: its request target, as it came.
        headers: of the request.
        seen: what the log is to say about it.
    """

    @property
    def method(self) -> str: ...

    @property
    def target(self) -> str: ...

    @property
    def headers(self) -> CIMultiDictProxy[str]: ...

    @property
    def seen(self) -> Observed: ...

    async def body(self, limit: int) -> bytes:
        """Return the body, of `limit` bytes at most. Raises as `requests.read_body` does."""
        ...


class Reply(NamedTuple):
    """A 200 answer: its body, which is JSON, further headers, and its media type where that has a name of its own."""

    body: bytes
    headers: Mapping[str, str] = _NONE
    media_type: str = "application/json"


class Refused(Exception):
    """An error that is to be told with header fields of its own.

    Attributes:
        error: what is told.
        headers: the fields.
    """

    def __init__(self, error: VestryError, headers: Mapping[str, str]) -> None:
        super().__init__(error.reason)
        self.error = error
        self.headers = headers


Answer = Callable[[Exchange], Awaitable[Reply]]
Handler = Callable[[web.Request], Awaitable[web.Response]]


class Ordinary:
    """An exchange over an aiohttp request."""

    __slots__ = ("_request", "headers", "method", "seen", "target")

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.method = request.method
        self.target = request.raw_path
        self.headers = request.headers
        self.seen = request[OBSERVED]

    async def body(self, limit: int) -> bytes:
        """Return the body. Raises as `requests.read_body` does."""
        return await read_body(self._request, limit)


def handler_of(answer: Answer) -> Handler:
    """Return the aiohttp handler that gives the same answers."""

    async def handler(request: web.Request) -> web.Response:
        reply = await answer(Ordinary(request))
        return web.Response(body=reply.body, headers=reply.headers, content_type=reply.media_type)

    return handler
