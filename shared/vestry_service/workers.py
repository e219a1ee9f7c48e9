"""Several processes of one service on the same ports, under one small supervisor.

The kernel gives each new connection to one of the processes that listen on a port with SO_REUSEPORT (socket(7)), so
nothing stands between a client and a worker. The supervisor serves nothing. It

1. makes sure that nobody else has the ports, since SO_REUSEPORT would let us share them with another program of the
   same user without a word;
2. makes a folder in which all workers count (shared_metrics.py), and removes it at the end;
3. starts the workers. Until all of them listen, the end of any ends the start, with what that one said: a setting
   that is wrong is one message and not a loop;
4. replaces a worker that dies later, and logs it. The pause before that grows from one death to the next, so that a
   crash loop does not burn the machine, and shrinks again once a worker has lived for a while;
5. on SIGTERM or SIGINT lets all of them finish what is in flight, and ends with 0. If the supervisor itself is
   killed, the workers end by themselves (worker.py);
6. hands SIGHUP on to the workers, where that means something to them.
"""

import asyncio
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar

import uvloop

from vestry_service.errors import StartError
from vestry_service.logging import Logger
from vestry_service.server import GRACE
from vestry_service.shared_metrics import forget_worker
from vestry_service.sockets import Place, listening
from vestry_service.worker import LISTENS, METRICS, NUMBER

SHORTEST_PAUSE: Final = 0.1  # seconds
LONGEST_PAUSE: Final = 30.0
STEADY: Final = 60.0
"""Seconds after which a worker's life counts as a good one: its death is not yet a loop."""
PATIENCE: Final = 2 * GRACE + 2
"""Seconds that workers have to end: each of their two ports may take the grace."""
MOST_WORDS: Final = 64 * 1024

T = TypeVar("T")


def supervise(
    command: Sequence[str],
    environ: Mapping[str, str],
    count: int,
    places: Sequence[Place],
    logger: Logger,
    *,
    reloads: bool = False,
) -> None:
    """Run workers until SIGTERM or SIGINT.

    Args:
        command: starts one of them.
        environ: of each, but for what is added here.
        count: how many.
        places: where they will listen.
        logger: told of deaths and replacements.
        reloads: whether they understand SIGHUP.

    Raises:
        StartError: they cannot start; the text says why.
    """
    for place in places:
        for sock in listening(place.addresses, place.port, variable=place.variable):  # (1)
            sock.close()
    with _metrics_folder() as folder:  # (2)
        uvloop.run(_Crew(command, environ, folder, logger).run(count, reloads=reloads))


@contextmanager
def _metrics_folder() -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="vestry-metrics-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StartError(
            f"WORKERS: there is no folder for temporary files ({error.strerror}): set TMPDIR to one"
        ) from None
    with folder as name:
        yield Path(name)


@dataclass(frozen=True, slots=True)
class _Child:
    """A worker that was started, and our end of its line."""

    process: asyncio.subprocess.Process
    line: socket.socket

    async def first_words(self) -> bytes:
        """Wait until it says LISTENS, or has ended; what it said in the end then."""
        loop = asyncio.get_running_loop()
        said = b""
        while not said.startswith(LISTENS) and len(said) < MOST_WORDS:
            try:
                more = await loop.sock_recv(self.line, MOST_WORDS)
            except OSError:  # it ended while something was still unsaid
                more = b""
            if not more:
                break
            said += more
        return said

    async def drain(self) -> None:
        """Let it finish what is in flight, then see it gone."""
        if self.process.returncode is None:
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), PATIENCE)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


class _Crew:
    """The workers of one service."""

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], metrics: Path, logger: Logger
    ) -> None:
        self._command = command
        self._environ = {**environ, METRICS: str(metrics)}
        self._metrics = metrics
        self._logger = logger
        self._stop = asyncio.Event()
        self._listening: set[int] = set()
        self._serving: dict[int, asyncio.subprocess.Process] = {}
        self._complete = False

    async def run(self, count: int, *, reloads: bool) -> None:
        """Keep `count` workers alive until a signal asks to stop. Raises StartError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        if reloads:
            loop.add_signal_handler(signal.SIGHUP, self._reload)
        tasks = [asyncio.create_task(self._keep(number, count)) for number in range(1, count + 1)]
        try:
            await asyncio.gather(*tasks)
        finally:  # the first that cannot start takes the others with it (3)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, number: int, count: int) -> None:
        pause = SHORTEST_PAUSE
        while not self._stop.is_set():
            began = monotonic()
            async with self._child(number) as child:
                said = await self._unless_stopped(child.first_words()) or b""
                if said == LISTENS:
                    self._note_listening(number, count)
                    self._serving[number] = child.process
                await self._unless_stopped(child.process.wait())
                self._serving.pop(number, None)
            if not self._stop.is_set():
                pause = SHORTEST_PAUSE if monotonic() - began > STEADY else pause
                self._note_end(number, child.process.returncode, said, pause)
                await self._unless_stopped(asyncio.sleep(pause))
                pause = min(2 * pause, LONGEST_PAUSE)

    def _reload(self) -> None:
        """Hand SIGHUP on to those that serve (6). Who does not yet will read everything anew in any case."""
        for process in self._serving.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGHUP)

    def _note_listening(self, number: int, count: int) -> None:
        if self._complete:
            self._logger.warning("worker replaced", worker=number)
        self._listening.add(number)
        self._complete = len(self._listening) == count

    def _note_end(self, number: int, code: int | None, said: bytes, pause: float) -> None:
        how = f"was killed by signal {-code}" if code and code < 0 else f"ended with code {code}"
        why = said.removeprefix(LISTENS).decode(errors="replace")
        if not self._complete:
            raise StartError(why or f"worker {number} {how} before all of them listened")  # (3)
        self._logger.error("worker died", worker=number, how=how, why=why or None, replaced_in_s=pause)  # (4)

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Wait for something; None when we are to stop before it is done."""
        doing, stop = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((doing, stop), return_when=asyncio.FIRST_COMPLETED)
            return doing.result() if doing.done() else None
        finally:
            for task in (doing, stop):
                task.cancel()

    @asynccontextmanager
    async def _child(self, number: int) -> AsyncIterator[_Child]:
        ours, theirs = socket.socketpair()
        with ours:
            ours.setblocking(False)
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=theirs.fileno(),
                    env={**self._environ, NUMBER: str(number)},
                    start_new_session=True,  # Ctrl-C at the terminal is for the supervisor alone (5)
                )
            child = _Child(process, ours)
            try:
                yield child
            finally:
                await child.drain()
                forget_worker(self._metrics, number)
