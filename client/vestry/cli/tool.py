"""`vestry tool`: for whoever runs a verifier with a file of tools."""

import json

import click

from vestry.cli.extras import need


@click.group()
def tool() -> None:
    """Tools of a verifier that has a file of them (TOOLS_FILE)."""


@tool.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def token(*, as_json: bool) -> None:
    """Make a token for a tool, and print what TOOLS_FILE holds of it.

    The tool sends the token with every question; the file has its SHA-256 alone, which nobody can use.
    """
    need("server")
    from vestry_verifier.tool_tokens import digest, make

    made = make()
    hashed = digest(made).hex()
    if as_json:
        click.echo(json.dumps({"token": made, "sha256": hashed}))
        return
    click.echo("Give this token to the tool; it cannot be shown again.", err=True)
    click.echo(made)
    click.echo("Write its SHA-256 into TOOLS_FILE:", err=True)
    click.echo(f'tokens = ["{hashed}"]')


@tool.command()
@click.argument("path", type=click.Path(dir_okay=False))
def check(path: str) -> None:
    """Say whether the verifier would take the file at PATH, and all that is wrong with it where not.

    By the settings in the environment: a profile that PROFILES leaves out is wrong.
    """
    need("server")
    import os

    from vestry_service.errors import StartError
    from vestry_service.policy import policy_of
    from vestry_service.start import read_settings
    from vestry_verifier.settings import VerifierSettings
    from vestry_verifier.tool_policy import ToolPolicy
    from vestry_verifier.tools_file.book import read_book
    from vestry_verifier.tools_file.source import Source

    # Where the verifier's Redis is says nothing about the file.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REDIS_URL")}
    environ["REDIS_URL"] = "redis://localhost"
    try:
        base = ToolPolicy("open", policy_of(read_settings(VerifierSettings, environ)))
        data, _ = Source(path).read()
        book = read_book(data, base)
    except StartError as error:
        raise click.ClickException(str(error)) from None
    default = "without a token: default" if book.default else "nobody may ask without a token"
    click.echo(f"tools with tokens: {', '.join(book.names) or 'none'}; {default}")
