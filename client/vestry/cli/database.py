"""Which database a command is about: `DATABASE_URL`, or that of the stack in `DATA_DIR`, running or not."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from vestry.cli.extras import need


class CannotLook(click.ClickException):
    """The command could not do its work; so its answer, whatever 1 means there, is neither yes nor no."""

    exit_code = 2


@contextmanager
def database(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the URL of the database.

    Args:
        environ: `DATABASE_URL` (or `DATABASE_URL_FILE`), else `DATA_DIR` (default `.vestry`).

    Raises:
        CannotLook: there is none, or it cannot be started.
    """
    need("server")
    # Only now: these stand on what the extra brings.
    from vestry_service.parsers import postgres_url
    from vestry_service.settings import Environment, Variable

    env = Environment(environ)
    url = env.get(Variable("DATABASE_URL", postgres_url, default=None, secret=True))
    folder = env.get(Variable("DATA_DIR", Path, default=Path(".vestry")))
    if env.problems:
        raise CannotLook("; ".join(env.problems))
    if url is not None:
        yield url
        return
    with _embedded(folder) as own:
        yield own


@contextmanager
def _embedded(folder: Path) -> Iterator[str]:
    need("embedded")
    from vestry.embedded.errors import CannotStart
    from vestry.embedded.running import embedded_database

    try:
        with embedded_database(folder) as url:
            yield url
    except CannotStart as error:
        raise CannotLook("\n".join([str(error), *error.details])) from None
