"""The events of the audit trail. They are only ever added; triggers refuse everything else."""

import json
from collections.abc import Mapping
from typing import Any, Final

from vestry_registrar.audit.canonical import parse
from vestry_registrar.audit.chain import Written
from vestry_registrar.audit.event import Event
from vestry_registrar.repository.edge import Executor, edge

# The name of the sealer's lock among the advisory locks of the database.
LOCK_NUMBER: Final = 0x7665_7374_7279_0003

COLUMNS: Final = "event, uid, kid, actor_kind, actor, client_ip, request_id, details"
"""What a change writes; number and time come by themselves."""

# One event.
ADD: Final = f"INSERT INTO audit_events ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb)"

# An event `e` with its time as text that no setting of the session changes.
EVENT: Final = """
    e.id, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
    e.event, e.uid, e.kid, e.actor_kind, e.actor, e.client_ip, e.request_id, e.details::text AS details
"""

# What was done to $1, in the order in which it was done: who changes an owner has its row locked meanwhile.
EVENTS_OF: Final = f"SELECT {EVENT} FROM audit_events e WHERE e.uid = $1 ORDER BY e.id"


def values(event: Event) -> tuple[Any, ...]:
    """Return an event's values in the order of `COLUMNS`; the last one is JSON text."""
    origin = event.origin
    return (
        event.name,
        event.uid,
        event.kid,
        origin.actor.kind,
        origin.actor.name,
        origin.client_ip,
        origin.request_id,
        json.dumps(dict(event.details)),
    )


async def add(executor: Executor, event: Event) -> None:
    """Write an event; in the transaction of the change that it tells of. Raises DatabaseUnavailable."""
    async with edge(executor) as sql:
        await sql.execute(ADD, *values(event))


async def events_of(executor: Executor, uid: str) -> list[Written]:
    """Return what was done to a uid, oldest first. Raises DatabaseUnavailable."""
    async with edge(executor) as sql:
        return [written(row) for row in await sql.fetch(EVENTS_OF, uid)]


def written(row: Mapping[str, Any]) -> Written:
    """Make an event of a row with the columns `EVENT`."""
    return Written(
        id=row["id"],
        at=row["at"],
        event=row["event"],
        uid=row["uid"],
        kid=row["kid"],
        actor_kind=row["actor_kind"],
        actor=row["actor"],
        client_ip=row["client_ip"],
        request_id=row["request_id"],
        details=parse(row["details"]),
    )
