"""`vestry admin tokens`: tokens that let somebody register, or attach a key."""

import json

import click

from vestry.cli.admin import show
from vestry.cli.admin.api import Api
from vestry.cli.admin.options import calling, cursor, expires_in, limit, reason, sure, yes

COLUMNS = ("id", "label", "uid", "uses", "uses_left", "created_by", "created_at", "expires_at", "revoked_at")


@click.group()
def tokens() -> None:
    """Make, list and revoke tokens that let somebody register (REGISTRATION=token)."""


@tokens.command()
@click.option("--label", required=True, help="For whom; whoever registers with it gets this label.")
@click.option("--uses", type=click.IntRange(1), default=1, show_default=True, help="How many may register.")
@expires_in
@calling
def create(api: Api, label: str, uses: int, expires_in: int | None, *, as_json: bool) -> None:
    """Print a new enrolment token, once. It counts for a day, or as long as you say."""
    answer = api.post("/enrolment-tokens", label=label, uses=uses, expires_in=expires_in)
    if as_json:
        click.echo(json.dumps(answer))
        return
    end = show.moment(answer["expires_at"])
    click.echo(f"Token {answer['id']} counts until {end}; it cannot be shown again.", err=True)
    click.echo(answer["token"])


@tokens.command("list")
@limit
@cursor
@calling
def find(api: Api, *, as_json: bool, limit: int, cursor: str | None) -> None:
    """List tokens, the newest first. Those with a uid let a key be attached to that agent."""
    found = api.get("/enrolment-tokens", limit=limit, cursor=cursor)
    show.page("tokens", COLUMNS, found, as_json=as_json)


@tokens.command()
@click.argument("number", metavar="ID", type=click.IntRange(1))
@reason
@yes
@calling
def revoke(api: Api, number: int, reason: str, *, yes: bool, as_json: bool) -> None:
    """Let nobody in by a token any more. Who came in by it stays."""
    sure(f"Token {number} will be revoked, for ever.", yes=yes)
    answer = api.post(f"/enrolment-tokens/{number}/revoke", reason=reason)
    show.done(answer, f"token {number} is revoked{'' if answer['changed'] else ' already'}", as_json=as_json)
