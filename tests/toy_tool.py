"""A tool that tells what reached it, and a line to the verifier that can be cut: for tests of proxies."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Reached(NamedTuple):
    """A request as it reached the tool.

    Attributes:
        method, target: of the request line, byte by byte.
        lines: names in lower case and values of all header lines, in order.
        body: with a Content-Length.
    """

    method: str
    target: str
    lines: list[tuple[str, str]]
    body: str

    def all(self, name: str) -> list[str]:
        """The values of all lines of a header, also of one that is the same to a tool that takes `_` for `-`."""
        return [value for known, value in self.lines if known.replace("_", "-") == name]

    @property
    def agent(self) -> dict[str, list[str]]:
        """What the tool is told of who signed, whatever the spelling of the names."""
        names = {known.replace("_", "-") for known, _ in self.lines}
        return {name: self.all(name) for name in sorted(names) if name.startswith("x-agent")}

    @classmethod
    def of(cls, told: Any) -> "Reached":
        method, target, lines, body = told
        return cls(method, target, [(name, value) for name, value in lines], body)


class ToyTool:
    """Answers every request with what it is, and counts them."""

    def __init__(self) -> None:
        self.called = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.called += 1
        first, *fields = head.rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        lines = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in fields)]
        length = int(dict(lines).get("content-length", 0))
        body = (await reader.readexactly(length)).decode("latin-1")
        told = json.dumps(Reached(method, target, lines, body)).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(told), told))
        await writer.drain()


class Line:
    """Leads to the verifier, or says something else in its place.

    Attributes:
        says: bytes to answer every question with; empty ones for silence, None to lead on.
        is_cut: whether every connection is closed at once.
    """

    def __init__(self, verifier: int) -> None:
        self._verifier = verifier
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.says: bytes | None = None
        self.is_cut = False

    async def change(self, says: bytes | None = None, *, cut: bool = False) -> None:
        """Say something else from now on, also to those who are connected already."""
        self.says, self.is_cut = says, cut
        for writer in self._open:
            writer.transport.abort()
        await asyncio.sleep(0.05)  # until a proxy that keeps connections knows that these are gone

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self.is_cut:
                return None
            if self.says is None:
                return await self._lead_on(reader, writer)
            await reader.readuntil(b"\r\n\r\n")
            if self.says:
                writer.write(self.says)
                await writer.drain()
            else:
                await reader.read()
        finally:
            self._open.discard(writer)

    async def _lead_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_connection("127.0.0.1", self._verifier)
        there = asyncio.create_task(_copy(reader, questions))
        try:
            await _copy(answers, writer)
        finally:
            there.cancel()
            await asyncio.gather(there, return_exceptions=True)
            questions.transport.abort()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


@asynccontextmanager
async def serving(what: ToyTool | Line) -> AsyncIterator[None]:
    """Have it listen on a port of its own."""
    tasks: set[asyncio.Task[None] | None] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(task := asyncio.current_task())
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await what.serve(reader, writer)
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    what.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        left = [task for task in tasks if task is not None]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0.05)  # until what was closed is gone
