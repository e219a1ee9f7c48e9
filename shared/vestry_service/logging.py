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

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

FIELDS: Final = (
    "ts", "level", "event", "service", "version", "request_id", "method", "route", "status", "duration_ms",
    "outcome", "reason", "uid", "kid", "authority", "client_ip",
)  # fmt: skip
LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_KEY_LIKE: Final = re.compile(r"[A-Za-z0-9+/_=-]{40,}")

Logger = FilteringBoundLogger


def make_logger(
    service: str, version: str, level: str = "info", fmt: str = "json", stream: BinaryIO | None = None
) -> Logger:
    """Return the logger of one service.

    Args:
        service: name in every line, e.g. `registrar`.
        version: our own version.
        level: `debug`, `info`, `warning` or `error`; lower lines cost nothing.
        fmt: `json` or `console`.
        stream: where bytes go; standard output when left out.
    """
    logger: Logger = structlog.wrap_logger(
        _Lines(stream if stream is not None else sys.stdout.buffer),
        processors=[_complete, _as_json if fmt == "json" else _as_console],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        cache_logger_on_first_use=True,
        service=service,
        version=version,
    ).bind()
    return logger


def adopt_stdlib(logger: Logger, level: str = "info") -> None:
    """Lead what libraries log (aiohttp, asyncio, asyncpg, yoyo) into `logger`, from `level` up."""
    root = logging.getLogger()
    root.handlers[:] = [_Adopted(logger)]
    root.setLevel(max(LEVELS[level], logging.INFO))
    logging.captureWarnings(True)


class _Lines(structlog.BytesLogger):
    """Writes lines; one that cannot be written is lost (2)."""

    def msg(self, message: bytes) -> None:
        with suppress(OSError, ValueError):
            super().msg(message)

    debug = info = warning = error = critical = msg


class _Adopted(logging.Handler):
    """Passes a library's record on, without key-like text (1)."""

    def __init__(self, logger: Logger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        text = _KEY_LIKE.sub("[left out]", record.getMessage())
        self._logger.log(record.levelno, text, logger=record.name, exc_info=record.exc_info or None)


def _complete(_logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add time and level, put the fields in order and leave out those that say nothing."""
    event["ts"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event["level"] = method
    error = event.pop("exc_info", None)
    line = {name: event.pop(name) for name in FIELDS if event.get(name) is not None}
    line |= {name: value for name, value in event.items() if name not in FIELDS and value is not None}
    if error:
        line["exception"] = _places(error)
    return line


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


def _as_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> bytes:
    return orjson.dumps(event, default=str)


_console = structlog.dev.ConsoleRenderer(colors=True, sort_keys=False, timestamp_key="ts")


def _as_console(logger: object, method: str, event: MutableMapping[str, Any]) -> bytes:
    return _console(logger, method, event).encode(errors="replace")
