"""`vestry admin`: everything an operator does, from a shell, over the admin API.

api.py       the API over HTTP
options.py   what the commands share: where, with which token, and the question before taking something away
show.py      tables and JSON
agents.py, tools.py, tokens.py, counts.py    the commands, by noun
"""

import click

from vestry.cli.admin.agents import agents, keys
from vestry.cli.admin.counts import counts
from vestry.cli.admin.tokens import tokens
from vestry.cli.admin.tools import tools


@click.group()
def admin() -> None:
    """Look after agents, tools and tokens, at the registrar's internal port.

    The token of an operator (vestry operator create) is taken from VESTRY_ADMIN_TOKEN or --token-file.
    """


for command in (agents, keys, tools, tokens, counts):
    admin.add_command(command)
