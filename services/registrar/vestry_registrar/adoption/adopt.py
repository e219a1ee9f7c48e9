"""The use case: one transaction, whole or not at all.

1. The migration lock is taken: no registrar starts meanwhile, and no second adoption runs.
2. A database that was adopted before is left alone; what is not recognised is refused.
3. Nobody else may be connected to it. The tables are locked against those who come later, but a server that goes on
   after the lock would write behind our back, without the audit trail and without telling the verifiers. So it has to
   be stopped first, and an open connection says that it was not. Postgres counts a client that died (a server just
   stopped, an adoption just killed) for a moment longer, so it is asked again for a while before anybody is refused.
4. Only now the rows are read: nothing that is read can change before everything is written.
5. Rows, rules, migrations, quarantine and audit trail are one transaction; killed anywhere, nothing has happened. A
   dry run does all of it and then takes it back, so what it reports is what would be.
"""

import time
from typing import Final

import psycopg

from vestry_registrar.adoption import copying, in_place
from vestry_registrar.adoption.aftermath import leave
from vestry_registrar.adoption.errors import AdoptionError, StillInUse
from vestry_registrar.adoption.judgement import judge
from vestry_registrar.adoption.one_transaction import BEGIN, PATIENCE, alone
from vestry_registrar.adoption.recognition import adopted, recognise
from vestry_registrar.adoption.report import Report
from vestry_registrar.adoption.rows import Connection, read
from vestry_registrar.migrate import dsn

SETTLING: Final = 2.0
"""Seconds that Postgres has for seeing that a client is gone."""

# Other clients of this database. What else a server does there by itself has no user.
OTHERS: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
      AND coalesce(backend_type, 'client backend') = 'client backend'
"""


def adopt(
    database_url: str, into: str | None = None, *, dry_run: bool = False, despite_connections: bool = False
) -> Report:
    """Take over the database of a vestauth server.

    Synchronous, as `migrate` is.

    Args:
        database_url: of the vestauth server's database.
        into: a database to copy to, empty or of ours without agents; None to adopt in place.
        dry_run: change nothing, and report what would be.
        despite_connections: go on although others are connected; see (3).

    Raises:
        AdoptionError: it is not adopted; the message says why.
        MigrationError: a database belongs to a newer release, or cannot be brought to our form.
    """
    try:
        if into is None:
            return _in_place(database_url, dry_run, despite_connections)
        return _copy(database_url, into, dry_run, despite_connections)
    except psycopg.errors.LockNotAvailable as error:
        raise StillInUse(
            f"somebody has held the database for {PATIENCE} seconds: stop the vestauth server first"
        ) from error
    except psycopg.Error as error:
        first_line = str(error).partition("\n")[0]
        raise AdoptionError(f"the database cannot be adopted: {first_line}") from error


def _in_place(url: str, dry_run: bool, despite_connections: bool) -> Report:
    with alone(url, dry_run=dry_run) as backend:
        connection: Connection = backend.connection
        if (at := adopted(connection)) is not None:
            return Report(None, adopted_at=at)
        others = _lock(connection, "ACCESS EXCLUSIVE", dry_run or despite_connections)
        judgement = judge(read(connection))
        mended = in_place.take_over(backend, judgement)
        leave(connection, judgement)
        return Report(judgement, tuple(mended), others, dry_run)


def _copy(url: str, into: str, dry_run: bool, despite_connections: bool) -> Report:
    with alone(into, dry_run=dry_run) as backend:
        connection: Connection = backend.connection
        if (at := adopted(connection)) is not None:
            return Report(None, adopted_at=at)
        copying.prepare(backend)
        # The source stays locked until the copy is complete; nothing is written there.
        with psycopg.connect(dsn(url)) as source:
            source.execute(BEGIN)
            others = _lock(source, "SHARE", dry_run or despite_connections)
            judgement = judge(read(source))
            copying.write(connection, judgement)
            leave(connection, judgement)
            return Report(judgement, (), others, dry_run)


def _lock(connection: Connection, mode: str, whoever_is_there: bool) -> int:
    """Recognise the database and lock its tables; return how many others are connected. See (2), (3)."""
    recognise(connection)
    others = _others(connection) if whoever_is_there else _others_who_stay(connection)
    if others and not whoever_is_there:
        raise StillInUse(
            f"other connections to the database: {others}. Stop the vestauth server first, and whatever else uses "
            "it; --despite-connections goes on if you know that none of them writes"
        )
    connection.execute(f"LOCK TABLE agents, public_jwks IN {mode} MODE")
    return others


def _others_who_stay(connection: Connection) -> int:
    deadline = time.monotonic() + SETTLING
    while (others := _others(connection)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return others


def _others(connection: Connection) -> int:
    connection.execute(
        "SELECT pg_stat_clear_snapshot()"
    )  # or the transaction sees what it saw the first time
    found = connection.execute(OTHERS).fetchone()
    return int(found[0]) if found else 0
