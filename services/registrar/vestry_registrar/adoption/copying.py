"""What is believed of a vestauth database is written into another one, which is ours and has no agents yet.

The numbers of the rows are kept too: what the quarantine says of them stays true. A database with agents, tools or
keys of its own is refused; which of two agents were meant by a uid or kid in both, nobody could say.
"""

import json
from typing import Any, Final

from vestry_registrar.adoption.errors import NotEmpty, NotVestauth
from vestry_registrar.adoption.judgement import JudgedKey, Judgement
from vestry_registrar.adoption.recognition import exists
from vestry_registrar.adoption.rows import ONE_SPELLING, Connection
from vestry_registrar.migrate import Backend, folder, read, refuse_newer

TABLES: Final = ("agents", "tools", "public_jwks")

# Whether there are rows in each of those tables.
FILLED: Final = " UNION ALL ".join(f"SELECT EXISTS (SELECT FROM {table})" for table in TABLES)  # noqa: S608

INSERT_AGENT: Final = "INSERT INTO agents (id, uid, created_at, updated_at) VALUES (%s, %s, %s, %s)"

# A key; its time changes only where it has acted until now and no longer does.
INSERT_KEY: Final = """
    INSERT INTO public_jwks (id, agent_id, kid, value, state, created_at, updated_at)
    VALUES (%(id)s, %(agent_id)s, %(kid)s, %(value)s::jsonb, %(state)s, %(created_at)s,
            CASE WHEN %(ends)s THEN now() ELSE %(updated_at)s::timestamptz END)
"""


def prepare(backend: Backend) -> None:
    """Bring the other database to our form, and keep everybody out of it until the transaction ends.

    Raises NotVestauth where it is a vestauth server's own; NotEmpty; what `migrate` raises.
    """
    connection: Connection = backend.connection
    if exists(connection, "knex_migrations"):
        raise NotVestauth("the database to copy into belongs to a vestauth server: name an empty one")
    migrations = read(folder())
    refuse_newer(backend, migrations)
    backend.apply_migrations(backend.to_apply(migrations))
    connection.execute(f"LOCK TABLE {', '.join(TABLES)} IN ACCESS EXCLUSIVE MODE")
    for table, (filled,) in zip(TABLES, connection.execute(FILLED).fetchall(), strict=True):
        if filled:
            raise NotEmpty(f"the database to copy into has rows in {table} already: name an empty one")


def write(connection: Connection, judgement: Judgement) -> None:
    """Write what is believed."""
    connection.execute(ONE_SPELLING)
    agents = [agent.row for agent in judgement.kept_agents]
    with connection.cursor() as cursor:
        cursor.executemany(INSERT_AGENT, [(a.id, a.uid, a.created_at, a.updated_at) for a in agents])
        cursor.executemany(INSERT_KEY, [_key(key) for key in judgement.kept_keys])


def _key(key: JudgedKey) -> dict[str, Any]:
    row = key.evidence.row
    return {
        "id": row.id,
        "agent_id": row.agent_id,
        "kid": row.kid,
        "value": json.dumps(key.evidence.jwk),
        "state": key.state,
        "ends": row.state == "active" and key.state != "active",
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }
