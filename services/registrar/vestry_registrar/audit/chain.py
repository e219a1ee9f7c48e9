"""The hash chain over the audit trail: pure.

A link holds the number of its event, the hash of the link before, and its own hash:

    hash = SHA-256( previous || canonical JSON of the event and of the link's number )

Canonical JSON: members in alphabetical order, no white space, ASCII (`canonical.py`); times in UTC with microseconds.
Whoever changes an event, takes one out or puts two in another order changes what the hashes are over, and a walk
finds the first place where it no longer fits. The head, kept beside the chain and written to the log, shows a cut at
the end.

This shows tampering by anybody who does not also compute every later hash anew and forge the head. Keep a head
outside of the database (the log, a mail to yourself) and compare: `vestry audit verify --head`.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final

from vestry_registrar.audit.canonical import canonical

_HEAD: Final = re.compile(r"([0-9]{1,18}):([0-9a-fA-F]{64})")
BEGINNING: Final = bytes(32)
"""What stands for the hash before the first."""


@dataclass(frozen=True, slots=True)
class Written:
    """An event as it stands in the trail.

    Attributes:
        id: its number; higher ones were begun later, and perhaps committed earlier.
        at: UTC with microseconds, `2026-11-22T07:33:34.123456Z`.
        event, uid, kid, actor_kind, actor, client_ip, request_id: see `event.py`.
        details: as `canonical.parse` read it.
    """

    id: int
    at: str
    event: str
    uid: str | None
    kid: str | None
    actor_kind: str
    actor: str
    client_ip: str | None
    request_id: str | None
    details: Any

    def facts(self) -> dict[str, Any]:
        """Return everything the event says."""
        return {name: getattr(self, name) for name in _FACTS}


_FACTS: Final = tuple(Written.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain."""

    seq: int
    event_id: int
    previous: bytes
    hash: bytes

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"link {self.seq} (event {self.event_id})"


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: the last link's number and hash; 0 and `BEGINNING` before there is one."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Read what `str` gives. Raises ValueError for anything else."""
        found = _HEAD.fullmatch(text.strip())
        if found is None:
            raise ValueError("a head is SEQ:HASH, a number and 64 hex digits")
        return cls(int(found[1]), bytes.fromhex(found[2]))


EMPTY: Final = Head(0, BEGINNING)


def link(head: Head, event: Written) -> Link:
    """Make the link that ties an event to the end of the chain."""
    seq = head.seq + 1
    return Link(seq, event.id, head.hash, _hash(head.hash, seq, event))


def _hash(previous: bytes, seq: int, event: Written) -> bytes:
    text = canonical({"seq": seq, **event.facts()})
    return hashlib.sha256(previous + text.encode("ascii")).digest()


def line(given: Link, event: Written | None) -> str:
    """Return a link and its event as one line of JSON, in canonical form; of an event that is gone, its number.

    Without `hash` and `previous` this is the very text that the hash is over.
    """
    facts = {"id": given.event_id, "event": None} if event is None else event.facts()
    return canonical({"seq": given.seq, **facts, "previous": given.previous.hex(), "hash": given.hash.hex()})


def wrong_link(given: Link, event: Written | None, end: Head) -> str | None:
    """Say why a link does not fit behind the end of the chain so far; None where it does.

    Args:
        given: the link that comes next.
        event: its event, None where that is gone.
        end: the end before it.
    """
    if given.seq != end.seq + 1:
        return f"link {end.seq + 1} is missing: link {given.seq} stands in its place"
    if event is None:
        return f"{given.place}: its event is gone"
    if given.previous != end.hash:
        return f"{given.place}: it does not follow from the link before"
    if given.hash != _hash(end.hash, given.seq, event):
        return f"{given.place}: the event, or its hash, was changed"
    return None
