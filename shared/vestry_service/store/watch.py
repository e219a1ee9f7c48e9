"""Which servers count is asked again and again, and what a majority said is believed for two seconds.

Behind Sentinels, and in a Cluster, another server can take the place of a primary that is out of reach for the
others. It may lack nonces, so its memory begins anew. But the old one may live, cut off, and whoever is cut off
with it would go on spending nonces there: one signature would count twice, and a key revoked at the new one would
still stand at the old one. Nobody can tell that by the old server alone. So:

1. Half a second after the last time, those who decide are asked anew: the Sentinels, or the primaries of a Cluster.
2. What a majority of them said within the last TRUST seconds counts, from when they were asked. After that a
   connection is not used any more, until a majority can be asked again: whoever is cut off stops by himself.
3. The registrar opens a memory that began by a promotion only HANDOVER seconds later, and lets begin it after
   everything that can have been accepted until then (`vestry_registrar.memory_steps`). HANDOVER is more than TRUST
   and the time that Sentinels take to tell one another of a new primary.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar

from hiredis import ReplyError

from vestry_service.store.greeting import Refused, dial
from vestry_service.store.script import TIMEOUT
from vestry_service.store.url import Address, Login, StoreUrl
from vestry_service.store.wire import Wire, Word

PERIOD: Final = 0.5
TRUST: Final = 2.0
HANDOVER: Final = 5

T = TypeVar("T")


class Watch(ABC):
    """Asks a few servers, over lasting connections, and knows when a majority was heard last.

    Attributes:
        generation: one more whenever they say something new. A connection that was made before the news is made
            anew, and asks who is there: a server may have lost its part, and have it again, with another's data.
    """

    def __init__(self, url: StoreUrl, login: Login) -> None:
        """Take the URL, and how to log in to those who are asked."""
        self.url = url
        self._login = login
        self._wires: dict[Address, Wire] = {}
        self._heard = -TRUST
        self.generation = 0
        self._round: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether what was heard last still counts. See (2)."""
        return asyncio.get_running_loop().time() - self._heard <= TRUST

    async def refresh(self) -> None:
        """Ask now; several who want that share one round. Raises OSError: no majority can be heard."""
        if self._watching is None:
            self._watching = asyncio.ensure_future(self._watch())
        if self._round is None:
            self._round = asyncio.ensure_future(self._ask_once())
            self._round.add_done_callback(self._round_done)
        await asyncio.shield(self._round)

    async def aclose(self) -> None:
        """Ask nothing more."""
        for task in (self._watching, self._round):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        for wire in self._wires.values():
            wire.end()

    @abstractmethod
    async def hear(self) -> None:
        """Ask everybody who decides; keep what a majority says. Raises OSError."""

    async def ask(self, address: Address, *words: Word) -> Any:
        """Put one question to one of those who decide. Raises OSError, also for an error as its answer."""
        wire = self._wires.get(address)
        if wire is None or not wire.is_open:
            wire = self._wires[address] = await dial(address, self.url, self._login)
        [reply] = await wire.ask(words)
        if isinstance(reply, ReplyError):
            raise Refused(f"{address} says: {reply}")
        return reply

    async def _ask_once(self) -> None:
        started = asyncio.get_running_loop().time()
        async with asyncio.timeout(TIMEOUT):
            await self.hear()
        self._heard = started

    def _round_done(self, task: asyncio.Task[None]) -> None:
        self._round = None
        if not task.cancelled():
            task.exception()  # whoever waits is told; without anybody it is no news

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)  # (1)
            with suppress(OSError):
                await self.refresh()


async def agreed(questions: Sequence[Callable[[], Awaitable[T]]], what: str) -> T:
    """Ask several at once, and return what more than half of them say as soon as they do.

    Raises Refused: they do not agree, or too few answer.
    """
    votes: Counter[T] = Counter()
    causes: list[str] = []
    async with _asking(questions) as tasks:
        for each in asyncio.as_completed(tasks):
            try:
                votes[await each] += 1
            except OSError as error:
                causes.append(str(error) or type(error).__name__)
            for said, count in votes.most_common(1):
                if 2 * count > len(questions):
                    return said
    raise Refused(f"no majority of {len(questions)} names {what}: {'; '.join(causes) or 'they differ'}")


async def collect(
    questions: Sequence[Callable[[], Awaitable[T]]], patience: float, causes: list[str]
) -> list[T]:
    """Ask several at once, and return the answers that are there in so many seconds.

    `causes` gets why others are not.
    """
    found: list[T] = []
    async with _asking(questions) as tasks:
        done, late = await asyncio.wait(tasks, timeout=patience)
        causes += ["no answer in time"] * len(late)
        for task in done:
            try:
                found.append(task.result())
            except OSError as error:
                causes.append(str(error) or type(error).__name__)
    return found


@asynccontextmanager
async def _asking(
    questions: Iterable[Callable[[], Awaitable[T]]],
) -> AsyncIterator[Sequence[asyncio.Future[T]]]:
    tasks = [asyncio.ensure_future(question()) for question in questions]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
