"""The embedded stores: they serve, they stop, and what was written is there again."""

import psycopg
import redis

from stores import PostgresServer, ValkeyServer


def _ask(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else None


def test_a_database_is_empty_and_private(database_url: str) -> None:
    """Each test gets a database without tables of ours, in UTF-8."""
    assert _ask(database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    assert _ask(database_url, "SHOW server_encoding") == [("UTF8",)]


def test_postgres_survives_kill_nine(own_postgres: PostgresServer) -> None:
    """What was committed before every process was killed at once is there afterwards."""
    _ask(own_postgres.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    own_postgres.kill()
    own_postgres.start()
    assert _ask(own_postgres.url, "SELECT answer FROM kept") == [(42,)]


def test_valkey_survives_kill_nine(own_valkey: ValkeyServer) -> None:
    """What was written before the server was killed is there afterwards."""
    with redis.Redis.from_url(own_valkey.url) as client:
        client.set("kept", "42")
        own_valkey.kill()
        own_valkey.start()
        assert client.get("kept") == b"42"
