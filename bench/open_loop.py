"""How long single requests take while they arrive at a rate of their own.

A client that waits for an answer before it sends the next request slows down with its server and never sees the queue
that others would stand in. So here requests are due at times that were drawn before (independent of each other, as
those of many callers are: exponential gaps), and each is timed from when it was due, not from when a connection was
free to send it. Connections wait in a pool; a request that finds none waits until one comes back, and that counts.

This waits with select(2) and not in an event loop, whose clock goes by whole milliseconds: requests that were due in
one would be sent together at its end, and be late by it.
"""

import gc
import random
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from bench.load import LoadError, content_length, refusal

CONNECTIONS: Final = 64
WARM_UP: Final = 0.2
"""Share of the answers, the first ones, that are not looked at."""
PATIENCE: Final = 10.0  # seconds without any answer


def latencies(port: int, requests: Sequence[bytes], per_second: float, seed: int = 1) -> list[float]:
    """Send requests at a rate and return how many seconds each took, the first ones left out.

    Raises:
        LoadError: one was not answered, or not with 200.
    """
    arrivals = random.Random(seed)
    due, schedule = 0.0, []
    for _ in requests:
        due += arrivals.expovariate(per_second)
        schedule.append(due)
    with ExitStack() as stack, _without_pauses():
        connections = [stack.enter_context(_Connection(port)) for _ in range(CONNECTIONS)]
        took = _Load(requests, schedule, connections).run()
    return took[int(WARM_UP * len(took)) :]


@contextmanager
def _without_pauses() -> Iterator[None]:
    """Collect no garbage meanwhile: a pause of ours is none of the server's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Connection:
    """One request at a time.

    Attributes:
        number: of the request that is under way.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self.number = 0

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, number: int, request: bytes) -> None:
        self.number = number
        self._socket.sendall(request)

    def is_answered(self) -> bool:
        """Read what has come, and tell whether it is a whole answer. Raises LoadError."""
        data = self._socket.recv(65536)
        if not data:
            raise LoadError("the server hung up")
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < content_length(head):
            return False
        if not head.startswith(b"HTTP/1.1 200 "):
            raise refusal(head, body)
        self._received = b""
        return True


class _Load:
    """What is due, what it took, and the connections."""

    def __init__(
        self, requests: Sequence[bytes], schedule: Sequence[float], connections: Sequence[_Connection]
    ) -> None:
        self._requests = requests
        self._schedule = schedule
        self._idle = deque(connections)
        self._busy: set[_Connection] = set()
        self._took = [0.0] * len(requests)
        self._sent = 0
        self._left = len(requests)

    def run(self) -> list[float]:
        self._began = time.perf_counter()
        while self._left:
            self._send_what_is_due()
            ready, _, _ = select.select(self._busy, (), (), self._pause())
            if not ready and self._sent == len(self._requests):
                raise LoadError("the server does not answer")
            for connection in ready:
                if connection.is_answered():
                    self._note(connection)
        return self._took

    def _passed(self) -> float:
        return time.perf_counter() - self._began

    def _send_what_is_due(self) -> None:
        while (
            self._sent < len(self._requests) and self._idle and self._schedule[self._sent] <= self._passed()
        ):
            connection = self._idle.popleft()
            connection.send(self._sent, self._requests[self._sent])
            self._busy.add(connection)
            self._sent += 1

    def _pause(self) -> float:
        """Seconds until the next request is due, where a connection is free for it."""
        if self._sent == len(self._requests) or not self._idle:
            return PATIENCE
        return max(0.0, self._schedule[self._sent] - self._passed())

    def _note(self, connection: _Connection) -> None:
        self._took[connection.number] = self._passed() - self._schedule[connection.number]
        self._busy.remove(connection)
        self._idle.append(connection)
        self._left -= 1
