"""A JSON object that everybody reads alike, or none.

JSON that two readers could understand differently is refused: a member given twice at any depth, NaN, bytes that are
no UTF-8, half a surrogate pair. One of the two would be believed here, and the other one by the tool.

There are two ways to find out. The standard library shows every member as it comes, at five times the time of orjson,
which does not tell of doubles; but the quotes can be counted (`read_json_quickly`). Both say the same, wherever the
quick one says anything.
"""

import json
from collections.abc import Collection
from typing import Any, Final, NoReturn

import orjson

from vestry_signatures.errors import MalformedRequest

_DEEP: Final = 32  # levels that are read quickly
_UNTRUSTED: Final = -(2**40)


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that `body` is; raise `MalformedRequest` where it is none, or ambiguous."""
    value = read_json_quickly(body)
    if value is None:
        value = read_json_slowly(body)
    if not isinstance(value, dict):
        raise MalformedRequest("the body must be a JSON object")
    return value


def read_json_quickly(body: bytes) -> dict[str, Any] | None:
    """Read a JSON object with orjson where that leaves no doubt; None where `read_json_slowly` must look.

    orjson keeps the last of two equal members and does not tell. But a string is written between two quotes: where no
    quote or backslash is escaped but a quote itself, each string of the body is two quotes that have no backslash
    before them. If the object has as many strings as that, none was dropped; a member given twice leaves fewer.
    Numbers with a point or of more than 64 bits, which the two libraries read differently, are left to the other one.
    """
    escaped = body.count(b'\\"')
    if body.count(b"\\") != escaped:
        return None
    try:
        value = orjson.loads(body)
    except ValueError:
        return None
    quotes = body.count(b'"') - escaped
    return value if type(value) is dict and 2 * _strings(value, _DEEP) == quotes else None


def _strings(value: Any, deep: int) -> int:
    """Count the strings in a JSON value, member names too; a great negative number where it must not be trusted."""
    if type(value) is dict:
        found = len(value)
        parts: Collection[Any] = value.values()
    elif type(value) is list:
        found, parts = 0, value
    else:
        return _UNTRUSTED if type(value) is float else 0
    if not deep:
        return _UNTRUSTED
    for part in parts:
        found += 1 if type(part) is str else _strings(part, deep - 1)
    return found


def read_json_slowly(body: bytes) -> Any:
    """Read JSON member by member. Raises `MalformedRequest` where it is none, or ambiguous."""
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_without_doubles, parse_constant=_no_constant
        )
        if b"\\u" in body:
            orjson.loads(body)  # refuses half a surrogate pair, which nobody could encode again
    except (ValueError, RecursionError):
        raise MalformedRequest("the body must be JSON, every member given once") from None
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
