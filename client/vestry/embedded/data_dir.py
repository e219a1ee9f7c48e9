"""The folder that holds everything the embedded stores keep.

    DATA_DIR/
      lock                whose it is now
      postgres/           the database cluster
      postgres.password   its owner's password, random, readable by us alone
      valkey/             append-only file
      *.log               what the stores said since they were last started

One user at a time: the lock is an flock(2), which the stores inherit. So it is free again when the last of
them is gone, not merely when we are; a lock that we hold proves that no store works on this data.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self
from urllib.parse import quote

from vestry.embedded.errors import CannotStart
from vestry.embedded.identity import Identity

# A Unix socket's path fits into 104 bytes on macOS and 108 on Linux, with a zero byte at its end
# (unix(7)). Postgres writes `.s.PGSQL.5432.lock` beside its socket, but only binds the shorter name.
LONGEST_SOCKET_PATH = 103
LONGEST_SOCKET_NAME = len("/.s.PGSQL.5432")


class DataDir:
    """A data folder that is ours until `close`, or until the last store in it has ended.

    Args:
        path: the folder; made if absent, readable by us alone.
        patience: seconds to wait for the stores of a run that was killed.
        tell: is given a line for the person at the terminal when we have to wait.

    Raises:
        CannotStart: it cannot be written, or somebody else uses it.
    """

    def __init__(
        self, path: Path, *, patience: float = 30, tell: Callable[[str], None] | None = None
    ) -> None:
        self.path = path.absolute()
        self._outside: list[Path] = []
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CannotStart(f"DATA_DIR {self.path} cannot be written: {error.strerror}") from error
        try:
            self._take(patience, tell)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder. Stores that still run keep it taken."""
        for folder in self._outside:
            with contextlib.suppress(OSError):  # somebody still listens there
                folder.rmdir()
        os.close(self.lock)

    def _take(self, patience: float, tell: Callable[[str], None] | None) -> None:
        deadline = time.monotonic() + patience
        told = False
        while not self._try_lock():
            holder = self._holder()
            if holder is not None or time.monotonic() > deadline:
                by = f" (process {holder})" if holder else ""
                raise CannotStart(
                    f"DATA_DIR {self.path} is in use by another vestry{by}: "
                    "stop it, or set DATA_DIR to another folder"
                )
            if tell and not told:
                tell("waiting for the stores of a killed run to stop")
                told = True
            time.sleep(0.05)
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, str(os.getpid()).encode(), 0)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> int | None:
        """Who holds the lock, if it still lives; None when only stores that it left behind do."""
        text = os.pread(self.lock, 20, 0)
        if not text.isdigit():
            return None
        try:
            os.kill(int(text), 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return int(text)

    def secret(self, name: str, owner: Identity) -> str:
        """Read the secret kept in the file `name`, made up at the first call."""
        file = self.path / name
        if not file.exists():
            unfinished = self.path / f"{name}.unfinished"
            unfinished.touch(mode=0o600)
            unfinished.write_text(secrets.token_urlsafe(32))
            owner.give(unfinished)
            unfinished.rename(file)
        return file.read_text()

    def open_to_others(self) -> None:
        """Let other users pass through the folder; they still cannot list it."""
        self.path.chmod(0o711)

    def socket_folder(self, name: str, owner: Identity) -> Path:
        """A folder for the Unix socket of the store `name`, its path fit to be bound and put into a URL.

        It is in the data folder, or, where that path will not do, a private one for temporary files whose
        name follows from the data folder's.

        Raises:
            CannotStart: somebody else owns that private folder.
        """
        folder = self.path / f"{name}.socket"
        if not _fits(folder):
            digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
            places = (Path(place) / f"vestry-{digest}" for place in (tempfile.gettempdir(), "/tmp"))  # noqa: S108
            folder = next(place for place in places if _fits(place))
            self._outside.append(folder)
        folder.mkdir(mode=0o700, exist_ok=True)
        _refuse_foreign(folder, owner)
        owner.give(folder)
        return folder


def _fits(folder: Path) -> bool:
    """Whether a socket in the folder can be bound, and every reader of URLs reads its path alike.

    Of a space or a percent sign in a URL's query they make different things.
    """
    path = str(folder)
    return len(os.fsencode(path)) + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH and quote(path) == path


def _refuse_foreign(folder: Path, owner: Identity) -> None:
    """In /tmp anybody may have made a folder of that name before us."""
    facts = folder.lstat()
    ours = {os.geteuid(), owner.uid if owner.owns else os.geteuid()}
    if facts.st_uid not in ours or facts.st_mode & 0o077 or not folder.is_dir() or folder.is_symlink():
        raise CannotStart(f"{folder} belongs to somebody else: remove it, or set DATA_DIR to a shorter path")
