"""One table of a TOML file, read with suspicion.

Everything wrong is remembered, so whoever wrote the file mends it in one go. A name that is not known is wrong
too: a `deny` that is spelled `denny` would otherwise be a policy that nobody keeps.
"""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
D = TypeVar("D")
Read = Callable[[Any], T]
"""Makes something of a value, or raises ValueError with a sentence that says what is accepted."""


class Table:
    """A table and what was wrong with it."""

    def __init__(self, values: dict[str, Any], where: str, problems: list[str]) -> None:
        """Take the values, how messages call the table (empty for the file itself), and a list to complain to."""
        self._left = dict(values)
        self._where = where
        self._problems = problems

    def take(self, name: str, read: Read[T], default: D) -> T | D:
        """Return what `read` makes of a value; `default` where it is missing, or wrong."""
        if name not in self._left:
            return default
        try:
            return read(self._left.pop(name))
        except ValueError as error:
            self.complain(name, str(error))
            return default

    def need(self, name: str, read: Read[T], default: D) -> T | D:
        """Do as `take`, and complain where the value is missing."""
        if name not in self._left:
            self.complain(name, "is missing")
        return self.take(name, read, default)

    def tables(self, name: str) -> "list[tuple[str, Table]]":
        """Return the tables below `name` by their names."""
        below = self._left.pop(name, {})
        if not isinstance(below, dict):
            self.complain(name, f"must be tables like [{name}.name]")
            return []
        return [
            (key, found) for key, value in below.items() if (found := self._below(f"{name}.{key}", value))
        ]

    def table(self, name: str) -> "Table | None":
        """Return the table `name`, or None where there is none."""
        return self._below(name, self._left.pop(name)) if name in self._left else None

    def array(self, name: str) -> "list[Table] | None":
        """Return the tables of the array `name`, or None where there is none."""
        if name not in self._left:
            return None
        items = self._left.pop(name)
        if not isinstance(items, list):
            self.complain(name, f"must be tables like [[{self._named(name)}]]")
            return []
        named = [(f"{name}[{place}]", value) for place, value in enumerate(items, 1)]
        return [found for place, value in named if (found := self._below(place, value))]

    def close(self) -> None:
        """Complain of every name that nobody asked for."""
        for name in self._left:
            self.complain(name, "is not a name that is known here")

    def complain(self, name: str, what: str) -> None:
        """Remember that something is wrong with a value."""
        self._problems.append(f"{self._named(name).rstrip('.')} {what}")

    def _below(self, name: str, value: object) -> "Table | None":
        if isinstance(value, dict):
            return Table(value, self._named(name), self._problems)
        self.complain(name, "must be a table")
        return None

    def _named(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name
