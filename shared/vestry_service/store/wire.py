"""One connection to one server: what is asked goes out in order, and replies come back in that order.

Several may ask at once. Nothing is sent twice, and nobody is told a reply that was meant for another:

1. Who asks says how many replies belong to the question, and gets exactly those.
2. A reply to no question, or bytes that are none, end the connection.
3. When it ends, everybody who waits on it is told so: whether the server did what was asked is then unknown.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

import hiredis

from vestry_service.store.url import Address

Word = bytes | str | int
_NOTHING = object()


class Lost(ConnectionError):
    """The connection ended, and with it whatever was under way on it."""


class Asker(Protocol):
    """Who waits for replies. Errors of the server are replies too: instances of `hiredis.ReplyError`."""

    def answered(self, replies: list[Any]) -> None: ...
    def lost(self, error: Exception) -> None: ...


def pack(*words: Word) -> bytes:
    """Write a command in Redis' protocol."""
    return cast(bytes, hiredis.pack_command(words))  # type: ignore[arg-type]  # see its stub


class Wire(asyncio.Protocol):
    """One connection.

    Attributes:
        address: of the server.
        name: of the server, once it is known (`greeting`).
        generation: what a `Finder` knew when it was made, so that it can tell whether it has heard news since.
        made: when, by the event loop's time.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.name = ""
        self.generation = 0
        self.made = asyncio.get_running_loop().time()
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._waiting: deque[tuple[Asker, int]] = deque()
        self._replies: list[Any] = []
        self._transport: asyncio.Transport | None = None
        self._ended: Exception | None = None
        self._retired = False
        self.on_end: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether something can be asked here."""
        return self._ended is None and not self._retired

    def send(self, data: bytes, count: int, asker: Asker) -> None:
        """Send bytes to which `count` replies belong. See (1)."""
        if self._ended is not None or self._transport is None:
            asker.lost(self._ended or Lost())
            return
        self._waiting.append((asker, count))
        self._transport.write(data)

    async def ask(self, *commands: tuple[Word, ...]) -> list[Any]:
        """Say some commands at once, and return their replies. Raises OSError when the connection ends."""
        question = Question()
        self.send(b"".join(pack(*words) for words in commands), len(commands), question)
        return await question.future

    def retire(self) -> None:
        """Ask nothing more here; end it when what is under way has arrived."""
        self._retired = True
        if not self._waiting:
            self.end()

    def end(self, error: Exception | None = None) -> None:
        """End the connection now, without a word. See (3)."""
        if self._ended is not None:
            return
        self._ended = error or Lost("the connection to the server was ended")
        if self._transport is not None:
            self._transport.abort()
        if self.on_end is not None:
            self.on_end()
        while self._waiting:
            self._waiting.popleft()[0].lost(self._ended)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._ended is not None:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.end(error if isinstance(error, OSError) else Lost("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                self._deal(reply)
        except hiredis.ProtocolError:
            self.end(Lost("the server does not speak Redis' protocol"))  # (2)

    def _deal(self, reply: Any) -> None:
        if not self._waiting:
            self.end(Lost("the server said what it was not asked"))  # (2)
            return
        self._replies.append(reply)
        asker, count = self._waiting[0]
        if len(self._replies) < count:
            return
        replies, self._replies = self._replies, []
        self._waiting.popleft()
        asker.answered(replies)
        if self._retired and not self._waiting:
            self.end()


class Question:
    """An `Asker` that somebody awaits."""

    def __init__(self) -> None:
        self.future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def answered(self, replies: list[Any]) -> None:
        if not self.future.done():
            self.future.set_result(replies)

    def lost(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)
