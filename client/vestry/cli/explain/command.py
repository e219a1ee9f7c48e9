"""The command `vestry explain`: where the request comes from, whom it asks, which code it ends with."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from vestry.cli.database import CannotLook
from vestry.cli.explain.report import report
from vestry.cli.explain.saved import CURL, Question, of_curl, read
from vestry.cli.explain.words import words_of
from vestry.cli.json_over_http import JsonOverHttp


def _internal_port() -> str:
    return f"http://127.0.0.1:{os.environ.get('VERIFIER_INTERNAL_PORT') or 4001}"


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("request_", metavar="[FILE | -- curl …]", nargs=-1)
@click.option("--curl", "line", metavar="LINE", help="A line of curl, in quotes.")
@click.option(
    "--scheme", type=click.Choice(["http", "https"]), help="Of a request in HTTP, which does not say it."
)
@click.option(
    "--verifier",
    metavar="URL",
    envvar="VESTRY_VERIFIER_URL",
    default=_internal_port,
    show_default="http://127.0.0.1:4001, or VERIFIER_INTERNAL_PORT there",
    show_envvar=True,
    help="The verifier's internal port, or its public one with a token.",
)
@click.option(
    "--token", envvar="VESTRY_TOOL_TOKEN", show_envvar=True, help="A tool's token: told by that tool's rules."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def explain(
    request_: Sequence[str],
    line: str | None,
    scheme: str | None,
    verifier: str,
    token: str | None,
    *,
    as_json: bool,
) -> None:
    """Say why a request would be refused, check by check; it is not used up.

    The request is a FILE, or comes on standard input: HTTP as it was received, the JSON that /verify takes, or a line
    of curl. Or put the line of curl behind --. Nothing is sent to where the request goes.

    The code is 0 where it would verify, 1 where it would not, 2 where that could not be told.
    """
    question, warnings = _asked(request_, line, scheme)
    for warning in warnings:
        click.echo(f"note: {warning}", err=True)
    told = _told(question, verifier, token)
    if as_json:
        click.echo(json.dumps(told))
    else:
        click.echo(report(told, getattr(sys.stdout, "encoding", None) or "ascii"))
    if told["reason"] is not None:
        raise click.exceptions.Exit(1)


def _asked(request_: Sequence[str], line: str | None, scheme: str | None) -> tuple[Question, Sequence[str]]:
    if line is not None and request_:
        raise click.UsageError("one request, please: a FILE, --curl or standard input")
    try:
        if line is not None:
            words = words_of(line)
            return of_curl(words[1:] if words and CURL.fullmatch(words[0]) else words)
        if request_ and CURL.fullmatch(request_[0]):
            return of_curl(request_[1:])
        if len(request_) > 1:
            raise click.UsageError("one FILE, or a line of curl behind --")
        if not request_ and sys.stdin.isatty():
            raise click.UsageError(
                "which request? A FILE, --curl, a line of curl behind --, or standard input"
            )
        return read(_data(request_[0] if request_ else "-"), scheme)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"{error.filename} cannot be read: {error.strerror}") from None


def _data(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def _told(question: Question, verifier: str, token: str | None) -> dict[str, Any]:
    if token is not None and (not token.isascii() or not token.isprintable() or " " in token or not token):
        raise click.UsageError("that is no token of a tool")
    try:
        return JsonOverHttp(verifier, token, "a verifier", "--verifier", "--token or VESTRY_TOOL_TOKEN").call(
            "POST", "/verify/explain", question
        )
    except click.BadParameter:
        raise
    except click.ClickException as error:
        # Its public port shows nothing to whoever has not the right.
        hint = "; --verifier must name an internal port, or --token be of a tool that may `explain`"
        raise CannotLook(error.message + hint * error.message.startswith("[NOT_FOUND]")) from None
