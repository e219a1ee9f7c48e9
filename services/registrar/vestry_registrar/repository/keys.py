"""Which keys an agent has, for those who read: the directory, and the agent itself.

The order is the directory's: what is active now, then what is active soon, then what is retiring; in each the oldest
first. (By their names `active` comes before `retiring`, and that before `revoked`.)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vestry_registrar.repository.edge import Executor, edge
from vestry_registrar.repository.pairs import every_key, jwk, validity
from vestry_registrar.repository.uids import bare
from vestry_signatures.validity import Validity

# Keys that are in use at $2 or later, of an agent that is in use itself; one row of nulls for an agent that has none.
PUBLISHED_KEYS: Final = """
    SELECT a.version, k.kid, k.value::text AS value, k.not_before, k.not_after
    FROM agents a LEFT JOIN public_jwks k ON k.agent_id = a.id AND a.state = 'active'
                                         AND k.state <> 'revoked' AND coalesce(k.not_after > $2, true)
    WHERE a.uid = $1
    ORDER BY k.state, coalesce(k.not_before > $2, false), k.id
"""

# Every key that an agent has, and of those it had the latest; at most $3.
ALL_KEYS: Final = f"""
    SELECT k.kid, k.value::text AS value, k.state, k.not_before, k.not_after, k.proof::text AS proof,
           extract(epoch FROM k.created_at)::bigint AS added, extract(epoch FROM k.updated_at)::bigint AS changed
    FROM agents a CROSS JOIN {every_key("a.id")} k
    WHERE a.uid = $1
    ORDER BY k.state = 'revoked' OR coalesce(k.not_after <= $2, false), k.state, coalesce(k.not_before > $2, false),
             CASE k.state WHEN 'revoked' THEN -k.id ELSE k.id END
    LIMIT $3
"""

LISTED: Final = 200
"""Keys that an agent is shown at most: far more than it may have at once."""


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key as its agent sees it.

    Attributes:
        kid: its thumbprint.
        jwk: the public key, a JWK with its `kid`.
        state: `active`, `retiring` or `revoked`.
        validity: when it may be used.
        added, changed: Unix seconds.
        proof: evidence that its holder agreed, where that was shown.
    """

    kid: str
    jwk: dict[str, Any]
    state: str
    validity: Validity
    added: int
    changed: int
    proof: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Published:
    """What an agent's directory shows.

    Attributes:
        version: the agent's, raised by every change of its keys or state.
        keys: JWKs.
        until: Unix seconds: then time alone changes what is shown; None if it does not.
    """

    version: int
    keys: list[dict[str, Any]]
    until: int | None


async def published(executor: Executor, uid: str, now: int) -> Published | None:
    """Return what an agent's directory shows, or None if there is no such agent.

    Each key has its `kid`, and `nbf` and `exp` where it has them; the active ones come first. An agent that is not in
    use, suspended for example, shows none.

    Args:
        executor: a pool, or a connection.
        uid: `agent-…`.
        now: seconds since the epoch.

    Raises:
        DatabaseUnavailable.
    """
    async with edge(executor) as sql:
        rows = await sql.fetch(PUBLISHED_KEYS, bare(uid), now)
    if not rows:
        return None
    keys = [jwk(row["value"], row["kid"]) | validity(row).members() for row in rows if row["kid"] is not None]
    bounds = [bound for row in rows for bound in validity(row) if bound is not None and bound > now]
    return Published(rows[0]["version"], keys, min(bounds, default=None))


async def published_keys(executor: Executor, uid: str, now: int) -> list[dict[str, Any]] | None:
    """Return the JWKs alone. As `published`."""
    found = await published(executor, uid, now)
    return None if found is None else found.keys


async def all_keys(executor: Executor, uid: str, now: int) -> list[ListedKey]:
    """Return what an agent has and had, in the directory's order; of what it had only the latest.

    Raises DatabaseUnavailable.
    """
    async with edge(executor) as sql:
        rows = await sql.fetch(ALL_KEYS, bare(uid), now, LISTED)
    return [_listed(row) for row in rows]


def _listed(row: Mapping[str, Any]) -> ListedKey:
    return ListedKey(
        kid=row["kid"],
        jwk=jwk(row["value"], row["kid"]),
        state=row["state"],
        validity=validity(row),
        added=row["added"],
        changed=row["changed"],
        proof=None if row["proof"] is None else json.loads(row["proof"]),
    )
