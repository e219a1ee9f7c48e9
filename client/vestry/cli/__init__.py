"""The command `vestry`: one small module a command, nothing heavy imported before it is needed."""

import click

import vestry
from vestry.cli.admin import admin
from vestry.cli.adopt import adopt
from vestry.cli.audit import audit
from vestry.cli.explain import explain
from vestry.cli.operator import operator
from vestry.cli.services import migrate, registrar, verifier
from vestry.cli.tool import tool
from vestry.cli.up import up


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(vestry.__version__, prog_name="vestry", message="%(prog)s %(version)s")
def main() -> None:
    """Identity for software agents that you host yourself.

    Every setting is an environment variable; the README lists them.
    """


for command in (up, registrar, verifier, migrate):
    main.add_command(command)
main.add_command(adopt)
main.add_command(audit)
main.add_command(admin)
main.add_command(operator)
main.add_command(tool)
main.add_command(explain)
