"""`vestry audit`: is the trail whole, what does it say, and who could sign?"""

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from vestry.cli import audit_text as told
from vestry.cli.database import database

JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")


def _moment(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime:
    """Read Unix seconds or ISO 8601, in UTC where it names no zone; now, where nothing is said."""
    if value is None:
        return datetime.now(UTC)
    try:
        if value.replace(".", "", 1).isdecimal():
            return datetime.fromtimestamp(float(value), UTC)
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter("neither ISO 8601 (2026-11-17T09:30:00Z) nor Unix seconds") from None


@click.group()
def audit() -> None:
    """Read the audit trail: is it whole, and what does it say?

    Of the database at DATABASE_URL, or of the stack whose data is in DATA_DIR (default .vestry).
    """


@audit.command()
@click.option(
    "--head", "noted", metavar="SEQ:HASH", help="A head noted earlier, which the chain must have had."
)
def verify(noted: str | None) -> None:
    """Walk the chain and print its head, SEQ:HASH, or name the first break.

    Without --head a chain that somebody made anew as a whole, its head too, looks whole. Heads are in the
    registrar's log (audit_sealed). The code is 0 for whole, 1 for broken, 2 where it could not be told.
    """
    with database(os.environ) as url:
        from vestry.cli import audit_answers as answers

        try:
            verdict = answers.verdict(url, noted)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--head") from None
    if verdict.broken is not None:
        click.echo(f"broken at {verdict.broken}", err=True)
        raise click.exceptions.Exit(1)
    if verdict.unsealed:
        click.echo(f"not in the chain yet, so not protected: {verdict.unsealed}", err=True)
    click.echo(verdict.head)


@audit.command()
@click.option(
    "--since", metavar="SEQ", type=click.IntRange(min=0), default=0, help="Only links after this one."
)
def export(since: int) -> None:
    """Print every sealed event with its link, one JSON object a line, the oldest first."""
    with database(os.environ) as url:
        from vestry.cli import audit_answers as answers

        answers.export(url, since, sys.stdout)


@audit.command()
@click.argument("uid")
@click.option(
    "--at", callback=_moment, metavar="TIME", help="ISO 8601 (UTC if it names no zone) or Unix seconds; now."
)
@JSON
def who(uid: str, at: datetime, *, as_json: bool) -> None:
    """Say which keys could sign as UID at a time, since when, and by whose doing."""
    with database(os.environ) as url:
        from vestry.cli import audit_answers as answers

        answer = answers.who(url, uid, at)
    _show(answer, told.who(answer), as_json=as_json)


@audit.command()
@click.argument("uid")
@click.option("-n", "count", type=click.IntRange(min=1), default=20, help="How many at most (20).")
@JSON
def tail(uid: str, count: int, *, as_json: bool) -> None:
    """Print what was done to UID last, the latest at the end."""
    with database(os.environ) as url:
        from vestry.cli import audit_answers as answers

        events = answers.events(url, uid)[-count:]
    for event in events:
        _show(event, told.event(event), as_json=as_json)


def _show(facts: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    click.echo(json.dumps(facts, default=str) if as_json else text)
