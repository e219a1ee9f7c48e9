"""For how long a directory is believed: HTTP caching (RFC 9111), within bounds of our own.

1. What an answer says of its freshness counts in the order of section 4.2.1, for a cache that many share:
   `s-maxage`, `max-age`, `Expires` less `Date`; where it says nothing, five minutes. A directive that is given
   twice or cannot be read counts as nought: what cannot be understood must not be believed for long.
2. The time that it has already spent in other caches, `Age`, is taken off (section 4.2.3).
3. What is left is held between 30 seconds and 24 hours. Even an answer that wants not to be kept at all is kept
   for 30 seconds, or each request of an agent would be one to its host.
4. After that it is stale. A stale directory serves for up to an hour while its host cannot be reached, for what is
   known and not for what was removed: an answer that lacks a key has replaced it by then. Its host may ask for less
   (`stale-if-error`, RFC 5861 section 4), or for none of it (`must-revalidate`, `proxy-revalidate`).

A failure is remembered too, for 5 seconds at first and up to 60 when it goes on.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

LEAST: Final = 30.0
MOST: Final = 24 * 3600.0
UNSAID: Final = 300.0
STALE_IF_ERROR: Final = 3600.0
FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 60.0
_DIRECTIVE: Final = re.compile(r'([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:=("[^"]*"|[^,"\s]*))?', re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_NOT_KEPT: Final = frozenset({"no-store", "no-cache", "private"})
_REVALIDATED: Final = frozenset({"must-revalidate", "proxy-revalidate"})


def lifetime(headers: Mapping[str, str]) -> float:
    """Return for how many seconds an answer is fresh from now on.

    Args:
        headers: of the answer; several lines of one field are joined by commas.
    """
    left = _stated(headers) - _age(headers)  # (1), (2)
    return min(max(left, LEAST), MOST)  # (3)


def stale_for(headers: Mapping[str, str]) -> float:
    """Return for how many seconds a stale answer may serve while its host cannot be reached (4)."""
    directives = _directives(headers.get("Cache-Control", ""))
    if not _REVALIDATED.isdisjoint(directives):
        return 0
    if "stale-if-error" in directives:
        return min(_seconds(directives["stale-if-error"]), STALE_IF_ERROR)
    return STALE_IF_ERROR


def pause(failures: int) -> float:
    """Return for how many seconds nothing is asked after so many failures in a row (at least 1)."""
    return min(FIRST_PAUSE * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE)


def _stated(headers: Mapping[str, str]) -> float:
    directives = _directives(headers.get("Cache-Control", ""))
    if not _NOT_KEPT.isdisjoint(directives):
        return 0
    for name in ("s-maxage", "max-age"):
        if name in directives:
            return _seconds(directives[name])
    if "Expires" in headers:
        return _until(headers["Expires"], headers.get("Date"))
    return UNSAID


def _directives(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _DIRECTIVE.finditer(text):
        name = match[1].lower()
        found[name] = "twice" if name in found else (match[2] or "").strip('"')
    return found


def _seconds(text: str) -> float:
    return float(text) if _SECONDS.fullmatch(text) else 0


def _age(headers: Mapping[str, str]) -> float:
    age = headers.get("Age")
    if age is None:
        return 0
    return float(age) if _SECONDS.fullmatch(age) else MOST


def _until(expires: str, date: str | None) -> float:
    try:
        return (parsedate_to_datetime(expires) - parsedate_to_datetime(date or "")).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0
