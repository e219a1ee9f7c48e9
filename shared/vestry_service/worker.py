"""One of several processes of a service: what it owes the supervisor that started it (workers.py).

Standard input of a worker is a socket to its supervisor, its *line*:

1. It says that it listens, or why it cannot start.
2. When the other end is gone, so is the supervisor, however it ended: then the worker ends at once, as it would if
   it were killed itself. A thread waits for that, so it works where no kernel tells of a parent's death,
   before the event loop turns, and when that hangs.
"""

import os
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from select import PIPE_BUF
from typing import BinaryIO, Final, Self

NUMBER: Final = "VESTRY_WORKER"
METRICS: Final = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client's own name for it
LISTENS: Final = b"\0"
LINE: Final = 0  # standard input


class Worker:
    """The process we are in, where a supervisor started it.

    Attributes:
        number: from 1; a worker that replaces another takes over its number.
        metrics: the folder in which all workers of the service count.
    """

    def __init__(self, number: int, metrics: Path, line: int = LINE) -> None:
        self.number = number
        self.metrics = metrics
        self._line = line

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self | None:
        """Return what the environment of this process says; None where it is no worker."""
        number = environ.get(NUMBER)
        return None if number is None else cls(int(number), Path(environ[METRICS]))

    def end_with_supervisor(self) -> None:
        """From now on, end when the supervisor does (2)."""
        threading.Thread(target=self._wait_and_end, name="supervisor", daemon=True).start()

    def listens(self, *_ports: int) -> None:
        """Say that requests are answered (1)."""
        self._say(LISTENS)

    def cannot_start(self, why: str) -> None:
        """Say what is to be told to the person who starts the service (1)."""
        self._say(why.encode())

    def _say(self, words: bytes) -> None:
        with suppress(OSError):  # nobody is there any more: the thread sees to that
            os.write(self._line, words)

    def _wait_and_end(self) -> None:
        with suppress(OSError):
            while os.read(self._line, 1):
                pass
        os.kill(os.getpid(), signal.SIGKILL)


class WholeLines:
    """A log that several processes write: never a line inside of another one's.

    What is written to a pipe at once stays in one piece only up to PIPE_BUF bytes (pipe(7), "PIPE_BUF"), so many
    lines are written in several pieces, each of whole lines. A single line that is longer, as a traceback can be, may
    still be torn where a pipe is full.
    """

    def __init__(self, stream: BinaryIO, piece: int = PIPE_BUF) -> None:
        self._stream = stream
        self._piece = piece

    def write(self, data: bytes) -> int:
        """Write lines, the last one ended too."""
        start = 0
        while len(data) - start > self._piece:
            end = data.rfind(b"\n", start, start + self._piece) + 1 or data.find(b"\n", start) + 1
            self._stream.write(data[start:end])
            self._stream.flush()
            start = end
        self._stream.write(data[start:])
        return len(data)

    def flush(self) -> None:
        """Write out what waits."""
        self._stream.flush()
