"""One spelling for each URL of a foreign directory (RFC 3986 sections 6.2.2 and 6.2.3).

Everything that is kept, compared or answered goes by that spelling, or one agent had many names. What could be
read in two ways is refused instead: userinfo, fragments, a trailing dot, spaces, backslashes and bytes outside
ASCII (by `vestry_signatures.message`), and here the characters that no URL has (`a|b` is `a%7Cb` to most servers, and
would be another name), and every host that is neither a DNS name of letters, digits and
hyphens nor an IP address in its usual form. `2130706433`, `0x7f.1`, `0177.0.0.1` and `127.1` are addresses to
some resolvers and names to others (a name whose last label is a number is no name, RFC 1123 section 2.1), so they
are nothing here. An internationalised name has to come in its ASCII form, `xn--…`, and is shown in it:
look-alikes stay visible.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, NamedTuple

from vestry_signatures.errors import InvalidSignatureAgent, InvalidUri
from vestry_signatures.message import parse_target

MAX_URL: Final = 1024  # characters
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*{_LABEL}", re.ASCII)
_NUMBER: Final = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
_NO_URLS: Final = re.compile(r'["<>\\\[\]^`{|}]', re.ASCII)  # in a path or query (RFC 3986 sections 3.3, 3.4)
_ESCAPE: Final = re.compile(r"%(.{0,2})", re.DOTALL)
_HEX: Final = re.compile(r"[0-9A-Fa-f]{2}", re.ASCII)
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class DirectoryUrl(NamedTuple):
    """An http or https URL in its one spelling.

    Attributes:
        scheme: `http` or `https`.
        host: a DNS name or IP address in lowercase, IPv6 in brackets.
        authority: host[:port] without the default port.
        path: begins with a slash; no dot segments, escapes only where they are needed.
        query: without the question mark, or None.
    """

    scheme: str
    host: str
    authority: str
    path: str
    query: str | None

    @property
    def origin(self) -> str:
        """Scheme and authority, as our own agents' URLs are written: without a slash behind them."""
        return f"{self.scheme}://{self.authority}"

    @property
    def without_query(self) -> str:
        """The URL up to its query."""
        return f"{self.origin}{self.path}"

    @property
    def full(self) -> str:
        """The whole URL."""
        return self.without_query if self.query is None else f"{self.without_query}?{self.query}"


def parse_url(text: str) -> DirectoryUrl:
    """Read a URL.

    Raises:
        InvalidSignatureAgent: it is none that can be read in one way only.
    """
    if len(text) > MAX_URL:
        raise InvalidSignatureAgent(f"the URL in Signature-Agent is longer than {MAX_URL} characters")
    try:
        target = parse_target(text)
    except InvalidUri as error:
        raise InvalidSignatureAgent("Signature-Agent holds no http or https URL") from error
    host, port = _split(target.authority)
    host = _host(host)
    path = _without_dot_segments(_escapes(target.path))
    query = None if target.query is None else _escapes(target.query)
    return DirectoryUrl(target.scheme, host, host + port, path, query)


def is_loopback_host(host: str) -> bool:
    """Tell whether a host, as in `DirectoryUrl`, is this machine by its very name."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 section 6.3
        return True
    try:
        return _address(host).is_loopback
    except AddressValueError:
        return False


def _split(authority: str) -> tuple[str, str]:
    """Split a normalised authority into host and `:port`, which may be empty."""
    host, colon, port = authority.rpartition(":")
    return (host, colon + port) if colon and not port.endswith("]") else (authority, "")


def _address(host: str) -> IPv4Address | IPv6Address:
    if host.startswith("["):
        return IPv6Address(host[1:-1])
    return IPv4Address(host)


def _host(host: str) -> str:
    if host.startswith("["):
        return _ipv6(host)
    last = host.rpartition(".")[2]
    if _NUMBER.fullmatch(last):
        try:
            return str(IPv4Address(host))  # refuses leading zeros and anything but four decimal numbers
        except AddressValueError:
            raise InvalidSignatureAgent("the host in Signature-Agent is an address in an odd form") from None
    if not _NAME.fullmatch(host):
        raise InvalidSignatureAgent("the host in Signature-Agent is no DNS name")
    return host


def _ipv6(host: str) -> str:
    try:
        return f"[{IPv6Address(host[1:-1]).compressed}]"
    except AddressValueError:
        raise InvalidSignatureAgent("the host in Signature-Agent is no IPv6 address") from None


def _escapes(text: str) -> str:
    """Write escapes in capitals, and what needs none as itself (RFC 3986 sections 6.2.2.1 and 6.2.2.2)."""
    if _NO_URLS.search(text):
        raise InvalidSignatureAgent("the URL in Signature-Agent has a character that must be escaped")
    return _ESCAPE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    if not _HEX.fullmatch(match[1]):
        raise InvalidSignatureAgent("the URL in Signature-Agent has a percent sign that escapes nothing")
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else f"%{match[1].upper()}"


def _without_dot_segments(path: str) -> str:
    """Resolve `.` and `..` (RFC 3986 section 5.2.4; after the escapes, since `%2e` is a dot)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
