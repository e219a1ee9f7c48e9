"""Bearer tokens (RFC 6750): made of 256 random bits, shown once, kept as hashes alone.

A token is a prefix that says what it is for, and 43 characters of base64url:

    vestry_op_…   an operator's: lets somebody use the admin API
    vestry_enr_…  an enrolment token: lets new agents and tools register where REGISTRATION=token
    vestry_att_…  an attach token: lets the holder of a new key join it to one agent

The prefix is for people and for scanners that look for leaked secrets. SHA-256 without a salt is enough for what
nobody can guess or list: whoever reads the hashes cannot come back to a token.
"""

import hashlib
import re
import secrets
from typing import Final, NamedTuple

from aiohttp import hdrs
from multidict import CIMultiDictProxy

OPERATOR: Final = "vestry_op_"
ENROLMENT: Final = "vestry_enr_"
ATTACH: Final = "vestry_att_"
RANDOM_BYTES: Final = 32
_BEARER: Final = re.compile(r"bearer +(vestry_[a-z]{2,3}_[A-Za-z0-9_-]{43})", re.IGNORECASE | re.ASCII)


class Token(NamedTuple):
    """A new token: the text to show once, and the hash to keep."""

    text: str
    hash: bytes


def make(prefix: str) -> Token:
    """Make a token with this prefix."""
    text = prefix + secrets.token_urlsafe(RANDOM_BYTES)
    return Token(text, digest(text))


def digest(token: str) -> bytes:
    """Return what is kept of a token: 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


def given(headers: CIMultiDictProxy[str], prefix: str) -> str | None:
    """Return the token with this prefix that a request carries; None where it carries none, or several headers."""
    lines = headers.getall(hdrs.AUTHORIZATION, None)
    found = _BEARER.fullmatch(lines[0]) if lines is not None and len(lines) == 1 else None
    return found[1] if found and found[1].startswith(prefix) else None
