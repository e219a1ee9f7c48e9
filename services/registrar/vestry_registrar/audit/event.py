"""What one event of the audit trail says. A change writes its event in its own transaction, or does not happen.

Who could sign at a time is read from the events alone (`history.py`). So each says, besides `uid` and `kid`:

| event | kid | details that count |
| --- | --- | --- |
| agent.registered, tool.registered | its first key | `state`: `pending` where it must be approved first; bounds |
| key.added, key.attached | the new key | bounds |
| key.rotated | the new key | `old_kid`, `old_not_after` where the old key stays for a while (overlap); bounds |
| key.retired, key.revoked | the key that goes | `not_after` where it stays until then; else it goes at once |
| agent.suspended, agent.resumed, agent.approved, agent.revoked (of tools too) | | |
| agent.adopted (from another server's database; its keys follow as key.added, key.revoked) | | |

Bounds: `not_before` and `not_after` of the event's own key, Unix seconds, left out where there are none. Everything
else in details is for people: `reason`, `label`, `proof`. Details hold text, whole numbers, true, false, null, lists
and objects; no text with a zero byte, which Postgres has no place for. Other events (operators, tokens) have no say
here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ActorKind = Literal["agent", "key", "operator", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it.

    Attributes:
        kind: `agent` that signed with a key it has, `key` that registers itself, `operator`, or `system`.
        name: the kid that signed, the operator's name, or the part of the system.
    """

    kind: ActorKind
    name: str


@dataclass(frozen=True, slots=True)
class Origin:
    """By whom, and from where.

    Attributes:
        actor: who did it.
        client_ip: address of the client, as far as trusted proxies tell; None for a command.
        request_id: the request's id, which the log has too; None for a command.
    """

    actor: Actor
    client_ip: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What was done.

    Attributes:
        name: e.g. `agent.registered`, `key.rotated`.
        origin: by whom, and from where.
        uid: `agent-…` or `tool-…` that it was done to, where there is one.
        kid: the key that it was done to, where there is one.
        details: further facts, JSON; never key material that is secret.
    """

    name: str
    origin: Origin
    uid: str | None = None
    kid: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
