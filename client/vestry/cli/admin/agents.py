"""`vestry admin agents` and `vestry admin keys`: find agents, look at one, change its state and keys."""

import json
from typing import Any

import click

from vestry.cli.admin import show
from vestry.cli.admin.api import Api, quoted
from vestry.cli.admin.changes import change
from vestry.cli.admin.options import calling, cursor, expires_in, limit, reason, sure, yes

COLUMNS = ("uid", "state", "label", "keys", "created_at")
_STATES = click.Choice(["active", "suspended", "pending", "revoked"])


@click.group()
def agents() -> None:
    """Find agents, look at one, change its state."""


@agents.command("list")
@click.option("--uid", help="Its uid, or the beginning.")
@click.option("--kid", help="A key it has or had, or the beginning of its thumbprint.")
@click.option("--label", help="A part of its label.")
@click.option("--state", type=_STATES)
@click.option(
    "--since", metavar="TIME", help="Registered then or later: Unix seconds, or 2026-01-31T12:00:00Z."
)
@click.option("--until", metavar="TIME", help="Registered before.")
@limit
@cursor
@calling
def find(api: Api, *, as_json: bool, **asked: Any) -> None:
    """List agents, the newest first. Every condition must hold."""
    show.page("agents", COLUMNS, api.get("/agents", **asked), as_json=as_json)


@agents.command("show")
@click.argument("uid")
@calling
def look(api: Api, uid: str, *, as_json: bool) -> None:
    """Show an agent: its keys, and what was done to it lately."""
    found = api.get(f"/agents/{quoted(uid)}")
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(show.facts(("uid", "state", "label", "created_at", "updated_at"), found))
    click.echo("\nkeys")
    click.echo(
        show.table(("kid", "state", "not_before", "not_after", "created_at", "updated_at"), found["keys"])
    )
    click.echo("\nlatest events")
    click.echo(show.table(("at", "event", "actor_kind", "actor", "kid", "details"), found["events"]))


def described(api: Api, uid: str) -> str:
    """Say in words who an agent is, for the question whether something is to be done to it."""
    found = api.get(f"/agents/{quoted(uid)}")
    usable = sum(key["state"] != "revoked" for key in found["keys"])
    label = f" ({show.cell('label', found['label'])})" if found["label"] else ""
    return f"{found['uid']}{label}, {found['state']}, keys in use: {usable}"


@agents.command()
@click.argument("uid")
@reason
@yes
@calling
def suspend(api: Api, uid: str, reason: str, *, yes: bool, as_json: bool) -> None:
    """Stop an agent until it is resumed. Everything it signs is refused from the next request on."""
    sure(
        f"{described(api, uid)}: it will be suspended; nothing it signs passes until it is resumed.", yes=yes
    )
    change(api, "agents", uid, "suspend", reason, as_json=as_json)


@agents.command()
@click.argument("uid")
@reason
@yes
@calling
def revoke(api: Api, uid: str, reason: str, *, yes: bool, as_json: bool) -> None:
    """Stop an agent for ever, with all its keys."""
    sure(f"{described(api, uid)}: it and all its keys will be revoked, for ever.", yes=yes)
    change(api, "agents", uid, "revoke", reason, as_json=as_json)


@agents.command()
@click.argument("uid")
@reason
@calling
def resume(api: Api, uid: str, reason: str, *, as_json: bool) -> None:
    """Let a suspended agent go on."""
    change(api, "agents", uid, "resume", reason, as_json=as_json)


@agents.command()
@click.argument("uid")
@reason
@calling
def approve(api: Api, uid: str, reason: str, *, as_json: bool) -> None:
    """Let a pending agent in (REGISTRATION=approval)."""
    change(api, "agents", uid, "approve", reason, as_json=as_json)


@click.group()
def keys() -> None:
    """Revoke an agent's key, or let a new one be attached."""


# A kid may begin with a dash. So here there is no option of one letter, not even -h: a kid that holds the letter
# would be taken for it, and who means to revoke a key would be shown help and told that all is well.
@keys.command("revoke", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("uid")
@click.argument("kid")
@reason
@yes
@calling
def revoke_key(api: Api, uid: str, kid: str, reason: str, *, yes: bool, as_json: bool) -> None:
    """Take one key of an agent out of use for ever, also its last."""
    sure(f"{described(api, uid)}: its key {kid} will be revoked, for ever.", yes=yes)
    answer = api.post(f"/agents/{quoted(uid)}/keys/{quoted(kid)}/revoke", reason=reason)
    already = "" if answer["changed"] else " already"
    show.done(answer, f"key {kid} of {uid} is revoked{already}", as_json=as_json)


@keys.command()
@click.argument("uid")
@reason
@expires_in
@calling
def attach(api: Api, uid: str, reason: str, expires_in: int | None, *, as_json: bool) -> None:
    """Print a token with which one new key can be attached to an agent that lost its own.

    Whoever has the token becomes this agent with a key of their own: hand it to nobody else. It counts for an
    hour, or as long as you say, a day at most.
    """
    answer = api.post(f"/agents/{quoted(uid)}/keys", reason=reason, expires_in=expires_in)
    if as_json:
        click.echo(json.dumps(answer))
        return
    end = show.moment(answer["expires_at"])
    click.echo(f"Attaches one key to {uid} until {end}; it cannot be shown again.", err=True)
    click.echo(answer["token"])
