"""The audit trail's rows. They are only ever added; triggers refuse everything else."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from vestry_registrar.audit.chain import Head, Link, Written
from vestry_registrar.audit.event import Event
from vestry_registrar.repository.edge import Executor, edge
from vestry_service.postgres import Connection

# The name of the sealer's lock among the advisory locks of the database.
LOCK_NUMBER: Final = 0x7665_7374_7279_0003

COLUMNS: Final = "event, uid, kid, actor_kind, actor, client_ip, request_id, details"
"""What a change writes; number and time come by themselves."""

# One event.
ADD: Final = f"INSERT INTO audit_events ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb)"

# Whether we are the one sealer until our transaction ends.
TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"

# The end of the chain, and the number up to which every event is linked.
HEAD: Final = "SELECT seq, hash, low FROM audit_head"

_EVENT: Final = (
    "e.id, e.at, e.event, e.uid, e.kid, e.actor_kind, e.actor, e.client_ip, e.request_id, e.details::text"
)

# Events above number $1 that are not linked yet, in order.
UNLINKED: Final = f"""
    SELECT {_EVENT} AS details FROM audit_events e
    WHERE e.id > $1 AND NOT EXISTS (SELECT FROM audit_chain c WHERE c.event_id = e.id)
    ORDER BY e.id LIMIT $2
"""

# New links.
ADD_LINKS: Final = """
    INSERT INTO audit_chain (seq, event_id, previous, hash)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[])
"""

# The chain ends here now. Numbers are given before a transaction commits, so one may become visible after a higher
# one; but none does after $3 seconds, for every statement of ours ends long before.
MOVE_HEAD: Final = """
    UPDATE audit_head SET seq = $1, hash = $2, low = greatest(low, coalesce(
        (SELECT max(id) FROM audit_events WHERE id > low AND at < now() - make_interval(secs => $3)), low))
"""

# Every link with its event, in order; the event's columns are null where it is gone.
WALK: Final = f"""
    SELECT c.seq, c.event_id, c.previous, c.hash, {_EVENT} AS details
    FROM audit_chain c LEFT JOIN audit_events e ON e.id = c.event_id
    ORDER BY c.seq
"""

# Events older than $1 seconds that are in no link.
FORGOTTEN: Final = """
    SELECT e.id FROM audit_events e
    WHERE e.at < now() - make_interval(secs => $1)
      AND NOT EXISTS (SELECT FROM audit_chain c WHERE c.event_id = e.id)
    ORDER BY e.id LIMIT 1
"""


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


async def try_lock(connection: Connection) -> bool:
    """Become the one sealer until the transaction ends; False if another is."""
    async with edge(connection) as sql:
        return bool(await sql.fetchval(TRY_LOCK, LOCK_NUMBER))


async def head(executor: Executor) -> tuple[Head, int]:
    """Return the end of the chain, and the number up to which every event is linked."""
    async with edge(executor) as sql:
        row = await sql.fetchrow(HEAD)
    return Head(row["seq"], row["hash"]), row["low"]


async def unlinked(executor: Executor, low: int, limit: int) -> list[Written]:
    """Return events above a number that are not linked yet, at most `limit`."""
    async with edge(executor) as sql:
        return [_written(row) for row in await sql.fetch(UNLINKED, low, limit)]


async def add_links(executor: Executor, links: Sequence[Link]) -> None:
    """Write new links."""
    columns = zip(*((each.seq, each.event_id, each.previous, each.hash) for each in links), strict=True)
    async with edge(executor) as sql:
        await sql.execute(ADD_LINKS, *(list(column) for column in columns))


async def move_head(executor: Executor, end: Head, settled_after: float) -> None:
    """Say where the chain ends. `settled_after`: seconds after which no older event can appear any more."""
    async with edge(executor) as sql:
        await sql.execute(MOVE_HEAD, end.seq, end.hash, settled_after)


async def walk(connection: Connection) -> AsyncIterator[tuple[Link, Written | None]]:
    """Yield every link with its event, in order; inside a transaction, for it is read bit by bit."""
    async with edge(connection) as sql:
        async for row in sql.cursor(WALK, prefetch=1000):
            made = Link(row["seq"], row["event_id"], row["previous"], row["hash"])
            yield made, None if row["id"] is None else _written(row)


async def forgotten(executor: Executor, seconds: float) -> int | None:
    """Return the number of an event that should be linked by now and is not, None if there is none."""
    async with edge(executor) as sql:
        number: int | None = await sql.fetchval(FORGOTTEN, seconds)
    return number


def _written(row: Any) -> Written:
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
        details=json.loads(row["details"]),
    )
