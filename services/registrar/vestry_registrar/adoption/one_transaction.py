"""One transaction that is the whole adoption, migrations included, under the migration lock.

yoyo commits after it has made its own tables; inside a transaction of ours it must not. A migration's own transaction
is a savepoint here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from yoyo import internalmigrations

from vestry_registrar.migrate import ADVISORY_LOCK, Backend

PATIENCE: Final = 10
"""Seconds to wait for a lock that somebody holds."""

# Read committed is asked for by name: under another default the rows would be those of the moment before the lock.
BEGIN: Final = f"""
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    SET LOCAL lock_timeout = '{PATIENCE}s';
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0
"""


class OneTransaction(Backend):
    """The migrations' backend, for use inside `alone` only."""

    _internal_schema_updated: bool

    def ensure_internal_schema_updated(self) -> None:
        """Make yoyo's own tables, once, without a commit."""
        if not self._internal_schema_updated:
            internalmigrations.upgrade(self)
            self._internal_schema_updated = True


@contextmanager
def alone(database_url: str, *, dry_run: bool) -> Iterator[OneTransaction]:
    """Hold the migration lock in a transaction, which ends with the block: committed, or taken back in a dry run."""
    backend = OneTransaction(database_url)
    try:
        with backend.transaction(rollback_on_exit=dry_run):
            backend.connection.execute(BEGIN)
            backend.connection.execute("SELECT pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
            yield backend
    finally:
        backend.connection.close()
