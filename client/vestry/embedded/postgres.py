"""A Postgres of our own: made once, served on a Unix socket, intact after any kind of death.

The first start makes the cluster in a folder aside and moves it to its place when it is complete, so a
first start that was killed leaves nothing half made. Everybody proves a password (SCRAM, RFC 7677), and
the socket's folder is ours alone. Nothing listens on the network.

After `kill -9` Postgres leaves `postmaster.pid` behind and, at the next start, refuses to run while a
process with that number exists, whichever that is. Holding the data folder's lock proves that none of
ours does (see `data_dir.py`), so the file goes before each start.
"""

# ruff: noqa: S603 - every command here is made of our own words

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from vestry.embedded.data_dir import DataDir
from vestry.embedded.errors import CannotStart
from vestry.embedded.process import Process, last_lines, launch_command
from vestry.embedded.programs import Programs, find_programs

OWNER = DATABASE = "vestry"

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "logging_collector": "off",
    "log_timezone": "UTC",
}


class Postgres:
    """An embedded Postgres server.

    Args:
        data_dir: where its cluster, password and log are kept.
        programs: how to run it; found when not given.
        settings: names and values of `postgresql.conf` beyond ours.
    """

    name = "postgres"

    def __init__(
        self,
        data_dir: DataDir,
        *,
        programs: Programs | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = data_dir
        self.cluster = data_dir.path / "postgres"
        self.log = data_dir.path / "postgres.log"
        self._programs = programs or find_programs(data_dir)
        self._sockets = data_dir.socket_folder("postgres", self._programs.identity)
        self._password = data_dir.secret("postgres.password", self._programs.identity)
        self._settings = {**_SETTINGS, "unix_socket_directories": str(self._sockets), **(settings or {})}
        self.process: Process | None = None

    @property
    def url(self) -> str:
        """The URL of our database, as libpq reads it (also psycopg, asyncpg and yoyo)."""
        return self.database_url(DATABASE)

    def database_url(self, database: str) -> str:
        """The URL of another database on this server, whether it exists or not."""
        return (
            f"postgresql://{OWNER}:{quote(self._password)}@/{database}?{urlencode({'host': self._sockets})}"
        )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running

    def start(self, patience: float = 60) -> None:
        """Serve; make the cluster first if there is none.

        Args:
            patience: seconds until it must accept connections; a recovery after a crash takes some.

        Raises:
            CannotStart: it did not come up, or the cluster is of another major version.
        """
        if self.cluster.exists():
            self._refuse_other_major()
        else:
            self._make_cluster()
        self._pid_file.unlink(missing_ok=True)
        self.process = self._spawn()
        self._await_ready(self.process, time.monotonic() + patience)

    def stop(self, patience: float = 20) -> None:
        """Stop in an orderly way ("fast": who is connected is cut off)."""
        if self.process is not None:
            self.process.stop(patience)
            self.process = None

    def kill(self) -> None:
        """Let it die as by `kill -9`; its data is as after a power cut."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    @property
    def _pid_file(self) -> Path:
        return self.cluster / "postmaster.pid"

    def _spawn(self) -> Process:
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("wb") as output:
            return Process(
                [self._programs / "postgres", "-D", str(self.cluster), *settings],
                output=output,
                stop_signal=signal.SIGINT,
                identity=self._programs.identity,
                environ=_environ(),
                keep_open=[self._data_dir.lock],
            )

    def _await_ready(self, process: Process, deadline: float) -> None:
        while not self._says_ready(process.pid):
            if not process.running:
                process.reap()
                raise CannotStart("Postgres stopped while it was starting", last_lines(self.log))
            if time.monotonic() > deadline:
                process.kill()
                raise CannotStart("Postgres did not become ready in time", last_lines(self.log))
            time.sleep(0.01)

    def _says_ready(self, pid: int) -> bool:
        """Read what `pg_ctl --wait` reads: line 1 of the file is the process, line 8 its state."""
        try:
            lines = self._pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def _make_cluster(self) -> None:
        unfinished = self._data_dir.path / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._programs.identity.give(unfinished)
        password_file = self._data_dir.path / "postgres.password"
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
        unfinished.rename(self.cluster)

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
        theirs = (self.cluster / "PG_VERSION").read_text().strip()
        if theirs != ours:
            raise CannotStart(
                f"{self.cluster} was made by Postgres {theirs}, and this is Postgres {ours}: dump it with the old "
                f"one and restore it into a new DATA_DIR, or set DATABASE_URL to a Postgres {theirs}"
            )


def _major(version: str) -> str:
    return version.split(".", 1)[0]


def _environ() -> dict[str, str]:
    """Our environment without what would redirect Postgres (PGDATA, PGHOST, LC_ALL …)."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
