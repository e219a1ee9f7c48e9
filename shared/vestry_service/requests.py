"""What a request says, read with suspicion: its host, its body, its JSON, where it comes from.

1. The host is said once and plainly, in a head that is not too long. HTTP/1.1 parsing refuses none and two; here a
   missing one is refused for HTTP/1.0 too, and so is a request target that is itself a URL of another host (RFC 9112
   section 3.2.2 lets it win over Host, so a gateway in front and we could believe different hosts).
2. A body is counted while it arrives, so its limit holds for chunked bodies too. A content-coded body
   (gzip and the like) is refused: a few bytes of it can stand for very many, and a digest is over the coded
   bytes (RFC 9530 section 2).
3. JSON is read where its form is known (`json_object`).
"""

import asyncio
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final, Protocol

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDictProxy

from vestry_service.errors import BodyTooLarge
from vestry_service.json_object import parse_json_object as parse_json_object
from vestry_signatures.errors import MalformedRequest

Network = IPv4Network | IPv6Network
BODY_TIMEOUT: Final = 10.0  # seconds for a whole body to arrive
HEAD_BYTES: Final = 64 * 1024  # of all headers together
HEADER_BYTES: Final = 16 * 1024  # one header field; the signature headers have a lower limit of their own
PARSER_LIMITS: Final[Mapping[str, Any]] = {
    "max_line_size": HEADER_BYTES,
    "max_field_size": HEADER_BYTES,
    "max_headers": 128,
}
"""How aiohttp's parser is set, wherever it is used."""


class Said(Protocol):
    """A request as far as its head and its sender go."""

    @property
    def headers(self) -> CIMultiDictProxy[str]: ...

    @property
    def remote(self) -> str | None: ...


def require_plain_host(request: web.Request) -> None:
    """Raise `MalformedRequest` unless the request says for which host it is, once (1)."""
    host = request.headers.get(hdrs.HOST)
    if not host:
        raise MalformedRequest("the request names no host: send a Host header")
    target = request.raw_path
    if target.startswith("/") or target == "*":
        return
    authority = target.partition("://")[2].partition("/")[0].partition("?")[0]
    if authority.lower() != host.lower():
        raise MalformedRequest("the request target is for another host than the Host header")


def require_short_head(request: web.Request) -> None:
    """Raise `MalformedRequest` where all headers together are longer than `HEAD_BYTES` (1)."""
    if sum(len(name) + len(value) for name, value in request.raw_headers) > HEAD_BYTES:
        raise MalformedRequest(f"the headers are longer than {HEAD_BYTES} bytes together")


async def read_body(request: web.Request, limit: int) -> bytes:
    """Return the whole body (2).

    Args:
        request: whose body has not been read yet.
        limit: the most bytes taken.

    Raises:
        BodyTooLarge: it is longer.
        MalformedRequest: it is content-coded, broken, or does not arrive in time.
    """
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise MalformedRequest("send the body as it is, without a Content-Encoding")
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(limit)
    content = request.content
    try:
        if content.is_eof():
            body = content.read_nowait()
        else:
            async with asyncio.timeout(BODY_TIMEOUT):
                body = await _read_counting(request, limit)
    except TimeoutError:
        raise MalformedRequest(f"the body did not arrive within {BODY_TIMEOUT:.0f} seconds") from None
    except (HttpProcessingError, web.RequestPayloadError, ConnectionError) as error:
        raise MalformedRequest("the body did not arrive whole") from error
    if len(body) > limit:
        raise BodyTooLarge(limit)
    return body


async def _read_counting(request: web.Request, limit: int) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge(limit)
    return bytes(body)


def client_ip(request: Said, trusted: Collection[Network]) -> str:
    """Return the client's address: the rightmost one in `X-Forwarded-For` that no trusted proxy has.

    Args:
        request: from the client or a proxy.
        trusted: networks of proxies. From anybody else the header is not read at all.
    """
    peer = request.remote or ""
    if not trusted or not is_trusted(peer, trusted):
        return peer
    hops = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, [])).split(",")
    client = peer
    for hop in reversed(hops):
        address = _address(hop.strip())
        if address is None:
            break
        client = str(address)
        if not is_trusted(client, trusted):
            break
    return client


def is_trusted(address: str, trusted: Collection[Network]) -> bool:
    """Tell whether an address, as a connection or a header says it, is in one of the networks."""
    known = _address(address)
    return known is not None and any(known in network for network in trusted)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, also in brackets, with a port or as IPv4 in IPv6; None where it is none.

    The zone of an IPv6 address (RFC 4007 section 11) is left out: it may be any text at all.
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))
