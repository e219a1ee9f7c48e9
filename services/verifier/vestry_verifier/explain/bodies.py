"""Other bodies to which a covered Content-Digest may belong: what happens to bodies on their way."""

import json
from collections.abc import Iterator

from vestry_signatures import Claim, Request
from vestry_signatures.digest import check_content_digest
from vestry_signatures.errors import ContentDigestMismatch


def find(claim: Claim, request: Request, body: bytes) -> str | None:
    """Say of which other body the digest is; None where that was not found out."""
    for other, said in _others(body):
        try:
            check_content_digest(request, claim.signature.covered, other)
        except ContentDigestMismatch:
            continue
        return said
    return None


def _others(body: bytes) -> Iterator[tuple[bytes, str]]:
    yield b"", "the empty body: it was signed before the body was there"
    yield body.rstrip(b"\r\n"), "this body without the line break at its end"
    yield body + b"\n", "this body with a line break at its end"
    yield body.replace(b"\r\n", b"\n"), "this body with LF in place of CR LF"
    try:
        value = json.loads(body)
        yield (
            json.dumps(value, separators=(",", ":")).encode(),
            "the same JSON without blanks: send the bytes received",
        )
        yield json.dumps(value).encode(), "the same JSON written anew with blanks: send the bytes received"
        compact = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )
        yield compact, "the same JSON written anew: send the bytes received"
    except (ValueError, RecursionError):
        return
