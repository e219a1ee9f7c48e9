"""Is this the database of a vestauth server, of a release that is known here?

Its two tables are what our first migration makes, column by column (a test compares both with a database that the
released server made), and knex, its migrator, has noted which migrations it had. Another column or migration could
mean something that is unknown here, such as that a key is not to be believed: then nothing is touched.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from vestry_registrar.adoption.errors import NotVestauth
from vestry_registrar.adoption.rows import Connection

_MOMENT: Final = "timestamp with time zone"
_TEXT: Final = "character varying(255)"
_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "agents": {"id": "bigint", "uid": _TEXT, "created_at": _MOMENT, "updated_at": _MOMENT},
    "public_jwks": {
        "id": "bigint", "agent_id": "bigint", "kid": _TEXT, "value": "jsonb", "state": _TEXT,
        "created_at": _MOMENT, "updated_at": _MOMENT,
    },
}  # fmt: skip
_SEQUENCES: Final = ("agents_id_seq", "public_jwks_id_seq")
_MIGRATIONS: Final = frozenset(
    {"20260223204000_create_agents_table.js", "20260223205500_create_public_jwks_table.js"}
)

# The columns of a table, with their types.
COLUMNS: Final = """
    SELECT attname, format_type(atttypid, atttypmod)
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE attrelid = to_regclass(%s) AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
"""

# Whether a table or sequence is there.
EXISTS: Final = "SELECT to_regclass(%s) IS NOT NULL"

# Every table that a statement finds without naming a schema.
TABLES: Final = """
    SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_table_is_visible(c.oid)
      AND nspname NOT IN ('pg_catalog', 'information_schema')
    ORDER BY relname LIMIT 20
"""

MIGRATIONS: Final = "SELECT name FROM knex_migrations ORDER BY id"

# When this database was adopted.
ADOPTED: Final = "SELECT at::text FROM audit_events WHERE event = 'database.adopted' ORDER BY id LIMIT 1"


def exists(connection: Connection, relation: str) -> bool:
    """Tell whether a table or sequence is there."""
    return connection.execute(EXISTS, (relation,)).fetchone() == (True,)


def adopted(connection: Connection) -> str | None:
    """Return when a database was adopted or copied into; None where it never was."""
    if not exists(connection, "audit_events"):
        return None
    return next((str(at) for (at,) in connection.execute(ADOPTED)), None)


def recognise(connection: Connection) -> None:
    """Raise NotVestauth, saying what was found, unless this is a vestauth database."""
    wrong = list(_unlike(connection))
    if not wrong:
        return
    tables = ", ".join(str(name) for (name,) in connection.execute(TABLES)) or "none"
    raise NotVestauth(
        f"this is not the database of a vestauth server known here: {'; '.join(wrong)} (tables found: {tables})"
    )


def _unlike(connection: Connection) -> Iterator[str]:
    for table, wanted in _COLUMNS.items():
        yield from _unlike_table(table, wanted, dict(connection.execute(COLUMNS, (table,)).fetchall()))
    yield from (f"no sequence {name}" for name in _SEQUENCES if not exists(connection, name))
    if not exists(connection, "knex_migrations"):
        yield "no table knex_migrations"
        return
    had = {str(name) for (name,) in connection.execute(MIGRATIONS)}
    yield from (f"migration {name[:80]!r} is unknown here" for name in sorted(had - _MIGRATIONS))
    yield from (f"migration {name!r} is not applied" for name in sorted(_MIGRATIONS - had))


def _unlike_table(table: str, wanted: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    if not found:
        yield f"no table {table}"
        return
    for column in sorted(wanted.keys() | found.keys()):
        if column not in found:
            yield f"{table} has no column {column}"
        elif column not in wanted:
            yield f"{table} has a column {column!r}"
        elif found[column] != wanted[column]:
            yield f"{table}.{column} is {found[column]}"
