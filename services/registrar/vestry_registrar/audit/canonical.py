"""The one text of a JSON value, which hashes are over, and the way back.

Members in the order of their names' code points, no white space, all but ASCII as escapes (RFC 8259, section 7). A
number is written as Postgres keeps it: `jsonb` has every digit, also those that a float has no room for, so 1 and 1.0
are two values, and a change in the hundredth decimal place is a change. What a database prints after a dump and a
restore, in any time zone and locale, reads back into the same text.
"""

import json
from decimal import Decimal
from typing import Any, Final

DEEPEST: Final = 100
"""Brackets in a text from which on it is taken as a text: nothing of ours is like that, and reading it recurses."""
_FAST: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def canonical(value: Any) -> str:
    """Write a value that `parse` returned, or one made of text, whole numbers, None, bools, lists and dicts."""
    try:
        # What all of our own events are like, without a step in Python.
        return _FAST.encode(value)
    except TypeError:  # a Decimal
        return _write(value)


def _write(value: Any) -> str:
    match value:
        case dict():
            members = (f"{json.dumps(name)}:{_write(value[name])}" for name in sorted(value))
            return "{" + ",".join(members) + "}"
        case list():
            return "[" + ",".join(map(_write, value)) + "]"
        case Decimal():
            return str(value)
        case _:
            return json.dumps(value)


def parse(text: str) -> Any:
    """Read what Postgres prints for a `jsonb`, losing nothing."""
    if text.count("{") + text.count("[") > DEEPEST:
        return text
    return _READER.decode(text)


def _whole(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < 20 else Decimal(digits)


_READER: Final = json.JSONDecoder(parse_int=_whole, parse_float=Decimal)
