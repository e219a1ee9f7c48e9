"""`vestry admin counts`: how many there are."""

import json

import click

from vestry.cli.admin import show
from vestry.cli.admin.api import Api
from vestry.cli.admin.options import calling


@click.command()
@calling
def counts(api: Api, *, as_json: bool) -> None:
    """Count agents, tools and keys by state, and changes that Redis does not show yet."""
    found = api.get("/counts")
    click.echo(json.dumps(found) if as_json else show.facts(tuple(found), found))
