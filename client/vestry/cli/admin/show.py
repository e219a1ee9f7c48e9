"""What commands print: tables for people, JSON for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

NOT_PUBLISHED = (
    "It is done, and Redis does not know yet: while Redis is away nothing verifies. It will be told by itself; "
    "give the same command again to see when."
)


def moment(seconds: int | None) -> str:
    """Return a time in UTC, as people read it; `-` for none."""
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def cell(name: str, value: Any) -> str:
    """Return one value for a table, on one line, with nothing that a terminal would obey."""
    if value is None:
        return "-"
    if name == "at" or name.endswith(("_at", "_before", "_after")):
        return moment(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {inner}" for key, inner in value.items()) or "-"
    return "".join(char if char.isprintable() else "?" for char in str(value))


def table(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as a table under their names."""
    lines = [[name.replace("_", " ") for name in names]]
    lines += [[cell(name, row.get(name)) for name in names] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def facts(names: Sequence[str], row: Mapping[str, Any]) -> str:
    """Return one thing's facts, one a line."""
    width = max(len(name) for name in names)
    return "\n".join(f"{name.replace('_', ' ').ljust(width)}  {cell(name, row.get(name))}" for name in names)


def page(name: str, names: Sequence[str], found: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one page of a list, and how to get the next."""
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(table(names, found[name]))
    if found["next"] is not None:
        click.echo(f"there are more: --cursor {found['next']}", err=True)


def done(answer: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print what a change came to."""
    click.echo(json.dumps(answer) if as_json else text)
    if answer.get("published") is False:
        click.echo(NOT_PUBLISHED, err=True)
