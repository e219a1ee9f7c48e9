"""From one value of the file to what it means. A reader raises ValueError and says in a sentence what is accepted.

No message repeats a value where a token could stand: one that was put there by mistake must not reach a log.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from vestry_service.limits import Rate
from vestry_service.parsers import rate as rate_in_text
from vestry_service.replay_bound import MOST_NONCES
from vestry_signatures.message import normalise_authority
from vestry_verifier.host_pattern import read_authority
from vestry_verifier.tool_tokens import PREFIX

T = TypeVar("T")
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
_NOTHING: Final = hashlib.sha256(b"").digest()


def switch(value: object) -> bool:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    raise ValueError("must be true or false")


def list_of(item: Callable[[str], T], *, empty: bool = False) -> Callable[[object], tuple[T, ...]]:
    """Return a reader of a list of texts; `empty`: whether it may have none. It complains of the first fault."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ValueError("must be a list of texts in quotes")
        if not value and not empty:
            raise ValueError("is empty")
        found: list[T] = []
        for place, text in enumerate(value, 1):
            try:
                found.append(item(text))
            except ValueError as error:
                raise ValueError(f"entry {place} {error}") from None
        return tuple(found)

    return read


def word_of(*accepted: str) -> Callable[[Any], str]:
    """Return a reader of one of some words."""

    def read(value: object) -> str:
        if value not in accepted:
            raise ValueError(f"must be one of {', '.join(accepted)}")
        return str(value)

    return read


def token_hash(text: str) -> bytes:
    """Read the SHA-256 of a token, 64 hexadecimal digits."""
    if text.startswith(PREFIX):
        raise ValueError(
            "is a token itself, which is exposed now: make a new one, and write its SHA-256 here"
        )
    if not _HASH.fullmatch(text):
        raise ValueError(
            "must be the SHA-256 of a token, 64 hexadecimal digits: vestry tool token prints both"
        )
    digest = bytes.fromhex(text)
    if digest == _NOTHING:
        raise ValueError("is the SHA-256 of nothing at all")
    return digest


def authorities(value: object) -> frozenset[tuple[str, str]] | None:
    """Read what a tool may ask about: a list of host[:port], or "*" for None, which is anything.

    A host without a port is meant at the default port of http and of https; with a port it is meant there.
    """
    if value == "*":
        return None
    pairs = list_of(_origins)(value)
    return frozenset(pair for both in pairs for pair in both)


def _origins(text: str) -> tuple[tuple[str, str], ...]:
    read_authority(text, 'must be a host or a host:port (and "*" alone, without a list, is any)')
    return tuple((scheme, normalise_authority(text, scheme)) for scheme in ("http", "https"))


def rate(value: object) -> Rate | None:
    """Read a rate like "100/60"; None for "off"."""
    if not isinstance(value, str):
        raise ValueError('must be in quotes, like "100/60"')
    return rate_in_text(value)


def most_nonces(value: object) -> int:
    """Read how many unexpired nonces a key may have."""
    if type(value) is not int or not 1 <= value <= MOST_NONCES:
        raise ValueError(f"must be a whole number from 1 to {MOST_NONCES}")
    return value
