"""A registrar as a process of its own, for tests that kill it."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services import BASE


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RegistrarProcess:
    """`python -m vestry_registrar`.

    Attributes:
        port, internal_port: where it listens on 127.0.0.1, the same at every start.
    """

    def __init__(self, database_url: str, redis_url: str, log: Path, files: int | None = None) -> None:
        self.port, self.internal_port = free_port(), free_port()
        self._log = log
        self._files = files
        self._environ = {
            "PATH": os.environ["PATH"],
            "PUBLIC_URL": BASE,
            "BIND": "127.0.0.1",
            "PORT": str(self.port),
            "INTERNAL_PORT": str(self.internal_port),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it accepts connections; no request is made."""
        process = self._process = self._spawn()
        async with asyncio.timeout(20):
            while not self._listens():
                assert process.poll() is None, self._log.read_text()
                await asyncio.sleep(0.02)

    def _spawn(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "vestry_registrar"]
        with self._log.open("ab") as output:
            return subprocess.Popen(
                command, env=self._environ, stdout=output, stderr=output, preexec_fn=self._limit_files
            )

    def _limit_files(self) -> None:
        if self._files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._files, self._files))

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def registrar_process(
    database_url: str, redis_url: str, log: Path, files: int | None = None
) -> Iterator[RegistrarProcess]:
    """Yield a registrar that was not started yet; whatever runs of it at the end is killed.

    With `files` it may have that many files open at once, and cannot raise that.
    """
    registrar = RegistrarProcess(database_url, redis_url, log, files)
    try:
        yield registrar
    finally:
        registrar.kill()
