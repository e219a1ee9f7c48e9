"""Servers that only listen: to see who calls, and to answer in ways that no honest server would."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class Listener:
    """A loopback port that notes what it is told and gives one fixed answer.

    Attributes:
        port: where it listens.
        heads: the head of every request that came.
        connections: how many connections came, whatever was said on them.
        answering: cleared, it keeps every caller waiting until it is set again.
    """

    def __init__(self, answer: bytes, delay: float) -> None:
        self._answer = answer
        self._delay = delay
        self.port = 0
        self.heads: list[str] = []
        self.connections = 0
        self.answering = asyncio.Event()
        self.answering.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def has_been_asked(self, times: int) -> Callable[[], Awaitable[bool]]:
        """Whether so many requests have come, for `until`."""

        async def asked() -> bool:
            return len(self.heads) >= times

        return asked

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head.decode())
                await asyncio.sleep(self._delay)
                await self.answering.wait()
                writer.write(self._answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


def response(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Write an HTTP answer."""
    lines = "".join(f"{line}\r\n" for line in (*headers, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


@asynccontextmanager
async def listening_with(answer: bytes = b"", delay: float = 0) -> AsyncIterator[Listener]:
    """Listen on a free loopback port, and give this answer `delay` seconds after each request."""
    listener = Listener(answer, delay)
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()
