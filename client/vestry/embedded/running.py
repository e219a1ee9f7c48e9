"""The database of a stack that somebody else runs, for a command beside it.

Who runs the stack holds the data folder's lock; its Postgres tells in `postmaster.pid` where it listens (line 5 is
the folder of its socket, line 8 its state), and the password lies in the folder. Whoever may read that file may
connect.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vestry.embedded.data_dir import DataDir
from vestry.embedded.errors import CannotStart
from vestry.embedded.postgres import DATABASE, OWNER, Postgres


@contextmanager
def embedded_database(path: Path) -> Iterator[str]:
    """Yield the URL of the database in a data folder: of the Postgres that runs there, or of one run meanwhile.

    Args:
        path: the folder, DATA_DIR of `vestry up`.

    Raises:
        CannotStart: there is no database, or it cannot be reached.
    """
    if not (path / "postgres").is_dir():
        raise CannotStart(
            f"{path} holds no database: set DATABASE_URL, or DATA_DIR to the folder of `vestry up`"
        )
    try:
        data_dir = DataDir(path, patience=5)
    except CannotStart as taken:
        yield _url(path, taken)
        return
    with data_dir:
        postgres = Postgres(data_dir)
        postgres.start()
        try:
            yield postgres.url
        finally:
            postgres.stop()


def _url(path: Path, taken: CannotStart) -> str:
    try:
        lines = (path / "postgres" / "postmaster.pid").read_text().splitlines()
        password = (path / "postgres.password").read_text()
    except OSError:
        raise taken from None
    if len(lines) < 8 or lines[7].strip() != "ready":
        raise taken
    return f"postgresql://{OWNER}:{password}@/{DATABASE}?host={lines[4]}"
