"""The database gets the form the code knows: once, and whole, whoever comes first and whoever dies on the way."""

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from yoyo.migrations import get_migration_hash

from vestry_registrar.migrate import (
    DatabaseTooNew,
    MigrationError,
    dsn,
    folder,
    migrate,
    open_backend,
    read,
)
from vestry_signatures.errors import DatabaseUnavailable

REPOSITORY = Path(__file__).resolve().parents[2]
MIGRATE = "import sys; from vestry_registrar.migrate import migrate; print(migrate(sys.argv[1]))"
HOLD_THE_LOCK = """
import sys, time
from vestry_registrar.migrate import alone
with alone(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""
DIE_BEFORE_THE_NOTE = """
import os, signal, sys
from vestry_registrar.migrate import Backend, migrate
Backend.mark_one = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
migrate(sys.argv[1])
"""


def relations(database_url: str) -> set[str]:
    """Tables and indexes of ours in a database."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE nspname = 'public' AND relkind IN ('r', 'i')"
        )
        return {name for (name,) in rows if "yoyo" not in name}


def columns(database_url: str) -> list[tuple[str, ...]]:
    """Every column of ours with what is said of it."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable, column_default "
            "FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '%yoyo%' "
            "ORDER BY 1, 2"
        )
        return rows.fetchall()


@contextmanager
def process(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def test_an_empty_database_gets_everything_once(database_url: str) -> None:
    """The first call applies every migration, the second finds nothing to do."""
    assert migrate(database_url) == len(read(folder()))
    assert migrate(database_url) == 0
    assert {"agents", "public_jwks", "tools", "outbox", "memory_mark"} < relations(database_url)


def test_the_older_server_finds_its_names(database_url: str) -> None:
    """Tables, columns and indexes that vestauth's server has are there under the same names and types."""
    migrate(database_url)
    assert {
        "index_agents_on_uid", "index_public_jwks_on_kid", "index_public_jwks_on_agent_id",
    } < relations(database_url)  # fmt: skip
    found = {(table, column): type_ for table, column, type_, *_ in columns(database_url)}
    moment, text = "timestamp with time zone", "character varying"
    assert {
        ("agents", "id"): "bigint", ("agents", "uid"): text,
        ("agents", "created_at"): moment, ("agents", "updated_at"): moment,
        ("public_jwks", "id"): "bigint", ("public_jwks", "agent_id"): "bigint",
        ("public_jwks", "kid"): text, ("public_jwks", "value"): "jsonb", ("public_jwks", "state"): text,
        ("public_jwks", "created_at"): moment, ("public_jwks", "updated_at"): moment,
    }.items() <= found.items()  # fmt: skip


def test_up_down_up_gives_the_same_database(database_url: str) -> None:
    """A rollback takes everything away, and applying again gives every column back as it was."""
    applied = migrate(database_url)
    first = columns(database_url), relations(database_url)
    with open_backend(database_url) as backend:
        backend.rollback_migrations(backend.to_rollback(read(folder())))
    assert relations(database_url) == set()
    assert migrate(database_url) == applied
    assert (columns(database_url), relations(database_url)) == first


def test_each_rollback_leaves_what_the_migration_before_it_made(database_url: str) -> None:
    """Down by one and up by one, at every migration, comes back to the same columns; also with rows there."""
    migrate(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO agents VALUES (1, repeat('a', 24), now(), now())")
        connection.execute("INSERT INTO tools VALUES (1, repeat('b', 24), now(), now())")
        for owner, kid in (("agent_id", "A"), ("tool_id", "B")):
            connection.execute(
                f"INSERT INTO public_jwks ({owner}, kid, created_at, updated_at) "
                f"VALUES (1, repeat('{kid}', 43), now(), now())"
            )
    before = columns(database_url)
    with open_backend(database_url) as backend:
        for number in range(1, len(read(folder())) + 1):
            for migration in list(backend.to_rollback(read(folder())))[:number]:
                backend.rollback_one(migration)
            backend.apply_migrations(backend.to_apply(read(folder())))
            assert columns(database_url) == before


def test_an_older_form_finds_whole_keys_and_unique_names(database_url: str) -> None:
    """Taken back to before the smaller indexes, every key is a JWK again, and a kid and a uid are there once."""
    migrate(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO agents (uid, created_at, updated_at) VALUES (repeat('a', 24), now(), now())"
        )
        for kid, value in (("A", '{"x": "some"}'), ("B", '{"kty": "OKP", "crv": "Ed25519", "x": "other"}')):
            connection.execute(
                "INSERT INTO public_jwks (agent_id, kid, value, created_at, updated_at)"
                " SELECT id, repeat(%s, 43), %s, now(), now() FROM agents",
                (kid, value),
            )
    with open_backend(database_url) as backend:
        [migration] = [each for each in read(folder()) if each.id == "0008.smaller-indexes"]
        backend.rollback_one(migration)
        values = backend.connection.execute("SELECT value FROM public_jwks ORDER BY kid").fetchall()
        assert values == [({"kty": "OKP", "crv": "Ed25519", "x": x},) for x in ("some", "other")]
        for twice in (
            "INSERT INTO agents (uid, created_at, updated_at) SELECT uid, now(), now() FROM agents",
            "INSERT INTO public_jwks SELECT 9, agent_id, kid, value, state, now(), now() FROM public_jwks LIMIT 1",
        ):
            with pytest.raises(psycopg.errors.UniqueViolation):
                backend.connection.execute(twice)
        backend.apply_migrations(backend.to_apply(read(folder())))


def test_six_processes_may_start_at_once_on_an_empty_database(database_url: str) -> None:
    """Every one of them succeeds, and together they apply each migration once."""
    starts = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, database_url], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    outputs = [start.communicate(timeout=60)[0] for start in starts]
    assert [start.returncode for start in starts] == [0] * 6
    assert sorted(int(output) for output in outputs) == [0] * 5 + [len(read(folder()))]


def test_a_killed_holder_of_the_lock_blocks_nobody(database_url: str) -> None:
    """The lock of a process that gets kill -9 is free at once."""
    with process(HOLD_THE_LOCK, database_url) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGKILL)
        assert migrate(database_url) == len(read(folder()))


def test_a_kill_in_the_middle_of_a_migration_leaves_nothing_of_it(database_url: str) -> None:
    """Killed between a migration's statements and the note that it is applied: the next start applies it."""
    with process(DIE_BEFORE_THE_NOTE, database_url) as dying:
        assert dying.wait(30) == -signal.SIGKILL
    assert relations(database_url) == set()
    assert migrate(database_url) == len(read(folder()))


def test_a_newer_database_is_refused_in_one_line(database_url: str) -> None:
    """A migration that this code does not know stops the start, and is named."""
    migrate(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO _yoyo_migration VALUES (%s, '9999.later', now())",
            (get_migration_hash("9999.later"),),
        )
    with pytest.raises(DatabaseTooNew, match=r"^[^\n]*newer vestry[^\n]*9999\.later[^\n]*$"):
        migrate(database_url)


def test_somebody_elses_tables_are_left_alone(database_url: str) -> None:
    """Where a table of ours would have to be made over another's, nothing is changed and one line says why."""
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE public_jwks (mine text)")
    with pytest.raises(MigrationError, match=r'^[^\n]*"public_jwks" already exists$'):
        migrate(database_url)
    assert relations(database_url) == {"public_jwks"}


def test_a_database_that_is_away_is_called_so(tmp_path: Path) -> None:
    """Nobody there is DatabaseUnavailable, which the caller may retry."""
    with pytest.raises(DatabaseUnavailable):
        migrate(f"postgresql://nobody@/none?host={tmp_path}")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://u:p@h:5432/d", "postgresql://u:p@h:5432/d"),
        ("postgres://u@/d?host=/run/x&statement_cache_size=0", "postgres://u@/d?host=%2Frun%2Fx"),
    ],
)
def test_libpq_gets_a_url_it_can_read(url: str, expected: str) -> None:
    """Neither the driver's name nor the pool's own options reach libpq, which refuses what it does not know."""
    assert dsn(url) == expected


def test_the_wheel_brings_its_migrations(tmp_path: Path, database_url: str) -> None:
    """Unpacked from a wheel, with no repository around, the code finds and applies the same migrations."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=REPOSITORY, check=True, capture_output=True,
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    script = MIGRATE + "; from vestry_registrar.migrate import folder; print(folder())"
    output = subprocess.run(
        [sys.executable, "-c", script, database_url],
        cwd=tmp_path, check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(installed)},
    ).stdout  # fmt: skip
    assert output.split() == [str(len(read(folder()))), str(installed / "vestry_registrar" / "migrations")]
