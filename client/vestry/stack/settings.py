"""The settings that concern the whole; every other one is passed to the services as it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Self

from vestry.embedded.errors import CannotStart
from vestry_service.base_url import BaseUrl, find_base_url
from vestry_service.errors import StartError
from vestry_service.parsers import listed, listen_address, port
from vestry_service.settings import Environment, Variable, computed, load, setting

_PORTS = [
    Variable("PORT", port, default=3000),
    Variable("VERIFIER_PORT", port, default=4000),
    Variable("INTERNAL_PORT", port, default=3001),
    Variable("VERIFIER_INTERNAL_PORT", port, default=4001),
]
_WILDCARDS = {"localhost": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def _ports(env: Environment) -> dict[str, int]:
    ports: dict[str, int] = {variable.name: env.get(variable) for variable in _PORTS}
    for one, other in combinations(ports, 2):
        if ports[one] == ports[other] is not None:
            env.problems.append(f"{one} and {other} are both {ports[one]}: they must differ")
    return ports


def _is_open(name: str) -> bool:
    """A field that says whether neither `name` nor `name_FILE` is set."""
    field: bool = computed(lambda env: env.text(name) is None and env.text(f"{name}_FILE") is None)
    return field


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSettings:
    """What `vestry up` itself has to know.

    Attributes:
        public: the base URL.
        ports: by the variable that sets each.
        bind: addresses of the public ports.
        internal_bind: addresses of the internal ports.
        data_dir: where the embedded stores keep their data.
        own_database: start a Postgres.
        own_redis: start a Valkey.
        given_registrar: where the verifier asks, if not the registrar that is started here.
    """

    public: BaseUrl = computed(find_base_url)  # noqa: RUF009 - a field like the others
    ports: Mapping[str, int] = computed(_ports)
    bind: tuple[str, ...] = setting("BIND", listed(listen_address), default=("localhost",))
    internal_bind: tuple[str, ...] = setting("INTERNAL_BIND", listed(listen_address), default=("127.0.0.1",))
    data_dir: Path = setting("DATA_DIR", Path, default=Path(".vestry"))  # noqa: RUF009
    own_database: bool = _is_open("DATABASE_URL")
    own_redis: bool = _is_open("REDIS_URL")
    given_registrar: str | None = computed(lambda env: env.text("REGISTRAR_URL"))

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read the environment.

        Raises:
            CannotStart: something is wrong; the message lists all of it.
        """
        try:
            return load(cls, environ)
        except StartError as error:
            raise CannotStart(str(error)) from error

    @property
    def registrar_url(self) -> str:
        """Where the verifier asks the registrar."""
        return self.given_registrar or f"http://{self.internal_host}:{self.ports['INTERNAL_PORT']}"

    @property
    def internal_host(self) -> str:
        """The host of a URL under which the internal ports are reached from this machine."""
        first = self.internal_bind[0] if self.internal_bind else "localhost"
        address = _WILDCARDS.get(first, first)
        return f"[{address}]" if ":" in address else address
