"""`vestry registrar`, `vestry verifier`, `vestry migrate`: the services' own entry points, by name."""

import os
import sys
from importlib import import_module

import click

from vestry.cli.extras import need


def _run(package: str) -> None:
    need("server")
    sys.exit(import_module(f"{package}.__main__").main())


@click.command()
def registrar() -> None:
    """Serve who is who: registration, rotation, key directories.

    Needs DATABASE_URL (Postgres) and REDIS_URL. Brings the database to its latest form first.
    """
    _run("vestry_registrar")


@click.command()
def verifier() -> None:
    """Serve POST /verify: who signed this request.

    Needs REDIS_URL, and REGISTRAR_URL (the registrar's internal port).
    """
    _run("vestry_verifier")


@click.command()
def migrate() -> None:
    """Bring the database at DATABASE_URL to its latest form.

    The registrar does this by itself when it starts; several may at once.
    """
    need("server")
    # Only now: these stand on what the extra brings.
    from vestry_registrar.migrate import MigrationError
    from vestry_registrar.migrate import migrate as apply
    from vestry_service.errors import StartError
    from vestry_service.parsers import postgres_url
    from vestry_service.settings import Environment, SettingsError, Variable
    from vestry_signatures.errors import DatabaseUnavailable

    env = Environment(os.environ)
    url = env.get(Variable("DATABASE_URL", postgres_url, secret=True))
    try:
        if env.problems:
            raise SettingsError(env.problems)
        applied = apply(url)
    except (StartError, MigrationError, DatabaseUnavailable) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"migrations applied: {applied}")
