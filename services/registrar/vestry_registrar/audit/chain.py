"""The hash chain over the audit trail.

A link holds the number of its event, the hash of the link before, and its own hash:

    hash = SHA-256( previous || canonical JSON of the event and of the link's number )

Canonical JSON: members in alphabetical order, no white space, ASCII, times in UTC with microseconds. Whoever changes
an event, takes one out or puts two in another order changes what the hashes are over, and a walk finds the first
place where it no longer fits. The head, kept beside the chain and written to the log, shows a cut at the end.

This shows tampering by anybody who does not also compute every later hash anew and forge the head. Keep a head
outside of the database (the log, a mail to yourself) and compare: `vestry audit verify --head`.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

BEGINNING: Final = bytes(32)
"""What stands for the hash before the first."""


@dataclass(frozen=True, slots=True)
class Written:
    """An event as it stands in the trail."""

    id: int
    at: datetime
    event: str
    uid: str | None
    kid: str | None
    actor_kind: str
    actor: str
    client_ip: str | None
    request_id: str | None
    details: dict[str, Any]

    def facts(self) -> dict[str, Any]:
        """Return everything the event says, as JSON can carry it."""
        return {
            "id": self.id,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "event": self.event,
            "uid": self.uid,
            "kid": self.kid,
            "actor_kind": self.actor_kind,
            "actor": self.actor,
            "client_ip": self.client_ip,
            "request_id": self.request_id,
            "details": self.details,
        }


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain."""

    seq: int
    event_id: int
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: the last link's number and hash; 0 and `BEGINNING` before there is one."""

    seq: int
    hash: bytes


def link(head: Head, event: Written) -> Link:
    """Make the link that ties an event to the end of the chain."""
    seq = head.seq + 1
    return Link(seq, event.id, head.hash, _hash(head.hash, seq, event))


def _hash(previous: bytes, seq: int, event: Written) -> bytes:
    text = json.dumps({"seq": seq, **event.facts()}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(previous + text.encode("ascii")).digest()


def wrong_link(given: Link, event: Written | None, end: Head) -> str | None:
    """Say why a link does not fit behind the end of the chain so far; None where it does.

    Args:
        given: the link that comes next.
        event: its event, None where that is gone.
        end: the end before it.
    """
    place = f"link {given.seq} (event {given.event_id})"
    if given.seq != end.seq + 1:
        return f"link {end.seq + 1}: it is missing, link {given.seq} comes next"
    if event is None:
        return f"{place}: its event is gone"
    if given.previous != end.hash:
        return f"{place}: it does not follow from the link before"
    if given.hash != _hash(end.hash, given.seq, event):
        return f"{place}: its event was changed"
    return None
