"""All questions of one turn of the event loop travel as one script call.

A verification that comes alone is sent at the end of the turn in which it came. Under load many come in one
turn, and then a call each would cost several times as much as one call for all:

1. Who asks first opens a batch and has it sent after this turn; whoever asks before that joins it.
2. The batch takes its way over the one connection. While as many as may be are under way, it stays open for
   joiners: the slower the store, the larger the batches, up to a bound.
3. The reply is dealt out. Every key in a batch has exactly one value in the reply, at its own place.
4. When the trip fails, everyone in the batch is told that the outcome is unknown.

In a Cluster a batch is for one of its nodes, and has a call a hash slot (`cluster` says more); elsewhere it is one.

One deadline counts for the whole batch, from the moment it was opened: nobody waits longer than that.
A caller who is cancelled leaves an abandoned future behind, and the others notice nothing; whatever
was asked for the one who left is still done.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from hiredis import ReplyError

from vestry_service.store.calls import Batch, Call, Part
from vestry_service.store.link import Link
from vestry_service.store.script import TIMEOUT, Script, Trip, Words
from vestry_service.store.wire import Wire, Word
from vestry_signatures.errors import ReplayStoreUnavailable

LARGEST = 256 * 4
"""Keys in one batch: 256 claims of four keys. Larger ones keep the server from everybody else for longer."""


Objection = Callable[[int, Call, ReplyError, float], None]
"""What to do about a call that was answered by an error: its slot, the call, the error, and its deadline."""


class Batcher:
    """Carries batches of calls of one script to one server."""

    def __init__(
        self, link: Link, script: Script, trips: int, *, replicas: int = 0, object_to: Objection | None = None
    ) -> None:
        """Take the connection, which is then ours to close.

        Args:
            link: the connection.
            script: answers one value a key.
            trips: how many may be under way at once.
            replicas: so many must hold what was written, or nothing was answered.
            object_to: hears of calls that were answered by an error. Without it their callers are told at once.
        """
        self.link = link
        self._script = script
        self._most = trips
        self._replicas = replicas
        self._object_to = object_to or _give_up
        self._waiting: deque[Batch] = deque()
        self._under_way = 0
        self._closed = False
        self._idle: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, keys: Sequence[bytes], args: Sequence[Word], slot: int = 0) -> asyncio.Future[Part]:
        """Put keys and arguments into the batch of this turn; the future raises ReplayStoreUnavailable."""
        loop = self._loop or self._running_loop()
        future: asyncio.Future[Part] = loop.create_future()
        if self._closed:
            future.set_exception(ReplayStoreUnavailable())
        else:
            self._open_batch(loop, len(keys)).call(slot, len(keys)).join(keys, args, future)
        return future

    def join(self, slot: int, call: Call) -> None:
        """Put a call into the batch of this turn; its callers are told."""
        if self._closed:
            call.fail(ReplayStoreUnavailable())
            return
        size = len(call.keys)
        self._open_batch(self._loop or self._running_loop(), size).call(slot, size).absorb(call)

    def take_over(self, slot: int, call: Call, deadline: float) -> None:
        """Carry a call that another server did not carry out, in a batch of its own."""
        if self._closed:
            call.fail(ReplayStoreUnavailable())
            return
        batch = Batch(deadline)
        batch.calls[slot] = call
        self._waiting.appendleft(batch)
        self._send()

    def doubt(self, name: str) -> None:
        """Ask the server anew who it is, if this is what we call it."""
        self.link.doubt(name)

    async def aclose(self) -> None:
        """Take nothing more, let what is under way arrive or time out, then hang up."""
        self._closed = True
        self._send()
        if self._under_way:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle
        await self.link.aclose()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """Ask once which loop this is: each time it would cost a system call."""
        self._loop = asyncio.get_running_loop()
        return self._loop

    def _open_batch(self, loop: asyncio.AbstractEventLoop, size: int) -> Batch:
        if self._waiting and self._waiting[-1].size + size <= LARGEST:
            return self._waiting[-1]
        batch = Batch(loop.time() + TIMEOUT)
        self._waiting.append(batch)
        loop.call_soon(self._send)
        return batch

    def _send(self) -> None:
        while self._waiting and self._under_way < self._most:
            self._under_way += 1
            batch = self._waiting.popleft()
            calls = [Words(call.keys, call.args, call.asking) for call in batch.calls.values()]
            trip = Trip(self._script, calls, batch.deadline, Journey(self, batch), self._replicas)
            self.link.send(trip)

    def deal(self, batch: Batch, replies: list[Any], wire: Wire) -> None:
        """Give everybody in a batch what the server said."""
        for (slot, call), reply in zip(batch.calls.items(), replies, strict=True):
            if isinstance(reply, ReplyError):
                self._object_to(slot, call, reply, batch.deadline)
            else:
                call.settle(reply, wire.name, self._script.keys)

    def back(self) -> None:
        """One more may be under way."""
        self._under_way -= 1
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._send)
        elif self._idle is not None and not self._under_way and not self._idle.done():
            self._idle.set_result(None)


class Journey:
    """The `Passenger` that a batch is."""

    __slots__ = ("_batch", "_batcher")

    def __init__(self, batcher: Batcher, batch: Batch) -> None:
        self._batcher = batcher
        self._batch = batch

    def arrived(self, replies: list[Any], wire: Wire) -> None:
        try:
            if any(isinstance(reply, ReplyError) and not _is_detour(reply) for reply in replies):
                self._batcher.link.refuse(wire)
            self._batcher.deal(self._batch, replies, wire)
        except BaseException as error:
            # Also for a fault of our own: nobody waits for ever, and it is not silent either.
            self._fail(error)
            raise
        finally:
            self._batcher.back()

    def failed(self, error: BaseException) -> None:
        self._fail(error)
        self._batcher.back()

    def _fail(self, error: BaseException) -> None:
        for call in self._batch.calls.values():
            call.fail(error)


def _is_detour(error: ReplyError) -> bool:
    """Whether a node of a Cluster says no more than that a slot is elsewhere, or on its way."""
    return str(error).startswith(("MOVED ", "ASK ", "TRYAGAIN"))


def _give_up(_slot: int, call: Call, error: ReplyError, _deadline: float) -> None:
    call.fail(error)
