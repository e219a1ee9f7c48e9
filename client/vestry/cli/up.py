"""`vestry up`: everything on this machine, by one command."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from vestry.cli.extras import need
from vestry.embedded.errors import CannotStart

if TYPE_CHECKING:
    from vestry.stack.plan import Role


@click.command()
@click.option(
    "--with-parent", is_flag=True, help="Stop when the process that started this one ends, however it ends."
)
def up(*, with_parent: bool) -> None:
    """Run registrar and verifier, with a Postgres and a Redis of their own.

    DATABASE_URL and REDIS_URL, when set, replace the stores that are started here. Their data is in
    DATA_DIR (default .vestry) and stays there. Ctrl-C stops everything in order.

    \b
    PORT, VERIFIER_PORT                    3000, 4000   for everybody
    INTERNAL_PORT, VERIFIER_INTERNAL_PORT  3001, 4001   metrics and health
    """  # noqa: D301 - click's own mark for a paragraph that is not to be wrapped
    need("server", *_stores(os.environ))
    sys.exit(run_stack(os.environ, with_parent=with_parent))


def run_stack(environ: Mapping[str, str], *, with_parent: bool, roles: "Sequence[Role] | None" = None) -> int:
    """Run everything until it is to stop; say in plain lines what went wrong. Returns the exit code.

    Args:
        environ: the settings.
        with_parent: stop when the process that started us ends.
        roles: the services, if not our own.
    """
    # Only now: these stand on what the extras bring.
    from vestry.stack.plan import ROLES
    from vestry.stack.run import run
    from vestry.stack.settings import StackSettings

    try:
        run(StackSettings.read(environ), environ, with_parent=with_parent, roles=roles or ROLES)
    except CannotStart as error:
        for line in error.details:
            click.echo(f"  | {line}", err=True)
        click.echo(f"vestry: {error}", err=True)
        return 1
    return 0


def _stores(environ: Mapping[str, str]) -> list[str]:
    """The extra of the embedded stores, unless neither of them is wanted."""
    given = all(environ.get(name) or environ.get(f"{name}_FILE") for name in ("DATABASE_URL", "REDIS_URL"))
    return [] if given else ["embedded"]
