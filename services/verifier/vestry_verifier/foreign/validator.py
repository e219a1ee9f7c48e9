"""What a host is told of the directory that is known, so that it may answer "not modified" (RFC 9111 section 4.3).

1. An answer's ETag is its validator; where it has none, its Last-Modified may be. Either is kept as it came and sent
   back as it came, so it must have its form: an ETag begins with a quote or `W/"`, a date with a letter.
2. A date counts seconds, so an answer may change without its date (RFC 9110 section 8.8.2.2). A key that is removed
   in the very second in which it was published would then be believed for ever. So a date is a validator where the
   answer was made a minute later at least: by then the second is over by any clock of that host.
3. "Not modified" renews what is known if it is about that: where it states another validator it is about something
   that is not had (RFC 9111 section 4.3.4), and the whole is asked for.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

_ETAG: Final = re.compile(r'(?:W/)?"[!#-~]{0,256}"', re.ASCII)
_DATE: Final = "%a, %d %b %Y %H:%M:%S GMT"
"""IMF-fixdate (RFC 9110 section 5.6.7); what is written in another form is no validator."""
_LONG_AGO: Final = 60.0


def read_validator(headers: Mapping[str, str]) -> str | None:
    """Return the validator of an answer, or None (1, 2). Lines of one field are joined by commas."""
    etag = _etag(headers)
    return etag if etag is not None else _old_date(headers)


def condition(validator: str | None) -> dict[str, str]:
    """Return the header that asks only for what is not known."""
    if validator is None:
        return {}
    return {"If-Modified-Since" if _time(validator) else "If-None-Match": validator}


def renews(headers: Mapping[str, str], validator: str) -> bool:
    """Tell whether "not modified" is about what is known by this validator (3)."""
    known = _time(validator)
    if known is None:
        etag = _etag(headers)
        return etag is None or _opaque(etag) == _opaque(validator)
    return _time(headers.get("Last-Modified", "")) in {None, known}


def _etag(headers: Mapping[str, str]) -> str | None:
    text = headers.get("ETag", "")
    return text if _ETAG.fullmatch(text) else None


def _old_date(headers: Mapping[str, str]) -> str | None:
    text = headers.get("Last-Modified", "")
    modified, made = _time(text), _time(headers.get("Date", ""))
    if modified is None or made is None or (made - modified).total_seconds() < _LONG_AGO:
        return None
    return text


def _opaque(etag: str) -> str:
    """Return what weak comparison compares (RFC 9110 section 8.8.3.2)."""
    return etag.removeprefix("W/")


def _time(text: str) -> datetime | None:
    try:
        time = datetime.strptime(text, _DATE).replace(tzinfo=UTC)
    except ValueError:
        return None
    return time if time.strftime(_DATE) == text else None  # strptime takes blanks and digits that are none
