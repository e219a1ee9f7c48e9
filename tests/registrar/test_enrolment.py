"""Registering a key gives it an owner: one, for ever, however many ask at once."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from records import SOMEBODY, Key, by, coming, migrated
from vestry_registrar.enrolment import register_agent, register_tool
from vestry_registrar.lifecycle import rotate
from vestry_registrar.repository.agents import find_pair
from vestry_service.errors import InternalError, KeyRevoked, KeyTaken
from vestry_service.live_records import LiveRecord
from vestry_service.postgres import Pool
from vestry_signatures.errors import DatabaseUnavailable


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as pool:
        yield pool


async def rows(pool: Pool) -> tuple[int, int, int]:
    """How many agents, tools and keys there are."""
    row = await pool.fetchrow(
        "SELECT (SELECT count(*) FROM agents), (SELECT count(*) FROM tools), (SELECT count(*) FROM public_jwks)"
    )
    return tuple(row)


async def test_a_new_key_gets_an_agent(pool: Pool) -> None:
    """The answer names a new uid, the kid and the key; the pair can be found; the record says it is active."""
    key = Key()
    enrolled = await register_agent(pool, key.jwk, key.kid, SOMEBODY)
    assert enrolled.uid.startswith("agent-")
    assert len(enrolled.uid) == len("agent-") + 24
    assert (enrolled.kid, enrolled.jwk, enrolled.is_new) == (key.kid, {**key.jwk, "kid": key.kid}, True)
    assert enrolled.record == LiveRecord(1, enrolled.uid, key.kid, "active", 0, 0, key.x)
    pair = await find_pair(pool, enrolled.uid, key.kid)
    assert pair is not None
    assert pair.record() == enrolled.record


async def test_the_same_key_again_gives_the_same_agent(pool: Pool) -> None:
    """Only `is_new` tells a repetition from the first time."""
    key = Key()
    first, again = [await register_agent(pool, key.jwk, key.kid, SOMEBODY) for _ in range(2)]
    assert (first.uid, first.jwk, first.record) == (again.uid, again.jwk, again.record)
    assert (first.is_new, again.is_new) == (True, False)


async def test_a_tool_registers_alike(pool: Pool) -> None:
    """A tool's uid has its own prefix, and its key asks again with the same result."""
    key = Key()
    first, again = [await register_tool(pool, key.jwk, key.kid, SOMEBODY) for _ in range(2)]
    assert first.uid.startswith("tool-")
    assert (first.uid, first.jwk, first.is_new, again.is_new) == (again.uid, again.jwk, True, False)
    assert await rows(pool) == (0, 1, 1)


async def test_in_both_ordinary_cases_one_statement_is_enough(pool: Pool) -> None:
    """A new key and a known one cost one trip to the database each."""
    statements: list[str] = []
    key = Key()
    async with pool.acquire() as connection:
        with connection.query_logger(lambda query: statements.append(query.query)):
            await register_agent(connection, key.jwk, key.kid, SOMEBODY)
            await register_agent(connection, key.jwk, key.kid, SOMEBODY)
    assert len(statements) == 2


@pytest.mark.parametrize("register", [register_agent, register_tool])
async def test_many_at_once_with_one_key_get_one_owner(pool: Pool, register: object) -> None:
    """Thirty-two requests at the same moment get one uid, and exactly one of them made it."""
    assert callable(register)
    key = Key()
    enrolled = await asyncio.gather(*(register(pool, key.jwk, key.kid, SOMEBODY) for _ in range(32)))
    assert len({one.uid for one in enrolled}) == 1
    assert sum(one.is_new for one in enrolled) == 1
    assert sorted(await rows(pool)) == [0, 1, 1]


async def test_a_key_taken_out_of_use_stays_so(pool: Pool) -> None:
    """The key that a rotation replaced cannot be registered again."""
    old, new = Key(), Key()
    agent = await register_agent(pool, old.jwk, old.kid, SOMEBODY)
    await rotate(pool, by(agent.uid, old.kid), coming(new))
    with pytest.raises(KeyRevoked):
        await register_agent(pool, old.jwk, old.kid, SOMEBODY)
    assert (await register_agent(pool, new.jwk, new.kid, SOMEBODY)).uid == agent.uid


async def test_a_tools_key_is_no_agents_key(pool: Pool) -> None:
    """One kid has one owner over agents and tools: the other kind is told that the key is taken."""
    tools, agents = Key(), Key()
    await register_tool(pool, tools.jwk, tools.kid, SOMEBODY)
    await register_agent(pool, agents.jwk, agents.kid, SOMEBODY)
    with pytest.raises(KeyTaken):
        await register_agent(pool, tools.jwk, tools.kid, SOMEBODY)
    with pytest.raises(KeyTaken):
        await register_tool(pool, agents.jwk, agents.kid, SOMEBODY)
    assert await rows(pool) == (1, 1, 2)


async def test_agent_and_tool_at_once_with_one_key(pool: Pool) -> None:
    """Of both kinds asking at the same moment one kind gets the key, and the other is told so."""
    for _ in range(10):
        key = Key()
        results = await asyncio.gather(
            *(register(pool, key.jwk, key.kid, SOMEBODY) for register in (register_agent, register_tool) * 4),
            return_exceptions=True,
        )
        owners = {getattr(result, "uid", None) for result in results} - {None}
        assert len(owners) == 1
        assert sum(isinstance(result, KeyTaken) for result in results) == 4
    assert sum((await rows(pool))[:2]) == 10


async def test_a_uid_in_use_is_drawn_again(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two agents never share a uid, and the second does not learn of the collision; nothing half-made is left."""
    draws = iter(["a" * 24, "a" * 24, "a" * 24, "b" * 24])
    monkeypatch.setattr(secrets, "token_hex", lambda _: next(draws))
    first, second = Key(), Key()
    assert (await register_agent(pool, first.jwk, first.kid, SOMEBODY)).uid == "agent-" + "a" * 24
    assert (await register_agent(pool, second.jwk, second.kid, SOMEBODY)).uid == "agent-" + "b" * 24
    assert await rows(pool) == (2, 0, 2)


async def test_drawing_ends(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source of uids that is stuck gives an error and no row, instead of an endless search."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "a" * 24)
    first, second = Key(), Key()
    await register_agent(pool, first.jwk, first.kid, SOMEBODY)
    with pytest.raises(InternalError):
        await register_agent(pool, second.jwk, second.kid, SOMEBODY)
    assert await rows(pool) == (1, 0, 1)


async def test_a_database_that_is_away_is_called_so(pool: Pool) -> None:
    """No connection is DatabaseUnavailable, whatever the driver calls it."""
    pool.terminate()
    with pytest.raises(DatabaseUnavailable):
        await register_agent(pool, Key().jwk, Key().kid, SOMEBODY)
