"""How many connections there may be: each takes one of the files that a process may have open.

The usual limit of 1,024 is soft, and a process may raise it up to the hard one. Whatever it is then, some files are
kept free of strangers' connections, or those who connect and say nothing would cut the service off from its stores
and its internal port.
"""

import resource
from contextlib import suppress
from typing import Final

WANTED: Final = 65_536  # an idle connection takes about 6 kB of memory
KEPT_FREE: Final = 128  # for the stores, the internal port, and what else opens a file


def room_for_connections() -> int:
    """Raise the limit of open files as far as we may, and return how many connections strangers may have."""
    files = _raised(*resource.getrlimit(resource.RLIMIT_NOFILE))
    return max(files - KEPT_FREE, files // 2)


def _raised(soft: int, hard: int) -> int:
    if soft == resource.RLIM_INFINITY:
        return WANTED
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft < wanted:
        with suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return soft
