"""Which services there are, and what each of them is told.

Both get the whole environment with what was left open filled in. The verifier alone gets no database: it
has no business there, so it should not hold the key either.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vestry.stack.service import Service
from vestry.stack.settings import StackSettings


@dataclass(frozen=True, slots=True)
class Role:
    """A service to run.

    Attributes:
        name: for people.
        command: absolute path of the program, then its arguments.
        health: the variable that sets the port where it answers `/readyz`.
        secrets: variables that are not for it (nor the same with `_FILE`).
    """

    name: str
    command: Sequence[str]
    health: str
    secrets: frozenset[str] = frozenset()


# -P: whatever lies in the folder where somebody starts us is not ours to import.
ROLES = (
    Role("registrar", (sys.executable, "-P", "-m", "vestry_registrar"), "INTERNAL_PORT"),
    Role(
        "verifier",
        (sys.executable, "-P", "-m", "vestry_verifier"),
        "VERIFIER_INTERNAL_PORT",
        frozenset({"DATABASE_URL"}),
    ),
)


def services(
    roles: Sequence[Role], settings: StackSettings, environ: Mapping[str, str], stores: Mapping[str, str]
) -> list[Service]:
    """Make the services, not yet running.

    Args:
        roles: in the order they start.
        settings: of the whole.
        environ: ours.
        stores: URLs of the embedded stores by the variables that name them.
    """
    filled = {
        **environ,
        **{name: str(port) for name, port in settings.ports.items()},
        "BIND": ",".join(settings.bind),
        "INTERNAL_BIND": ",".join(settings.internal_bind),
        "REGISTRAR_URL": settings.registrar_url,
        **stores,
    }
    # A service sees a pipe of ours; whether people read along is for us to know.
    if sys.stderr.isatty():
        filled.setdefault("LOG_FORMAT", "console")
    host = settings.internal_host
    return [
        Service(
            role.name, role.command, _without(filled, role.secrets), f"{host}:{settings.ports[role.health]}"
        )
        for role in roles
    ]


def _without(environ: Mapping[str, str], secrets: frozenset[str]) -> dict[str, str]:
    hidden = secrets | {f"{name}_FILE" for name in secrets}
    return {name: value for name, value in environ.items() if name not in hidden}
