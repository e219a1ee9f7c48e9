"""Who could sign as an agent at a time: a replay of the events that tell of it. Pure.

The events of one owner (an agent or a tool) are taken in the order in which they were written, up to the time asked
for. Each changes the owner's state or one of its keys; `event.py` lists what each says. What then could sign are the
keys that had come, had begun, had not ended, and whose owner was neither waiting for approval nor suspended nor
revoked. A time counts from its own moment on: a key that is revoked at noon cannot sign at noon.

What happened before the trail began is not in it. A key whose end is told and whose coming is not is shown without
a beginning.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from vestry_registrar.audit.chain import Written

Standing = Literal["active", "retiring", "not yet", "over", "revoked"]


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the owner, as it stood.

    Attributes:
        kid: its thumbprint.
        came: the event that gave it to the owner; None if that is not in the trail.
        went: the event that took it out of use, at once or with an end to come; None while there was none.
        revoked: it is out of use since `went`.
        not_before, not_after: Unix seconds, the end excluded; None is no bound.
    """

    kid: str
    came: Written | None
    went: Written | None = None
    revoked: bool = False
    not_before: int | None = None
    not_after: int | None = None

    def standing(self, now: float) -> Standing:
        """Return how it stands, its owner left aside. `now`: Unix seconds."""
        if self.revoked:
            return "revoked"
        if self.not_before is not None and now < self.not_before:
            return "not yet"
        if self.not_after is not None and now >= self.not_after:
            return "over"
        return "retiring" if self.went else "active"


@dataclass(frozen=True, slots=True)
class Owner:
    """An agent or a tool as it stood.

    Attributes:
        state: `active`, `pending`, `suspended`, `revoked`; None: the trail knows of no such owner then.
        since: the event that put it into this state.
        keys: by kid, in the order in which they came.
    """

    state: str | None = None
    since: Written | None = None
    keys: Mapping[str, Key] = field(default_factory=dict)

    def signers(self, now: float) -> list[Key]:
        """Return the keys that could sign. `now`: Unix seconds."""
        if self.state != "active":
            return []
        return [key for key in self.keys.values() if key.standing(now) in ("active", "retiring")]


def replay(events: Iterable[Written], until: datetime) -> Owner:
    """Return how the owner stood at a time.

    Args:
        events: of this owner alone, in the order of their numbers.
        until: later events are left out.
    """
    owner = Owner()
    for event in events:
        if moment(event) <= until:
            owner = _CHANGES.get(event.event, _unchanged)(owner, event)
    return owner


def moment(event: Written) -> datetime:
    """Return when an event was written."""
    return datetime.fromisoformat(event.at)


def _registered(owner: Owner, event: Written) -> Owner:
    state = "pending" if _details(event).get("state") == "pending" else "active"
    return _came(replace(owner, state=state, since=event), event)


def _came(owner: Owner, event: Written) -> Owner:
    if event.kid is None:
        return owner
    key = Key(event.kid, event, None, False, _number(event, "not_before"), _number(event, "not_after"))
    # An owner whose registration is not in the trail exists all the same.
    state, since = (owner.state, owner.since) if owner.state else ("active", event)
    return Owner(state, since, {**owner.keys, event.kid: key})


def _rotated(owner: Owner, event: Written) -> Owner:
    old = _details(event).get("old_kid")
    left = _leave(owner, event, old, _number(event, "old_not_after")) if isinstance(old, str) else owner
    return _came(left, event)


def _went(owner: Owner, event: Written) -> Owner:
    return owner if event.kid is None else _leave(owner, event, event.kid, _number(event, "not_after"))


def _leave(owner: Owner, event: Written, kid: str, end: int | None = None) -> Owner:
    """Let a key go: at an end (Unix seconds), unless it has an earlier one; at once where there is none."""
    key = owner.keys.get(kid) or Key(kid, None)
    ends = [bound for bound in (end, key.not_after) if bound is not None]
    gone = replace(key, went=event, revoked=end is None, not_after=min(ends, default=None))
    return replace(owner, keys={**owner.keys, kid: gone})


def _ended(owner: Owner, event: Written) -> Owner:
    """The owner is revoked, and with it every key that it has."""
    for key in list(owner.keys.values()):
        if not key.revoked:
            owner = _leave(owner, event, key.kid)
    return replace(owner, state="revoked", since=event)


def _becomes(state: str) -> Callable[[Owner, Written], Owner]:
    return lambda owner, event: replace(owner, state=state, since=event)


def _unchanged(owner: Owner, _event: Written) -> Owner:
    return owner


_OF_OWNERS: Final[Mapping[str, Callable[[Owner, Written], Owner]]] = {
    "registered": _registered,
    "suspended": _becomes("suspended"),
    "resumed": _becomes("active"),
    "approved": _becomes("active"),
    "revoked": _ended,
}
_CHANGES: Final[Mapping[str, Callable[[Owner, Written], Owner]]] = {
    **{f"{kind}.{word}": change for kind in ("agent", "tool") for word, change in _OF_OWNERS.items()},
    "agent.adopted": _becomes("active"),
    "key.added": _came,
    "key.attached": _came,
    "key.rotated": _rotated,
    "key.retired": _went,
    "key.revoked": _went,
}


def _details(event: Written) -> Mapping[str, Any]:
    return event.details if isinstance(event.details, dict) else {}


def _number(event: Written, name: str) -> int | None:
    value = _details(event).get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
