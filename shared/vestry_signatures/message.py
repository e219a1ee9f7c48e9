"""A request as a signature sees it: method, target URI, header lines (RFC 9421 section 1.1).

Only requests, for an agent signs those. A `Request` is what the signer and the verifier must agree on, so it is
strict about what can be read in two ways: userinfo, fragments, white space, bytes outside ASCII, a backslash before
the query (a slash to browsers) and two URLs in one are refused in the URL, and so are line breaks in a header value,
with which one header could pose as several lines of a signature base. It keeps the path and the query as they were
sent: nothing is decoded, no dot segment is resolved.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

from .errors import InvalidUri, MalformedRequest, MalformedSignature, MissingHttpMethod, MissingUri

T = TypeVar("T")

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

# ASCII beside IGNORECASE: without it the Kelvin sign is a k and a long s is an s, and one host has two spellings.
_ANY_CASE: Final = re.IGNORECASE | re.ASCII
_URL = re.compile(r"(https?)://([^/?#\\@\s]+)(/[!-\"$->@-\[\]-~]*)?(?:\?([!-\"$-~]*))?", _ANY_CASE)
# A registered name has 255 characters at most (RFC 3986 section 3.2.2): a longer one would fill a log and no DNS.
_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._~!$&'()*+,;=-]{1,255})(?::([0-9]{0,5}))?", _ANY_CASE)
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NAME = _METHOD
# No white space stands before the break: a long run of it would take quadratic time.
_OBSOLETE_FOLD = re.compile(r"\r?\n[ \t]+")
_REMEMBERED_URL: Final = 512  # characters; strangers choose the URLs, so longer ones may not fill the memory
MAX_WORK: Final = (
    16 * 1024
)  # characters of a request's covered fields that are read as structured fields, in all


class Target(NamedTuple):
    """A target URI in its parts (RFC 9110 section 7.1)."""

    scheme: str
    authority: str
    path: str
    query: str | None

    @property
    def uri(self) -> str:
        """The absolute form, normalised: RFC 9421 section 2.2.2."""
        query = "" if self.query is None else f"?{self.query}"
        return f"{self.scheme}://{self.authority}{self.path}{query}"


def normalise_authority(authority: str, scheme: str) -> str:
    """Reduce host[:port] to its one spelling: lowercase, the scheme's default port left out.

    Source: RFC 9421 section 2.2.3, RFC 9110 section 4.2.3.

    Raises:
        InvalidUri: it is no host[:port].
    """
    match = _HOST.fullmatch(authority)
    if match is None:
        raise InvalidUri
    host, port = match[1].lower(), match[2]
    if not port or int(port) == DEFAULT_PORTS[scheme]:
        return host
    if not 0 < int(port) < 65536:
        raise InvalidUri("the port in the url is out of range")
    return f"{host}:{int(port)}"


def parse_target(url: str) -> Target:
    """Split an absolute http or https URL.

    Raises:
        InvalidUri: it is none, or two, or has userinfo, a fragment, white space, a backslash or bytes outside ASCII.
    """
    return _remembered_target(url) if len(url) <= _REMEMBERED_URL else _split(url)


def _split(url: str) -> Target:
    match = _URL.fullmatch(url)
    if match is None:
        raise InvalidUri
    scheme, authority, path, query = match.groups()
    if authority.endswith(":") and (path or "").startswith("//"):
        # A tool that puts its own host before the request target, and was sent a whole URL as target, asks about
        # "https://tool.co" "m://x/": that is the host tool.com, and its owner has signatures that were made for it.
        raise InvalidUri("the url is two in one: take path and query of the request target alone")
    scheme = scheme.lower()
    return Target(scheme, normalise_authority(authority, scheme), path or "/", query)


_remembered_target = lru_cache(maxsize=1024)(_split)


class Request:
    """What was received: immutable by convention, cheap to make.

    Attributes:
        method: the method, as sent.
        target: the target URI in its parts.
        headers: field lines by lowercase field name, each in the order received.
    """

    __slots__ = ("_joined", "_made", "_work", "headers", "method", "target")

    def __init__(self, method: str, url: str, headers: Mapping[str, list[str]]) -> None:
        """Take a request whose header names are lowercase already.

        Args:
            method: e.g. `POST`.
            url: the absolute target URI.
            headers: field lines by lowercase name.

        Raises:
            MissingHttpMethod, MissingUri: an argument is empty.
            MalformedRequest: the method is no token.
            InvalidUri: the url is not an absolute http or https URL.
        """
        if not method:
            raise MissingHttpMethod
        if not url:
            raise MissingUri
        if not (method.isascii() and method.isalpha()) and not _METHOD.fullmatch(method):
            raise MalformedRequest("the method is not one that HTTP allows")
        self.method = method
        self.target = parse_target(url)
        self.headers = headers
        self._joined: dict[str, str] = {}
        self._made: dict[tuple[object, ...], Any] = {}
        self._work = 0

    @classmethod
    def of(cls, method: str, url: str, headers: Iterable[tuple[str, str]]) -> "Request":
        """Make a request from (name, value) pairs, one a field line, names in any case.

        Raises:
            MissingHttpMethod, MissingUri, MalformedRequest, InvalidUri: as the constructor does.
        """
        lines: dict[str, list[str]] = {}
        for name, value in headers:
            if not _NAME.fullmatch(name):
                raise MalformedRequest("a header name is not one that HTTP allows")
            lines.setdefault(name.lower(), []).append(value)
        return cls(method, url, lines)

    def read_otherwise(
        self,
        *,
        method: str | None = None,
        target: Target | None = None,
        lines: tuple[str, list[str]] | None = None,
    ) -> "Request":
        """Return this request with another method, target or field, to see what a signature would say of that.

        The target may be spelled as no URL may be. What was made of fields is kept, but for those of the field that
        changes, and all of it counts towards `MAX_WORK`.

        Args:
            method: another method.
            target: another target.
            lines: a lowercase field name, and other lines for it.
        """
        other = copy(self)
        other.method = method or self.method
        other.target = target or self.target
        if lines is not None:
            name = lines[0]
            other.headers = {**self.headers, name: lines[1]}
            joined = {each: value for each, value in self._joined.items() if each != name}
            made = {key: value for key, value in self._made.items() if key[0] != name}
            other._joined, other._made = joined, made  # noqa: SLF001 - it is one of us
        return other

    def field(self, name: str) -> str | None:
        """Combine the lines of one field (RFC 9421 section 2.1), or None where the request has none."""
        lines = self.headers.get(name)
        if not lines:
            return None
        value = self._joined.get(name)
        if value is None:  # once: dozens of members of a field of thousands of lines may be covered
            value = self._joined[name] = clean(lines[0]) if len(lines) == 1 else ", ".join(map(clean, lines))
        return value

    def once(self, key: tuple[object, ...], make: Callable[[], T], work: int = 0) -> T:
        """Return what `make` makes of a field; each key is made once, and for no more than `MAX_WORK` in all.

        Reading a structured field takes far longer than receiving it, and it is done before anything is proven.
        Several signatures may each cover dozens of members of several fields in turn: without this, one request of a
        stranger would stop a service for seconds.

        Args:
            key: what is made, of which field.
            make: makes it.
            work: how long that takes, in characters that are read.

        Raises:
            MalformedSignature: all that was made so far is too much together.
        """
        if key not in self._made:
            self._work += work
            if self._work > MAX_WORK:
                raise MalformedSignature(
                    f"the structured fields that are covered have more than {MAX_WORK} characters"
                )
            self._made[key] = make()
        made: T = self._made[key]
        return made


def clean(line: str) -> str:
    """Trim a field line and undo obsolete line folding (RFC 9421 section 2.1, steps 2 and 3).

    Raises:
        MalformedRequest: it has a line break or a NUL, which no HTTP field can carry.
    """
    line = line.strip(" \t")
    if _is_one_line(line):
        return line
    line = " ".join(part.strip(" \t") for part in _OBSOLETE_FOLD.split(line)).strip(" \t")
    if not _is_one_line(line):
        raise MalformedRequest("a header value has a line break")
    return line


def _is_one_line(line: str) -> bool:
    return "\n" not in line and "\r" not in line and "\0" not in line  # far quicker than a pattern
