"""No statement reads the whole table of keys: each asks an index, however many there are."""

import importlib
import pkgutil
from collections.abc import Iterator

import psycopg
import pytest

from vestry_registrar import repository
from vestry_registrar.migrate import migrate
from vestry_registrar.repository import search
from vestry_registrar.repository.administration import AGENTS

VERBS = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")
COUNTING = {"counts.AGENTS_BY_STATE", "counts.TOOLS_BY_STATE", "counts.KEYS_BY_STATE"}
"""What counts everything reads everything, now and then."""

# As many agents as make an index worth while, each with a key in use and two that are not.
AGENTS_AND_KEYS = """
    INSERT INTO agents (uid, created_at, updated_at)
    SELECT substr(encode(sha256(('uid ' || n)::bytea), 'hex'), 1, 24), now(), now() FROM generate_series(1, 3000) n;
    INSERT INTO public_jwks (agent_id, kid, value, state, created_at, updated_at)
    SELECT 1 + n % 3000, rtrim(translate(encode(sha256(('kid ' || n)::bytea), 'base64'), '+/', '-_'), '='),
           '{"x": "some"}', CASE WHEN n < 3000 THEN 'active' ELSE 'revoked' END, now(), now()
    FROM generate_series(0, 8999) n;
    ANALYZE agents, public_jwks
"""


def statements() -> Iterator[tuple[str, str]]:
    """Every statement of the repository, by its name."""
    for found in pkgutil.iter_modules(repository.__path__):
        module = importlib.import_module(f"{repository.__name__}.{found.name}")
        for name, value in vars(module).items():
            texts = value.values() if isinstance(value, dict) else [value]
            for text in texts if name.isupper() else []:
                if isinstance(text, str) and text.lstrip().startswith(VERBS):
                    yield f"{found.name}.{name}", text
    for asked in ([], ["uid"], ["kid"], ["below"]):
        yield f"search.page({', '.join(asked)})", search._statement(AGENTS, tuple(asked))


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(AGENTS_AND_KEYS)
        yield connection


def planned(connection: psycopg.Connection, statement: str) -> str:
    """How Postgres would carry out a statement, whatever its parameters are."""
    rows = connection.execute(f"EXPLAIN (GENERIC_PLAN, COSTS OFF) {statement}".encode()).fetchall()
    return "\n".join(line for (line,) in rows)


def test_statements_ask_indexes(connection: psycopg.Connection) -> None:
    """Also those that want all keys of an agent, of which one index has these and another one those."""
    seen = 0
    for name, statement in statements():
        if name in COUNTING or "public_jwks" not in statement:
            continue
        plan = planned(connection, statement)
        assert "Seq Scan on public_jwks" not in plan, f"{name}:\n{plan}"
        seen += 1
    assert seen > 15


@pytest.mark.parametrize("name", ["records.OF_AGENT", "records.OF_AGENTS", "keys.ALL_KEYS", "search.KEYS_OF"])
def test_all_keys_of_an_agent_are_in_two_indexes(connection: psycopg.Connection, name: str) -> None:
    """What is in use and what is not are asked for each at its own."""
    [statement] = [text for found, text in statements() if found == name]
    plan = planned(connection, statement)
    for index in ("public_jwks_in_use", "index_public_jwks_on_agent_id"):
        assert index in plan, plan
