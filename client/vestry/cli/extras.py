"""What an extra brings, and the one line that says it is missing.

The lists stand in the package's own metadata, so there is no second one here that could fall behind.
"""

import re
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version

import click

_REQUIREMENT = re.compile(r"""^(?P<name>[A-Za-z0-9._-]+).*;.*\bextra\s*==\s*['"](?P<extra>[^'"]+)['"]""")


def _installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def missing(
    extra: str,
    requirements: Callable[[str], list[str] | None] = requires,
    installed: Callable[[str], bool] = _installed,
) -> list[str]:
    """Name the distributions of vestry's `extra` that are not installed."""
    found = (_REQUIREMENT.match(requirement) for requirement in requirements("vestry") or [])
    wanted = [match["name"] for match in found if match and match["extra"] == extra]
    return [name for name in wanted if not installed(name)]


def need(*extras: str) -> None:
    """End with code 2 and one line unless everything these extras bring is installed."""
    lacking = [extra for extra in extras if missing(extra)]
    if lacking:
        click.echo(f"this needs more packages: pip install 'vestry[{','.join(lacking)}]'", err=True)
        sys.exit(2)
