"""Real stores for tests: handles on embedded servers, and cheap empty databases on one of them."""

import itertools
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from vestry.embedded import DataDir, Postgres, Valkey

# Tests want speed, not survival of a power cut. What is committed still outlives `kill -9`.
_HASTY = {"fsync": "off", "full_page_writes": "off"}
_numbers = itertools.count(1)


def descendants(pid: int) -> list[int]:
    """Every living process below `pid`."""
    rows = subprocess.check_output(["ps", "-axo", "pid=,ppid="], text=True).splitlines()
    parents = {int(child): int(parent) for child, parent in (row.split() for row in rows)}
    found = [pid]
    for ancestor in found:
        found += [child for child, parent in parents.items() if parent == ancestor]
    return found[1:]


def kill_all(pids: Iterable[int]) -> None:
    """`kill -9` of these processes, some of which may be gone by then."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class PostgresServer(Postgres):
    """An embedded Postgres of the tests: `.url`, `.start()`, `.stop()`, `.kill()` and what is added here.

    The URL stays the same over any number of stops and starts.
    """

    def create_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self.database_url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" STRATEGY=FILE_COPY')
        return self.database_url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        name = url.partition("@/")[2].partition("?")[0]
        with psycopg.connect(self.database_url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def kill(self) -> None:
        """`kill -9` of the server and of every one of its processes, at once."""
        if self.process is not None:
            kill_all([self.process.pid, *descendants(self.process.pid)])
        super().kill()

    def pause(self) -> None:
        """Freeze every process of the server: connections stay open, nothing is answered."""
        self._send_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._send_all(signal.SIGCONT)

    def _send_all(self, number: signal.Signals) -> None:
        assert self.process is not None
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            os.kill(pid, number)


class ValkeyServer(Valkey):
    """An embedded Valkey of the tests: `.url`, `.start()`, `.stop()`, `.kill()` and what is added here.

    The URL stays the same over any number of stops and starts, and so does the data: it has the
    append-only file of the real thing. After `kill -9` it is started as an operator's would be, with no word of that.
    """

    def _ended_well(self) -> bool:
        return True

    def flush(self) -> None:
        """Forget everything, as `FLUSHALL` does."""
        assert self.command("FLUSHALL") == b"+OK\r\n"

    def pause(self) -> None:
        """Freeze the server: connections stay open, nothing is answered."""
        assert self.process is not None
        self.process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        assert self.process is not None
        self.process.send(signal.SIGCONT)


@contextmanager
def running_postgres(path: Path) -> Iterator[PostgresServer]:
    """Run a Postgres whose data lies under `path`."""
    with DataDir(path) as data_dir:
        server = PostgresServer(data_dir, settings=_HASTY)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def running_valkey(path: Path) -> Iterator[ValkeyServer]:
    """Run a Valkey whose data lies under `path`."""
    with DataDir(path) as data_dir:
        server = ValkeyServer(data_dir)
        server.start()
        try:
            yield server
        finally:
            server.stop()
