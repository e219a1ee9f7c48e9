"""A load of prepared requests over a few kept-alive connections, cheap enough not to be what is measured.

Against a server that answers at once, without reading, this sends more than 100,000 requests a second from one core.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import cast

import uvloop

from bench.figures import Sample
from bench.stacks import Running


class LoadError(Exception):
    """The server refused something, perhaps one question of a batch: the figures would be of errors."""


def refusal(head: bytes, body: bytes) -> LoadError:
    """Say in a line what was refused."""
    line = head.partition(b"\r\n")[0]
    return LoadError((line + b" " + body[max(0, body.find(b'{"error":')) :][:300]).decode("latin-1"))


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered, until there are none or time is up."""

    def __init__(self, requests: Iterator[bytes], deadline: float, done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._deadline = deadline
        self._done = done
        self._received = b""
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < content_length(head):
            return
        if not self._received.startswith(b"HTTP/1.1 200 ") or b'{"error":' in body:
            self._finish(refusal(head, body))
            return
        self._received = b""
        self.answers += 1
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(LoadError("the server hung up") if exc is None else exc)

    def _next(self) -> None:
        request = next(self._requests, None) if time.perf_counter() < self._deadline else None
        if request is None:
            self._finish(None)
        else:
            self._transport.write(request)

    def _finish(self, error: Exception | None) -> None:
        if self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)
        self._transport.close()


def content_length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].partition(b"\r\n")[0])


def rate(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> float:
    """Send requests to a port of this machine and return how many were answered with 200 a second.

    Raises:
        LoadError: one was answered otherwise.
    """
    done, took = uvloop.run(_closed_loop(port, iter(requests), connections, seconds))
    return done / took


def sample(
    server: Running, requests: Sequence[bytes], connections: int, seconds: float, items: int = 1
) -> Sample:
    """As `rate`, with what each of the `items` in a request cost the server's process. Raises as `rate` does."""
    before = server.cpu()
    done, took = uvloop.run(_closed_loop(server.port, iter(requests), connections, seconds))
    spent = None if before is None else (server.cpu() or before) - before
    return Sample(items * done / took, None if spent is None else spent / (items * done))


def _same(connection: _Connection) -> _Connection:
    return connection


async def _closed_loop(
    port: int, requests: Iterator[bytes], connections: int, seconds: float
) -> tuple[int, float]:
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    waits: list[asyncio.Future[None]] = []
    opened: list[_Connection] = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        connection = _Connection(requests, began + seconds, done)
        await loop.create_connection(partial(_same, connection), "127.0.0.1", port)
        waits.append(done)
        opened.append(connection)
    await asyncio.gather(*waits)
    return sum(connection.answers for connection in opened), time.perf_counter() - began
