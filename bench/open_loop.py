"""How long single requests take while they arrive at a rate of their own.

A client that waits for an answer before it sends the next request slows down with its server and never sees the queue
that others would stand in. So here requests are due at times that were drawn before (independent of each other, as
those of many callers are: exponential gaps), and each is timed from when it was due, not from when a connection was
free to send it. Connections wait in a pool; a request that finds none waits until one comes back, and that counts.

The clock of the event loop is good to a millisecond, so nothing here is better than that.
"""

import asyncio
import gc
import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, cast

import uvloop

from bench.load import LoadError, content_length, refusal

CONNECTIONS: Final = 64
WARM_UP: Final = 0.2
"""Share of the answers, the first ones, that are not looked at."""


def latencies(port: int, requests: Sequence[bytes], per_second: float, seed: int = 1) -> list[float]:
    """Send requests at a rate and return how many seconds each took, the first ones left out.

    Raises:
        LoadError: one was not answered with 200.
    """
    arrivals = random.Random(seed)
    due, schedule = 0.0, []
    for _ in requests:
        due += arrivals.expovariate(per_second)
        schedule.append(due)
    pool = _Pool(requests, schedule)
    gc.collect()
    gc.disable()  # a pause of ours is none of the server's
    try:
        took = uvloop.run(pool.run(port))
    finally:
        gc.enable()
    return took[int(WARM_UP * len(took)) :]


class _Pool:
    """The connections, what is due, and what it took."""

    def __init__(self, requests: Sequence[bytes], schedule: Sequence[float]) -> None:
        self._requests = requests
        self._schedule = schedule
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[int] = deque()
        self._took: list[float] = [0.0] * len(requests)
        self._left = len(requests)
        self._began = 0.0

    async def run(self, port: int) -> list[float]:
        loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = loop.create_future()
        everybody = []
        for _ in range(CONNECTIONS):
            connection = _Connection(self)
            await loop.create_connection(partial(_same, connection), "127.0.0.1", port)
            self._idle.append(connection)
            everybody.append(connection)
        self._began = time.perf_counter()
        sending = asyncio.create_task(self._send(iter(enumerate(self._schedule))))
        try:
            await self._done
        finally:
            sending.cancel()
            for connection in everybody:
                connection.close()
        return self._took

    async def _send(self, due: Iterator[tuple[int, float]]) -> None:
        number, when = next(due)
        while True:
            passed = time.perf_counter() - self._began
            while when <= passed:
                self._waiting.append(number)
                found = next(due, None)
                if found is None:
                    self._dispatch()
                    return
                number, when = found
            self._dispatch()
            await asyncio.sleep(when - passed)

    def _dispatch(self) -> None:
        while self._waiting and self._idle:
            number = self._waiting.popleft()
            self._idle.popleft().send(number, self._requests[number])

    def answered(self, connection: "_Connection", number: int) -> None:
        """Note an answer, and let its connection serve whoever waits."""
        self._took[number] = time.perf_counter() - self._began - self._schedule[number]
        self._idle.append(connection)
        self._dispatch()
        self._left -= 1
        if self._left == 0 and not self._done.done():
            self._done.set_result(None)

    def failed(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._received = b""
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, number: int, request: bytes) -> None:
        self._number = number
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < content_length(head):
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self._pool.failed(refusal(head, body))
            return
        self._received = b""
        self._pool.answered(self, self._number)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.failed(exc or LoadError("the server hung up"))

    def close(self) -> None:
        self._transport.close()


def _same(connection: _Connection) -> _Connection:
    return connection
