"""Does the body match a covered `Content-Digest` (RFC 9530)?

Of the registered algorithms only sha-256 and sha-512 count; the others are broken and are ignored. Every digest
of those two that the field holds must match. Where the signature covers single members, as in
`"content-digest";key="sha-256"`, only those prove anything, so one of them must be among the two.
"""

import hashlib
from typing import Final, Literal

from . import fields
from .components import Component
from .errors import ContentDigestMismatch
from .message import Request

FIELD: Final = "content-digest"
HASHES: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}

ContentDigest = Literal["none", "checked", "asserted", "unchecked"]
"""`none`: not covered. `checked`: compared here. `asserted`: compared by the caller. `unchecked`: by nobody."""


def check_content_digest(
    request: Request, covered: tuple[Component, ...], body: bytes | None, *, asserted: bool = False
) -> ContentDigest:
    """Compare a covered digest with the body, where the body is known.

    Args:
        request: the request.
        covered: the components of a signature that verified.
        body: the body's bytes, or None where it is not known.
        asserted: whether the caller says that the digest was compared elsewhere.

    Raises:
        ContentDigestMismatch: the body is another one, or no covered digest is of a usable algorithm.
    """
    parts = [part for part in covered if part.name == FIELD]
    if not parts:
        return "none"
    if body is None:
        return "asserted" if asserted else "unchecked"
    digests = _usable_digests(request)
    if not any(_covers(part, name) for part in parts for name in digests):
        raise ContentDigestMismatch("the covered Content-Digest has neither sha-256 nor sha-512")
    if any(HASHES[name](body).digest() != digest for name, digest in digests.items()):
        raise ContentDigestMismatch
    return "checked"


def _covers(part: Component, name: str) -> bool:
    key: object = part.parameters.get("key", name)
    return key == name


def _usable_digests(request: Request) -> dict[str, object]:
    try:
        members = fields.parse_dictionary(request.field(FIELD) or "")
    except fields.FieldError as error:
        raise ContentDigestMismatch("Content-Digest is not a dictionary of byte sequences") from error
    return {name: member[0] for name, member in members.items() if name in HASHES}
