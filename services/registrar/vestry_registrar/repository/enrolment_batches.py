"""The first appearance of many keys of agents, each with a new agent of its own, in one statement.

One row costs Postgres a fraction of what it costs in a statement of its own: most of that is to begin a statement
with as many parts, and to commit it. What is promised of one (`enrolments.py`) is promised of each:

1. What is known is read, by what was there when the statement began. It is not tried to be written: that would wait
   for whoever changes such a key just now, and all others would wait too.
2. Every kid comes with a number for its agent. The other keys are written: the unique index over all kids decides,
   against other processes too. The rows are in the order of their kids, so two statements that have some in common
   cannot wait for each other in a ring.
3. Where the key was written, and only there, its agent is, and the event that says so.
4. What somebody else wrote since the statement began is not to be seen yet: that kid has no row, and whoever wants it
   asks once more.

It stands or falls as a whole: a single uid that is in use undoes all of it (`enrolment_queue.py` says what then).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from vestry_registrar.repository.edge import Executor, edge
from vestry_registrar.repository.enrolments import (
    FIND_AGENT_KEY,
    FoundAgentKey,
    NewKey,
    agent_key,
    parameters,
)

# The keys of these kids with their agents: new ones with the uids that come with them, and those that are known. No
# kid is among them twice. OFFSET 0: each known kid is asked for at the index, whatever the planner guesses.
ENROL_AGENTS: Final = f"""
    WITH asked AS MATERIALIZED (
        SELECT nextval('agents_id_seq') AS id, each.*
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                    $9::bigint[], $10::bigint[], $11::text[], $12::text[])
             AS each (kid, uid, value, actor_kind, actor, client_ip, request_id, details,
                      not_before, not_after, state, label)
    ), known AS MATERIALIZED (
        SELECT asked.kid, found.*
        FROM asked CROSS JOIN LATERAL ({FIND_AGENT_KEY.replace("$1", "asked.kid")} OFFSET 0) found
    ), key AS (
        INSERT INTO public_jwks (agent_id, kid, value, state, not_before, not_after, created_at, updated_at)
        SELECT id, kid, value::jsonb, 'active', not_before, not_after, now(), now() FROM asked
        WHERE kid NOT IN (SELECT kid FROM known)
        ON CONFLICT ON CONSTRAINT index_public_jwks_on_kid DO NOTHING
        RETURNING agent_id
    ), new AS (
        SELECT asked.* FROM asked JOIN key ON key.agent_id = asked.id
    ), owner AS (
        INSERT INTO agents (id, uid, version, state, label, created_at, updated_at)
        SELECT id, uid, 1, state, label, now(), now() FROM new
    ), told AS (
        INSERT INTO audit_events (event, uid, kid, actor_kind, actor, client_ip, request_id, details)
        SELECT 'agent.registered', 'agent-' || uid, kid, actor_kind, actor, client_ip, request_id, details::jsonb
        FROM new
    )
    SELECT kid, value, 'active' AS key_state, not_before, not_after,
           uid, 1::bigint AS version, state AS owner_state, true AS is_new,
           extract(epoch FROM statement_timestamp())::float8 AS read_at
    FROM new
    UNION ALL
    SELECT * FROM known
"""


class Enrolment(NamedTuple):
    """A key that wants an agent, and the digits of the uid if that is a new one."""

    digits: str
    new: NewKey


async def enrol_agents(executor: Executor, enrolments: Sequence[Enrolment]) -> dict[str, FoundAgentKey]:
    """Find keys, or write them with new agents; return what there is by its kid. A kid that is missing: ask again.

    Args:
        executor: a pool, or a connection.
        enrolments: at least one, and each of another kid.

    Raises:
        DatabaseUnavailable: it is unknown whether they were written; all of them were, or none.
        UidCollision: one of the uids is in use, and nothing was written.
    """
    rows = sorted(parameters(digits, new) for digits, new in enrolments)
    async with edge(executor) as sql:
        found = await sql.fetch(ENROL_AGENTS, *map(list, zip(*rows, strict=True)))
    return {row["kid"]: agent_key(row, row["kid"]) for row in found}
