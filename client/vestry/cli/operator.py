"""`vestry operator`: who may use the admin API. On the database itself, so that no token can make another."""

import asyncio
import getpass
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import click

from vestry.cli.admin.show import table
from vestry.cli.database import database


@click.group()
def operator() -> None:
    """Make and revoke operators, who may use the admin API.

    In the database at DATABASE_URL, or of the stack whose data is in DATA_DIR (default .vestry).
    """


@operator.command()
@click.argument("name")
def create(name: str) -> None:
    """Make an operator and print the token, once.

    NAME stands in the audit trail beside everything that is done with the token.
    """
    from vestry_registrar import operators

    token = _done(lambda pool: operators.create(pool, name, _origin()))
    click.echo("Keep this token where only the operator can read it; it cannot be shown again.", err=True)
    click.echo(token)


@operator.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Take an operator's token out of use: it fails at the next call."""
    from vestry_registrar import operators

    _done(lambda pool: operators.revoke(pool, name, _origin()))
    click.echo(f"{name} is no operator any more")


@operator.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def everybody(*, as_json: bool) -> None:
    """List all operators there ever were."""
    from vestry_registrar.repository import operators

    found = [
        {"name": each.name, "created_at": each.created_at, "revoked_at": each.revoked_at}
        for each in _done(operators.everybody)
    ]
    click.echo(json.dumps(found) if as_json else table(("name", "created_at", "revoked_at"), found))


def _origin() -> Any:
    """Say who runs the command, as far as the machine knows."""
    from vestry_registrar.audit.event import Actor, Origin

    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = str(os.getuid())
    return Origin(Actor("system", f"vestry operator, run by {user}"[:255]))


def _done(work: Callable[[Any], Awaitable[Any]]) -> Any:
    """Do something with the database. Raises ClickException where that cannot be done."""
    with database(os.environ) as url:
        # Only now: these stand on what the extra brings.
        import asyncpg

        from vestry_registrar.operators import WrongName
        from vestry_service.postgres import open_pool
        from vestry_signatures.errors import DatabaseUnavailable

        async def connected() -> Any:
            async with open_pool(url) as pool:
                return await work(pool)

        try:
            return asyncio.run(connected())
        except WrongName as error:
            raise click.ClickException(str(error)) from None
        except DatabaseUnavailable:
            raise click.ClickException("the database cannot be reached") from None
        except asyncpg.UndefinedTableError:
            raise click.ClickException("the database is not in its latest form: run vestry migrate") from None
