"""Many agents in a database at once, written past the registrar: rows as a registration writes them."""

from collections.abc import Sequence
from typing import Final

import psycopg

from vestry.embedded import Postgres
from vestry_registrar.migrate import migrate
from vestry_registrar.repository.pairs import kept
from vestry_signatures import PrivateKey, generate

# Names and keys of the n-th agent: no more than random text, which is all that a look-up sees.
UID: Final = "substr(encode(sha256(('uid ' || n)::bytea), 'hex'), 1, 24)"
KID: Final = "rtrim(translate(encode(sha256(('kid ' || n)::bytea), 'base64'), '+/', '-_'), '=')"
X: Final = KID.replace("kid ", "x ")

# The indexes are there already, so they look as they do after as many registrations.
AGENTS: Final = f"""
    INSERT INTO agents (id, uid, state, created_at, updated_at)
    SELECT nextval('agents_id_seq'), {UID}, 'active', now(), now() FROM generate_series(1, %s::bigint) n
"""
KEYS: Final = f"""
    INSERT INTO public_jwks (agent_id, kid, value, state, created_at, updated_at)
    SELECT n, {KID}, jsonb_build_object('x', {X}), 'active', now(), now()
    FROM generate_series(1, %s::bigint) n
"""


def database_of(postgres: Postgres, agents: int) -> str:
    """Make a database with so many agents, and return its URL."""
    name = f"of_{agents}"
    with psycopg.connect(postgres.database_url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = postgres.database_url(name)
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (AGENTS, KEYS):
            connection.execute(statement, (agents,))
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return url


def bytes_an_agent(url: str) -> dict[str, float]:
    """What an agent with one key takes: by table, and by index of a table."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM agents").fetchone()
        assert row is not None
        sizes = connection.execute(
            "SELECT relname, pg_relation_size(oid) FROM pg_class"
            " WHERE oid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN"
            " ('agents'::regclass, 'public_jwks'::regclass))"
            " OR oid IN ('agents'::regclass, 'public_jwks'::regclass) ORDER BY 2 DESC"
        ).fetchall()
    return {name: size / row[0] for name, size in sizes}


def names(url: str, number: int) -> list[tuple[str, str]]:
    """The uid and the kid of some agents, drawn from all of them."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT a.uid, k.kid FROM generate_series(1, %s) CROSS JOIN LATERAL"
            " (SELECT 1 + floor(random() * (SELECT max(id) FROM agents))::bigint AS id OFFSET 0) drawn"
            " JOIN agents a ON a.id = drawn.id JOIN public_jwks k ON k.agent_id = a.id",
            (number,),
        ).fetchall()


def add_agents(url: str, number: int) -> list[tuple[str, PrivateKey]]:
    """Add agents that can sign to a database; return the bare uid and the key of each."""
    made = [(f"{n:024x}", generate()) for n in range(1, number + 1)]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        first = cursor.execute(
            "SELECT nextval('agents_id_seq'), setval('agents_id_seq', nextval('agents_id_seq') + %s)",
            (number,),
        ).fetchone()
        assert first is not None
        _copy(
            cursor,
            "agents (id, uid, created_at, updated_at)",
            [(first[0] + n, uid, "now", "now") for n, (uid, _) in enumerate(made)],
        )
        _copy(
            cursor,
            "public_jwks (agent_id, kid, value, created_at, updated_at)",
            [
                (first[0] + n, key.public.kid, kept({"x": key.public.jwk["x"]}), "now", "now")
                for n, (_, key) in enumerate(made)
            ],
        )
    return made


def _copy(
    cursor: "psycopg.Cursor[tuple[object, ...]]", into: str, rows: Sequence[tuple[object, ...]]
) -> None:
    with cursor.copy(f"COPY {into} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
