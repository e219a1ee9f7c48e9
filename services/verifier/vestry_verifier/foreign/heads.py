"""The heads of an answer, counted while they arrive: before its last one a host may send 64 KiB.

A final answer may have informational ones in front of it, as many as the host likes (1xx, RFC 9110 section 15.2), and
whoever waits for it reads them all. Each is short, so a stream of them would keep a verifier busy for as long as it
waits, with nothing that its other callers get done. The parts of a head are bounded by aiohttp, their number is not.

1. While the final head is waited for, whatever comes passes through here, and 64 KiB of it are handed on.
2. What is beyond that waits, unread, for one turn of the loop. If the final head was in front of it, it is body, and
   its size is counted by whoever reads that (`answer.py`).
3. Otherwise the connection is cut, and the answer is too large.
"""

import asyncio
from typing import Final

from aiohttp import ClientError, ClientResponse
from aiohttp.connector import Connection

from vestry_verifier.foreign.answer import FetchFailed

MAX_HEADS: Final = 64 * 1024


class BoundedResponse(ClientResponse):
    """An answer whose heads are bounded."""

    async def start(self, connection: Connection) -> ClientResponse:
        """Wait for the final head. Raises FetchFailed where too much comes before it, ClientError."""
        transport, inner = connection.transport, connection.protocol
        if transport is None or inner is None:
            return await super().start(connection)  # it is closed, and aiohttp says so
        gate = _Gate(inner, transport)
        transport.set_protocol(gate)
        try:
            answer = await super().start(connection)
        except ClientError as error:
            if gate.is_cut:
                raise FetchFailed("too_large") from error
            raise
        gate.is_open = True
        return answer


class _Gate(asyncio.Protocol):
    """Stands between a connection and aiohttp.

    Attributes:
        is_open: the final head has come.
        is_cut: it has not, and too much else has.
    """

    def __init__(self, inner: asyncio.Protocol, transport: asyncio.Transport) -> None:
        self._inner = inner
        self._transport = transport
        self._room = MAX_HEADS
        self._beyond = b""
        self.is_open = False
        self.is_cut = False

    def data_received(self, data: bytes) -> None:
        if self.is_open and not self._beyond:
            self._inner.data_received(data)
            return
        fits, beyond = data[: self._room], data[self._room :]
        self._room -= len(fits)
        if fits:
            self._inner.data_received(fits)  # (1)
        if beyond:
            self._hold(beyond)

    def _hold(self, beyond: bytes) -> None:
        if not self._beyond:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._judge)
        self._beyond += beyond

    def _judge(self) -> None:
        beyond, self._beyond = self._beyond, b""
        if self.is_open:  # (2)
            if not self._transport.is_closing():  # as it is where the host has ended already
                self._transport.resume_reading()
            self._inner.data_received(beyond)
        else:  # (3)
            self.is_cut = True
            self._transport.abort()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        if self._beyond:  # what came before the end is told before it
            asyncio.get_running_loop().call_soon(self.connection_lost, error)
        else:
            self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
