"""Private key material out of JSON that somebody stored in the place of a public key.

It may lie anywhere: beside the public members, deeper inside, in JSON that was encoded twice, or as PEM text. What
is taken out is named, by its path, and never kept. Erring on the side of taking out loses a word nobody needs.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from vestry_signatures.keys import PRIVATE_MEMBERS

_SUSPICIOUS: Final = ("private", "secret", "seed")
_PEM: Final = "PRIVATE KEY"


@dataclass(frozen=True, slots=True)
class Redacted:
    """JSON without private members.

    Attributes:
        clean: what is left.
        removed: what was taken out, by path; only to see which keys it exposes, never to be kept.
    """

    clean: Any
    removed: dict[str, Any]


def parse(text: str) -> Any:
    """Read JSON so that it can be written again: fractions stay the text they are."""
    return json.loads(text, parse_float=str)


def redact(value: Any) -> Redacted:
    """Take out whatever is private. Raises RecursionError where the value is nested too deep."""
    removed: dict[str, Any] = {}
    return Redacted(_clean(value, "", removed), removed)


def _clean(value: Any, path: str, removed: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return dict(_members(value, path, removed))
    if isinstance(value, list):
        return [_clean(item, f"{path}[{number}]", removed) for number, item in enumerate(value)]
    if isinstance(value, str):
        return _text(value, path, removed)
    return value


def _members(value: dict[str, Any], path: str, removed: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, member in value.items():
        place = f"{path}.{name}" if path else name
        if name in PRIVATE_MEMBERS or any(word in name.lower() for word in _SUSPICIOUS):
            removed[place] = member
        else:
            yield name, _clean(member, place, removed)


def _text(value: str, path: str, removed: dict[str, Any]) -> str | None:
    if _PEM in value:
        removed[path or "text"] = None
        return None
    if value.lstrip()[:1] not in {"{", "[", '"'}:
        return value
    try:
        inner = parse(value)
    except ValueError:
        return value
    before = len(removed)
    clean = _clean(inner, path, removed)
    return value if len(removed) == before else json.dumps(clean)
