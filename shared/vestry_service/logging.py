"""One JSON object a line, its fields always in the same order (wire contract, section 8).

Two things write lines: our own code, through the structlog logger that `make_logger` returns and that everybody
receives as an argument, and libraries, through the standard library's `logging`, which `adopt_stdlib`
leads into the same logger. On a terminal the same facts are printed for people.

Promises kept here:

1. A line never holds a signature, a nonce or a private key. Lines about requests are made of known fields
   only. A traceback names exception types and places in the code, never an exception's text, since
   that may quote what a stranger sent; a library's message loses every long run of key-like characters.
2. A log that cannot be written (its pipe is gone) never fails a request.
"""

import asyncio
import logging
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import time
from typing import Any, Final, Protocol

import structlog
from structlog.typing import FilteringBoundLogger

from vestry_service.log_lines import LEVELS, Completing, as_console, as_json, console_line, json_line

_KEY_LIKE: Final = re.compile(r"[A-Za-z0-9+/_=-]{40,}")


class Sink(Protocol):
    """Where the bytes of a log go: a binary file, or what behaves like one."""

    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...


class Logger(FilteringBoundLogger, Protocol):
    """A structlog logger that can also write a line in one step, for what is written at every request."""

    def write(self, level: int, event: str, facts: Mapping[str, Any]) -> None:
        """Write `facts`, known fields in their order and none of them None, whatever the level filter says."""


def make_logger(
    service: str,
    version: str,
    level: str = "info",
    fmt: str = "json",
    stream: Sink | None = None,
    clock: Callable[[], float] = time,
) -> Logger:
    """Return the logger of one service.

    Args:
        service: name in every line, e.g. `registrar`.
        version: our own version.
        level: `debug`, `info`, `warning` or `error`; lower lines cost nothing.
        fmt: `json` or `console`.
        stream: where bytes go; standard output when left out.
        clock: seconds since the epoch.
    """
    completing = Completing(clock)
    render = as_json if fmt == "json" else as_console
    logger: Logger = structlog.wrap_logger(
        _Lines(stream if stream is not None else sys.stdout.buffer),
        processors=[completing, render],
        wrapper_class=_bound_logger(LEVELS[level], clock, render),
        cache_logger_on_first_use=True,
        service=service,
        version=version,
    ).bind()
    return logger


def _bound_logger(level: int, clock: Callable[[], float], render: Callable[..., bytes]) -> type[Any]:
    lines = json_line if render is as_json else console_line

    class Bound(structlog.make_filtering_bound_logger(level)):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._line = lines(clock, dict(self._context))

        def write(self, level: int, event: str, facts: Mapping[str, Any]) -> None:
            self._logger.msg(self._line(level, event, facts))

    return Bound


def adopt_stdlib(logger: Logger, level: str = "info") -> None:
    """Lead what libraries log (aiohttp, asyncio, asyncpg, yoyo) into `logger`, from `level` up."""
    root = logging.getLogger()
    root.handlers[:] = [_Adopted(logger)]
    root.setLevel(max(LEVELS[level], logging.INFO))
    logging.captureWarnings(True)


class _Lines:
    """Writes the lines of one turn of the event loop together, at its end; those that cannot be written are lost (2).

    Under load that is one system call for many requests. Without a loop every line is written at once.
    """

    def __init__(self, stream: Sink) -> None:
        self._stream = stream
        self._waiting: list[bytes] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def msg(self, message: bytes) -> None:
        self._waiting.append(message)
        if self._loop is not None and self._loop.is_running():
            return  # its turn ends soon; asking which loop runs would cost a system call each time
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
        else:
            self._loop.call_soon(self.flush)

    debug = info = warning = error = critical = msg

    def flush(self) -> None:
        lines, self._waiting = self._waiting, []
        self._loop = None
        if lines:
            with suppress(OSError, ValueError):
                self._stream.write(b"\n".join(lines) + b"\n")
                self._stream.flush()


class _Adopted(logging.Handler):
    """Passes a library's record on, without key-like text (1)."""

    def __init__(self, logger: Logger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        text = _KEY_LIKE.sub("[left out]", record.getMessage())
        self._logger.log(record.levelno, text, logger=record.name, exc_info=record.exc_info or None)
