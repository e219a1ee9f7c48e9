"""How many there are of each state."""

from typing import Final

from vestry_registrar.repository.edge import Executor, edge

# Agents by state; a state that no agent has is not in the result.
AGENTS_BY_STATE: Final = "SELECT state, count(*) AS number FROM agents GROUP BY state"

# Tools by state.
TOOLS_BY_STATE: Final = "SELECT state, count(*) AS number FROM tools GROUP BY state"

# Keys of agents and tools by state.
KEYS_BY_STATE: Final = "SELECT state, count(*) AS number FROM public_jwks GROUP BY state"


async def agents_by_state(executor: Executor) -> dict[str, int]:
    """Count agents by state; every known state is there. Raises DatabaseUnavailable."""
    none = {"active": 0, "suspended": 0, "pending": 0, "revoked": 0}
    return none | await _counted(executor, AGENTS_BY_STATE)


async def tools_by_state(executor: Executor) -> dict[str, int]:
    """Count tools by state; every known state is there. Raises DatabaseUnavailable."""
    return {"active": 0, "pending": 0, "revoked": 0} | await _counted(executor, TOOLS_BY_STATE)


async def keys_by_state(executor: Executor) -> dict[str, int]:
    """Count keys by state; every known state is there. Raises DatabaseUnavailable."""
    return dict.fromkeys(("active", "retiring", "revoked"), 0) | await _counted(executor, KEYS_BY_STATE)


async def _counted(executor: Executor, statement: str) -> dict[str, int]:
    async with edge(executor) as sql:
        return {row["state"]: row["number"] for row in await sql.fetch(statement)}
