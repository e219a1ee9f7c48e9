"""What the store knows of a key and of itself: live records, memory marks, and the names they have.

Redis holds four kinds of keys for it. `TT` is the first two characters of the kid; the braces make it a hash
tag, so the keys of one signature share a slot of a Redis Cluster while the fleet spreads over all of them.

    n{TT} + 16 raw bytes   a spent nonce: `1`
    k{TT} + kid            the live record of a key: what Postgres says of it now
    g{TT}                  the memory mark: since when, on which server, and for how long after it ends every
                           signature is remembered
    b{TT} + kid + book     how many unexpired nonces a key that is used much has (`replay_bound`)

A live record is one line of ASCII with single blanks between its fields, the agent's version first, so that
the registrar's script (which must refuse an older version) reads it without knowing the rest:

    7 agent-4b94c0ffee4b94c0ffee4b94 active 0 0 JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs

The kid is not repeated in it: it is the key's name. A memory mark is `since`, the run id and the clock skew.
"""

from typing import NamedTuple

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

TAGS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
"""Every `TT` there can be: 4096 pairs of base64url characters (RFC 4648 section 5)."""


class LiveRecord(NamedTuple):
    """What a kid stands for now, as the registrar last read it from Postgres.

    Attributes:
        version: the agent's version; raised by every change of the agent's keys or state.
        uid: `agent-…` (or `tool-…`).
        kid: RFC 7638 thumbprint of the key.
        state: one word, e.g. `active`, `revoked`, `suspended`.
        not_before, not_after: Unix seconds; 0 means no bound.
        x: the public key, base64url (RFC 8037).
    """

    version: int
    uid: str
    kid: str
    state: str
    not_before: int
    not_after: int
    x: str

    def encode(self) -> bytes:
        """Return the line that Redis keeps. Raises ValueError for a field that is empty or has a blank."""
        words = (self.uid, self.state, self.x)
        if not all(words) or any(word.split() != [word] for word in words):
            raise ValueError("a field of a live record is empty or has a blank in it")
        line = f"{self.version} {self.uid} {self.state} {self.not_before} {self.not_after} {self.x}"
        return line.encode("ascii")

    @classmethod
    def decode(cls, kid: str, line: bytes) -> "LiveRecord":
        """Read the line kept under `kid`. Raises ValueError for anything `encode` does not write."""
        version, uid, state, not_before, not_after, x = line.decode("ascii").split(" ")
        return cls(int(version), uid, kid, state, int(not_before), int(not_after), x)


class Mark(NamedTuple):
    """A memory mark: what the store remembers, and for whom that is enough.

    Attributes:
        since: every nonce spent at or after it (Unix seconds) is remembered.
        run_id: of the server that remembers.
        skew: the clock skew (seconds) for which it remembers them: nobody may allow a greater one.
    """

    since: int
    run_id: str
    skew: int

    def encode(self) -> bytes:
        """Return the bytes that Redis keeps under each `g{TT}`."""
        return f"{self.since} {self.run_id} {self.skew}".encode("ascii")

    @classmethod
    def decode(cls, value: bytes) -> "Mark":
        """Read the bytes of a `g{TT}`. Raises ValueError for anything `encode` does not write."""
        since, run_id, skew = value.decode("ascii").split(" ")
        return cls(int(since), run_id, int(skew))


def use_keys(kid: str, digest: bytes, book: str | None) -> tuple[bytes, bytes, bytes, bytes]:
    """Name at once what one use of a signature asks for: nonce, record, mark, and book, or without one the mark."""
    name = kid.encode()
    tag = name[:2]
    mark = b"g{%b}" % tag
    kept = mark if book is None else b"b{%b}%b%b" % (tag, name, book.encode())
    return b"n{%b}%b" % (tag, digest), b"k{%b}%b" % (tag, name), mark, kept


def nonce_key(kid: str, digest: bytes) -> bytes:
    """Name the key that a spent nonce occupies; `digest` is 16 bytes (see `replay.nonce_digest`)."""
    return b"n{%b}%b" % (kid[:2].encode(), digest)


def record_key(kid: str) -> bytes:
    """Name the key of a kid's live record."""
    return f"k{{{kid[:2]}}}{kid}".encode()


def mark_key(kid: str) -> bytes:
    """Name the key of the memory mark that counts for `kid`; a tag alone will do."""
    return f"g{{{kid[:2]}}}".encode()


def book_key(kid: str, book: str) -> bytes:
    """Name the key of a book of `kid`'s nonces (`replay_bound`). A kid has 43 characters, so no two names meet."""
    return f"b{{{kid[:2]}}}{kid}{book}".encode()
