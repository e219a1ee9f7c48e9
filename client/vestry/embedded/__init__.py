"""Postgres and Valkey from wheels: loopback only, data in one folder, gone when their parent is gone.

    data_dir.py   the folder: one user at a time, secrets in it, socket paths that are short enough
    identity.py   as whom Postgres runs, since it refuses to run as root
    launch.py     the first breath of every child: die with the parent, change identity, exec
    process.py    one child: start, stop in time, last words
    postgres.py   initdb once, then serve
    valkey.py     append-only file, nothing evicted

Everything here is synchronous and starts its children from the main thread: Linux ties the life of a
child to the *thread* that started it.
"""

from vestry.embedded.data_dir import DataDir
from vestry.embedded.errors import CannotStart
from vestry.embedded.postgres import Postgres
from vestry.embedded.valkey import Valkey

__all__ = ["CannotStart", "DataDir", "Postgres", "Valkey"]
