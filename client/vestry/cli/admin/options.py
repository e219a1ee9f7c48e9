"""The options that commands of `vestry admin` share, and the question before a step that takes something away."""

import functools
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from vestry.cli.admin.api import Api

F = TypeVar("F", bound=Callable[..., Any])
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd]?)", re.ASCII)


def _life(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """Read seconds, or a number with s, m, h or d."""
    if value is None:
        return None
    found = _DURATION.fullmatch(value)
    if found is None:
        raise click.BadParameter("a number of seconds, or one with s, m, h or d, like 12h")
    return int(found[1]) * _SECONDS[found[2] or "s"]


reason = click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the audit trail.")
yes = click.option("--yes", is_flag=True, help="Do not ask.")
limit = click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="Rows.")
cursor = click.option("--cursor", metavar="WORD", help="Go on where another page ended.")
expires_in = click.option(
    "--expires-in", callback=_life, metavar="TIME", help="How long it counts: seconds, or 30m, 12h, 7d."
)


def calling(command: F) -> Callable[..., Any]:
    """Give a command `api`, made of the options that say where and with which token, and `as_json`."""

    @click.option(
        "--url",
        envvar="VESTRY_ADMIN_URL",
        default="http://127.0.0.1:3001",
        show_default=True,
        show_envvar=True,
        help="The registrar's internal port.",
    )
    @click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        help="File that holds the operator's token; else VESTRY_ADMIN_TOKEN.",
    )
    @click.option("--json", "as_json", is_flag=True, help="For programs.")
    @functools.wraps(command)
    def called(*, url: str, token_file: Path | None, **others: Any) -> Any:
        return command(api=Api(url, _token(token_file)), **others)

    return called


def _token(file: Path | None) -> str:
    if file is None:
        token = os.environ.get("VESTRY_ADMIN_TOKEN", "").strip()
        if not token:
            raise click.UsageError(
                "set VESTRY_ADMIN_TOKEN or --token-file: vestry operator create makes a token"
            )
        return _plain(token)
    try:
        return _plain(file.read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise click.BadParameter(f"{file} cannot be read: {why}", param_hint="--token-file") from None


def _plain(token: str) -> str:
    """Refuse what is no token and would break a header."""
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        raise click.UsageError("that is no operator's token: it begins with vestry_op_")
    return token


def sure(what: str, *, yes: bool) -> None:
    """Say what will be done, and go on only if that is wanted.

    Raises:
        click.UsageError: nobody can be asked. click.Abort: no.
    """
    click.echo(what, err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to be asked: --yes if that is what you want")
    click.confirm("Go on?", abort=True, err=True)
