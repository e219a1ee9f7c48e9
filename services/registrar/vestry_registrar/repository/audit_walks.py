"""What a walk over the whole audit trail reads, page by page, so that no statement takes long."""

from collections.abc import AsyncIterator
from typing import Final

from vestry_registrar.audit.chain import Head, Link, Written
from vestry_registrar.repository.audit import EVENT, written
from vestry_registrar.repository.edge import edge
from vestry_service.postgres import Connection

PAGE: Final = 1000
LONGEST: Final = 3600.0
"""Seconds that a statement over the whole trail may take."""
LOWEST: Final = -(2**63)

# The end of the chain as it was noted.
HEAD: Final = "SELECT seq, hash FROM audit_head"

# Links above number $1 with their events, at most $2, in order; the event's columns are null where it is gone.
LINKS: Final = f"""
    SELECT c.seq, c.event_id, c.previous, c.hash, {EVENT}
    FROM audit_chain c LEFT JOIN audit_events e ON e.id = c.event_id
    WHERE c.seq > $1 ORDER BY c.seq LIMIT $2
"""

# The first event that is in no link and that no sealer will look at any more.
FORGOTTEN: Final = """
    SELECT min(e.id) FROM audit_events e
    WHERE e.id <= (SELECT high FROM audit_head)
      AND NOT EXISTS (SELECT FROM audit_chain c WHERE c.event_id = e.id)
      AND NOT EXISTS (SELECT FROM audit_gaps g WHERE e.id BETWEEN g.first AND g.last)
"""

# How many events are in no link.
UNSEALED: Final = """
    SELECT count(*) FROM audit_events e WHERE NOT EXISTS (SELECT FROM audit_chain c WHERE c.event_id = e.id)
"""


async def head(connection: Connection) -> Head | None:
    """Return where the chain ends as it was noted; None where that is gone."""
    async with edge(connection) as sql:
        row = await sql.fetchrow(HEAD)
    return Head(row["seq"], row["hash"]) if row else None


async def links(connection: Connection, above: int = LOWEST) -> AsyncIterator[tuple[Link, Written | None]]:
    """Yield every link above a number with its event, in order."""
    while True:
        async with edge(connection) as sql:
            rows = await sql.fetch(LINKS, above, PAGE)
        for row in rows:
            made = Link(row["seq"], row["event_id"], row["previous"], row["hash"])
            yield made, None if row["id"] is None else written(row)
        if len(rows) < PAGE:
            return
        above = rows[-1]["seq"]


async def forgotten(connection: Connection) -> int | None:
    """Return the number of an event that should be linked and will not be, None if there is none."""
    async with edge(connection) as sql:
        number: int | None = await sql.fetchval(FORGOTTEN, timeout=LONGEST)
    return number


async def unsealed(connection: Connection) -> int:
    """Count the events that are in no link."""
    async with edge(connection) as sql:
        return int(await sql.fetchval(UNSEALED, timeout=LONGEST))
