"""Going back from states and tokens to the older form."""

import psycopg

from vestry_registrar.migrate import folder, migrate, open_backend, read

FILLED = """
    INSERT INTO agents (uid, state, created_at, updated_at)
    SELECT lpad(number::text, 24, '0'), state, now(), now()
    FROM unnest(ARRAY['active', 'suspended', 'pending', 'revoked']) WITH ORDINALITY AS given (state, number);
    INSERT INTO tools (uid, state, created_at, updated_at) VALUES (repeat('0', 24), 'pending', now(), now());
    INSERT INTO operators (name, token_hash) VALUES ('alice', sha256('x'));
    INSERT INTO tokens (token_hash, agent_id, uses, uses_left, created_by, expires_at)
    SELECT sha256('y'), min(id), 1, 1, 'alice', now() FROM agents;
"""


def test_a_rollback_lets_nobody_in(database_url: str) -> None:
    """Whoever was pending or revoked is suspended in the older form, which knows no other way to keep them out."""
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(FILLED)
        with open_backend(database_url) as backend:
            for migration in backend.to_rollback(read(folder())):
                backend.rollback_one(migration)
                if migration.id.startswith("0006."):
                    break
        states = connection.execute("SELECT state FROM agents ORDER BY uid").fetchall()
    assert states == [("active",), ("suspended",), ("suspended",), ("suspended",)]
    assert migrate(database_url) >= 1
