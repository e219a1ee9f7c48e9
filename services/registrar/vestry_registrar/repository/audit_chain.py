"""The chain over the audit trail: what the sealer reads and writes (`audit/sealer.py` explains the order)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from vestry_registrar.audit.chain import Head, Link, Written
from vestry_registrar.repository.audit import EVENT, LOCK_NUMBER, written
from vestry_registrar.repository.edge import Executor, edge
from vestry_service.postgres import Connection

MANY: Final = 10_000

# Whether we are the one sealer until our transaction ends.
TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"

# The end of the chain, the highest event number passed, the oldest transaction that is not over, and whether the
# chain has link $1 with hash $2.
STATE: Final = """
    SELECT seq, hash, high, pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
           EXISTS (SELECT FROM audit_chain WHERE seq = $1 AND hash = $2) AS has_known
    FROM audit_head
"""

# An event is in no link. Written as it is, so that each event asks the index, whatever the planner guesses: a join
# might read the whole chain, four times a second.
_IS_UNLINKED: Final = "(SELECT c.seq FROM audit_chain c WHERE c.event_id = e.id) IS NULL"

# Events in the gaps that are not linked yet, at most $1, in order.
LATE: Final = f"""
    SELECT late.* FROM audit_gaps g CROSS JOIN LATERAL (
        SELECT {EVENT} FROM audit_events e
        WHERE e.id BETWEEN g.first AND g.last AND {_IS_UNLINKED}
        ORDER BY e.id LIMIT $1
    ) late
    ORDER BY late.id LIMIT $1
"""

# Events above number $1 that are not linked yet, at most $2, in order.
NEW: Final = f"""
    SELECT {EVENT} FROM audit_events e WHERE e.id > $1 AND {_IS_UNLINKED} ORDER BY e.id LIMIT $2
"""

# New links.
ADD_LINKS: Final = """
    INSERT INTO audit_chain (seq, event_id, previous, hash)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[])
"""

# The chain ends here now, and every event up to number $3 is linked or may come in a gap.
MOVE_HEAD: Final = "UPDATE audit_head SET seq = $1, hash = $2, high = greatest(high, $3)"

# Event numbers that were not to be seen, with the number of this transaction.
ADD_GAPS: Final = """
    INSERT INTO audit_gaps (first, last, noticed_by)
    SELECT gap.*, pg_current_xact_id()::text::bigint FROM unnest($1::bigint[], $2::bigint[]) AS gap
"""

# Gaps that nobody can fill any more, since every transaction before $1 is over.
DROP_GAPS: Final = "DELETE FROM audit_gaps WHERE noticed_by <= $1"

# How many events above the mark are older than $1 seconds, counted up to $2.
LEFT_BEHIND: Final = """
    SELECT count(*) FROM (
        SELECT FROM audit_events
        WHERE id > coalesce((SELECT high FROM audit_head), 0) AND at < now() - make_interval(secs => $1) LIMIT $2
    ) e
"""


class Gap(NamedTuple):
    """Event numbers, from first to last, that were not to be seen."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class State:
    """How far the sealing has come.

    Attributes:
        head: the end of the chain.
        high: the highest event number passed.
        horizon: number of the oldest transaction that is not over.
        has_known: the chain has the head that was asked for.
    """

    head: Head
    high: int
    horizon: int
    has_known: bool


async def try_lock(connection: Connection) -> bool:
    """Become the one sealer until the transaction ends; False if another is."""
    async with edge(connection) as sql:
        return bool(await sql.fetchval(TRY_LOCK, LOCK_NUMBER))


async def state(executor: Executor, known: Head) -> State | None:
    """Return how far the sealing has come; None where the head is gone."""
    async with edge(executor) as sql:
        row = await sql.fetchrow(STATE, known.seq, known.hash)
    if row is None:
        return None
    return State(Head(row["seq"], row["hash"]), row["high"], row["horizon"], row["has_known"])


async def unlinked(executor: Executor, high: int, limit: int) -> list[Written]:
    """Return events in the gaps and above a number that are not linked yet, at most `limit`, in order."""
    async with edge(executor) as sql:
        rows = await sql.fetch(LATE, limit)
        rows += await sql.fetch(NEW, high, limit - len(rows))
    return [written(row) for row in rows]


async def add_links(executor: Executor, links: Sequence[Link], high: int) -> None:
    """Write new links and where the chain ends now; `high`: the highest event number passed."""
    columns = zip(*((each.seq, each.event_id, each.previous, each.hash) for each in links), strict=True)
    async with edge(executor) as sql:
        await sql.execute(ADD_LINKS, *(list(column) for column in columns))
        await sql.execute(MOVE_HEAD, links[-1].seq, links[-1].hash, high)


async def add_gaps(executor: Executor, gaps: Sequence[Gap]) -> None:
    """Note numbers that were not to be seen."""
    async with edge(executor) as sql:
        await sql.execute(ADD_GAPS, [gap.first for gap in gaps], [gap.last for gap in gaps])


async def drop_gaps(executor: Executor, horizon: int) -> None:
    """Forget the gaps that nobody can fill any more."""
    async with edge(executor) as sql:
        await sql.execute(DROP_GAPS, horizon)


async def left_behind(executor: Executor, seconds: float) -> int:
    """Count events that have waited for more than `seconds` to be sealed, up to `MANY`."""
    async with edge(executor) as sql:
        return int(await sql.fetchval(LEFT_BEHIND, seconds, MANY))
