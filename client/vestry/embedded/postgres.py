"""A Postgres of our own: made once, served on a Unix socket, intact after any kind of death.

The first start makes the cluster in a folder aside and moves it to its place when it is complete, so a
first start that was killed leaves nothing half made. Everybody proves a password (SCRAM, RFC 7677), and
the socket's folder is ours alone. Nothing listens on the network.

After `kill -9` Postgres leaves `postmaster.pid` and a lock beside its socket behind and, at the next start,
refuses to run while a process with that number exists: whichever that is, even a zombie that nobody buries,
as in a container. Holding the data folder's lock proves that none of ours does (see `data_dir.py`), so
both files go before each start.
"""

# ruff: noqa: S603 - every command here is made of our own words

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from vestry.embedded.data_dir import DataDir
from vestry.embedded.errors import CannotStart
from vestry.embedded.process import Process, launch_command
from vestry.embedded.programs import Programs, find_programs
from vestry.embedded.store import Store

OWNER = DATABASE = "vestry"
_PASSWORD = "postgres.password"  # noqa: S105 - the name of its file

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "logging_collector": "off",
    "log_timezone": "UTC",
}


class Postgres(Store):
    """An embedded Postgres server.

    Args:
        data_dir: where its cluster, password and log are kept.
        programs: how to run it; found when not given.
        settings: names and values of `postgresql.conf` beyond ours.
    """

    name = "postgres"
    _patience = 20

    def __init__(
        self,
        data_dir: DataDir,
        *,
        programs: Programs | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data_dir)
        if self.folder.exists() and not (data_dir.path / _PASSWORD).exists():
            raise CannotStart(
                f"{data_dir.path / _PASSWORD} is missing: without it {self.folder} cannot be opened"
            )
        self._programs = programs or find_programs(data_dir)
        self._sockets = data_dir.socket_folder(self.name, self._programs.identity)
        self._password = data_dir.secret(_PASSWORD, self._programs.identity)
        self._settings = {**_SETTINGS, "unix_socket_directories": str(self._sockets), **(settings or {})}

    @property
    def url(self) -> str:
        """The URL of our database, as libpq reads it (also psycopg, asyncpg and yoyo)."""
        return self.database_url(DATABASE)

    def database_url(self, database: str) -> str:
        """The URL of another database on this server, whether it exists or not."""
        return f"postgresql://{OWNER}:{self._password}@/{database}?host={self._sockets}"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "postmaster.pid"

    def _prepare(self) -> None:
        if self.folder.exists():
            self._refuse_other_major()
        else:
            self._make_cluster()
        for stale in (self._pid_file, *self._sockets.iterdir()):
            stale.unlink(missing_ok=True)

    def _spawn(self) -> Process:
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("wb") as output:
            return Process(
                [self._programs / "postgres", "-D", str(self.folder), *settings],
                output=output,
                # "Fast": who is connected is cut off, and everything is written.
                stop_signal=signal.SIGINT,
                identity=self._programs.identity,
                environ=_environ(),
                keep_open=[self._data_dir.lock],
            )

    def _is_ready(self, process: Process) -> bool:
        """Read what `pg_ctl --wait` reads: line 1 of the file is the process, line 8 its state."""
        try:
            lines = self._pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(process.pid) and lines[7].strip() == "ready"

    def _make_cluster(self) -> None:
        unfinished = self._data_dir.path / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._programs.identity.give(unfinished)
        password_file = self._data_dir.path / _PASSWORD
        self._run(
            [
                *("initdb", "-D", str(unfinished), f"--username={OWNER}", f"--pwfile={password_file}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
                # Postgres' own C.UTF-8: the same order of text on every machine.
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ]
        )
        # A server for one statement: it listens nowhere, so nobody meets the cluster before it is ready.
        self._run(
            ["postgres", "--single", "-D", str(unfinished), "-c", "log_min_messages=warning", "postgres"],
            f"CREATE DATABASE {DATABASE}\n",
        )
        unfinished.rename(self.folder)

    def _run(self, command: list[str], statement: str = "") -> None:
        program, *arguments = command
        answer = subprocess.run(
            launch_command([self._programs / program, *arguments], signal.SIGINT, self._programs.identity),
            input=statement.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environ(),
            check=False,
        )
        if answer.returncode != 0:
            lines = answer.stdout.decode(errors="replace").splitlines()
            raise CannotStart(
                f"Postgres cannot make its data folder in {self._data_dir.path}", tuple(lines[-10:])
            )

    def _refuse_other_major(self) -> None:
        ours = _major(
            subprocess.check_output([self._programs / "pg_config", "--version"], text=True).split()[1]
        )
        theirs = (self.folder / "PG_VERSION").read_text().strip()
        if theirs != ours:
            raise CannotStart(
                f"{self.folder} was made by Postgres {theirs}, and this is Postgres {ours}: dump it with the old "
                f"one and restore it into a new DATA_DIR, or set DATABASE_URL to a Postgres {theirs}"
            )


def _major(version: str) -> str:
    return version.split(".", 1)[0]


def _environ() -> dict[str, str]:
    """Our environment without what would redirect Postgres (PGDATA, PGHOST, LANG …).

    A locale it must have: on macOS, looking for one starts a thread, and Postgres refuses to go on.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**ours, "LC_ALL": "C"}
