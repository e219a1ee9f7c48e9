"""`vestry adopt`: take over the database of a vestauth server."""

import os

import click

from vestry.cli.extras import need

_OTHERS = "Go on although others are connected to the database."


@click.command()
@click.option("--database-url", metavar="URL", help="The vestauth server's database; default: DATABASE_URL.")
@click.option("--into", metavar="URL", help="Copy into this database instead of adopting in place.")
@click.option("--dry-run", is_flag=True, help="Change nothing; report what would be done.")
@click.option("--despite-connections", is_flag=True, help=_OTHERS)
def adopt(*, database_url: str | None, into: str | None, dry_run: bool, despite_connections: bool) -> None:
    """Take over the Postgres database of a vestauth server.

    Stop that server first. Agents keep their uids, keys and times; what must not be believed is reported and kept
    apart. All of it happens at once or nothing does, and a second run changes nothing.
    """
    need("server")
    # Only now: these stand on what the extra brings.
    from vestry_registrar.adoption.adopt import adopt as take_over
    from vestry_registrar.adoption.errors import AdoptionError
    from vestry_registrar.migrate import MigrationError

    source = _from_environment() if database_url is None else _checked("--database-url", database_url)
    target = None if into is None else _checked("--into", into)
    try:
        report = take_over(source, target, dry_run=dry_run, despite_connections=despite_connections)
    except (AdoptionError, MigrationError) as error:
        raise click.ClickException(str(error)) from None
    for line in report.lines():
        click.echo(line)


def _checked(option: str, url: str) -> str:
    from vestry_service.parsers import postgres_url

    try:
        return postgres_url(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _from_environment() -> str:
    from vestry_service.parsers import postgres_url
    from vestry_service.settings import Environment, SettingsError, Variable

    env = Environment(os.environ)
    url: str = env.get(Variable("DATABASE_URL", postgres_url, secret=True))
    if env.problems:
        raise click.ClickException(str(SettingsError(env.problems)))
    return url
