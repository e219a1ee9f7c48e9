"""Finding agents and tools, page by page, the newest first.

A condition is a piece of SQL of our own with a place for one value; what a caller sends is only ever a value. No
pattern is matched (`starts_with` and `strpos` instead of LIKE), so no character of it is special.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vestry_registrar.repository.administration import AGENTS, Kind
from vestry_registrar.repository.edge import Executor, edge
from vestry_registrar.repository.pairs import every_key, jwk
from vestry_service.postgres import Pool

# What can be asked of an owner (o); a whole uid or kid is found by its index, a beginning by looking at every row.
_CONDITIONS: Final[Mapping[str, str]] = {
    "uid": "o.uid = {}",
    "uid_prefix": "starts_with(o.uid, {})",
    "kid": "o.id = (SELECT k.OWNER FROM public_jwks k WHERE k.kid = {})",
    "kid_prefix": "EXISTS (SELECT FROM public_jwks k WHERE k.OWNER = o.id AND starts_with(k.kid, {}))",
    "label": "strpos(lower(o.label), lower({})) > 0",
    "state": "o.state = {}",
    "since": "o.created_at >= to_timestamp({}::bigint)",
    "until": "o.created_at < to_timestamp({}::bigint)",
    "below": "o.id < {}",
}

_OWNER: Final = """
    o.id, o.uid, o.state, o.label, extract(epoch FROM o.created_at)::bigint AS created_at,
    extract(epoch FROM o.updated_at)::bigint AS updated_at
"""

# How many keys an owner has in each state.
_KEYS: Final = """
    (SELECT coalesce(jsonb_object_agg(s.state, s.number), '{}')::text
     FROM (SELECT k.state, count(*) AS number FROM KEYS k WHERE k.OWNER = o.id GROUP BY k.state) s) AS keys
"""

# One agent.
AGENT: Final = f"SELECT {_OWNER}, o.version FROM agents o WHERE o.uid = $1"

# Its keys, the oldest first.
KEYS_OF: Final = f"""
    SELECT kid, state, not_before, not_after, value::text AS value,
           extract(epoch FROM created_at)::bigint AS created_at,
           extract(epoch FROM updated_at)::bigint AS updated_at
    FROM {every_key("$1")} k ORDER BY id
"""

# What was done to it lately, the newest first.
EVENTS_OF: Final = """
    SELECT extract(epoch FROM at)::bigint AS at, event, kid, actor_kind, actor, client_ip, request_id,
           details::text AS details
    FROM audit_events WHERE uid = $1 ORDER BY id DESC LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A row's number, which only cursors show, and what is told of it."""

    number: int
    facts: dict[str, Any]


async def page(executor: Executor, kind: Kind, asked: Mapping[str, Any], limit: int) -> list[Row]:
    """Find at most `limit` agents or tools, the newest first.

    Args:
        executor: runs the statement.
        kind: agents or tools.
        asked: values by the names of `_CONDITIONS`; every one must hold. A uid is without its prefix.
        limit: rows.

    Raises:
        DatabaseUnavailable.
    """
    async with edge(executor) as sql:
        rows = await sql.fetch(_statement(kind, tuple(asked)), *asked.values(), limit)
    return [Row(row["id"], {**_owner(kind, row), "keys": json.loads(row["keys"])}) for row in rows]


def _statement(kind: Kind, names: tuple[str, ...]) -> str:
    conditions = [_CONDITIONS[name].format(f"${place}") for place, name in enumerate(names, 1)]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    statement = (
        f"SELECT {_OWNER}, {_KEYS} FROM {kind.table} o {where} ORDER BY o.id DESC LIMIT ${len(names) + 1}"
    )
    keys = every_key("o.id") if kind is AGENTS else "public_jwks"
    return statement.replace("OWNER", kind.owner).replace("KEYS", keys)


async def agent(pool: Pool, digits: str, events: int) -> dict[str, Any] | None:
    """Tell everything of one agent, with its last `events`; None where there is none. All of it is of one moment.

    Raises DatabaseUnavailable.
    """
    async with edge(pool) as sql, sql.transaction(isolation="repeatable_read", readonly=True):
        row = await sql.fetchrow(AGENT, digits)
        if row is None:
            return None
        facts = {**_owner(AGENTS, row), "version": row["version"]}
        keys = [_key(each) for each in await sql.fetch(KEYS_OF, row["id"])]
        told = [_event(each) for each in await sql.fetch(EVENTS_OF, facts["uid"], events)]
    return {**facts, "keys": keys, "events": told}


def _owner(kind: Kind, row: Mapping[str, Any]) -> dict[str, Any]:
    facts = {name: row[name] for name in ("state", "label", "created_at", "updated_at")}
    return {"uid": kind.prefix + row["uid"], **facts}


def _key(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "value": jwk(row["value"], row["kid"])}


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "details": json.loads(row["details"])}
