"""A lasting connection to the one server that counts, made when first needed and made again after any failure.

Which server that is, a `Finder` knows: the one in the URL, or whichever a majority of Sentinels names now. Several
trips may be under way at once. Any failure but one ends the connection: after a timeout or a broken connection
nobody knows whether the server did what it was told, or will do it later. The exception is an error as a reply, by
which this server says no: then what else is under way on the connection may still arrive, and the next trip makes
a new one, which asks again who is there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from hiredis import ReplyError

from vestry_service.store.greeting import Refused, dial_primary
from vestry_service.store.script import TIMEOUT, Script, Trip, Words
from vestry_service.store.url import Address, StoreUrl
from vestry_service.store.wire import Wire, Word
from vestry_signatures.errors import ReplayStoreUnavailable

DOUBT = 1.0
"""Seconds for which a server's name is believed, where the marks that it holds name another."""


class Finder(Protocol):
    """Knows which server counts."""

    async def find(self) -> Wire:
        """Connect to it. Raises OSError."""
        ...

    def trusts(self, wire: Wire) -> bool:
        """Say whether the server at the other end still counts."""
        ...

    async def aclose(self) -> None: ...


class Always:
    """`Finder` of the one server there is."""

    def __init__(self, url: StoreUrl, address: Address | None = None) -> None:
        self._url = url
        self._address = address or url.addresses[0]

    async def find(self) -> Wire:
        return await dial_primary(self._address, self._url)

    def trusts(self, _wire: Wire) -> bool:
        return True

    async def aclose(self) -> None:
        """Do nothing: nothing was opened."""


class Link:
    """One lasting connection."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._wire: Wire | None = None
        self._connecting: asyncio.Task[Wire] | None = None
        self._errands: set[asyncio.Task[None]] = set()

    def send(self, trip: Trip) -> None:
        """Send a trip off; its passenger hears the rest."""
        wire = self._wire
        if trip.is_late:
            trip.fail(TimeoutError("there was no turn in time"))
        elif wire is not None and wire.is_open and self._finder.trusts(wire):
            trip.start(wire)
        else:
            self._send_later(trip)

    async def run(
        self,
        script: Script,
        keys: Sequence[bytes],
        args: Sequence[Word],
        only_on: str | None = None,
        replicas: int = 0,
    ) -> Any:
        """Run a script once and return its reply.

        Args:
            script: the script.
            keys: its KEYS.
            args: its ARGV.
            only_on: the name of the one server that may run it: any other is sent nothing.
            replicas: so many must hold what was written.

        Raises ReplayStoreUnavailable when there is no reply in time, or an error instead of one: whether the
        script has run, or will yet, is then unknown.
        """

        async def ask(wire: Wire, deadline: float) -> Any:
            if only_on is not None and wire.name != only_on:
                raise Refused("the server was restarted: this is meant for the one before")
            passage = Passage()
            Trip(script, [Words(keys, args)], deadline, passage, replicas).start(wire)
            [reply] = await passage.future
            return self._require(wire, reply)

        return await self._trip(ask)

    async def ask(self, *commands: tuple[Word, ...]) -> list[Any]:
        """Say some commands in one trip and return their replies. Raises as `run` does."""
        replies, _ = await self.say(*commands, errors=False)
        return replies

    async def say(self, *commands: tuple[Word, ...], errors: bool = True) -> tuple[list[Any], str]:
        """Do as `ask` does, but return replies that are errors too, and the server's name."""

        async def ask(wire: Wire, _deadline: float) -> tuple[list[Any], str]:
            replies = await wire.ask(*commands)
            return (replies if errors else [self._require(wire, reply) for reply in replies]), wire.name

        said: tuple[list[Any], str] = await self._trip(ask)
        return said

    def refuse(self, wire: Wire) -> None:
        """Ask no more on this connection: the server says no."""
        if self._wire is wire:
            self._wire = None
        wire.retire()

    def doubt(self, name: str) -> None:
        """Hear that the server may not have this name any more: ask it anew, once in a second at most."""
        wire = self._wire
        if wire is not None and wire.name == name and asyncio.get_running_loop().time() - wire.made > DOUBT:
            self.refuse(wire)

    async def hang_up(self) -> None:
        """Close the connection, without a word and without waiting."""
        if self._connecting is not None:
            self._connecting.cancel()
        for errand in self._errands:
            errand.cancel()
        if self._wire is not None:
            self._wire.end()
            self._wire = None

    async def aclose(self) -> None:
        """Hang up for good."""
        await self.hang_up()
        await self._finder.aclose()

    async def _trip(self, ask: Callable[[Wire, float], Awaitable[Any]]) -> Any:
        deadline = asyncio.get_running_loop().time() + TIMEOUT
        wire = None
        try:
            async with asyncio.timeout_at(deadline):
                wire = await self._connected()
                return await ask(wire, deadline)
        except BaseException as error:
            if wire is not None and not isinstance(error, ReplyError | Refused):
                wire.end()
            if isinstance(error, ReplyError | OSError):  # TimeoutError is an OSError
                raise ReplayStoreUnavailable from error
            raise

    def _require(self, wire: Wire, reply: Any) -> Any:
        if isinstance(reply, ReplyError):
            self.refuse(wire)
            raise reply
        return reply

    def _send_later(self, trip: Trip) -> None:
        errand = asyncio.ensure_future(self._send_when_connected(trip))
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    async def _send_when_connected(self, trip: Trip) -> None:
        try:
            async with asyncio.timeout_at(trip.deadline):
                wire = await self._connected()
        except BaseException as error:
            # Also for a fault of our own and for the end of the loop: nobody waits for ever.
            trip.fail(error)
            if not isinstance(error, OSError):
                raise
        else:
            trip.start(wire)

    async def _connected(self) -> Wire:
        if self._wire is not None and self._wire.is_open and self._finder.trusts(self._wire):
            return self._wire
        joins = self._connecting is not None
        try:
            # Several may wait for it: that one of them gives up ends nothing.
            return await asyncio.shield(self._connecting or self._start_connecting())
        except OSError:
            if not joins:
                raise
        # It was begun for somebody else, perhaps when the server was away still; we have our own time.
        return await asyncio.shield(self._connecting or self._start_connecting())

    def _start_connecting(self) -> asyncio.Task[Wire]:
        self._connecting = asyncio.ensure_future(self._connect())
        self._connecting.add_done_callback(self._connection_tried)
        return self._connecting

    async def _connect(self) -> Wire:
        if self._wire is not None:
            self.refuse(self._wire)
        async with asyncio.timeout(TIMEOUT):
            self._wire = await self._finder.find()
        return self._wire

    def _connection_tried(self, task: asyncio.Task[Wire]) -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # whoever waits is told; without anybody it is no news


class Passage:
    """A `Passenger` that somebody awaits."""

    def __init__(self) -> None:
        self.future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def arrived(self, replies: list[Any], _wire: Wire) -> None:
        if not self.future.done():
            self.future.set_result(replies)

    def failed(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)
