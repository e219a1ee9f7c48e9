"""Bring the database to the form this code knows, once, before anything is served.

The migrations are plain SQL with rollbacks, applied by yoyo through psycopg 3. Several registrars may start
at the same moment on an empty database, and any of them may be killed at any point. So:

(1) One waits for the other on an advisory lock of ours, on a connection of its own. Postgres itself gives
    such a lock back when its holder dies. (yoyo's lock is a row in a table: it outlives a killed holder and
    blocks every later start, so it is never taken.)
(2) Only under that lock is it read which migrations are there already.
(3) A database that carries migrations unknown here belongs to a newer release: it is refused, nothing is
    touched.
(4) A migration and the note that it is applied are one transaction, so a kill leaves both or neither.

The lock belongs to a transaction and not to a session: that holds through PgBouncer in transaction mode too.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from glob import escape
from pathlib import Path

import psycopg
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri
from yoyo.migrations import Migration, MigrationList, default_migration_table

from vestry_service.postgres import split_options
from vestry_signatures.errors import DatabaseUnavailable

# The name of our lock among the advisory locks of this database: any number that nobody else is likely to take.
ADVISORY_LOCK = 0x7665_7374_7279_0001

# Whether a vestauth server's tables are here, without the one that our second migration adds.
UNADOPTED = """
    SELECT to_regclass('knex_migrations') IS NOT NULL AND to_regclass('public_jwks') IS NOT NULL
       AND to_regclass('tools') IS NULL
"""

LOCK_PATIENCE = 120
"""Seconds to wait for another copy that is migrating."""


class MigrationError(Exception):
    """The database cannot be brought to the form this code knows; the message says why, in one line."""


class NotAdopted(MigrationError):
    """The database is a vestauth server's, and was not taken over yet."""


class DatabaseTooNew(MigrationError):
    """The database carries migrations that this code does not have."""


def migrate(database_url: str) -> int:
    """Apply what is missing; return the number of migrations applied.

    Synchronous: call it before the event loop runs. Trying again while Postgres is away is the caller's business.

    Args:
        database_url: `postgresql://…` (or `postgres://…`), as libpq reads it.

    Raises:
        DatabaseUnavailable: Postgres does not answer, or went away.
        DatabaseTooNew: the database belongs to a newer release.
        NotAdopted: it belongs to a vestauth server.
        MigrationError: a migration failed; it and those after it are not applied.
    """
    try:
        with alone(database_url), open_backend(database_url) as backend:
            migrations = read(folder())
            refuse_unadopted(backend)
            refuse_newer(backend, migrations)
            missing = backend.to_apply(migrations)
            backend.apply_migrations(missing)
            return len(missing)
    except psycopg.errors.LockNotAvailable as error:
        raise MigrationError(f"another copy has been migrating for {LOCK_PATIENCE} seconds") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable("the database cannot be reached to migrate it") from error
    except psycopg.Error as error:
        first_line = str(error).partition("\n")[0]
        raise MigrationError(f"the database cannot be migrated: {first_line}") from error


def folder() -> Path:
    """Where the migrations lie: inside the installed package, else (an editable install) in the repository."""
    here = Path(__file__).resolve()
    installed = here.parent / "migrations"
    return installed if installed.is_dir() else here.parents[3] / "migrations"


def read(path: Path) -> MigrationList:
    """Read the migrations of a folder. An empty one is a broken installation, never "nothing to do"."""
    migrations = read_migrations(escape(str(path)))
    if not migrations:
        raise MigrationError("no migrations were found: the installation is incomplete")
    return migrations


def refuse_unadopted(backend: "Backend") -> None:
    """Leave a vestauth server's database alone: some of its rows must not be believed, and somebody must be told."""
    found = backend.connection.execute(UNADOPTED).fetchone()
    if found == (True,):
        raise NotAdopted(
            "this is the database of a vestauth server: stop that server and run `vestry adopt` first"
        )


def refuse_newer(backend: "Backend", migrations: MigrationList) -> None:
    known = {migration.hash for migration in migrations}
    newer = sorted(name for hash_, name in backend.applied() if hash_ not in known)
    if newer:
        raise DatabaseTooNew(
            f"the database belongs to a newer vestry (it has {newer[-1]}): start that release"
        )


@contextmanager
def alone(database_url: str) -> Iterator[None]:
    """Hold our lock, on a connection of its own, while the block runs. See (1)."""
    with psycopg.connect(dsn(database_url)) as connection:
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_PATIENCE}s'")
        # Postgres must not end this transaction for doing nothing while the other connection works.
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
        yield


@contextmanager
def open_backend(database_url: str) -> Iterator["Backend"]:
    """Open yoyo's door to the database, and close it again."""
    backend = Backend(database_url)
    try:
        yield backend
    finally:
        backend.connection.close()


def dsn(database_url: str) -> str:
    """The URL as libpq wants it: without the driver's name in the scheme, and the options of the pool alone."""
    scheme, separator, rest = split_options(database_url)[0].partition("://")
    return scheme.partition("+")[0] + separator + rest


class Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo's backend for psycopg 3: libpq reads the URL, ours is the lock, and each migration is atomic."""

    def __init__(self, database_url: str) -> None:
        self._dsn = dsn(database_url)
        # The rest of yoyo asks its own reading of the URL for nothing but the scheme.
        super().__init__(parse_uri("postgresql+psycopg:///"), default_migration_table)

    def connect(self, _uri: object) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self._dsn, autocommit=True)

    def lock(self, timeout: float = 0) -> AbstractContextManager[None]:
        """Take nothing: see (1)."""
        return nullcontext()

    def applied(self) -> list[tuple[str, str]]:
        """Hash and name of every migration the database has had."""
        self.ensure_internal_schema_updated()
        sql = self.format_sql("SELECT migration_hash, migration_id FROM {0.migration_table_quoted}")
        return [(str(row[0]), str(row[1])) for row in self.execute(sql).fetchall()]

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        """Apply a migration and note it, in one transaction. See (4)."""
        with self.transaction():
            migration.process_steps(self, "apply", force=force)
            self.log_migration(migration, "apply")
            self.mark_one(migration, log=False)

    def rollback_one(self, migration: Migration, force: bool = False) -> None:
        """Take a migration back and forget it, in one transaction."""
        with self.transaction():
            migration.process_steps(self, "rollback", force=force)
            self.log_migration(migration, "rollback")
            self.unmark_one(migration, log=False)

    def get_log_data(self, migration: Migration, operation: str) -> Mapping[str, object]:
        """Fill yoyo's log without a user or host name: a container may have neither, and DNS takes its time."""
        return {
            "id": str(uuid.uuid4()),
            "migration_id": migration.id,
            "migration_hash": migration.hash,
            "username": "",
            "hostname": "",
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }
