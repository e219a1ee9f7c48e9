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
import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from functools import cache, lru_cache
from time import gmtime, strftime, time
from typing import Any, Final, Protocol

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

FIELDS: Final = (
    "ts", "level", "event", "service", "version", "request_id", "method", "route", "status", "duration_ms",
    "outcome", "reason", "uid", "kid", "authority", "client_ip", "tool", "mode",
)  # fmt: skip
_KNOWN: Final = frozenset(FIELDS)
LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_NAMES: Final = {number: name for name, number in LEVELS.items()}
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
    completing = _Completing(clock)
    render = _as_json if fmt == "json" else _as_console
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
    lines = _json_line if render is _as_json else _console_line

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


class _Completing:
    """Adds time and level, puts the fields in order and leaves out those that say nothing."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def __call__(
        self, _logger: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        error = event.pop("exc_info", None)
        line = {"ts": _timestamp(self._clock()), "level": method}
        for name in FIELDS[2:]:
            if name in event and event[name] is not None:
                line[name] = event[name]
        line |= {name: value for name, value in event.items() if name not in _KNOWN and value is not None}
        if error:
            line["exception"] = _places(error)
        return line


def _timestamp(now: float) -> str:
    """Return ISO 8601 in UTC with milliseconds."""
    second = int(now)
    return _millisecond(second, int((now - second) * 1000))


@lru_cache(maxsize=1)  # under load many lines are written in one
def _millisecond(second: int, millisecond: int) -> str:
    return f"{_second(second)}.{millisecond:03d}Z"


@lru_cache(maxsize=1)
def _second(second: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))


def _places(error: object) -> str:
    """Return a traceback that quotes nothing (1): the types of the chain of errors, and where each rose."""
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if not isinstance(error, BaseException):
        return "no exception"
    chain: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < 8:
        frames = traceback.extract_tb(seen.__traceback__)
        where = " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames))
        chain.append(f"{type(seen).__module__}.{type(seen).__qualname__} at {where}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "; from ".join(chain)


def _as_json(_logger: object, _method: str, event: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(event, default=str)
    except TypeError:  # text that is no Unicode, as a header's odd bytes become: written as escapes
        return json.dumps(event, default=str).encode()


_Line = Callable[[int, str, Mapping[str, Any]], bytes]
"""Writes a line of a level, an event and further facts."""


def _json_line(clock: Callable[[], float], context: Mapping[str, Any]) -> _Line:
    """Write lines of which the middle is the same each time: it is written once, and put between the rest."""

    @cache
    def middle(level: int, event: str) -> bytes:
        return orjson.dumps({"level": _NAMES[level], "event": event, **context})[1:-1]

    def line(level: int, event: str, facts: Mapping[str, Any]) -> bytes:
        rest = _as_json(None, "", facts)[1:]
        ts = _timestamp(clock()).encode()
        return b'{"ts":"%b",%b%b%b' % (ts, middle(level, event), b"," if facts else b"", rest)

    return line


def _console_line(clock: Callable[[], float], context: Mapping[str, Any]) -> _Line:
    def line(level: int, event: str, facts: Mapping[str, Any]) -> bytes:
        known = {"ts": _timestamp(clock()), "level": _NAMES[level], "event": event}
        return _as_console(None, _NAMES[level], {**known, **context, **facts})

    return line


_console = structlog.dev.ConsoleRenderer(colors=True, sort_keys=False, timestamp_key="ts")


def _as_console(logger: object, method: str, event: MutableMapping[str, Any]) -> bytes:
    return _console(logger, method, event).encode(errors="replace")
