"""From a variable's text to a value. Each parser raises ValueError with a sentence that says what is accepted."""

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Final, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

from vestry_service.limits import LONGEST, MOST_REQUESTS, Rate
from vestry_service.replay_bound import MOST_NONCES
from vestry_service.requests import Network
from vestry_service.store.url import parse as parse_store_url

T = TypeVar("T")
_ON: Final = frozenset({"1", "true", "yes", "on"})
_OFF: Final = frozenset({"0", "false", "no", "off"})


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a parser for whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 18 and least <= int(text) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


port: Final = whole_number(1, 65535)


def switch(text: str) -> bool:
    """Read `1`, `true`, `yes`, `on` and their opposites."""
    if text.lower() in _ON:
        return True
    if text.lower() in _OFF:
        return False
    raise ValueError("must be 1 or 0")


def rate(text: str) -> Rate | None:
    """Read a limit like `30/60`, 30 requests in 60 seconds; None for `off`."""
    if text.lower() == "off":
        return None
    count, slash, seconds = text.partition("/")
    try:
        if not slash:
            raise ValueError
        return Rate(whole_number(1, MOST_REQUESTS)(count), whole_number(1, LONGEST)(seconds))
    except ValueError:
        raise ValueError(
            "must be off, or REQUESTS/SECONDS like 30/60 with "
            f"at most {MOST_REQUESTS} requests and {LONGEST} seconds"
        ) from None


def most_nonces(text: str) -> int | None:
    """Read how many unexpired nonces a key may have; None for `off` or 0."""
    if text.lower() in {"off", "0"}:
        return None
    try:
        return whole_number(1, MOST_NONCES)(text)
    except ValueError:
        raise ValueError(f"must be off, or a whole number from 1 to {MOST_NONCES}") from None


def choice(*accepted: str) -> Callable[[str], str]:
    """Return a parser for one of some words."""

    def parse(text: str) -> str:
        if text.lower() not in accepted:
            raise ValueError(f"must be one of {', '.join(accepted)}")
        return text.lower()

    return parse


def listed(item: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Return a parser for a comma-separated list; empty items are left out, repeated ones kept once."""

    def parse(text: str) -> tuple[T, ...]:
        parts = [part.strip() for part in text.split(",")]
        return tuple(dict.fromkeys(item(part) for part in parts if part))

    return parse


def choices(*accepted: str) -> Callable[[str], tuple[str, ...]]:
    """Return a parser for a comma-separated list of at least one of some words."""

    def parse(text: str) -> tuple[str, ...]:
        found = listed(choice(*accepted))(text)
        if not found:
            raise ValueError(f"must name at least one of {', '.join(accepted)}")
        return found

    return parse


def listen_address(text: str) -> str:
    """Read an IP address or `localhost`, which means the loopback of both families."""
    if text.lower() == "localhost":
        return "localhost"
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        raise ValueError("must be a comma-separated list of IP addresses or localhost") from None


def network(text: str) -> Network:
    """Read an address or a network in CIDR form."""
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError("must be a comma-separated list of addresses or networks like 10.0.0.0/8") from None


def http_url(text: str) -> str:
    """Read the root of an HTTP service: `http(s)://host[:port]`, returned without a trailing slash."""
    parts = _split(text, {"http", "https"}, "http://host:port")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must be http://host:port or https://host:port and nothing else")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def postgres_url(text: str) -> str:
    """Read a `postgres://` or `postgresql://` URL."""
    parts = urlsplit(text)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ValueError("must be postgresql://user:password@host:port/database")
    for name, value in parse_qsl(parts.query):
        if name == "statement_cache_size" and not value.isdecimal():
            raise ValueError("statement_cache_size must be a whole number (0 behind PgBouncer)")
    return text


def redis_url(text: str) -> str:
    """Read a REDIS_URL, as `vestry_service.store.url` says."""
    parse_store_url(text)
    return text


def _split(text: str, schemes: set[str], form: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"must be {form}") from None
    if parts.scheme not in schemes or not host:
        raise ValueError(f"must be {form}")
    return parts
