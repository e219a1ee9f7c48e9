"""A vestauth database becomes ours where it stands.

1. Rows that are not believed leave the two tables; keys before agents.
2. What is kept is changed only where it has to be: private or foreign members go, a key that must not act is revoked.
3. The tables get whatever rule of our first migration they lack: a server's database has them all, one that somebody
   mended by hand may not.
4. The first migration counts as applied, since this is what it makes; all others are applied.
"""

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

from vestry_registrar.adoption.judgement import JudgedKey, Judgement
from vestry_registrar.adoption.reasons import Fate
from vestry_registrar.adoption.rows import Connection
from vestry_registrar.migrate import Backend, folder, read

DELETE_KEYS: Final = "DELETE FROM public_jwks WHERE id = ANY(%s)"
DELETE_AGENTS: Final = "DELETE FROM agents WHERE id = ANY(%s)"

# A key that is kept in another form; its time changes only where it has acted until now.
CHANGE_KEY: Final = """
    UPDATE public_jwks SET value = %(value)s::jsonb, state = %(state)s::varchar,
        updated_at = CASE WHEN state = 'active' AND %(state)s::varchar <> 'active' THEN now() ELSE updated_at END
    WHERE id = %(id)s
"""

# How a constraint of a table reads.
CONSTRAINT: Final = """
    SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = to_regclass(%s) AND conname = %s
"""

# The columns of a table that may be null, or have no default.
LAX_COLUMNS: Final = """
    SELECT attname, attnotnull, atthasdef FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""


class Rule(NamedTuple):
    """A constraint of the first migration."""

    table: str
    name: str
    definition: str


RULES: Final = (
    Rule("agents", "agents_pkey", "PRIMARY KEY (id)"),
    Rule("agents", "index_agents_on_uid", "UNIQUE (uid)"),
    Rule("public_jwks", "public_jwks_pkey", "PRIMARY KEY (id)"),
    Rule("public_jwks", "index_public_jwks_on_kid", "UNIQUE (kid)"),
    Rule("public_jwks", "public_jwks_agent_id_foreign", "FOREIGN KEY (agent_id) REFERENCES agents(id)"),
)
_MAY_BE_NULL: Final = frozenset({("agents", "uid")})
_DEFAULTS: Final = {
    ("agents", "id"): "nextval('agents_id_seq')",
    ("public_jwks", "id"): "nextval('public_jwks_id_seq')",
    ("public_jwks", "value"): "'{}'",
    ("public_jwks", "state"): "'active'",
}
_INDEX: Final = "index_public_jwks_on_agent_id"


def take_over(backend: Backend, judgement: Judgement) -> list[str]:
    """Bring the database to our form with what is believed; return which rules it lacked."""
    connection: Connection = backend.connection
    _clean(connection, judgement)  # (1), (2)
    mended = list(_mend(connection))  # (3)
    _migrate(backend)  # (4)
    return mended


def _clean(connection: Connection, judgement: Judgement) -> None:
    gone = [key.evidence.row.id for key in judgement.keys if key.fate is Fate.MOVED]
    connection.execute(DELETE_KEYS, (gone,))
    gone = [agent.row.id for agent in judgement.agents if agent.fate is Fate.MOVED]
    connection.execute(DELETE_AGENTS, (gone,))
    changed = [key for key in judgement.kept_keys if key.fate is not Fate.KEPT]
    with connection.cursor() as cursor:
        cursor.executemany(CHANGE_KEY, [_changed(key) for key in changed])


def _changed(key: JudgedKey) -> dict[str, object]:
    return {"id": key.evidence.row.id, "value": json.dumps(key.evidence.jwk), "state": key.state}


def _mend(connection: Connection) -> Iterator[str]:
    for rule in RULES:
        yield from _mend_rule(connection, rule)
    for table in ("agents", "public_jwks"):
        yield from _mend_columns(connection, table)
    if connection.execute("SELECT to_regclass(%s)", (_INDEX,)).fetchone() == (None,):
        connection.execute(f"CREATE INDEX {_INDEX} ON public_jwks (agent_id)")
        yield _INDEX


def _mend_rule(connection: Connection, rule: Rule) -> Iterator[str]:
    found = connection.execute(CONSTRAINT, (rule.table, rule.name)).fetchone()
    if found == (rule.definition,):
        return
    # The name may belong to another rule, or to a bare index that says the same.
    connection.execute(f"ALTER TABLE {rule.table} DROP CONSTRAINT IF EXISTS {rule.name}")
    connection.execute(f"DROP INDEX IF EXISTS {rule.name}")
    connection.execute(f"ALTER TABLE {rule.table} ADD CONSTRAINT {rule.name} {rule.definition}")
    yield rule.name


def _mend_columns(connection: Connection, table: str) -> Iterator[str]:
    for column, is_strict, has_default in connection.execute(LAX_COLUMNS, (table,)).fetchall():
        place = table, str(column)
        if not is_strict and place not in _MAY_BE_NULL:
            connection.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
            yield f"{table}.{column} NOT NULL"
        if not has_default and place in _DEFAULTS:
            connection.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {_DEFAULTS[place]}")
            yield f"{table}.{column} DEFAULT"


def _migrate(backend: Backend) -> None:
    backend.ensure_internal_schema_updated()
    first, *_ = migrations = read(folder())
    backend.log_migration(first, "mark")
    backend.mark_one(first, log=False)
    backend.apply_migrations(backend.to_apply(migrations))
