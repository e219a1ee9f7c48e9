"""Settings come from the environment, are read once at the start, and are complained about all at once.

A settings class is a frozen dataclass whose fields say which variable they come from:

    clock_skew: int = setting("CLOCK_SKEW", whole_number(0, 3600), default=60)

`load` reads every field, collects everything that is missing or wrong, and raises one `SettingsError` that
lists it all: whoever starts a service mends everything in one go. A secret may also come from the file that
`NAME_FILE` names, is never part of a message, and is left out of the class's repr.

A field that depends on several variables is computed by a function of the `Environment` (`computed`), which may
also warn; warnings are for the service to log, since no logger exists yet.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from vestry_service.errors import StartError

T = TypeVar("T")
Parse = Callable[[str], T]
_METADATA: Final = "vestry"


class SettingsError(StartError):
    """Settings are missing or wrong; the text lists all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            "cannot start, these settings must be mended:\n" + "\n".join(f"  {p}" for p in problems)
        )
        self.problems = problems


class Required:
    """Marks a variable without a default."""


REQUIRED: Final = Required()


@dataclasses.dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the environment.

    Attributes:
        name: of the variable.
        parse: makes a value of its text, or raises ValueError saying what is accepted.
        default: the value when it is unset or empty; `REQUIRED` when there must be one.
        secret: whether `NAME_FILE` may hold it, and nobody may see it.
        older: a former name, read when the variable is unset.
    """

    name: str
    parse: Parse[Any]
    default: object = REQUIRED
    secret: bool = False
    older: str | None = None


class Environment:
    """Reads variables, and remembers what was wrong with them and what deserves a warning."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._read: dict[str, Any] = {}
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def text(self, name: str) -> str | None:
        """Return the trimmed text of a variable; None when it is unset or empty."""
        return self._environ.get(name, "").strip() or None

    def get(self, variable: Variable) -> Any:
        """Return the value of a variable, the same each time. A problem is noted once, and gives None."""
        return self.once(variable.name, lambda _: self._get(variable))

    def once(self, name: str, compute: Callable[["Environment"], Any]) -> Any:
        """Return what `compute` finds, the same each time, so that its problems and warnings are noted once."""
        if name not in self._read:
            self._read[name] = compute(self)
        return self._read[name]

    def _get(self, variable: Variable) -> Any:
        name, text = self._find(variable)
        if text is None:
            if isinstance(variable.default, Required):
                self.problems.append(_missing(variable))
                return None
            return variable.default
        try:
            return variable.parse(text)
        except ValueError as error:
            shown = "" if variable.secret else f" {text[:80]!r}"
            self.problems.append(f"{name}{shown}: {error}")
            return None

    def _find(self, variable: Variable) -> tuple[str, str | None]:
        text = self.text(variable.name)
        if variable.secret:
            return variable.name, self._secret(variable, text)
        if text is None and variable.older is not None and (older := self.text(variable.older)):
            return variable.older, older
        return variable.name, text

    def _secret(self, variable: Variable, text: str | None) -> str | None:
        name = f"{variable.name}_FILE"
        path = self.text(name)
        if path is None:
            return text
        if text is not None:
            self.problems.append(f"{variable.name} and {name} are both set: set one of them")
            return None
        try:
            found = Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self.problems.append(f"{name}: the file cannot be read: {why}")
            return None
        if not found:
            self.problems.append(f"{name}: the file is empty")
        return found or None


def _missing(variable: Variable) -> str:
    or_file = f" (or {variable.name}_FILE)" if variable.secret else ""
    return f"{variable.name}{or_file} is missing"


def setting(
    name: str,
    parse: Parse[Any],
    *,
    default: object = REQUIRED,
    secret: bool = False,
    older: str | None = None,
) -> Any:
    """Return a dataclass field that is read from the variable `name`; see `Variable`."""
    variable = Variable(name, parse, default, secret, older)
    return dataclasses.field(repr=not secret, metadata={_METADATA: lambda env: env.get(variable)})


def computed(compute: Callable[[Environment], Any]) -> Any:
    """Return a dataclass field that `compute` finds in the environment."""
    return dataclasses.field(metadata={_METADATA: compute})


def load(cls: type[T], environ: Mapping[str, str]) -> T:
    """Return the settings that `environ` gives for the dataclass `cls`.

    Raises:
        SettingsError: something is missing or wrong; its text names every variable and no secret.
    """
    env = Environment(environ)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if _METADATA in field.metadata:
            values[field.name] = field.metadata[_METADATA](env)
    if env.problems:
        raise SettingsError(list(dict.fromkeys(env.problems)))
    if any(field.name == "warnings" for field in dataclasses.fields(cls)):  # type: ignore[arg-type]
        values["warnings"] = tuple(env.warnings)
    return cls(**values)
