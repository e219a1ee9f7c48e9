"""Who may use the admin API."""

from dataclasses import dataclass
from typing import Final

from vestry_registrar.repository.edge import Executor, edge

# A new operator; no row where somebody has the name now.
ADD: Final = """
    INSERT INTO operators (name, token_hash) VALUES ($1, $2)
    ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
    RETURNING id
"""

# The operator of this name is none any more; no row where there is none.
REVOKE: Final = """
    UPDATE operators SET revoked_at = clock_timestamp() WHERE name = $1 AND revoked_at IS NULL RETURNING id
"""

# Everybody who may, with the hash of the token.
STANDING: Final = "SELECT name, token_hash FROM operators WHERE revoked_at IS NULL ORDER BY id"

# Everybody who ever might, in the order they came.
ALL: Final = """
    SELECT name, extract(epoch FROM created_at)::bigint AS created_at,
           extract(epoch FROM revoked_at)::bigint AS revoked_at
    FROM operators ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Credential:
    """An operator's name and the SHA-256 of the token."""

    name: str
    token_hash: bytes


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator, present or past; Unix seconds. `revoked_at` is None while the token counts."""

    name: str
    created_at: int
    revoked_at: int | None


async def add(executor: Executor, name: str, token_hash: bytes) -> bool:
    """Add an operator; False where somebody has that name now. Raises DatabaseUnavailable."""
    async with edge(executor) as sql:
        return await sql.fetchval(ADD, name, token_hash) is not None


async def revoke(executor: Executor, name: str) -> bool:
    """Take an operator's token out of use; False where there is no such operator. Raises DatabaseUnavailable."""
    async with edge(executor) as sql:
        return await sql.fetchval(REVOKE, name) is not None


async def standing(executor: Executor) -> list[Credential]:
    """Return everybody whose token counts. Raises DatabaseUnavailable."""
    async with edge(executor) as sql:
        return [Credential(row["name"], row["token_hash"]) for row in await sql.fetch(STANDING)]


async def everybody(executor: Executor) -> list[Operator]:
    """Return every operator there ever was. Raises DatabaseUnavailable."""
    async with edge(executor) as sql:
        return [Operator(row["name"], row["created_at"], row["revoked_at"]) for row in await sql.fetch(ALL)]
