"""From what a proxy says of a request to the request itself: the method, the URL and the headers that a client sent.

A proxy in front of a tool holds every request back, tells us of it in a request of its own, and lets it pass if we
answer 200. Each kind has its own words for what it holds:

    kind            says the method in      says the URL in                                    spoken by
    auth-request    X-Original-Method       X-Original-URL, whole                              nginx
    forward-auth    X-Forwarded-Method      X-Forwarded-Proto, -Host and -Uri                  Traefik, Caddy, HAProxy
    ext-authz       its own method          the path behind our prefix, the scheme in that     Envoy
                                            prefix, and Host

The client's headers come along, line by line, among those that the proxy writes. What is signed must be rebuilt byte
by byte, and nothing that the client wrote may be taken for the proxy's word:

1. Each fact is said once. A second line of one header, or none, is refused: nobody knows which one is the proxy's.
2. A URL is put together from parts of which none can run into the next: the scheme is one of two, an authority has no
   slash, and path and query begin with one. Nothing is decoded or tidied up on the way.
3. What the proxy wrote, and what ends at it (`Connection`), is taken out again, so a signature that covers such a
   header is refused, whatever it has there. So are the headers that tell the tool who signed: those of a client never
   reach it. `Host` is put back as the client sent it.
4. Only the words of the kind that is asked about are read: `X-Forwarded-Uri` says nothing at auth-request.

The body is not known here. Where a signature covers Content-Digest, the answer says that nobody has compared it.

Whether the asker is a proxy at all is not decided here (`handlers.proxies`).
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from vestry_service.verification import Question
from vestry_signatures import Request
from vestry_signatures.errors import MalformedRequest
from vestry_verifier.question import refuse_tunnel

TOKEN: Final = "x-vestry-tool-token"  # noqa: S105 - the name of a header
EXT_AUTHZ: Final = "/verify/ext-authz/"
_SCHEMES: Final = ("http", "https")
_URL: Final = re.compile(r"https?://([^/?#]+)[/?]?.*", re.DOTALL)
_OF_THE_PROXY: Final = re.compile(
    r"host|connection|proxy-connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-length"
    r"|x-real-ip|x-original-(?:method|url)|x-forwarded-.*|x-envoy-.*|x-agent-.*|x-vestry-tool-token"
)

Lines = dict[str, list[str]]


class Call(NamedTuple):
    """A request as it reached us.

    Attributes:
        method: as sent.
        target: the request target, byte by byte.
        lines: names and values of all header lines, in order, names in any case.
    """

    method: str
    target: str
    lines: Sequence[tuple[str, str]]


def auth_request(call: Call) -> Question:
    """Read nginx's words. Raises MalformedRequest and InvalidUri, as the other two do."""
    lines = _by_name(call)
    url = _said(lines, "x-original-url")
    found = _URL.fullmatch(url)
    if found is None:
        raise MalformedRequest("X-Original-URL must be the whole URL: scheme, host, path and query")
    return _question(_said(lines, "x-original-method"), url, found[1], lines)


def forward_auth(call: Call) -> Question:
    """Read the words of Traefik, Caddy, and of our script for HAProxy."""
    lines = _by_name(call)
    authority = _said(lines, "x-forwarded-host")
    url = _url(_said(lines, "x-forwarded-proto"), authority, _said(lines, "x-forwarded-uri"))
    return _question(_said(lines, "x-forwarded-method"), url, authority, lines)


def ext_authz(call: Call) -> Question:
    """Read Envoy's words."""
    lines = _by_name(call)
    authority = _said(lines, "host")
    scheme, slash, path = call.target.removeprefix(EXT_AUTHZ).partition("/")
    return _question(call.method, _url(scheme, authority, slash + path), authority, lines)


KINDS: Final[dict[str, Callable[[Call], Question]]] = {
    "auth-request": auth_request,
    "forward-auth": forward_auth,
    "ext-authz": ext_authz,
}


def tool_token(call: Call) -> str | None:
    """Return the token by which a proxy says for which tool it asks, or None.

    It has a header of its own: `Authorization` is the client's, and passed on to us like all of its headers.

    Raises:
        MalformedRequest: there are two.
    """
    tokens = _by_name(call).get(TOKEN, [])
    if len(tokens) > 1:
        raise _not_once(TOKEN)
    return tokens[0] if tokens and tokens[0] else None


def _by_name(call: Call) -> Lines:
    lines: Lines = {}
    for name, value in call.lines:
        lines.setdefault(name.lower(), []).append(value)
    return lines


def _said(lines: Lines, name: str) -> str:
    values = lines.get(name, [])
    if len(values) != 1 or not values[0]:  # (1)
        raise _not_once(name)
    return values[0]


def _not_once(name: str) -> MalformedRequest:
    return MalformedRequest(f"the proxy must send {name} once: see its configuration in docs/proxies.md")


def _url(scheme: str, authority: str, target: str) -> str:
    if scheme not in _SCHEMES:  # (2)
        raise MalformedRequest("the proxy must say http or https")
    if not target.startswith("/") or re.search(r"[/?#\\@\s]", authority):
        raise MalformedRequest("the request target must be a path, and the host a host")
    return f"{scheme}://{authority}{target}"


def _question(method: str, url: str, authority: str, lines: Lines) -> Question:
    refuse_tunnel(method)
    clients = {name: values for name, values in lines.items() if not _OF_THE_PROXY.fullmatch(name)}  # (3)
    return Question(Request(method, url, {**clients, "host": [authority]}), body=None)
