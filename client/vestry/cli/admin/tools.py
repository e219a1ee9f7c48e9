"""`vestry admin tools`: find tools, approve and revoke them."""

from typing import Any

import click

from vestry.cli.admin import show
from vestry.cli.admin.agents import COLUMNS
from vestry.cli.admin.api import Api
from vestry.cli.admin.changes import change
from vestry.cli.admin.options import calling, cursor, limit, reason, sure, yes


@click.group()
def tools() -> None:
    """Find tools, approve and revoke them."""


@tools.command("list")
@click.option("--uid", help="Its uid, or the beginning.")
@click.option("--kid", help="A key it has or had, or the beginning of its thumbprint.")
@click.option("--label", help="A part of its label.")
@click.option("--state", type=click.Choice(["active", "pending", "revoked"]))
@limit
@cursor
@calling
def find(api: Api, *, as_json: bool, **asked: Any) -> None:
    """List tools, the newest first. Every condition must hold."""
    show.page("tools", COLUMNS, api.get("/tools", **asked), as_json=as_json)


@tools.command()
@click.argument("uid")
@reason
@yes
@calling
def revoke(api: Api, uid: str, reason: str, *, yes: bool, as_json: bool) -> None:
    """Revoke a tool and its key, for ever."""
    sure(f"{uid}: the tool and its key will be revoked, for ever.", yes=yes)
    change(api, "tools", uid, "revoke", reason, as_json=as_json)


@tools.command()
@click.argument("uid")
@reason
@calling
def approve(api: Api, uid: str, reason: str, *, as_json: bool) -> None:
    """Let a pending tool in (REGISTRATION=approval)."""
    change(api, "tools", uid, "approve", reason, as_json=as_json)
