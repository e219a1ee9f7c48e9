"""A connection without a network: bytes go in by hand, and what is answered is collected."""

import asyncio
import re
from typing import Any

from aiohttp import web

from vestry_service.protocol import Connection, Runner

TURNS = 40
"""Turns of the loop in which a handler that waits for nothing has answered."""


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self, peer: str = "192.0.2.7") -> None:
        super().__init__({"peername": (peer, 40000)})
        self.written = b""
        self.hung_up = False
        self.is_held = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.hung_up = True

    def is_closing(self) -> bool:
        return self.hung_up

    def pause_reading(self) -> None:
        self.is_held = True

    def resume_reading(self) -> None:
        self.is_held = False


class Line:
    """One connection of a served application."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.wire = Wire()

    async def say(self, *parts: bytes) -> None:
        """Let bytes arrive, a read each, unless the server has hung up."""
        for part in parts:
            if not self.wire.hung_up:
                self.connection.data_received(part)
            await turns()

    @property
    def said(self) -> str:
        """What was answered, without what differs from answer to answer by right."""
        found = self.wire.written.decode("latin-1")
        found = re.sub(r"Date: [^\r]*", "Date: now", found)
        found = re.sub(r'nonce="[^"]*"', 'nonce="made"', found)
        found = re.sub(r'"request_id":"[0-9a-f]{32}"', '"request_id":"made"', found)
        return re.sub(r"X-Request-Id: [0-9a-f]{32}\r", "X-Request-Id: made\r", found)


async def turns(number: int = TURNS) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def line_to(runner: Runner) -> Line:
    """Connect to an application that runs (`runner.setup()` is done)."""
    server: Any = runner.server
    line = Line(server())
    line.connection.connection_made(line.wire)
    await turns(2)
    return line


async def running(app: web.Application) -> Runner:
    runner = Runner(app, shutdown_timeout=0.1)
    await runner.setup()
    return runner
