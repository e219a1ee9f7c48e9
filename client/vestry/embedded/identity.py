"""As whom a child runs: plain facts, no decisions (`programs.py` decides for Postgres)."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Identity:
    """How `launch.py` changes who a child is, and whom it is then (numbers of passwd)."""

    kind: Literal["same", "map", "switch", "reach"]
    uid: int
    gid: int

    @property
    def owns(self) -> bool:
        """Whether what this identity writes belongs to `uid`, and not to us."""
        return self.kind in ("switch", "reach")

    def give(self, path: Path) -> None:
        """Make `path` belong to this identity, as far as the file system sees it."""
        if self.owns:
            os.chown(path, self.uid, self.gid)


SAME = Identity("same", 0, 0)


def nobody() -> pwd.struct_passwd:
    """The unprivileged user that every system has: `nobody`, or else the last one in passwd."""
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return max(pwd.getpwall(), key=lambda user: user.pw_uid)


def is_ordinary_user() -> bool:
    """Whether we are somebody with a name who is not root: the only kind Postgres accepts."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_uid != 0
    except KeyError:
        return False
