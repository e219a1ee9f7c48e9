"""What an operator asks for, read with suspicion too: nothing unknown, nothing twice, nothing of another form."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from aiohttp import web

from vestry_registrar import cursor
from vestry_registrar.repository.administration import Kind
from vestry_registrar.repository.search import Row
from vestry_service.requests import parse_json_object, read_body
from vestry_signatures.errors import MalformedRequest

MAX_BODY: Final = 16 * 1024
MOST_ROWS: Final = 200
ROWS: Final = 50
STATES: Final = frozenset({"active", "suspended", "pending", "revoked"})
LATEST: Final = 253_402_300_799
"""The last second of the year 9999."""
_DIGITS: Final = re.compile(r"[0-9a-f]{0,24}", re.ASCII)
_KID: Final = re.compile(r"[A-Za-z0-9_-]{1,43}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is asked for: values by the names of `repository.search`, and how many rows."""

    asked: dict[str, Any]
    limit: int


def page_of(request: web.Request, kind: Kind) -> Page:
    """Read which agents or tools are asked for: `uid`, `kid`, `label`, `state`, `since`, `until`, `limit`, `cursor`.

    Raises:
        MalformedRequest: a parameter is unknown, given twice, or of another form.
    """
    given = _once(request, {"uid", "kid", "label", "state", "since", "until", "limit", "cursor"})
    asked: dict[str, Any] = {}
    for name, value in given.items():
        if name in _READERS:
            asked |= _READERS[name](value, kind)
    return Page(_below(asked, given), limit_of(given))


def below_of(request: web.Request) -> Page:
    """Read a question of which only `limit` and `cursor` can be said. Raises MalformedRequest."""
    given = _once(request, {"limit", "cursor"})
    return Page(_below({}, given), limit_of(given))


def limit_of(given: Mapping[str, str]) -> int:
    """Read how many rows are wanted, 1 to 200. Raises MalformedRequest."""
    text = given.get("limit", str(ROWS))
    if not (_NUMBER.fullmatch(text) and 1 <= int(text) <= MOST_ROWS):
        raise MalformedRequest(f"limit must be a whole number from 1 to {MOST_ROWS}")
    return int(text)


def render_page(name: str, page: Page, rows: list[Row]) -> web.Response:
    """Answer with the rows, at most `page.limit` of those found, and with the cursor where there are more."""
    question = {key: value for key, value in page.asked.items() if key != "below"}
    shown = rows[: page.limit]
    more = cursor.encode(shown[-1].number, question) if len(rows) > page.limit else None
    return render({name: [row.facts for row in shown], "next": more})


def render(facts: Mapping[str, Any]) -> web.Response:
    """Answer with JSON that no cache may keep."""
    return web.Response(
        body=orjson.dumps(facts), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


async def body_of(request: web.Request, *names: str) -> dict[str, Any]:
    """Read a JSON body with no other members than these.

    Raises:
        MalformedRequest: it is none, or has others. BodyTooLarge.
    """
    body = parse_json_object(await read_body(request, MAX_BODY))
    unknown = sorted(set(body) - set(names))
    if unknown:
        raise MalformedRequest(f"the body has no other members than {', '.join(names)}")
    return body


def text_in(body: Mapping[str, Any], name: str, longest: int) -> str:
    """Take a text for people out of a body: printable, not empty. Raises MalformedRequest."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
        raise MalformedRequest(f'"{name}" must be a text of 1 to {longest} printable characters')
    return value.strip()


def number_in(body: Mapping[str, Any], name: str, most: int, default: int) -> int:
    """Take a whole number from 1 to `most` out of a body. Raises MalformedRequest."""
    value = body.get(name, default)
    if type(value) is not int or not 1 <= value <= most:
        raise MalformedRequest(f'"{name}" must be a whole number from 1 to {most}')
    return value


def _once(request: web.Request, names: set[str]) -> dict[str, str]:
    given = dict(request.query)
    if len(given) != len(request.query) or not set(given) <= names:
        raise MalformedRequest(
            f"the query has no other parameters than {', '.join(sorted(names))}, each once"
        )
    return given


def _below(asked: dict[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    if "cursor" not in given:
        return asked
    return asked | {"below": cursor.decode(given["cursor"], asked)}


def _uid(value: str, kind: Kind) -> dict[str, Any]:
    digits = value.removeprefix(kind.prefix)
    if not _DIGITS.fullmatch(digits):
        raise MalformedRequest(f"uid must be {kind.prefix} and 24 hex digits, or the beginning of that")
    return {"uid" if len(digits) == 24 else "uid_prefix": digits}


def _kid(value: str, _kind: Kind) -> dict[str, Any]:
    if not _KID.fullmatch(value):
        raise MalformedRequest("kid must be a thumbprint, or the beginning of one")
    return {"kid" if len(value) == 43 else "kid_prefix": value}


def _label(value: str, _kind: Kind) -> dict[str, Any]:
    if not value.isprintable() or not 1 <= len(value) <= 100:
        raise MalformedRequest("label must be 1 to 100 printable characters")
    return {"label": value}


def _state(value: str, _kind: Kind) -> dict[str, Any]:
    if value not in STATES:
        raise MalformedRequest(f"state must be one of {', '.join(sorted(STATES))}")
    return {"state": value}


def _time(name: str) -> Callable[[str, Kind], dict[str, Any]]:
    def read(value: str, _kind: Kind) -> dict[str, Any]:
        return {name: _second(name, value)}

    return read


def _second(name: str, value: str) -> int:
    """Read Unix seconds, or a date and time of RFC 3339 (UTC where it names no zone)."""
    if _NUMBER.fullmatch(value):
        return min(int(value), LATEST)
    try:
        moment = datetime.fromisoformat(value)
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError):
        raise MalformedRequest(f"{name} must be Unix seconds, or a date like 2026-01-31T12:00:00Z") from None


_READERS: Final[Mapping[str, Callable[[str, Kind], dict[str, Any]]]] = {
    "uid": _uid,
    "kid": _kid,
    "label": _label,
    "state": _state,
    "since": _time("since"),
    "until": _time("until"),
}
