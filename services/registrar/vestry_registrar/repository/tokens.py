"""Tokens that let a key in: enrolment tokens, which have a label, and attach tokens, which have an agent.

A use is counted in the transaction that it lets happen. The row is locked by the counting, so of many at once no more
pass than there are uses, and a use whose transaction is rolled back was none.
"""

from dataclasses import dataclass
from typing import Any, Final

from vestry_registrar.repository.edge import Executor, edge
from vestry_registrar.repository.uids import AGENT, bare

# A new token that lives $6 seconds; no row where its agent is not there.
ADD: Final = """
    INSERT INTO tokens (token_hash, label, agent_id, uses, uses_left, created_by, expires_at)
    SELECT $1, $2::text, a.id, $4, $4, $5, clock_timestamp() + make_interval(secs => $6)
    FROM (VALUES ($3::text)) AS wanted (uid) LEFT JOIN agents a ON a.uid = wanted.uid
    WHERE wanted.uid IS NULL OR a.id IS NOT NULL
    RETURNING id, extract(epoch FROM expires_at)::bigint AS expires_at
"""

# One use of the token of this hash, if it has one left and counts.
_USE: Final = """
    UPDATE tokens SET uses_left = uses_left - 1
    WHERE token_hash = $1 AND uses_left > 0 AND revoked_at IS NULL AND expires_at > clock_timestamp()
"""
USE_ENROLMENT: Final = f"{_USE} AND label IS NOT NULL RETURNING id, label, created_by, NULL AS uid"
USE_ATTACH: Final = f"""
    WITH used AS ({_USE} AND agent_id IS NOT NULL RETURNING id, agent_id, created_by)
    SELECT used.id, NULL AS label, used.created_by, a.uid FROM used JOIN agents a ON a.id = used.agent_id
"""

# The token of this number counts no more from now on; a second time changes nothing.
REVOKE: Final = """
    WITH known AS (SELECT id, revoked_at FROM tokens WHERE id = $1 FOR UPDATE), gone AS (
        UPDATE tokens SET revoked_at = clock_timestamp() FROM known
        WHERE tokens.id = known.id AND known.revoked_at IS NULL
    )
    SELECT revoked_at IS NULL AS changed FROM known
"""

# Tokens below number $1, the newest first.
PAGE: Final = """
    SELECT t.id, t.label, a.uid, t.uses, t.uses_left, t.created_by,
           extract(epoch FROM t.created_at)::bigint AS created_at,
           extract(epoch FROM t.expires_at)::bigint AS expires_at,
           extract(epoch FROM t.revoked_at)::bigint AS revoked_at
    FROM tokens t LEFT JOIN agents a ON a.id = t.agent_id
    WHERE $1::bigint IS NULL OR t.id < $1
    ORDER BY t.id DESC LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Used:
    """What a use of a token allows: its number and label, or the `agent-…` it is for; and which operator made it."""

    id: int
    label: str | None
    uid: str | None
    created_by: str


async def add(
    executor: Executor,
    token_hash: bytes,
    *,
    label: str | None,
    uid: str | None,
    uses: int,
    created_by: str,
    seconds: int,
) -> tuple[int, int] | None:
    """Keep a new token with a label or an agent; return its number and when it expires (Unix seconds).

    None: there is no such agent. Raises DatabaseUnavailable.
    """
    digits = None if uid is None else bare(uid)
    async with edge(executor) as sql:
        row = await sql.fetchrow(ADD, token_hash, label, digits, uses, created_by, seconds)
    return None if row is None else (row["id"], row["expires_at"])


async def use_enrolment(executor: Executor, token_hash: bytes) -> Used | None:
    """Count a use of an enrolment token; None where it does not count. Raises DatabaseUnavailable."""
    return await _use(executor, USE_ENROLMENT, token_hash)


async def use_attach(executor: Executor, token_hash: bytes) -> Used | None:
    """Count the use of an attach token; None where it does not count. Raises DatabaseUnavailable."""
    return await _use(executor, USE_ATTACH, token_hash)


async def _use(executor: Executor, statement: str, token_hash: bytes) -> Used | None:
    async with edge(executor) as sql:
        row = await sql.fetchrow(statement, token_hash)
    if row is None:
        return None
    return Used(row["id"], row["label"], AGENT + row["uid"] if row["uid"] else None, row["created_by"])


async def revoke(executor: Executor, number: int) -> bool | None:
    """Take a token out of use; False where it was so already, None where there is none."""
    async with edge(executor) as sql:
        changed: bool | None = await sql.fetchval(REVOKE, number)
    return changed


async def page(executor: Executor, below: int | None, limit: int) -> list[dict[str, Any]]:
    """Return what is known of at most `limit` tokens, the newest first. Raises DatabaseUnavailable."""
    async with edge(executor) as sql:
        rows = await sql.fetch(PAGE, below, limit)
    return [{**row, "uid": AGENT + row["uid"] if row["uid"] else None} for row in rows]
