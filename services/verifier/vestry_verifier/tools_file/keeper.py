"""The book that counts now, and its renewal.

1. The first reading happens at the start, and a fault ends the start.
2. Then the file's stamp is looked at once a second. A new one must be the same at two looks before the file is read:
   somebody who writes in pieces is given time to finish.
3. `renew` (SIGHUP) reads at once: whoever sends the signal says that the file is ready.
4. A file with a fault changes nothing. The log says all that is wrong, `/readyz` shows the check `tools_file` as
   failed (which takes nothing out of service, since the book before it is whole), and `vestry_tools_file_refused`
   is 1 until a good one is read.
5. A new book counts for whatever is asked from then on. A question that is under way keeps the policy it began with.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, NoReturn

from vestry_service.logging import Logger
from vestry_service.metrics import Metrics
from vestry_verifier.tool_policy import ToolPolicy
from vestry_verifier.tools_file.book import ToolBook, ToolsFileError, read_book
from vestry_verifier.tools_file.source import Source

EVERY: Final = 1.0
"""Seconds between two looks at the file."""


class Keeper:
    """Keeps the book of one file.

    Attributes:
        book: the one that counts now.
    """

    def __init__(
        self, path: str, base: ToolPolicy, logger: Logger, metrics: Metrics, every: float = EVERY
    ) -> None:
        """Read the file (1).

        Args:
            path: of the file.
            base: what counts where the file says nothing.
            logger: receives what was read and what was refused.
            metrics: shows whether the file is a good one.
            every: seconds between two looks.

        Raises:
            ToolsFileError: the file has a fault.
        """
        self._source = Source(path)
        self._base = base
        self._logger = logger
        self._refused = metrics.tools_file_refused
        self._every = every
        self._asked = asyncio.Event()
        self._fault: ToolsFileError | None = None
        data, self._stamp = self._source.read()
        self.book: ToolBook = read_book(data, base)
        self._tell()

    def current(self) -> ToolBook:
        """Return the book that counts now."""
        return self.book

    def renew(self) -> None:
        """Have the file read soon, whether it looks changed or not (3)."""
        self._asked.set()

    async def ready(self) -> None:
        """Raise ToolsFileError where the file on the disk is not the one that counts (for `/readyz`) (4)."""
        if self._fault is not None:
            raise self._fault

    async def watch(self) -> NoReturn:
        """Look at the file for ever (2)."""
        seen = self._stamp
        while True:
            asked = await self._wait()
            now = await asyncio.to_thread(self._source.stamp)
            if asked or (now == seen and now != self._stamp):
                await self._read()
            seen = now

    async def _wait(self) -> bool:
        """Wait for the next look; say whether it was asked for."""
        try:
            async with asyncio.timeout(self._every):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    async def _read(self) -> None:
        stamp = await asyncio.to_thread(self._source.stamp)
        try:
            data, stamp = await asyncio.to_thread(self._source.read)
            self.book = await asyncio.to_thread(read_book, data, self._base)  # (5)
            self._fault = None
        except ToolsFileError as fault:
            self._fault = fault  # (4)
        self._stamp = stamp
        self._tell()

    def _tell(self) -> None:
        self._refused.set(1 if self._fault else 0)
        if self._fault:
            self._logger.error(
                "TOOLS_FILE refused: what it said before goes on", problems=self._fault.problems
            )
        else:
            self._logger.info(
                "TOOLS_FILE read", tools=self.book.names, without_token=self.book.default is not None
            )


@asynccontextmanager
async def keeping(
    path: str | None, base: ToolPolicy, logger: Logger, metrics: Metrics, every: float = EVERY
) -> AsyncIterator[Keeper | None]:
    """Yield the keeper of a file, watching; None where there is no file. Arguments and errors as of `Keeper`."""
    if path is None:
        yield None
        return
    keeper = Keeper(path, base, logger, metrics, every)
    watching = asyncio.create_task(keeper.watch())
    try:
        yield keeper
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
