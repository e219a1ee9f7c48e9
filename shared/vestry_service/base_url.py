"""The base URL: where the registrar answers, and under which the agents' own hosts stand.

`PUBLIC_URL` says it; `HOSTNAME` is its older name and needs care, since containers and shells set it to the
machine's name (wire contract, section 8). Whatever is written, one spelling comes out: lowercase, without
the scheme's default port, path or trailing dot.
"""

import ipaddress
import re
import socket
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from vestry_service.parsers import port, switch
from vestry_service.settings import Environment, Variable

PORT: Final = Variable("PORT", port, default=3000)
ALLOW_PLAIN_HTTP: Final = Variable("ALLOW_PLAIN_HTTP", switch, default=False)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOST_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*", re.ASCII)
_FORM: Final = "must be a URL like https://agents.example.com: a scheme, a host and at most a port"


class BaseUrl(NamedTuple):
    """A scheme and an authority in their one spelling."""

    scheme: str
    authority: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse_base_url(text: str) -> BaseUrl:
    """Return the one spelling of a URL that is a scheme and an authority; raise ValueError for any other."""
    try:
        parts = urlsplit(text)
        host, number = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(_FORM) from None
    extra = parts.path not in {"", "/"} or parts.query or parts.fragment or "?" in text or "#" in text
    if parts.scheme not in _DEFAULT_PORTS or extra or "@" in parts.netloc or number == 0:
        raise ValueError(_FORM)
    return BaseUrl(parts.scheme, authority(host, number, parts.scheme))


def parse_authority(text: str, scheme: str) -> str:
    """Return the one spelling of `host[:port]`; raise ValueError for anything else."""
    try:
        if "/" not in text:
            return parse_base_url(f"{scheme}://{text}").authority
    except ValueError:
        pass
    raise ValueError("must be a comma-separated list of host or host:port")


def authority(host: str, number: int | None, scheme: str) -> str:
    """Return host[:port] in lowercase without the scheme's default port (RFC 9421 section 2.2.3)."""
    host = host.lower()
    if ":" in host:
        host = f"[{ipaddress.IPv6Address(host).compressed}]"
    elif not _HOST_NAME.fullmatch(host):
        raise ValueError(_FORM)
    return host if number is None or number == _DEFAULT_PORTS[scheme] else f"{host}:{number}"


def find_base_url(env: Environment) -> BaseUrl | None:
    """Return the base URL that the environment gives; note what is wrong with it and what was ignored."""
    found: BaseUrl | None = env.once("the base URL", _find)
    return found


def _find(env: Environment) -> BaseUrl | None:
    name, text = _chosen(env)
    allow_plain_http = env.get(ALLOW_PLAIN_HTTP)
    if text is None:
        return BaseUrl("http", authority("localhost", env.get(PORT), "http"))
    try:
        found = parse_base_url(text)
    except ValueError as error:
        env.problems.append(f"{name} {_shown(text)}: {error}")
        return None
    if found.scheme == "http" and not _is_loopback(found.authority) and not allow_plain_http:
        env.problems.append(
            f"{name} {text[:80]!r}: plain http is only for loopback and localhost; use https, "
            "or set ALLOW_PLAIN_HTTP=1 on a network you trust"
        )
    return found


def _chosen(env: Environment) -> tuple[str, str | None]:
    """Return the variable that counts, and its text as a URL."""
    if (text := env.text("PUBLIC_URL")) is not None:
        return "PUBLIC_URL", text
    older = env.text("HOSTNAME")
    if older is None:
        return "PUBLIC_URL", None
    if not _means_a_url(older):
        env.warnings.append(
            f"HOSTNAME {older[:80]!r} is this machine's name and no base URL: it is ignored; set PUBLIC_URL"
        )
        return "PUBLIC_URL", None
    if "://" in older:
        return "HOSTNAME", older
    scheme = "http" if _is_localhost(older.lower()) else "https"
    return "HOSTNAME", f"{scheme}://{older}"


def _means_a_url(text: str) -> bool:
    text = text.lower()
    dotted = "." in text and text != socket.gethostname().lower()
    return "://" in text or dotted or text.startswith("localhost")


def _is_localhost(name: str) -> bool:
    host = name.partition(":")[0]
    return host == "localhost" or host.endswith(".localhost")


def _is_loopback(authority: str) -> bool:
    host = urlsplit(f"//{authority}").hostname or ""
    if _is_localhost(host):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(text: str) -> str:
    """Show what was given, unless it holds a password."""
    return "" if "@" in text else repr(text[:80])
