"""Other readings of a request for which a signature may have been made: if it verifies for one, that is the hint.

What a signer signed and what a tool received differ in a few ways again and again: another scheme behind a proxy that
ends TLS, a port, the name the proxy calls, a path that somebody put in order, header lines that were joined in
another way. Each is tried with the very key that was found, by the very functions of the ceremony: a handful, the
likeliest first, at most `MOST` signatures checked, each over a text that differs from those before it.

A variant that verifies is a hint and nothing else. It never makes a request pass.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote

from vestry_signatures import Claim, PublicKey, Request
from vestry_signatures.base import signature_base
from vestry_signatures.errors import VestryError
from vestry_signatures.message import DEFAULT_PORTS, Target, normalise_authority

MOST: Final = 12
"""Signatures that are checked for one explanation."""
LISTED: Final = 64
"""Variants that are looked at: most differ in nothing that the signature covers."""
_CASES: Final[Mapping[str, str]] = {"GET": "HEAD", "HEAD": "GET"}
_HOST_FIELDS: Final = ("host", "x-forwarded-host", "x-original-host")


class Variant(NamedTuple):
    """One other reading.

    Attributes:
        request: as it may have been signed.
        said: what is different, as `for …`.
    """

    request: Request
    said: str


def find(claim: Claim, request: Request, key: PublicKey) -> str | None:
    """Say for which other reading of a request a signature verifies; None where none was found.

    Args:
        claim: of a signature that does not verify.
        request: the request as it was received.
        key: the key of the signature.
    """
    tried = {_base(claim, request)}
    for number, variant in enumerate(_variants(request, claim)):
        if number >= LISTED or len(tried) > MOST:
            break
        base = _base(claim, variant.request)
        if base is None or base in tried:
            continue
        tried.add(base)
        if key.check(claim.signature.value, base):
            return variant.said
    return None


def _base(claim: Claim, request: Request) -> bytes | None:
    try:
        return signature_base(request, claim.signature.covered, claim.signature.parameters)
    except VestryError:
        return None


def _variants(request: Request, claim: Claim) -> Iterator[Variant]:
    for target, said in _targets(request):
        yield Variant(request.read_otherwise(target=target), said)
    for method in _methods(request.method):
        yield Variant(
            request.read_otherwise(method=method),
            f"the method {method}, and you asked about {request.method}",
        )
    names = {part.name for part in claim.signature.covered if not part.name.startswith("@")}
    for name in sorted(names):
        for lines, said in _lines(request.headers.get(name, [])):
            yield Variant(request.read_otherwise(lines=(name, lines)), f"{name} {said}")


def _methods(method: str) -> Iterator[str]:
    yield method.upper()
    yield method.lower()
    yield _CASES.get(method, "GET")
    yield "POST"


def _targets(request: Request) -> Iterator[tuple[Target, str]]:
    target = request.target
    for authority in _authorities(request):
        yield (
            target._replace(authority=authority),
            f"the authority {authority}, and you asked about {target.authority}",
        )
    other = target._replace(scheme="http" if target.scheme == "https" else "https")
    yield (
        other,
        f"{other.scheme}://{other.authority}, and you asked about {target.scheme}://{target.authority}",
    )
    for path, query in _paths(target):
        yield (
            target._replace(path=path, query=query),
            f"{_shown(path, query)}, and you asked about {_shown(*target[2:])}",
        )
    for authority in _authorities(request):
        both = other._replace(authority=authority)
        yield both, f"{both.scheme}://{authority}, and you asked about {target.scheme}://{target.authority}"


def _shown(path: str, query: str | None) -> str:
    return f"the path {path}" + ("" if query is None else f"?{query}")


def _authorities(request: Request) -> Iterator[str]:
    scheme, authority = request.target.scheme, request.target.authority
    for name in _HOST_FIELDS:
        for line in request.headers.get(name, [])[:1]:
            try:
                yield normalise_authority(line.strip(), scheme)
            except VestryError:
                continue
    host = re.sub(r":\d+\Z", "", authority)
    if host == authority:
        yield f"{authority}:{DEFAULT_PORTS[scheme]}"
        yield f"{authority}:{DEFAULT_PORTS['http' if scheme == 'https' else 'https']}"
    else:
        yield host
    yield authority.removeprefix("www.") if authority.startswith("www.") else f"www.{authority}"


def _paths(target: Target) -> Iterator[tuple[str, str | None]]:
    path, query = target.path, target.query
    yield (path.rstrip("/") or "/") if path.endswith("/") else f"{path}/", query
    yield re.sub(r"/{2,}", "/", path), query
    yield unquote(path, "latin-1"), query
    yield path, None
    if query is None:
        yield path, ""
    yield _without_dots(path), query


def _without_dots(path: str) -> str:
    """Resolve dot segments (RFC 3986 section 5.2.4)."""
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept)


def _lines(lines: list[str]) -> Iterator[tuple[list[str], str]]:
    if len(lines) > 1:
        yield [",".join(lines)], "with its lines joined by a comma alone, which must be a comma and a blank"
        yield lines[:1], "with its first line alone, and there are more"
        yield lines[-1:], "with its last line alone, and there are more"
        yield lines[::-1], "with its lines in another order"
        return
    for line in lines:
        yield (
            [re.sub(r",(?! )", ", ", line)],
            "with a blank after each comma: send its lines as a list, not joined",
        )
        yield [line.replace(", ", ",")], "with no blank after its commas"
        yield [line.lower()], "in lower case"
