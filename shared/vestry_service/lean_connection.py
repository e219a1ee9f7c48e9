"""A connection that answers plain requests for lean routes by itself (`lean` says which those are).

It stands in front of aiohttp's own handling of a connection and must not be noticed beside it:

1. It takes a read only where aiohttp has answered all it was given, its parser stands between two requests, and the
   client takes its answers. The parser does not tell where it stands, so the bytes are counted along (`follow`).
   Where they are lost count of, by pipelining, chunks or a head in pieces, this connection goes on the ordinary way.
2. What comes before the answer is given is kept and read after it, and no more is read meanwhile.
3. A refusal is written by aiohttp itself, from the same function as every other (`app.failure`).
4. To whoever closes connections (keep-alive timer, the end of the service, too many of them) it is a request in hand.
"""

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import StreamWriter
from aiohttp.streams import EMPTY_PAYLOAD

from vestry_service.access import REQUEST_ID
from vestry_service.app import ACCESS, failure
from vestry_service.exchange import Reply
from vestry_service.lean import LEAN, Plain, Taken
from vestry_service.observed import OBSERVED, Observed

LOST: Final = -1


class LeanConnection(web.RequestHandler):
    """One connection of an application made by `app.make_app`."""

    __slots__ = ("_access", "_answering", "_app", "_early", "_lean", "_missing", "_remote", "_unanswered")

    def __init__(self, server: web.Server, *, app: web.Application, **kwargs: Any) -> None:
        super().__init__(server, **kwargs)
        self._app = app
        self._access = app[ACCESS]
        lean = app[LEAN]
        self._lean = lean if lean.has_routes else None
        self._missing = (
            0 if self._lean is not None else LOST
        )  # bytes until the parser stands between two requests
        self._unanswered = 0  # requests that went the ordinary way
        self._answering: asyncio.Task[None] | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; who is at the other end is asked once."""
        super().connection_made(transport)
        peer = self.peername
        self._remote = str(peer[0]) if isinstance(peer, list | tuple) else peer

    @property
    def is_answering(self) -> bool:
        """Whether a lean request is in hand."""
        return self._answering is not None

    def take(self, data: bytes) -> bool:
        """Take a read that is a plain request, or comes before the last one is answered (1, 2). False: it is not."""
        if self._answering is not None:
            if data:
                self._early += data
                self._pause_reading_for_buffer()
            return True
        if self._missing or self._lean is None or self._unanswered or self._paused or self._is_ending:
            return False
        taken = self._lean.read(data)
        if taken is None:
            return False
        self._request_in_progress = True
        self._answering = self._loop.create_task(self._answer(*taken))
        return True

    @property
    def _is_ending(self) -> bool:
        return self._close or self._force_close or self.transport is None

    def follow(self, data: bytes, came: int) -> None:
        """Count along where the parser stands (1), after `came` requests were found in a read of its own."""
        self._unanswered += came
        if self._missing == LOST or not (data or came):
            return
        message = self._messages[-1][0] if came == 1 and self._messages else None
        if self._missing == 0 and isinstance(message, RawRequestMessage):
            self._missing = max(LOST, _length(data, message) - len(data))
        elif self._missing and not came:
            self._missing = max(LOST, self._missing - len(data))
        else:
            self._missing = LOST

    async def _answer(self, plain: Plain, body: bytes) -> None:
        try:
            while (
                self._waiter is None
            ):  # aiohttp has yet to decide whether it goes on after the request before
                if self._is_ending or self._task_handler is None or self._task_handler.done():
                    return
                await asyncio.sleep(0)
            said = await self._say(plain, body)
            if isinstance(said, bytes):
                if self.transport is not None:
                    self.transport.write(said)
            else:
                sent, _ = await self.finish_response(*said, None)
                if not sent.keep_alive:
                    self.close()
        except Exception as fault:
            self._access.logger.error("unforeseen fault outside of a handler", exc_info=fault)
            self.force_close()
        finally:
            self._rest()

    async def _say(self, plain: Plain, body: bytes) -> bytes | tuple[web.Request, web.Response]:
        """Return the answer as bytes, or what a refusal is made of (3)."""
        started = perf_counter()
        route, access = plain.route, self._access
        taken = Taken(plain.message, body, self._remote)
        taken.seen = seen = access.open(taken)
        status = 499  # we are stopping
        try:
            try:
                said = written(await route.answer(taken), seen.request_id)
                status = 200
                return said
            except Exception as fault:
                request = await self._request(plain, seen)
                response = failure(fault, request)
                status = response.status
                return request, response
        finally:
            access.close(seen, route.method, route.path, status, perf_counter() - started)

    async def _request(self, plain: Plain, seen: Observed) -> web.Request:
        """Make the request object that the ordinary way would have had from the beginning."""
        task: Any = self._answering
        make = self._app._make_request  # noqa: SLF001  # what aiohttp does at the begin of each request
        request = make(plain.message, EMPTY_PAYLOAD, self, StreamWriter(self, self._loop), task)
        request[OBSERVED] = seen
        match = await self._app.router.resolve(request)
        match.add_app(self._app)
        match.freeze()
        request._match_info = match  # noqa: SLF001
        return request

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; unless it is one of ours, one request fewer is unanswered."""
        sent = await super().finish_response(request, resp, start_time)
        if self._answering is None:
            self._unanswered -= 1
        return sent

    def _rest(self) -> None:
        """Wait again, or go where that was asked for in the meantime (4)."""
        self._answering = None
        self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)
        if self.transport is None:
            return
        if self._close or self._force_close:
            self.transport.close()
            return
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._early:
            early, self._early = self._early, b""
            self._resume_reading_for_buffer()
            self.data_received(early)

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109  # aiohttp's own signature
        """Wait for the request in hand as long as for any other; then end it."""
        await super().shutdown(timeout)
        if self._answering is not None:
            await asyncio.wait({self._answering}, timeout=timeout)
        if self._answering is not None:
            self._answering.cancel()

    def _process_keepalive(self) -> None:
        if self._answering is not None:  # (4)
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        super()._process_keepalive()


def written(reply: Reply, request_id: str) -> bytes:
    """Write a 200 answer as aiohttp would."""
    body, headers, media_type = reply
    head = (
        f"HTTP/1.1 200 OK\r\n{_lines(headers) if headers else ''}Content-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\nDate: {rfc822_formatted_time()}\r\n{REQUEST_ID}: {request_id}\r\n\r\n"
    )
    return head.encode("latin-1") + body


def _lines(headers: Mapping[str, str]) -> str:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ValueError("a header has a line break")
    return "\r\n".join([*lines, ""])


def _length(data: bytes, message: RawRequestMessage) -> int:
    """Return how many bytes a request has whose head begins `data`, or fewer than `data` where that is not plain."""
    if (
        message.chunked
        or message.upgrade
        or message.should_close
        or not data.startswith(message.method.encode())
    ):
        return LOST
    end = data.find(b"\r\n\r\n") + 4
    return end + int(message.headers.get(hdrs.CONTENT_LENGTH, 0))
