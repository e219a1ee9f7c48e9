"""What a line of the log looks like (wire contract, section 8): known fields in their order, and nothing secret.

`logging` says who writes lines, when, and what is promised of them.
"""

import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from functools import cache, lru_cache
from time import gmtime, strftime
from typing import Any, Final

import orjson
import structlog

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


class Completing:
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


def as_json(_logger: object, _method: str, event: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(event, default=str)
    except TypeError:  # text that is no Unicode, as a header's odd bytes become: written as escapes
        return json.dumps(event, default=str).encode()


_Line = Callable[[int, str, Mapping[str, Any]], bytes]
"""Writes a line of a level, an event and further facts."""


def json_line(clock: Callable[[], float], context: Mapping[str, Any]) -> _Line:
    """Write lines of which the middle is the same each time: it is written once, and put between the rest."""

    @cache
    def middle(level: int, event: str) -> bytes:
        return orjson.dumps({"level": _NAMES[level], "event": event, **context})[1:-1]

    def line(level: int, event: str, facts: Mapping[str, Any]) -> bytes:
        rest = as_json(None, "", facts)[1:]
        ts = _timestamp(clock()).encode()
        return b'{"ts":"%b",%b%b%b' % (ts, middle(level, event), b"," if facts else b"", rest)

    return line


def console_line(clock: Callable[[], float], context: Mapping[str, Any]) -> _Line:
    def line(level: int, event: str, facts: Mapping[str, Any]) -> bytes:
        known = {"ts": _timestamp(clock()), "level": _NAMES[level], "event": event}
        return as_console(None, _NAMES[level], {**known, **context, **facts})

    return line


_console = structlog.dev.ConsoleRenderer(colors=True, sort_keys=False, timestamp_key="ts")


def as_console(logger: object, method: str, event: MutableMapping[str, Any]) -> bytes:
    return _console(logger, method, event).encode(errors="replace")
