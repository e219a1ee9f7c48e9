"""All questions of one turn of the event loop travel as one script call.

A verification that comes alone is sent at the end of the turn in which it came. Under load many come in one
turn, and then a call each would cost several times as much as one call for all:

1. Who asks first opens a batch and has it sent after this turn; whoever asks before that joins it.
2. The batch takes a free link. While every link is under way it stays open for joiners: the slower
   the store, the larger the batches, up to a bound.
3. The reply is dealt out. Every key in a batch has exactly one value in the reply, at its own place.
4. When the trip fails, everyone in the batch is told that the outcome is unknown.

One deadline counts for the whole batch, from the moment it was opened: nobody waits longer than that.
A caller who is cancelled leaves an abandoned future behind, and the others notice nothing; whatever
was asked for the one who left is still done.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from vestry_service.replay_link import TIMEOUT, Link, Script, Word
from vestry_signatures.errors import ReplayStoreUnavailable

LARGEST = 256 * 4
"""Keys in one batch: 256 claims of four keys. Larger ones keep the server from everybody else for longer."""


class Part(NamedTuple):
    """What one caller gets back: a value for each of its keys, and the run id of the server that answered."""

    values: Sequence[Any]
    run_id: str


class Batch:
    """Keys and arguments of several callers, and where each one's keys begin."""

    __slots__ = ("_callers", "args", "deadline", "keys")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.keys: list[bytes] = []
        self.args: list[Word] = []
        self._callers: list[tuple[asyncio.Future[Part], int, int]] = []

    def join(self, keys: Sequence[bytes], args: Sequence[Word], future: asyncio.Future[Part]) -> None:
        start = len(self.keys)
        self.keys += keys
        self.args += args
        self._callers.append((future, start, len(self.keys)))

    def settle(self, reply: Sequence[Any], run_id: str) -> None:
        if len(reply) != len(self.keys):
            raise ReplayStoreUnavailable
        for future, start, end in self._callers:
            if not future.done():  # done: its caller was cancelled
                future.set_result(Part(reply[start:end], run_id))

    def fail(self, error: BaseException) -> None:
        for future, _, _ in self._callers:
            if not future.done():
                # An error each: they are raised in different tasks, and a traceback belongs to one of them.
                unknown = ReplayStoreUnavailable()
                unknown.__cause__ = error.__cause__ or error
                future.set_exception(unknown)


class Batcher:
    """Carries batches of calls of one script over a few links of its own."""

    def __init__(self, url: str, script: Script, links: int) -> None:
        """Take the store's URL, a script that answers one value a key, and how many trips may overlap.

        Raises ValueError for a URL that is not `redis://`, `rediss://` or `unix://`. Nothing is connected yet.
        """
        self._script = script
        self._free = [Link(url) for _ in range(links)]
        self._waiting: deque[Batch] = deque()
        self._trips: set[asyncio.Task[None]] = set()
        self._closed = False

    def submit(self, keys: Sequence[bytes], args: Sequence[Word]) -> asyncio.Future[Part]:
        """Put keys and arguments into the batch of this turn; the future raises ReplayStoreUnavailable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Part] = loop.create_future()
        if self._closed:
            future.set_exception(ReplayStoreUnavailable())
        else:
            self._open_batch(loop, len(keys)).join(keys, args, future)
        return future

    async def aclose(self) -> None:
        """Take nothing more, let what is under way arrive or time out, then hang up."""
        self._closed = True
        self._send()
        while self._trips:
            await asyncio.wait(self._trips)
        for link in self._free:
            await link.hang_up()

    def _open_batch(self, loop: asyncio.AbstractEventLoop, size: int) -> Batch:
        if self._waiting and len(self._waiting[-1].keys) + size <= LARGEST:
            return self._waiting[-1]
        batch = Batch(loop.time() + TIMEOUT)
        self._waiting.append(batch)
        loop.call_soon(self._send)
        return batch

    def _send(self) -> None:
        while self._waiting and self._free:
            trip = asyncio.ensure_future(self._carry(self._waiting.popleft(), self._free.pop()))
            self._trips.add(trip)
            trip.add_done_callback(self._trips.discard)

    async def _carry(self, batch: Batch, link: Link) -> None:
        try:
            reply = await link.run(self._script, batch.keys, batch.args, batch.deadline)
            batch.settle(reply, link.run_id)
        except BaseException as error:
            # Also for a fault of our own and for the end of the loop: nobody waits for ever.
            batch.fail(error)
            await link.hang_up()
            if not isinstance(error, ReplayStoreUnavailable):
                raise
        finally:
            self._free.append(link)
            self._send()
