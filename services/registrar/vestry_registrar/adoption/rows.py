"""The rows of a vestauth database as they are: nothing is believed yet, so everything may be missing.

Times stay text: they are kept and never computed with, and Postgres knows some (`infinity`) that Python does not.
"""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import psycopg

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

AGENTS: Final = "SELECT id, uid, created_at::text, updated_at::text FROM agents ORDER BY id"

KEYS: Final = """
    SELECT id, agent_id, kid, value::text, state, created_at::text, updated_at::text FROM public_jwks ORDER BY id
"""

# Times are written as text and read back, here and perhaps in another database: both must mean the same.
ONE_SPELLING: Final = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'"


@dataclass(frozen=True, slots=True)
class AgentRow:
    """A row of `agents`; the uid should be 24 hex digits."""

    id: int
    uid: str | None
    created_at: str | None
    updated_at: str | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A row of `public_jwks`; `value` is JSON text, and should be a JWK."""

    id: int
    agent_id: int | None
    kid: str | None
    value: str | None
    state: str | None
    created_at: str | None
    updated_at: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """Everything that a vestauth database says of agents."""

    agents: list[AgentRow]
    keys: list[KeyRow]


def read(connection: Connection) -> Source:
    """Read both tables; in a transaction that has locked them."""
    connection.execute(ONE_SPELLING)
    agents = [AgentRow(*row) for row in connection.execute(AGENTS)]
    return Source(agents, [KeyRow(*row) for row in connection.execute(KEYS)])
