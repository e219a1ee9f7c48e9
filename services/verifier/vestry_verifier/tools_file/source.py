"""The file on the disk: read whole, or not at all.

A file that is being written looks like a shorter one, and a shorter one may be a valid one that has lost its last
lines, which might be those that forbid. So a file counts only when its *stamp* is the same before and after it
was read. The stamp is of the file that a symbolic link leads to, so a new file under the old name, as editors and
mounted config maps make it, is seen as well.
"""

import os
from pathlib import Path
from typing import NamedTuple

from vestry_verifier.tools_file.book import ToolsFileError

MOST_BYTES = 1024 * 1024


class Stamp(NamedTuple):
    """What tells one state of a file from another; all 0 where there is no file."""

    device: int = 0
    inode: int = 0
    size: int = 0
    modified: int = 0
    changed: int = 0


class Source:
    """A file and how to read it."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def stamp(self) -> Stamp:
        """Return the stamp of the file as it is now."""
        try:
            found = self._path.stat()
        except OSError:
            return Stamp()
        return _stamp(found)

    def read(self) -> tuple[bytes, Stamp]:
        """Return the bytes and their stamp.

        Raises:
            ToolsFileError: it cannot be read, is longer than `MOST_BYTES`, or is being written.
        """
        try:
            with self._path.open("rb") as file:
                before = _stamp(os.fstat(file.fileno()))
                data = file.read(MOST_BYTES + 1)
                after = _stamp(os.fstat(file.fileno()))
        except OSError as error:
            raise ToolsFileError([f"it cannot be read: {error.strerror}"]) from error
        if len(data) > MOST_BYTES:
            raise ToolsFileError([f"it is longer than {MOST_BYTES} bytes"])
        if before != after or len(data) != after.size:
            raise ToolsFileError(["it is being written"])
        return data, after


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
