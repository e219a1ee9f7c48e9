"""Tokens by which a tool is known: 256 random bits that are shown once, and kept as a SHA-256 alone (RFC 6750).

A hash without a salt is enough for what nobody can guess or list. The prefix is for people, and for scanners that
look for leaked secrets. Whoever makes tokens elsewhere may use any other of at least 32 characters.

A token that is shown is hashed first and then looked up by the hash: how long that takes says nothing of
how near a guess was, since nobody can choose hashes that are alike at their beginning.
"""

import hashlib
import re
import secrets
from typing import Final

PREFIX: Final = "vestry_tool_"
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]{32,512}={0,2})", re.ASCII | re.IGNORECASE)


def make() -> str:
    """Make a token."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """Return what is kept of a token: 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


def shown_in(authorization: str) -> bytes | None:
    """Return the hash of the token in the value of an Authorization header; None where it has none."""
    found = _BEARER.fullmatch(authorization)
    return digest(found[1]) if found else None
