"""What every adoption leaves behind: the quarantine, the audit trail, sequences that go on behind the last number.

The quarantine is a table of its own: nothing reads it but people. Its rows are what rows were, without private
members; `fate` says whether the row itself is still in its table (`tidied`, `revoked`) or not (`moved`).
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from vestry_registrar.adoption.judgement import JudgedAgent, JudgedKey, Judgement
from vestry_registrar.adoption.reasons import Fate, Reason
from vestry_registrar.adoption.rows import Connection
from vestry_registrar.audit.event import Actor, Event, Origin
from vestry_registrar.repository import audit

ORIGIN: Final = Origin(Actor("system", "adopt"))

CREATE: Final = """
    CREATE TABLE adoption_quarantine (
        id bigserial CONSTRAINT adoption_quarantine_pkey PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now(),
        origin varchar(16) NOT NULL,
        fate varchar(16) NOT NULL,
        reasons text[] NOT NULL,
        removed text[] NOT NULL,
        original jsonb NOT NULL
    )
"""

INSERT: Final = """
    INSERT INTO adoption_quarantine (origin, fate, reasons, removed, original) VALUES (%s, %s, %s, %s, %s::jsonb)
"""

# An event: the audit trail's own columns in their order.
TELL: Final = f"INSERT INTO audit_events ({audit.COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s::jsonb)"  # noqa: S608

# The number that comes next, above every row's and never below the present one.
NEXT: Final = """
    SELECT greatest((SELECT coalesce(max(id), 0) + 1 FROM {table}), last_value + is_called::int) FROM {table}_id_seq
"""


def leave(connection: Connection, judgement: Judgement) -> None:
    """Write the quarantine and the audit trail, and move the sequences; in the adoption's transaction."""
    connection.execute(CREATE)
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, list(_quarantine(judgement)))
        cursor.executemany(TELL, [audit.values(event) for event in events(judgement)])
    for table in ("agents", "public_jwks"):
        _go_on(connection, table)


def _go_on(connection: Connection, table: str) -> None:
    """Let a sequence go on; unlike `setval`, this goes back with the transaction."""
    for (number,) in connection.execute(NEXT.format(table=table)).fetchall():
        connection.execute(f"ALTER SEQUENCE {table}_id_seq RESTART WITH {int(number)}")


def _quarantine(judgement: Judgement) -> Iterator[tuple[Any, ...]]:
    for agent in judgement.agents:
        if agent.reasons:
            yield "agents", agent.fate.name.lower(), codes(agent.reasons), [], json.dumps(asdict(agent.row))
    for key in judgement.keys:
        if key.reasons:
            original = {**asdict(key.evidence.row), "value": key.evidence.value}
            removed = list(key.evidence.removed)
            yield "public_jwks", key.fate.name.lower(), codes(key.reasons), removed, json.dumps(original)


def codes(reasons: tuple[Reason, ...]) -> list[str]:
    """Return the codes of reasons."""
    return [reason.code for reason in reasons]


def events(judgement: Judgement) -> Iterator[Event]:
    """Yield what the audit trail is told, the database as a whole first."""
    yield Event("database.adopted", ORIGIN, details=_numbers(judgement))
    yield from (_of_agent(agent) for agent in judgement.agents)
    yield from (_of_key(key) for key in judgement.keys)


def _numbers(judgement: Judgement) -> dict[str, int]:
    return {
        "agents_found": len(judgement.agents),
        "agents_kept": len(judgement.kept_agents),
        "keys_found": len(judgement.keys),
        "keys_kept": len(judgement.kept_keys),
    }


def _of_agent(agent: JudgedAgent) -> Event:
    row = agent.row
    if agent.fate is Fate.MOVED:
        details = {"reasons": codes(agent.reasons), "stored_uid": row.uid, "row": row.id}
        return Event("agent.quarantined", ORIGIN, details=details)
    times = {"created_at": row.created_at, "updated_at": row.updated_at}
    return Event("agent.adopted", ORIGIN, agent.uid, details=times)


def _of_key(key: JudgedKey) -> Event:
    """Say what counts for who can sign from now on (`audit/event.py`) and, beside it, what was found."""
    row = key.evidence.row
    found = {"state": row.state, "created_at": row.created_at, "updated_at": row.updated_at, "row": row.id}
    details = {**found, "reasons": codes(key.reasons), "removed": list(key.evidence.removed)}
    kept = "key.added" if key.state == "active" else "key.revoked"
    return Event("key.quarantined" if key.fate is Fate.MOVED else kept, ORIGIN, key.uid, row.kid, details)
