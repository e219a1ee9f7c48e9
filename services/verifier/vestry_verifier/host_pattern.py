"""Which hosts of foreign agents an operator means.

    bots.example.com        this host at its scheme's default port
    bots.example.com:8443   this host at this port
    *.example.com           every host below example.com, however deep, and not example.com itself
    *                       every host

Hosts are compared whole and in their one spelling, label by label from the end: no pattern can take longer than the
name is long, and none can be satisfied by a name that only looks alike (`example.com.evil.net`, `notexample.com`).
"""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NamedTuple

from vestry_signatures.errors import InvalidUri
from vestry_signatures.message import normalise_authority

_LABELS: Final = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)
_UID_LABEL: Final = re.compile(r"agent-[0-9a-f]{24}(?:\.|:|\Z)")
FORM: Final = "must be a host, or a host:port, or *.host for every host below it, or * for all"


class HostPattern(NamedTuple):
    """Some hosts.

    Attributes:
        host: the host, or what its name must end in, with a leading dot; empty for every host.
        port: `:` and the port, or empty for the scheme's own.
    """

    host: str
    port: str

    def matches(self, authority: str) -> bool:
        """Tell whether a normalised host[:port] is among them."""
        if not self.host:
            return True
        host, port = split(authority)
        if port != self.port:
            return False
        return (
            host.endswith(self.host) and len(host) > len(self.host)
            if self.host[0] == "."
            else host == self.host
        )

    def __str__(self) -> str:
        return f"{'*' if self.host[:1] in {'', '.'} else ''}{self.host}{self.port}"


def split(authority: str) -> tuple[str, str]:
    """Split a normalised authority into its host and `:port`, or an empty text."""
    host, colon, port = authority.rpartition(":")
    return (host, f":{port}") if colon and not port.endswith("]") else (authority, "")


def read_host_pattern(text: str) -> HostPattern:
    """Read a pattern. Raises ValueError for anything else, with a sentence that says what is accepted."""
    if text == "*":
        return HostPattern("", "")
    below = text.startswith("*.")
    authority = read_authority(text[2:] if below else text, FORM)
    if _UID_LABEL.match(authority):
        raise ValueError("is one of our own agents: write its uid alone, agent-…")
    host, port = split(authority)
    if below and host.startswith("["):
        raise ValueError(FORM)
    return HostPattern(f".{host}" if below else host, port)


def read_authority(text: str, form: str) -> str:
    """Return host[:port] in the spelling it has in an https URL; raise ValueError for anything else."""
    try:
        authority = normalise_authority(text, "https")
    except InvalidUri:
        raise ValueError(f"{form}; a name outside ASCII in its form xn--…") from None
    host, port = split(authority)
    if host.startswith("["):
        return f"[{_ipv6(host[1:-1], form)}]{port}"
    if not _LABELS.fullmatch(host):
        raise ValueError(f"{form}, and without a dot at the end")
    return authority


def _ipv6(text: str, form: str) -> str:
    """Give an address the spelling in which agents are named by it (RFC 5952)."""
    try:
        return IPv6Address(text).compressed
    except AddressValueError:
        raise ValueError(form) from None
